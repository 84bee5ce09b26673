"""flows.provisioning while no token is taken: people who are known are served as they were, and nobody has more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.account import Account, Removal
from sidecar.domain.events import Code
from sidecar.domain.identity import Groups, UnixSeconds
from sidecar.domain.ledger import Deactivation
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, CredentialRefusedError
from sidecar.flows.provisioning import Memory
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, TRACE, Directory, World, account, agent, make_policy

HOUR = 3600
USERS = ("okta-more", "okta-users")


class Locked(Directory):
    """Takes no token while `locked`."""

    locked = False

    async def read(self, username: str) -> Account | None:
        found = await super().read(username)
        if self.locked:
            raise CredentialRefusedError("the token is dead")
        return found


async def known(world: World, groups: Groups = USERS) -> Locked:
    """Alice was let in; then the token died, and what was remembered ran out."""
    assert "Alice" == await world.visit(agent(groups=groups))
    directory = world.directory
    assert isinstance(directory, Locked)
    directory.locked = True
    world.clock.time += HOUR
    world.audit.events.clear()
    return directory


def a_world(removal: Removal = Removal.OWNED) -> World:
    world = World(Locked(account("Alice", "jira-users", "by-hand")))
    world.policy = make_policy(ACCOUNTS, replace(GROUPS, remove=removal))
    return world


async def test_who_is_known_is_served_with_the_account_as_it_was() -> None:
    world = a_world()
    directory = await known(world)
    directory.diary.clear()
    assert "Alice" == await world.visit(agent(groups=USERS))
    assert ["read alice"] == directory.diary
    (told,) = world.audit.events
    assert (Code.ACCOUNT_FAILED, Reason.CONNECTOR_REFUSED) == (told.code, told.reason)
    assert (False, "Alice") == (told.facts["keeps_out"], told.facts["account"])


async def test_it_is_told_once_an_hour_and_looked_for_every_minute() -> None:
    world = a_world()
    directory = await known(world)
    directory.diary.clear()
    for _ in range(3):
        await world.visit(agent(groups=USERS))
        world.clock.time += 61
    assert (1, 3) == (len(world.audit.events), len(directory.diary))
    directory.locked = False
    await world.visit(agent(groups=USERS))
    assert "jira-more" in directory.groups("alice")


async def test_who_was_told_of_is_not_remembered_without_end() -> None:
    world = World(Locked(account("Alice", "jira-users", "by-hand")), memory=Memory(entries=0))
    world.policy = make_policy(ACCOUNTS, replace(GROUPS, remove=Removal.OWNED))
    _ = await known(world)
    for number in range(1, 4):
        await world.visit(agent(groups=USERS))
        assert (number, 0) == (len(world.audit.events), len(world.flow._unseen._told))


async def test_a_new_sign_in_is_served_too() -> None:
    world = a_world()
    await known(world)
    person = agent(groups=USERS)
    assert "Alice" == await world.flow.ensure(world.order(person), person, replace(TRACE, session="another"))


@pytest.mark.parametrize(
    ("groups", "removal", "served"),
    [
        (USERS, Removal.OWNED, True),
        ((*USERS, "okta-new"), Removal.OWNED, True),
        (None, Removal.OWNED, True),
        (("okta-users",), Removal.OWNED, False),
        (("okta-users",), Removal.MAPPED, False),
        (("okta-users",), Removal.NEVER, True),
        (("okta-more",), Removal.OWNED, False),
        ((), Removal.OWNED, False),
    ],
)
async def test_nobody_keeps_what_was_taken_from_them(groups: Groups, removal: Removal, served: bool) -> None:
    world = a_world(removal)
    await known(world)
    if served:
        assert "Alice" == await world.visit(agent(groups=groups))
    else:
        assert Reason.CONNECTOR_REFUSED is await world.refusal(agent(groups=groups))


async def test_a_group_that_somebody_gains_waits_and_is_told() -> None:
    world = a_world()
    await known(world)
    await world.visit(agent(groups=(*USERS, "okta-new")))
    assert ("jira-new",) == world.audit.events[0].facts["waiting"]


async def test_a_group_that_becomes_needed_keeps_out_unless_it_was_needed_before() -> None:
    world = a_world()
    await known(world)
    world.policy = make_policy(ACCOUNTS, replace(GROUPS, needed=frozenset({"jira-users", "jira-more"})), "h2")
    assert Reason.CONNECTOR_REFUSED is await world.refusal(agent(groups=USERS))


async def test_what_is_ours_and_not_ordered_keeps_out_even_if_it_was_capped_before() -> None:
    world = a_world()
    await known(world)
    world.own("alice", "jira-old")
    assert Reason.CONNECTOR_REFUSED is await world.refusal(agent(groups=USERS))


async def test_unknown_groups_do_not_make_the_known_ones_forgotten() -> None:
    world = a_world()
    await world.visit(agent(groups=USERS))
    world.clock.time += HOUR
    await world.visit(agent(groups=None))
    world.directory.locked = True  # type: ignore[attr-defined]
    world.clock.time += HOUR
    assert Reason.CONNECTOR_REFUSED is await world.refusal(agent(groups=("okta-users",)))
    assert "Alice" == await world.visit(agent(groups=USERS))


@pytest.mark.parametrize("passed", [604_800 - HOUR, 604_801 - HOUR])
async def test_the_bound_counts_from_the_last_look_and_not_from_the_last_visit(passed: int) -> None:
    world = a_world()
    await known(world)
    await world.visit(agent(groups=USERS))
    world.clock.time += passed
    if passed + HOUR <= ACCOUNTS.serve_known:
        assert "Alice" == await world.visit(agent(groups=USERS))
    else:
        assert Reason.CONNECTOR_REFUSED is await world.refusal(agent(groups=USERS))


async def test_the_setting_can_switch_it_off() -> None:
    world = a_world()
    world.policy = make_policy(replace(ACCOUNTS, serve_known=0), GROUPS)
    await known(world)
    assert Reason.CONNECTOR_REFUSED is await world.refusal(agent(groups=USERS))


async def test_whom_nobody_knows_stays_out() -> None:
    world = a_world()
    await known(world)
    assert Reason.CONNECTOR_REFUSED is await world.refusal(agent("bob"))
    world.pin(agent("carol"), "carol")
    with pytest.raises(AccountError, match="never found ready") as caught:
        await world.visit(agent("carol"))
    assert caught.value.retry is False


async def test_another_person_another_portal_and_a_deactivated_account_stay_out() -> None:
    world = a_world()
    await known(world)
    person = agent(groups=USERS)
    assert Reason.CONNECTOR_REFUSED is await world.refusal(replace(person, person=agent("bob").person))
    assert Reason.CONNECTOR_REFUSED is await world.refusal(person, "support")
    await world.ledger.note_deactivation(
        Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(1))
    )
    assert Reason.CONNECTOR_REFUSED is await world.refusal(person)


async def test_a_ledger_that_does_not_answer_serves_nobody() -> None:
    world = a_world()
    await known(world)
    world.ledger.broken = True
    assert Reason.STATE_UNAVAILABLE is await world.refusal(agent(groups=USERS))


async def test_it_outlives_a_restart() -> None:
    world = a_world()
    await known(world)
    again = World(world.directory, world.ledger, world.policy)
    again.clock.time = world.clock.time
    assert "Alice" == await again.visit(agent(groups=USERS))
