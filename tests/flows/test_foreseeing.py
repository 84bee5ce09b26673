"""What would be done, looked at: the same plan as the sign-in's, by reads alone, and bounded in time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.accounts import Plan, Refusal
from sidecar.domain.account import Account, Create, Join
from sidecar.domain.identity import Identity
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.foreseeing import Foresight
from sidecar.flows.reach import Reach
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, Directory, World, account, agent, customer, make_policy


def foresight(world: World, *, managed: bool = True, budget: float = 5.0) -> Foresight:
    ways = {"jira": Reach(world.directory, budget=budget)} if managed else {}
    return Foresight(lambda: world.policy, ways, world.ledger, world.clock)


async def foreseen(world: World, identity: Identity, portal: str = "agents", *, managed: bool = True) -> Plan | Refusal:
    return (await foresight(world, managed=managed).foresee(world.order(identity, portal), identity)).way


@pytest.mark.parametrize(
    "there",
    [None, account(), account("alice", "jira-users"), account(active=False), account("alice", "jira-administrators")],
    ids=["absent", "ordinary", "in-the-group", "inactive", "administrator"],
)
async def test_it_foresees_what_a_visit_then_does(there: Account | None) -> None:
    world = World(directory=Directory(*([] if there is None else [there])))
    way = await foreseen(world, agent())
    assert ["read alice"] == world.directory.diary
    assert ([], [], []) == (world.ledger.pins, world.audit.events, world.ledger.diary)
    if isinstance(way, Refusal):
        assert way.reason is await world.refusal(agent())
    else:
        await world.visit(agent())
        done = [line for line in world.directory.diary if not line.startswith("read")]
        names = [f"{type(step).__name__.lower()} {step.username}" for step in way.steps]
        assert names == [" ".join(line.split()[:2]) for line in done]


async def test_a_new_person_is_created_and_joins() -> None:
    way = await foreseen(World(), agent())
    assert isinstance(way, Plan)
    assert [Create, Join] == [type(step) for step in way.steps]


async def test_a_reserved_or_linked_name_is_refused() -> None:
    for name in ("root", "boss"):
        policy = make_policy(replace(ACCOUNTS, reserved=frozenset({"boss"})), GROUPS)
        world = World(directory=Directory(account(name)), policy=policy)
        way = await foreseen(world, agent(name))
        assert isinstance(way, Refusal)
        assert Reason.ACCOUNT_RESERVED is way.reason
    world = World(directory=Directory(account()))
    world.pin(customer("alice"), "alice")
    way = await foreseen(world, agent())
    assert isinstance(way, Refusal)
    assert Reason.PIN_CONFLICT is way.reason


@pytest.mark.parametrize(
    ("identity", "portal", "expected"),
    [
        (agent(), "agents", None),
        (agent("root"), "agents", Reason.ACCOUNT_RESERVED),
        (customer("carl"), "support", Reason.ACCOUNT_NOT_ADOPTED),
    ],
    ids=["believed", "reserved", "not-believed"],
)
async def test_without_a_connector_pins_hold_all_the_same(
    identity: Identity, portal: str, expected: Reason | None
) -> None:
    world = World()
    way = await foreseen(world, identity, portal, managed=False)
    assert expected is (way.reason if isinstance(way, Refusal) else None)
    world.pin(agent("bob"), "alice")
    way = await foreseen(world, agent(), managed=False)
    assert isinstance(way, Refusal)
    assert Reason.PIN_CONFLICT is way.reason


async def test_the_outside_that_fails_has_its_reason() -> None:
    world = World()
    world.ledger.broken = True
    with pytest.raises(AccountError) as caught:
        await foreseen(world, agent())
    assert Reason.STATE_UNAVAILABLE is caught.value.reason
    world = World()
    world.directory.gate.clear()
    with pytest.raises(AccountError) as caught:
        await foresight(world, budget=0.01).foresee(world.order(agent()), agent())
    assert Reason.CONNECTOR_UNREACHABLE is caught.value.reason


async def test_a_policy_that_no_longer_knows_the_portal_is_told() -> None:
    world = World()
    order = world.order(agent())
    world.policy = make_policy(ACCOUNTS, GROUPS)
    world.policy.applications.clear()  # type: ignore[attr-defined]
    with pytest.raises(AccountError) as caught:
        await foresight(world).foresee(order, agent())
    assert Reason.INTERNAL is caught.value.reason
