"""flows.provisioning where accounts are managed at a user server: nobody is let in before the application itself shows
the account, and no account is made under a name that the application has in a directory of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sidecar.domain.account import Account
from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.ledger import Deactivation
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, CredentialRefusedError
from sidecar.flows.foreseeing import Foresight
from sidecar.flows.provisioning import Accounts
from sidecar.flows.reach import Reach
from tests.flows.fake_accounts import ACCOUNTS, Directory, World, account, agent

WAIT = ACCOUNTS.sync_wait


def beside(world: World, application: Directory) -> World:
    """The world with an application of its own beside its directory."""
    reach = {"jira": Reach(world.directory, (), world.budget, application=application)}
    world.flow = Accounts(
        lambda: world.policy, reach, world.ledger, world.audit, world.clock, world.meter, world.memory
    )
    return world


def sync(world: World, application: Directory) -> None:
    """The application reads its directory."""
    application.accounts = dict(world.directory.accounts)


async def test_a_new_account_is_made_once_and_waited_for_until_the_application_shows_it() -> None:
    application = Directory()
    world = beside(World(), application)
    for seconds in (0, 5, 60):
        world.clock.time += seconds
        assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())
    sync(world, application)
    world.clock.time += 5
    assert "alice" == await world.visit(agent())
    assert (1, ["jira-users"]) == (world.directory.diary.count("create alice"), sorted(world.directory.groups("alice")))
    assert [] == [line for line in application.diary if not line.startswith("read")]


async def test_an_application_that_reads_its_directory_at_once_keeps_nobody_waiting() -> None:
    application, world = Directory(), World()
    application.accounts = world.directory.accounts
    assert "alice" == await beside(world, application).visit(agent())
    assert frozenset({"jira-users"}) == world.directory.groups("alice")


@pytest.mark.parametrize(
    ("shows", "missing"),
    [
        (lambda one: None, Reason.ACCOUNT_ABSENT),
        (lambda one: replace(one, active=False), Reason.ACCOUNT_INACTIVE),
        (lambda one: replace(one, groups=frozenset({"others"})), Reason.ACCOUNT_STEP_FAILED),
    ],
)
async def test_the_wait_has_an_end_that_says_what_is_missing(
    shows: Callable[[Account], Account | None], missing: Reason
) -> None:
    # Nothing is to be done at the user server, so this is no answer to a step of ours.
    world = World(Directory(account("alice", "jira-users")))
    world.pin(agent(), "alice")
    shown = shows(world.directory.accounts["alice"])
    beside(world, Directory(*([shown] if shown is not None else [])))
    for seconds in (0, WAIT / 2):
        world.clock.time += seconds
        assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())
    world.clock.time += WAIT
    with pytest.raises(AccountError, match="sync_wait") as caught:
        await world.visit(agent())
    assert (missing, False) == (caught.value.reason, caught.value.retry)
    assert [] == [line for line in world.directory.diary if not line.startswith("read")]


async def test_a_group_that_is_not_needed_keeps_nobody_waiting() -> None:
    application = Directory(account("alice", "jira-users"))
    world = beside(World(Directory(account("alice", "jira-users"))), application)
    world.pin(agent(), "alice")
    assert "alice" == await world.visit(agent(groups=("okta-users", "okta-more")))
    assert "jira-more" in world.directory.groups("alice")


async def test_a_name_that_the_application_has_of_its_own_gets_no_account_and_no_pin() -> None:
    application = Directory(account("alice", "robots"))
    world = beside(World(), application)
    assert Reason.ACCOUNT_NOT_ADOPTED is await world.refusal(agent())
    assert ([], {}) == (world.ledger.pins, world.directory.accounts)
    assert "in a directory of its own" in str(world.audit.events[-1].facts["detail"])
    assert [Code.ACCOUNT_REFUSED] == [event.code for event in world.audit.events]
    foresight = Foresight(lambda: world.policy, world.flow._reach, world.ledger, world.clock)
    foreseen = await foresight.foresee(world.order(agent()), agent())
    assert Reason.ACCOUNT_NOT_ADOPTED is getattr(foreseen.way, "reason", None)


async def test_the_account_of_the_look_itself_is_reserved() -> None:
    world = World(Directory(account("alice", "jira-users")))
    beside(world, Directory(replace(account("alice", "jira-users"), own=True)))
    assert Reason.ACCOUNT_RESERVED is await world.refusal(agent())


async def test_a_note_of_ours_is_gone_once_the_user_server_has_the_account_back() -> None:
    application = Directory(account("alice", "jira-users", active=False))
    world = beside(World(Directory(account("alice", "jira-users", active=False))), application)
    world.pin(agent(), "alice")
    note = Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(1))
    await world.ledger.note_deactivation(note)
    assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())
    assert (True, {}) == (world.directory.accounts["alice"].active, world.ledger.deactivations)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AccountError(Reason.CONNECTOR_UNREACHABLE, "down"), Reason.CONNECTOR_UNREACHABLE),
        (CredentialRefusedError("dead"), Reason.CONNECTOR_REFUSED),
    ],
)
async def test_an_application_that_does_not_say_lets_nobody_new_in(error: AccountError, reason: Reason) -> None:
    class Silent(Directory):
        async def read(self, username: str) -> Account | None:
            raise error

    world = beside(World(), Silent())
    assert reason is await world.refusal(agent())
    assert {} == world.directory.accounts
