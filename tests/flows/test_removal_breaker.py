"""flows.provisioning: a mistake at the provider does not empty groups, and every session is an occasion to look."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.account import Leave
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.telling import Trace
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, Directory, World, account, agent, make_policy


def people(count: int) -> World:
    """So many people, each in a group that Lychgate gave and the provider no longer names."""
    names = [f"person{number}" for number in range(count)]
    world = World(Directory(*(account(name, "jira-users", "jira-old") for name in names)))
    for name in names:
        world.pin(agent(name), name)
        world.own(name, "jira-old")
    return world


def frozen_after(taken: int) -> tuple[World, list[str]]:
    """Three people come, and no more than two memberships may be taken within an hour."""
    world = people(taken + 1)
    world.policy = make_policy(replace(ACCOUNTS, removals_per_hour=taken), GROUPS)
    return world, [f"person{number}" for number in range(taken + 1)]


async def test_removals_across_people_stop_at_the_limit_and_go_on_after_a_quiet_hour() -> None:
    world, names = frozen_after(2)
    for name in names:
        await world.visit(agent(name))

    assert frozenset({"jira-users", "jira-old"}) == world.directory.groups("person2")
    assert ["group.removed", "group.removed", "removals.frozen", "group.removal_skipped"] == world.audit.codes()
    frozen = world.audit.events[2]
    assert ("failure", Reason.REMOVALS_CAPPED, "jira") == (frozen.outcome, frozen.reason, frozen.application)
    assert {"taken": 2, "limit": 2} == frozen.facts

    world.clock.time += 3601
    await world.visit(agent("person2"))

    assert frozenset({"jira-users"}) == world.directory.groups("person2")
    assert ["removals.resumed", "group.removed"] == world.audit.codes()[-2:]


async def test_a_freeze_holds_back_the_smallest_removal_and_is_told_once() -> None:
    world, names = frozen_after(2)
    for name in (*names, *names):
        await world.visit(agent(name))
    world.clock.time += 1000
    await world.visit(agent("person2"))
    world.clock.time += 3000

    await world.visit(agent("person2"))

    assert frozenset({"jira-users", "jira-old"}) == world.directory.groups("person2")
    assert 1 == world.audit.codes().count("removals.frozen")
    assert {"jira": 1} == world.flow.removals.frozen()


async def test_joins_go_on_while_removals_are_frozen() -> None:
    world, names = frozen_after(1)
    for name in names:
        await world.visit(agent(name))
    world.directory.accounts["new"] = account("new")
    world.pin(agent("new"), "new")

    await world.visit(agent("new"))

    assert frozenset({"jira-users"}) == world.directory.groups("new")


async def test_a_restart_lifts_nothing_and_tells_nothing_again() -> None:
    world, names = frozen_after(2)
    for name in names:
        await world.visit(agent(name))
    again = World(world.directory, world.ledger, world.policy)
    await again.flow.removals.look(["jira", "wiki"])
    assert {"jira": 1, "wiki": 0} == again.flow.removals.frozen()

    await again.visit(agent("person2"))

    assert frozenset({"jira-users", "jira-old"}) == again.directory.groups("person2")
    assert ["group.removal_skipped"] == again.audit.codes()


async def test_the_end_of_a_freeze_is_told_although_nobody_comes(caplog: pytest.LogCaptureFixture) -> None:
    world, names = frozen_after(1)
    for name in names:
        await world.visit(agent(name))
    await world.flow.removals.review()
    assert ({"jira": 1}, "removals.frozen") == (world.flow.removals.frozen(), world.audit.codes()[-2])
    world.clock.time += 3600

    await world.flow.removals.review()
    await world.flow.removals.review()

    assert ({"jira": 0}, 1) == (world.flow.removals.frozen(), world.audit.codes().count("removals.resumed"))
    assert ["ERROR", "WARNING"] == [record.levelname for record in caplog.records]


async def test_what_is_taken_is_counted_before_it_is_taken() -> None:
    world = people(1)
    world.directory.refuse[Leave("person0", "jira-old")] = AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")

    assert Reason.CONNECTOR_UNREACHABLE is await world.refusal(agent("person0"))

    assert [1] == [count for _, count in world.ledger.breakers["jira"].taken]


async def test_a_new_session_looks_again_although_the_order_is_the_same() -> None:
    """What an administrator changed by hand meanwhile is noticed at the next sign-in, not much later."""
    world = World(Directory(account("alice", "jira-users")))
    world.pin(agent(), "alice")
    order = world.order(agent())
    for session in ("one", "one", "two"):
        await world.flow.ensure(order, agent(), Trace(session=session))

    assert ["read alice", "read alice"] == world.directory.diary
