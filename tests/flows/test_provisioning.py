"""flows.provisioning: an account is ready before anything is forwarded, with one set of calls however many wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sidecar.domain.account import Account, Adopt, Create
from sidecar.domain.events import Code
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.ledger import Deactivation
from sidecar.domain.policy import AccountPolicy, GroupPolicy
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.provisioning import Memory
from tests.flows.fake_accounts import (
    ACCOUNTS,
    GROUPS,
    TRACE,
    Directory,
    MemoryLedger,
    World,
    account,
    agent,
    customer,
    make_policy,
)

TEN = tuple(f"okta-g{number}" for number in range(10))
UNREACHABLE = AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")
REFUSED = AccountError(Reason.ACCOUNT_STEP_FAILED, "read-only", retry=False)


async def spin() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def test_a_new_person_is_made_ready_and_remembered() -> None:
    world = World()
    assert "alice" == await world.visit(agent())
    assert ["read alice", "create alice", "read alice", "join alice jira-users"] == world.directory.diary
    assert "alice" == await world.visit(agent())
    assert 4 == len(world.directory.diary)
    assert [("alice", True)] == [(pin.username, pin.created) for pin in world.ledger.pins]
    assert ["jira-users"] == world.ledger.owned_groups()
    assert ["own jira-users pending", "own jira-users"] == world.ledger.diary
    assert ["user.linked", "user.created", "group.added"] == world.audit.codes()
    added = world.audit.events[-1]
    assert ((), ("jira-users",)) == (added.before, added.after)
    assert (TRACE.request, TRACE.source, TRACE.session) == (added.request, added.source, added.session)
    assert [("create", "done"), ("join", "done"), ("ensure", "done")] == world.meter.steps


async def test_thirty_requests_make_one_set_of_calls() -> None:
    world = World()
    names = await asyncio.gather(*(world.visit(agent()) for _ in range(30)))
    assert {"alice"} == set(names)
    assert ["read alice", "create alice", "read alice", "join alice jira-users"] == world.directory.diary


async def test_a_new_person_with_ten_groups_costs_three_round_trips() -> None:
    world = World()
    await world.visit(agent(groups=TEN))
    assert [1, 1, 11] == [len(lines) for lines in world.directory.rounds]


async def test_steps_side_by_side_are_bounded() -> None:
    world = World(memory=Memory(parallel=4))
    await world.visit(agent(groups=TEN))
    assert 5 == world.directory.busiest
    assert 10 == len(world.directory.groups("alice"))


async def test_a_request_that_goes_away_does_not_stop_the_work() -> None:
    world = World()
    world.directory.gate.clear()
    leaver = asyncio.create_task(world.visit(agent()))
    stayer = asyncio.create_task(world.visit(agent()))
    await spin()
    leaver.cancel()
    await spin()
    assert leaver.cancelled()
    world.directory.gate.set()
    assert "alice" == await stayer
    assert 1 == world.directory.diary.count("create alice")


async def test_work_goes_on_when_everybody_went_away() -> None:
    world = World()
    world.directory.gate.clear()
    only = asyncio.create_task(world.visit(agent()))
    await spin()
    only.cancel()
    await asyncio.gather(only, return_exceptions=True)
    world.directory.gate.set()
    assert "alice" == await world.visit(agent())
    assert 1 == world.directory.diary.count("create alice")


async def test_a_failure_is_remembered_for_seconds_only() -> None:
    world = World()
    world.directory.refuse[Create("alice", "Alice", "alice@example.com")] = REFUSED
    outcomes = await asyncio.gather(*(world.refusal(agent()) for _ in range(30)))
    assert {Reason.ACCOUNT_STEP_FAILED} == set(outcomes)
    assert Reason.ACCOUNT_STEP_FAILED is await world.refusal(agent())
    assert ["read alice", "create alice"] == world.directory.diary
    world.directory.refuse.clear()
    world.clock.time += 5
    assert "alice" == await world.visit(agent())


async def test_a_pin_whose_account_was_refused_goes_and_one_whose_account_may_exist_stays() -> None:
    world = World()
    create = Create("alice", "Alice", "alice@example.com")
    world.directory.refuse[create] = REFUSED
    await world.refusal(agent())
    assert [] == world.ledger.pins
    world.directory.refuse[create] = UNREACHABLE
    world.clock.time += 5
    await world.refusal(agent())
    assert 1 == len(world.ledger.pins)


async def test_two_orders_for_one_account_are_carried_out_one_after_the_other() -> None:
    world = World()
    await asyncio.gather(world.visit(agent(groups=("okta-a",))), world.visit(agent(groups=("okta-b",))))
    assert 1 == world.directory.diary.count("create alice")
    assert ["read alice", "join alice jira-b", "leave alice jira-a"] == world.directory.diary[-3:]


async def test_what_one_person_may_have_is_not_given_to_another_of_the_same_name() -> None:
    world = World()
    first = agent()
    second = replace(first, person=Person("https://staff.example", "another"))
    assert world.order(first) == world.order(second)
    outcomes = await asyncio.gather(world.visit(first), world.refusal(second))
    assert ("alice", Reason.PIN_CONFLICT) == tuple(outcomes)
    world.clock.time += 5
    assert Reason.PIN_CONFLICT is await world.refusal(second)


async def test_a_person_whose_name_changed_is_noticed() -> None:
    world = World(Directory(account("alice.new")))
    world.pin(agent(), "alice")
    renamed = replace(agent("alice.new"), person=agent().person)
    assert Reason.PIN_CONFLICT is await world.refusal(renamed)
    assert [Code.ACCOUNT_REFUSED] == [event.code for event in world.audit.events]


# Who gets nothing


async def test_a_customer_called_admin_gets_nothing() -> None:
    world = World(Directory(account("admin", "jira-administrators")))
    before = dict(world.directory.accounts)
    assert Reason.ACCOUNT_RESERVED is await world.refusal(customer("admin"), "support")
    assert ["read admin"] == world.directory.diary
    assert (before, []) == (world.directory.accounts, world.ledger.pins)


async def test_the_sites_own_reserved_names_count_beside_the_products() -> None:
    world = World(Directory(account("svc-jira"), account("root")))
    world.policy = make_policy(replace(ACCOUNTS, reserved=frozenset({"svc-jira"})), GROUPS)
    assert Reason.ACCOUNT_RESERVED is await world.refusal(agent("svc-jira"))
    assert Reason.ACCOUNT_RESERVED is await world.refusal(agent("root"))


@pytest.mark.parametrize("linked", [True, False])
async def test_a_customer_with_an_agents_name_gets_nothing(linked: bool) -> None:
    world = World(Directory(account("bob", "jira-users")))
    if linked:
        world.pin(agent("bob"), "bob")
    expected = Reason.PIN_CONFLICT if linked else Reason.ACCOUNT_NOT_ADOPTED
    assert expected is await world.refusal(customer("bob"), "support")
    assert ["read bob"] == world.directory.diary


async def test_an_administrator_is_not_adopted_even_from_the_agents_provider() -> None:
    world = World(Directory(account("ada", "jira-administrators")))
    assert Reason.ACCOUNT_PROTECTED is await world.refusal(agent("ada"))


async def test_an_agent_keeps_every_group_whatever_portal_is_visited() -> None:
    world = World(Directory(account("alice", "jira-users", "by-hand")))
    world.pin(agent(), "alice")
    world.own("alice", "jira-users")
    # At the customers' portal the order still comes from the home portal.
    assert "alice" == await world.visit(agent())
    # And even a sign-in of the same person there takes nothing that the agents' portal gave.
    assert "alice" == await world.visit(agent(), "support")
    assert frozenset({"jira-users", "by-hand"}) == world.directory.groups("alice")


@pytest.mark.parametrize(
    ("hidden", "reason"),
    [
        (account("alice", "jira-administrators"), Reason.ACCOUNT_PROTECTED),
        (replace(account("alice"), display_name="Another Alice"), Reason.ACCOUNT_NOT_ADOPTED),
        (replace(account("alice"), email="another@example.com"), Reason.ACCOUNT_NOT_ADOPTED),
        (account("alice", active=False), Reason.ACCOUNT_NOT_ADOPTED),
    ],
)
async def test_a_strange_account_found_at_creation_is_not_touched(hidden: Account, reason: Reason) -> None:
    world = World()
    world.directory.already.add(Create("alice", "Alice", "alice@example.com"))
    world.directory.hidden = hidden
    assert reason is await world.refusal(agent())
    assert ["read alice", "create alice", "read alice"] == world.directory.diary
    assert [] == world.ledger.pins


async def test_our_own_account_found_at_creation_is_made_ready() -> None:
    world = World()
    world.directory.already.add(Create("alice", "Alice", "alice@example.com"))
    world.directory.hidden = account("alice")
    assert "alice" == await world.visit(agent())
    assert frozenset({"jira-users"}) == world.directory.groups("alice")


# Existing accounts


async def test_an_existing_account_is_adopted_in_its_own_spelling() -> None:
    world = World(Directory(replace(account("Alice"), display_name="Alice")))
    assert "Alice" == await world.visit(agent())
    assert [("alice", "Alice", False)] == [(p.username, p.spelling, p.created) for p in world.ledger.pins]
    assert ["read alice", "join Alice jira-users", "read Alice"] == [
        line for line in world.directory.diary if "update" not in line
    ]


async def test_a_leaver_comes_back_without_yesterdays_groups() -> None:
    world = World(Directory(account("alice", "jira-old", active=False)))
    world.pin(agent(), "alice")
    world.own("alice", "jira-old")
    left = Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(1))
    await world.ledger.note_deactivation(left)
    assert "alice" == await world.visit(agent())
    expected = ["read alice", "leave alice jira-old", "join alice jira-users", "reactivate alice", "read alice"]
    assert expected == world.directory.diary
    assert {} == world.ledger.deactivations
    assert ["group.removed", "group.added", "user.reactivated"] == world.audit.codes()


async def test_an_answer_to_a_reactivation_is_no_proof() -> None:
    world = World(Directory(account("alice", "jira-users", active=False)))
    world.pin(agent(), "alice")
    await world.ledger.note_deactivation(
        Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(1))
    )
    world.directory.deaf = True
    assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())
    world.clock.time += ACCOUNTS.sync_wait
    assert Reason.ACCOUNT_INACTIVE is await world.refusal(agent())


async def test_whom_an_administrator_deactivated_stays_out() -> None:
    world = World(Directory(account("alice", "jira-users", active=False)))
    world.pin(agent(), "alice")
    assert Reason.ACCOUNT_INACTIVE is await world.refusal(agent())
    assert ["read alice"] == world.directory.diary


async def test_unknown_groups_change_nothing_and_are_told() -> None:
    world = World(Directory(account("alice", "jira-old")))
    world.pin(agent(), "alice")
    world.own("alice", "jira-old")
    assert "alice" == await world.visit(agent(groups=None))
    assert frozenset({"jira-old"}) == world.directory.groups("alice")
    assert ["sync.incomplete"] == world.audit.codes()


async def test_removals_above_the_cap_are_told_and_not_done() -> None:
    world = World(Directory(account("alice", "jira-users", "x", "y")))
    world.policy = make_policy(ACCOUNTS, replace(GROUPS, max_removals=1))
    world.pin(agent(), "alice")
    world.own("alice", "x", "y")
    assert "alice" == await world.visit(agent())
    assert [(Code.REMOVAL_SKIPPED, ("x", "y"))] == [(e.code, e.before) for e in world.audit.events]


# What fails


async def test_an_unknown_ledger_refuses_new_pins_and_removals_only() -> None:
    world = World(Directory(account("alice", "jira-users", "jira-old")), MemoryLedger(ready=False))
    assert Reason.LEDGER_UNUSABLE is await world.refusal(agent())
    assert Reason.LEDGER_UNUSABLE is await world.refusal(agent("newcomer"))
    world.pin(agent(), "alice")
    world.clock.time += 5
    assert "alice" == await world.visit(agent())
    world.own("alice", "jira-old")
    world.clock.time += 1000
    assert Reason.LEDGER_UNUSABLE is await world.refusal(agent())
    assert frozenset({"jira-users", "jira-old"}) == world.directory.groups("alice")


async def test_a_broken_ledger_refuses() -> None:
    world = World(Directory(account("alice", "jira-users")))
    world.pin(agent(), "alice")
    world.ledger.broken = True
    assert Reason.STATE_UNAVAILABLE is await world.refusal(agent())


async def test_work_that_takes_too_long_ends_in_a_refusal() -> None:
    world = World(budget=0.01)
    world.directory.gate.clear()
    assert Reason.CONNECTOR_UNREACHABLE is await world.refusal(agent())


async def test_stopping_ends_the_work_and_tells_those_who_wait() -> None:
    world = World()
    world.directory.gate.clear()
    waiting = asyncio.create_task(world.refusal(agent()))
    await spin()
    await world.flow.close()
    assert Reason.INTERNAL is await waiting


# Memory


async def test_done_work_is_looked_at_again_after_its_time_and_under_another_policy() -> None:
    world = World(Directory(account("alice", "jira-users")))
    world.pin(agent(), "alice")
    for passed, digest, reads in [(0, "h1", 1), (899, "h1", 1), (2, "h1", 2), (0, "h2", 3), (0, "h2", 3)]:
        world.clock.time += passed
        world.policy = replace(world.policy, hash=digest)
        await world.visit(agent())
        assert reads == len(world.directory.diary)


async def test_memory_is_bounded_and_keeps_whom_it_saw_last() -> None:
    world = World(memory=Memory(entries=2))
    for name in ("a1", "b1", "a1", "c1"):
        await world.visit(agent(name, groups=()))
    world.directory.diary.clear()
    await world.visit(agent("a1", groups=()))
    assert [] == world.directory.diary
    await world.visit(agent("b1", groups=()))
    assert ["read b1"] == world.directory.diary


async def test_last_seen_is_noted_once_an_hour() -> None:
    world = World(Directory(account("alice", "jira-users")))
    world.pin(agent(), "alice")
    for _ in range(5):
        await world.visit(agent())
        world.clock.time += 1000
    assert [1_000_000, 1_004_000] == [at for *_, at in world.ledger.sightings]


# Accounts that nobody manages


async def test_pins_hold_where_accounts_are_not_managed() -> None:
    world = World(policy=make_policy(AccountPolicy(), GroupPolicy()))
    assert "alice" == await world.visit(agent())
    assert [("alice", False)] == [(pin.username, pin.created) for pin in world.ledger.pins]
    reused = replace(agent(), person=Person("https://staff.example", "another"))
    assert Reason.PIN_CONFLICT is await world.refusal(reused)
    assert Reason.ACCOUNT_RESERVED is await world.refusal(agent("admin"))
    assert Reason.ACCOUNT_NOT_ADOPTED is await world.refusal(customer("carol"), "support")
    assert [] == world.directory.diary


async def test_a_linked_person_is_let_in_where_accounts_are_not_managed() -> None:
    world = World(policy=make_policy(AccountPolicy(adopt=Adopt.NEVER), GroupPolicy()))
    world.pin(customer("carol"), "Carol", created=False)
    assert "Carol" == await world.visit(customer("carol"), "support")


async def test_no_new_pin_in_an_unknown_ledger_where_accounts_are_not_managed() -> None:
    world = World(ledger=MemoryLedger(ready=False), policy=make_policy(AccountPolicy(), GroupPolicy()))
    assert Reason.LEDGER_UNUSABLE is await world.refusal(agent())
