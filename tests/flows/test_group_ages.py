"""flows.group_ages: unknown groups take nothing away, and nobody is served by old ones for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.account import Removal
from sidecar.domain.policy import AccountPolicy, Condition, GroupPolicy, Policy
from sidecar.domain.reason import Reason
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, Directory, World, account, agent, make_policy

HOUR = 3600
DAY = 24 * HOUR
LOST = agent(groups=None)


def with_rule(policy: Policy, condition: Condition) -> Policy:
    """The agents' portal has a demand."""
    jira = policy.applications["jira"]
    portals = tuple(replace(door, require=condition) if door.default else door for door in jira.portals)
    return replace(policy, applications={"jira": replace(jira, portals=portals)})


NO_LINES = make_policy(ACCOUNTS, GroupPolicy(always=("jira-users",)))
UNMANAGED = make_policy(AccountPolicy(), GroupPolicy())


def here(policy: Policy | None = None) -> World:
    """Alice has an account with groups, one of them by Lychgate."""
    world = World(Directory(account("alice", "jira-users", "jira-old")), policy=policy or make_policy(ACCOUNTS, GROUPS))
    world.pin(agent(), "alice")
    world.own("alice", "jira-old")
    return world


@pytest.mark.parametrize("remove", Removal)
async def test_unknown_groups_change_nothing(remove: Removal) -> None:
    world = here(make_policy(ACCOUNTS, replace(GROUPS, remove=remove)))
    await world.visit(LOST)
    assert (["read alice"], ["sync.incomplete"]) == (world.directory.diary, world.audit.codes())


async def test_a_day_after_the_last_complete_reading_the_person_is_refused() -> None:
    world = here()
    await world.visit(agent())
    world.clock.time += DAY - 1
    assert "alice" == await world.visit(LOST)
    world.clock.time += 901

    assert Reason.GROUPS_STALE is await world.refusal(LOST)

    assert ["account.refused"] == world.audit.codes()[-1:]
    assert "24 hours" in str(world.audit.events[-1].facts["detail"])
    assert "alice" == await world.visit(agent())


async def test_the_time_begins_anew_with_every_complete_reading() -> None:
    world = here()
    for _ in range(3):
        await world.visit(agent())
        world.clock.time += DAY - HOUR
        await world.visit(LOST)


async def test_for_somebody_whose_groups_were_never_told_it_begins_at_the_first_sign_in() -> None:
    world = here()
    for _ in range(4):
        assert "alice" == await world.visit(LOST)
        world.clock.time += DAY // 4
    assert Reason.GROUPS_STALE is await world.refusal(LOST)


async def test_the_time_is_the_sites() -> None:
    world = here(make_policy(replace(ACCOUNTS, groups_stale_after=2 * HOUR), GROUPS))
    await world.visit(LOST)
    world.clock.time += 2 * HOUR
    assert Reason.GROUPS_STALE is await world.refusal(LOST)


async def test_it_survives_a_restart() -> None:
    world = here()
    await world.visit(LOST)
    again = World(world.directory, world.ledger, world.policy)
    again.clock.time += DAY
    assert Reason.GROUPS_STALE is await again.refusal(LOST)


async def test_another_persons_groups_say_nothing() -> None:
    world = here()
    await world.visit(LOST)
    world.clock.time += DAY
    world.directory.accounts["bob"] = account("bob", "jira-users")
    world.pin(agent("bob"), "bob")
    await world.visit(agent("bob"))
    assert Reason.GROUPS_STALE is await world.refusal(LOST)


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        (NO_LINES, False),
        (UNMANAGED, False),
        (with_rule(NO_LINES, Condition(any_group=frozenset({"staff"}))), True),
        (with_rule(UNMANAGED, Condition(no_group=frozenset({"leavers"}))), True),
        (with_rule(NO_LINES, Condition(claims={"team": frozenset({"a"})})), False),
    ],
)
async def test_only_where_rules_or_lines_need_groups(policy: Policy, refused: bool) -> None:
    world = here(policy)
    await world.visit(LOST)
    world.clock.time += DAY
    if refused:
        assert Reason.GROUPS_STALE is await world.refusal(LOST)
    else:
        assert "alice" == await world.visit(LOST)
        assert {} == world.ledger.readings


async def test_a_complete_reading_is_noted_once_an_hour() -> None:
    world = here()
    noted = []
    for _ in range(8):
        await world.visit(agent())
        noted.append(next(iter(world.ledger.readings.values())))
        world.clock.time += 1000
    assert 2 == len(set(noted))
