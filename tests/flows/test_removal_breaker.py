"""flows.provisioning: a mistake at the provider does not empty groups, and every session is an occasion to look."""

from __future__ import annotations

from dataclasses import replace

from sidecar.domain.events import Code
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


async def test_removals_across_people_stop_at_the_limit_and_go_on_an_hour_later() -> None:
    world = people(3)
    world.policy = make_policy(replace(ACCOUNTS, removals_per_hour=2), GROUPS)
    for number in range(3):
        await world.visit(agent(f"person{number}"))

    assert frozenset({"jira-users", "jira-old"}) == world.directory.groups("person2")
    assert [Code.GROUP_REMOVED, Code.GROUP_REMOVED, Code.REMOVAL_SKIPPED] == [e.code for e in world.audit.events]

    world.clock.time += 3601
    await world.visit(agent("person2"))

    assert frozenset({"jira-users"}) == world.directory.groups("person2")


async def test_a_new_session_looks_again_although_the_order_is_the_same() -> None:
    """What an administrator changed by hand meanwhile is noticed at the next sign-in, not much later."""
    world = World(Directory(account("alice", "jira-users")))
    world.pin(agent(), "alice")
    order = world.order(agent())
    for session in ("one", "one", "two"):
        await world.flow.ensure(order, agent(), Trace(session=session))

    assert ["read alice", "read alice"] == world.directory.diary
