"""flows.account_steps: each step fails in its own way, and the ledger never claims a membership that is not ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.account import Join, Leave, Reactivate, Update
from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.ledger import Deactivation
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from tests.flows.fake_accounts import Directory, World, account, agent

UNREACHABLE = AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")
REFUSED = AccountError(Reason.ACCOUNT_STEP_FAILED, "read-only", retry=False)


@pytest.mark.parametrize(
    ("step", "let_in"),
    [
        (Join("alice", "jira-users", True), False),
        (Join("alice", "jira-more"), True),
        (Leave("alice", "jira-old"), False),
        (Update("alice", "Alice", None), True),
    ],
)
@pytest.mark.parametrize("error", [UNREACHABLE, REFUSED])
async def test_each_step_fails_in_its_own_way(step: Join | Leave | Update, let_in: bool, error: AccountError) -> None:
    world = World(Directory(replace(account("alice", "jira-old"), display_name="Old")))
    person = agent(groups=("okta-users", "okta-more"))
    world.pin(person, "alice")
    world.own("alice", "jira-old")
    world.directory.refuse[step] = error
    if not let_in:
        assert error.reason is await world.refusal(person)
    else:
        assert "alice" == await world.visit(person)
    failures = [event for event in world.audit.events if event.code is Code.ACCOUNT_FAILED]
    assert [error.reason] == [event.reason for event in failures]
    assert (not let_in) == (Code.ACCOUNT_REFUSED in [event.code for event in world.audit.events])


@pytest.mark.parametrize(("error", "pause"), [(UNREACHABLE, 60), (REFUSED, 900)])
async def test_a_step_that_was_let_pass_is_tried_again(error: AccountError, pause: int) -> None:
    world = World(Directory(replace(account("alice", "jira-users"), display_name="Old")))
    world.pin(agent(), "alice")
    world.directory.refuse[Update("alice", "Alice", None)] = error
    tries = []
    for passed in (0, pause - 1, 2, 60):
        world.clock.time += passed
        await world.visit(agent())
        tries.append(world.directory.diary.count("update alice"))
        if passed == pause - 1:
            world.directory.refuse.clear()
    assert [1, 1, 2, 2] == tries


@pytest.mark.parametrize("reactivate", [REFUSED, UNREACHABLE])
async def test_a_failed_reactivation_keeps_out_and_stays_ours(reactivate: AccountError) -> None:
    world = World(Directory(account("alice", "jira-users", active=False)))
    world.pin(agent(), "alice")
    await world.ledger.note_deactivation(
        Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(1))
    )
    world.directory.refuse[Reactivate("alice")] = reactivate
    assert reactivate.reason is await world.refusal(agent())
    assert [("jira", "alice")] == list(world.ledger.deactivations)


async def test_a_join_that_nobody_saw_end_is_settled_at_the_next_look() -> None:
    world = World(Directory(account("alice")))
    person = agent(groups=("okta-more",))
    world.pin(person, "alice")
    world.directory.refuse[Join("alice", "jira-more")] = UNREACHABLE
    await world.visit(person)
    assert [True] == [entry.pending for entry in world.ledger.entries.values()]
    # It had worked all the same.
    world.directory.accounts["alice"] = account("alice", "jira-more")
    world.clock.time += 61
    await world.visit(person)
    assert ["jira-more"] == world.ledger.owned_groups()


async def test_a_membership_that_was_there_is_not_ours() -> None:
    world = World(Directory(account("alice")))
    world.pin(agent(), "alice")
    world.directory.already.add(Join("alice", "jira-users", True))
    world.directory.hidden = account("alice", "jira-users")
    await world.visit(agent())
    assert {} == world.ledger.entries
    assert ["already"] == [event.outcome for event in world.audit.events]
