"""Accounts, sessions and the audit trail: where the trail must have it, nothing is done that it did not take."""

from __future__ import annotations

import pytest

from sidecar.domain.account import Leave
from sidecar.domain.events import Code, Event
from sidecar.domain.reason import Reason
from sidecar.flows.reach import BoundHook
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import AuditError
from tests.flows.browsers import Gate, an_opening
from tests.flows.fake_accounts import Directory, World, account, agent
from tests.flows.fake_hook import FakeHook
from tests.flows.fakes import TRACE, ListAudit


async def test_every_step_is_intended_before_it_is_done() -> None:
    world = World(Directory())
    await world.visit(agent())

    steps = [event.facts["step"] for event in world.audit.intended]
    done = [entry.split()[0] for entry in world.directory.diary if not entry.startswith("read")]
    assert ["link", "create", "join"] == steps
    assert ["create", "join"] == done
    assert {("intended", Code.CHANGE_INTENDED, "alice", "r-1")} == {
        (event.outcome, event.code, event.username, event.request) for event in world.audit.intended
    }


async def test_no_account_is_made_that_the_trail_does_not_take_and_the_next_try_is_as_the_first() -> None:
    world = World(Directory())
    world.audit.refusing = True
    assert Reason.AUDIT_UNAVAILABLE is await world.refusal(agent())
    assert ["read alice"] == world.directory.diary
    assert ([], {}) == (world.ledger.pins, world.ledger.entries)

    world.audit.refusing = False
    world.clock.time += 60
    assert "alice" == await world.visit(agent())


async def test_a_link_is_taken_back_if_its_account_may_not_be_made() -> None:
    world = World(Directory())
    world.audit.refused = "create"
    assert Reason.AUDIT_UNAVAILABLE is await world.refusal(agent())

    assert [] == world.ledger.pins
    assert ["read alice"] == world.directory.diary


async def test_no_hook_runs_that_the_trail_does_not_take() -> None:
    hook = FakeHook("directory")
    world = World(Directory(account("alice", "jira-users")), hooks=(BoundHook(hook),))
    world.pin(agent(), "alice")
    world.audit.refusing = True
    assert Reason.AUDIT_UNAVAILABLE is await world.refusal(agent())
    assert [] == hook.orders

    world.audit.refusing = False
    world.clock.time += 60
    await world.visit(agent())
    assert [("hook", "directory")] * 2 == [(e.facts["step"], e.facts["hook"]) for e in world.audit.intended]


async def test_a_group_is_not_left_untold_and_stays_ours() -> None:
    world = World(Directory(account("alice", "jira-users", "jira-old")))
    world.pin(agent(), "alice")
    world.own("alice", "jira-users", "jira-old")
    world.audit.refusing = True

    assert Reason.AUDIT_UNAVAILABLE is await world.refusal(agent())
    assert Leave("alice", "jira-old").group in world.ledger.owned_groups()
    assert not [entry for entry in world.directory.diary if entry.startswith("leave")]


class Refusing(ListAudit):
    """Takes nothing for certain."""

    async def sure(self, event: Event) -> None:
        raise AuditError("full")


async def test_no_session_begins_that_the_trail_does_not_take() -> None:
    gate = Gate(audit=Refusing())
    with pytest.raises(StateError, match="full"):
        await gate.sessions.open(an_opening(), None, TRACE)
    await gate.settle()

    assert {} == gate.sessions.counts() or {"jira": 0} == gate.sessions.counts()
    assert ["unfinished"] == gate.audit.causes()
