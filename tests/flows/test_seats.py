"""flows.provisioning and seats: none is given that is not there, none twice, and none at a portal for customers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sidecar.domain.account import Account, Reactivation, Removal
from sidecar.domain.events import Code
from sidecar.domain.identity import Identity
from sidecar.domain.licence import Licence
from sidecar.domain.policy import GroupMapping, GroupPolicy
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.seats import REMEMBERED
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, Directory, World, account, agent, customer, make_policy
from tests.flows.test_hard_directories import Register, with_register

PERSON = agent(groups=("okta-users", "okta-desk"))


class Counting(Register):
    """Counts the seats that the accounts of a directory have, and how often it was asked."""

    def __init__(self, directory: Directory, seats: int, *groups: str) -> None:
        super().__init__()
        self.directory = directory
        self.seats = seats
        self.groups = frozenset(groups)
        self.asked = 0
        self.broken = False

    async def licences(self) -> tuple[Licence, ...]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.broken:
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")
        return (Licence(key="software", groups=self.groups, remaining=self.seats - self.taken()),)

    def taken(self) -> int:
        return sum(one.active and bool(one.groups & self.groups) for one in self.directory.accounts.values())


def site(seats: int, *groups: str, accounts: tuple[Account, ...] = ()) -> tuple[World, Counting]:
    world = World(Directory(*accounts))
    register = Counting(world.directory, seats, *groups)
    return with_register(world, register), register


async def test_a_needed_group_without_a_seat_is_refused_before_anything_is_done() -> None:
    world, _ = site(0, "jira-users")
    with pytest.raises(AccountError, match="software") as caught:
        await world.visit(PERSON)
    assert (Reason.NO_SEAT_LEFT, False) == (caught.value.reason, caught.value.retry)
    assert ({}, [], ["read alice"]) == (world.directory.accounts, world.ledger.pins, world.directory.diary)
    assert ("ensure", "no_seat_left") in world.meter.steps


async def test_another_group_without_a_seat_is_left_out_and_told() -> None:
    world, _ = site(0, "jira-desk")
    assert "alice" == await world.visit(PERSON)
    assert frozenset({"jira-users"}) == world.directory.groups("alice")
    (skipped,) = (event for event in world.audit.events if event.code is Code.JOIN_SKIPPED)
    assert (Reason.NO_SEAT_LEFT, ("jira-desk",)) == (skipped.reason, skipped.facts["groups"])
    assert ("group.join_skipped", "no_seat_left") in world.meter.steps


async def test_who_has_a_seat_takes_no_second_one() -> None:
    world, _ = site(1, "jira-desk", "jira-users", accounts=(account("alice", "jira-desk"),))
    world.pin(PERSON, "alice")
    assert "alice" == await world.visit(PERSON)
    assert frozenset({"jira-users", "jira-desk"}) == world.directory.groups("alice")


@pytest.mark.parametrize("person", [agent(), agent(groups=()), agent(groups=None)])
async def test_who_is_switched_on_takes_the_seats_of_the_groups_that_stay(person: Identity) -> None:
    anybody = replace(ACCOUNTS, reactivate=Reactivation.ANY)
    policy = make_policy(anybody, replace(GROUPS, remove=Removal.NEVER))
    world, _ = site(0, "by-hand", accounts=(account("alice", "by-hand", "jira-users", active=False),))
    world.policy = policy
    world.pin(person, "alice")
    assert Reason.NO_SEAT_LEFT is await world.refusal(person)
    assert ["read alice"] == world.directory.diary


async def test_a_rush_gives_no_seat_twice() -> None:
    world, register = site(5, "jira-users")
    names = [f"p{number}" for number in range(30)]
    outcomes = await asyncio.gather(*(world.visit(agent(name)) for name in names), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, AccountError)]
    assert (5, 25) == (register.taken(), len(refused))
    assert {Reason.NO_SEAT_LEFT} == {error.reason for error in refused}
    assert (5, 1) == (len(world.directory.accounts), register.asked)


async def test_a_seat_that_was_bought_counts_after_a_moment_and_seats_in_use_stay_taken() -> None:
    world, register = site(1, "jira-users")
    await world.visit(agent("first"))
    assert Reason.NO_SEAT_LEFT is await world.refusal(agent("second"))
    world.clock.time += REMEMBERED
    assert Reason.NO_SEAT_LEFT is await world.refusal(agent("second"))
    register.seats = 2
    world.clock.time += REMEMBERED
    assert "second" == await world.visit(agent("second"))
    assert Reason.NO_SEAT_LEFT is await world.refusal(agent("third"))


async def test_without_an_answer_about_seats_the_application_itself_decides() -> None:
    world, register = site(0, "jira-users")
    register.broken = True
    assert "alice" == await world.visit(PERSON)


# Portals for customers


def customers(needed: str, *groups: str) -> World:
    world, _ = site(100, "jira-users")
    lines = GroupPolicy(
        mapping=(GroupMapping(source="(.+)", target="$1"),),
        always=groups,
        needed=frozenset({needed}),
        licences=False,
    )
    portals = tuple(
        replace(portal, groups=lines) if portal.name == "support" else portal
        for portal in world.policy.applications["jira"].portals
    )
    application = replace(world.policy.applications["jira"], portals=portals)
    world.policy = replace(world.policy, applications={"jira": application})
    return world


def known(world: World) -> None:
    who = customer("carol")
    world.pin(who, "carol")
    world.directory.accounts["carol"] = account("carol")


async def test_a_customer_never_joins_a_group_that_takes_a_seat() -> None:
    world = customers("none", "jira-users", "visitors")
    known(world)
    assert "carol" == await world.visit(customer("carol"), "support")
    assert frozenset({"visitors"}) == world.directory.groups("carol")
    (skipped,) = (event for event in world.audit.events if event.code is Code.JOIN_SKIPPED)
    assert (Reason.GROUP_LICENSED, ("jira-users",)) == (skipped.reason, skipped.facts["groups"])


async def test_a_customer_who_would_need_one_is_refused_when_it_is_planned() -> None:
    world = customers("jira-users", "jira-users")
    known(world)
    assert Reason.GROUP_LICENSED is await world.refusal(customer("carol"), "support")
    assert ["read carol"] == world.directory.diary


async def test_a_customer_joins_nothing_while_nobody_knows_what_takes_a_seat() -> None:
    world = customers("none", "visitors")
    known(world)
    register = Counting(world.directory, 9, "jira-users")
    register.broken = True
    _ = with_register(world, register)
    assert "carol" == await world.visit(customer("carol"), "support")
    assert frozenset() == world.directory.groups("carol")
