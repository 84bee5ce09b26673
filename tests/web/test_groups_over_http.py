"""Groups at the whole gate: unknown ones take nothing and do not last for ever, too many removals freeze them all, and
somebody who was renamed keeps the account."""

from __future__ import annotations

import time
from typing import Any

from sidecar.commands.mending import rename_account, resume_removals
from sidecar.demo.jira.state import ADMINISTRATORS
from sidecar.demo.provider.faults import Fault
from tests.web.conftest import Worlds
from tests.web.rig import World
from tests.web.test_time_over_http import Hands
from tests.web.test_whose_it_is import _comes as comes

DAY = 24 * 3600
OPEN: dict[str, Any] = {"require": None, "rules": []}
"""The agents' portal asks for no group: lines alone need them."""
TEAMS: dict[str, Any] = {
    "map": [{"exact": "okta-jira-users", "to": "jira-software-users"}],
    "as_is": ["team-"],
}


def groups_of(world: World, name: str) -> set[str]:
    """The groups of an account at the application."""
    user = world.jira.state.find(name)
    assert user is not None
    return set(user.groups)


def team(world: World, *people: str, member: bool) -> None:
    """Put people into a team at the provider, or take them out."""
    for person in people:
        groups = ["okta-jira-users", *(["team-mars"] if member else [])]
        world.staff.provider.change_claims(person, groups=groups)


async def test_unknown_groups_take_nothing_and_a_day_later_nobody_is_served_by_them(worlds: Worlds) -> None:
    clock = Hands(int(time.time()))
    world = await worlds(clock=clock, proof="secret", agents=OPEN)
    assert (200, "") == await comes(world, "nina")
    world.staff.provider.fault = Fault.GROUPS_MISSING
    for passed in (3600, DAY - 60):
        clock.passed = passed
        assert (200, "") == await comes(world, "nina")
    assert {"jira-software-users"} == groups_of(world, "nina")

    clock.passed = DAY
    world.forget()
    assert (403, "groups_stale") == await comes(world, "nina")
    assert [] == [call for call in world.arrived if call.header("X-Lychgate-User") is not None]

    world.staff.provider.fault = None
    assert (200, "") == await comes(world, "nina")


async def test_too_many_removals_stop_until_somebody_says_that_they_are_meant(worlds: Worlds) -> None:
    # Stella comes back from a leave, and a group of hers is stale: that is one.
    accounts = {"groups": TEAMS, "removals_per_hour": 2}
    world = await worlds(accounts=accounts)
    people = ("nina", "stella")
    world.jira.state.groups.add("team-mars")
    team(world, *people, member=True)
    for person in people:
        assert (200, "") == await comes(world, person)
        assert "team-mars" in groups_of(world, person)
    team(world, *people, member=False)
    for person in people:
        assert (200, "") == await comes(world, person)
    assert [False, True] == ["team-mars" in groups_of(world, person) for person in people]
    assert [1, 1] == [len(world.told(code)) for code in ("removals.frozen", "group.removal_skipped")]
    assert 'lychgate_removals_frozen{application="jira"} 1.0' in world.gate.metrics.render()[1].decode()

    await world.restart()
    assert 'lychgate_removals_frozen{application="jira"} 1.0' in world.gate.metrics.render()[1].decode()
    assert (200, "") == await comes(world, "stella")
    assert "team-mars" in groups_of(world, "stella")

    await world.gates.aclose()
    assert 2 == len((await resume_removals(world.loaded, "jira", apply=True)).taken)
    await world.restart()
    assert (200, "") == await comes(world, "stella")
    assert "team-mars" not in groups_of(world, "stella")
    assert 1 == len(world.told("removals.frozen"))


async def test_somebody_who_was_renamed_keeps_the_account(worlds: Worlds) -> None:
    world = await worlds(accounts={"groups": TEAMS})
    world.jira.state.groups.add("team-mars")
    team(world, "nina", member=True)
    assert (200, "") == await comes(world, "nina")
    world.staff.provider.change_claims("nina", preferred_username="nina.king")
    assert (403, "pin_conflict") == await comes(world, "nina")
    (refused,) = world.told("account.refused")
    assert "lychgate accounts rename --from nina --to nina.king" in refused["facts"]["detail"]

    user = world.jira.state.find("nina")
    assert user is not None
    world.jira.state.rename(user, "nina.king")
    await world.gates.aclose()
    await rename_account(world.loaded, "jira", "nina", "nina.king", apply=True)
    await world.restart()

    assert (200, "") == await comes(world, "nina")
    assert {"jira-software-users", "team-mars"} == groups_of(world, "nina.king")
    # What Lychgate gave under the old name it may take under the new one.
    team(world, "nina", member=False)
    assert (200, "") == await comes(world, "nina")
    assert {"jira-software-users"} == groups_of(world, "nina.king")


async def test_the_last_administrator_keeps_the_group_until_somebody_else_is_one(worlds: Worlds) -> None:
    lines = {**TEAMS, "admin": [{"from": "okta-jira-admins", "to": ADMINISTRATORS}]}
    world = await worlds(accounts={"groups": lines})
    world.staff.provider.change_claims("nina", groups=["okta-jira-users", "okta-jira-admins"])
    assert (200, "") == await comes(world, "nina")
    assert ADMINISTRATORS in groups_of(world, "nina")
    # Lychgate's own account is one too, and nobody signs in with it.
    for user in world.jira.state.users.values():
        if user.username not in {"nina", "lychgate"}:
            user.groups.discard(ADMINISTRATORS)
    team(world, "nina", member=False)
    assert (200, "") == await comes(world, "nina")
    assert ADMINISTRATORS in groups_of(world, "nina")
    (held,) = world.told("group.removal_skipped")
    assert ("last_administrator", [ADMINISTRATORS]) == (held["reason"], held["before"])

    another = world.jira.state.find("ada")
    assert another is not None
    another.groups.add(ADMINISTRATORS)
    assert (200, "") == await comes(world, "nina")
    assert ADMINISTRATORS not in groups_of(world, "nina")
