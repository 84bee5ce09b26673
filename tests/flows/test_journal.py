"""flows.account_journal: whatever is done to an account stands in the journal with what was before it, and nothing
else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.accounts import Plan, Refusal
from sidecar.domain.account import Create, Join, Reactivate, Step
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Deed, Detail, Entry
from sidecar.domain.ledger import Deactivation
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.journal import Keeping
from tests.flows.fake_accounts import Directory, World, account, agent, customer

UNREACHABLE = AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")
REFUSED = AccountError(Reason.ACCOUNT_STEP_FAILED, "read-only", retry=False)


def told(world: World) -> list[tuple[Deed, str, dict[str, Detail], dict[str, Detail]]]:
    return [(e.deed, e.group, dict(e.before), dict(e.after)) for e in world.ledger.journal if not e.pending]


async def test_a_new_person_is_written_down() -> None:
    world = World()
    await world.visit(agent())
    link = {"issuer": "https://staff.example", "subject": "alice", "created": True}
    assert [
        (Deed.LINK, "", {}, link),
        (Deed.CREATE, "", {}, {}),
        (Deed.JOIN, "jira-users", {}, {"portal": "agents"}),
    ] == told(world)


async def test_what_was_there_before_is_written_down() -> None:
    old = replace(account("alice", "Jira-Old", active=False), display_name="Old", email="old@example.com")
    world = World(Directory(old))
    world.pin(agent(), "alice")
    world.own("alice", "jira-old")
    note = Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(5))
    await world.ledger.note_deactivation(note)
    await world.visit(agent())
    assert [
        (Deed.LEAVE, "Jira-Old", {"agents": 1}, {}),
        (Deed.JOIN, "jira-users", {}, {"portal": "agents"}),
        (Deed.UPDATE, "", {"display_name": "Old", "email": "old@example.com"},
         {"display_name": "Alice", "email": "alice@example.com"}),
        (Deed.REACTIVATE, "", {"cause": "leaver", "at": 5}, {}),
    ] == told(world)  # fmt: skip


@pytest.mark.parametrize(("error", "kept"), [(REFUSED, []), (UNREACHABLE, [True])])
async def test_a_step_that_failed_is_kept_only_if_it_may_have_worked(error: AccountError, kept: list[bool]) -> None:
    world = World(Directory(account("alice", "jira-users")))
    world.pin(agent(), "alice")
    world.directory.refuse[Join("alice", "jira-more")] = error
    await world.visit(agent(groups=("okta-users", "okta-more")))
    assert kept == [entry.pending for entry in world.ledger.journal]


async def test_a_step_that_was_done_already_or_not_allowed_is_no_deed_of_ours() -> None:
    world = World(Directory(account("alice", "jira-users")))
    world.pin(agent(), "alice")
    world.directory.already.add(Join("alice", "jira-more"))
    await world.visit(agent(groups=("okta-users", "okta-more")))
    assert [] == world.ledger.journal
    world.audit.refusing = True
    world.clock.time += 1000
    await world.visit(agent(groups=("okta-users", "okta-other")))
    assert [] == world.ledger.journal


async def test_the_entry_stands_before_the_step_is_tried() -> None:
    world = World(Directory(account("alice")))
    world.pin(agent(), "alice")
    seen: list[list[tuple[Deed, bool]]] = []
    apply = world.directory.apply

    async def watched(step: Step) -> object:
        seen.append([(entry.deed, entry.pending) for entry in world.ledger.journal])
        return await apply(step)

    world.directory.apply = watched  # type: ignore[assignment,method-assign]
    await world.visit(agent())
    assert [[(Deed.JOIN, True)]] == seen
    assert [False] == [entry.pending for entry in world.ledger.journal]


async def test_a_link_that_another_one_was_quicker_with_is_not_kept() -> None:
    world = World(Directory(account("alice", "jira-users", key="K1")))
    world.pin(customer("other"), "other", key="K1")
    assert Reason.PIN_CONFLICT is await world.refusal(agent())
    assert [] == world.ledger.journal


async def test_what_would_be_done_is_foreseen_and_changes_nothing() -> None:
    world = World(Directory(account("alice", active=False), account("root")))
    found = await world.flow.foresee(world.order(agent("bob")), agent("bob"))
    assert isinstance(found.way, Plan)
    assert [Create("bob", "Bob", "bob@example.com"), Join("bob", "jira-users", True)] == list(found.way.steps)
    refused = await world.flow.foresee(world.order(agent()), agent())
    assert isinstance(refused.way, Refusal) and Reason.ACCOUNT_INACTIVE is refused.way.reason
    assert ["read bob", "read alice"] == world.directory.diary
    assert ([], [], []) == (world.ledger.pins, world.ledger.journal, world.audit.events)


async def test_a_ledger_that_nobody_declared_is_foreseen_to_refuse() -> None:
    world = World(Directory(account("alice", "jira-users")))
    world.ledger.ready = False
    found = await world.flow.foresee(world.order(agent()), agent())
    assert isinstance(found.way, Refusal) and Reason.LEDGER_UNUSABLE is found.way.reason


async def test_what_is_foreseen_is_what_is_done() -> None:
    world = World(Directory(account("alice", "jira-old", active=False)))
    world.pin(agent(), "alice")
    world.own("alice", "jira-old")
    await world.ledger.note_deactivation(
        Deactivation(application="jira", username="alice", cause="x", at=UnixSeconds(1))
    )
    found = await world.flow.foresee(world.order(agent()), agent())
    assert isinstance(found.way, Plan) and Reactivate("alice") == found.way.steps[-1]
    await world.visit(agent())
    kinds = [line.split()[0] for line in world.directory.diary if not line.startswith("read")]
    assert [type(step).__name__.lower() for step in found.way.steps] == kinds


async def test_the_journal_forgets_what_is_older_than_the_site_wants() -> None:
    world = World()
    entries = [
        Entry(application=name, username="alice", deed=Deed.CREATE, at=UnixSeconds(world.clock.now() - age))
        for name, age in (("jira", 101), ("jira", 100), ("wiki", 101))
    ]
    await world.ledger.begin(entries)
    await Keeping({"jira": 100, "wiki": 1000}, world.ledger, world.clock).prune()
    assert [("jira", 2), ("wiki", 3)] == [(entry.application, entry.number) for entry in world.ledger.journal]
