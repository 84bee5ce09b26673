"""flows.known: a program's person is looked up and never changed; what cannot be used is said with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sidecar.domain.account import Account
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.known import REMEMBERED, KnownAccounts
from sidecar.flows.reach import Reach
from tests.flows.fake_accounts import Directory, World, account, agent, customer


def looking(world: World, *, reach: Reach | None = None) -> KnownAccounts:
    found = {"jira": Reach(world.directory, (), world.budget) if reach is None else reach}
    return KnownAccounts(lambda: world.policy, found, world.ledger, world.clock)


async def look(known: KnownAccounts, world: World) -> str:
    return await known.look(world.order(agent()), agent())


async def refusal(known: KnownAccounts, world: World) -> Reason:
    with pytest.raises(AccountError) as caught:
        await look(known, world)
    return caught.value.reason


def linked(*accounts: Account, name: str = "alice", key: str | None = None) -> World:
    """A world in which Alice is linked."""
    world = World(directory=Directory(*accounts))
    world.pin(agent(), name, key=key)
    return world


async def test_a_linked_and_active_account_is_found_in_its_own_spelling_and_left_alone() -> None:
    world = linked(account("Alice", "jira-users"))
    assert "Alice" == await look(looking(world), world)
    assert (["read alice"], []) == (world.directory.diary, world.audit.codes())


async def test_without_a_connector_the_pin_is_what_is_known() -> None:
    world = linked(name="Alice")
    assert "Alice" == await look(looking(world, reach=Reach(None)), world)


def unlinked() -> World:
    return World(directory=Directory(account("alice")))


def of_somebody_else() -> World:
    world = World(directory=Directory(account("alice")))
    world.pin(customer("mallory"), "alice")
    return world


REFUSED: dict[str, tuple[Callable[[], World], Reason]] = {
    "nobody linked her": (unlinked, Reason.ACCOUNT_NOT_ADOPTED),
    "the account is somebody else's": (of_somebody_else, Reason.PIN_CONFLICT),
    "she has another name": (lambda: linked(account("alice"), name="allie"), Reason.PIN_CONFLICT),
    "the account is gone": (linked, Reason.ACCOUNT_ABSENT),
    "the account was exchanged": (lambda: linked(account("alice", key="new"), key="old"), Reason.PIN_CONFLICT),
    "a needed group is missing": (lambda: linked(account("alice")), Reason.ACCOUNT_STEP_FAILED),
    "the account is inactive": (lambda: linked(account("alice", active=False)), Reason.ACCOUNT_INACTIVE),
}


@pytest.mark.parametrize(("made", "reason"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_used(made: Callable[[], World], reason: Reason) -> None:
    world = made()
    pins = list(world.ledger.pins)
    assert reason is await refusal(looking(world), world)
    assert (pins, []) == (world.ledger.pins, [line for line in world.directory.diary if not line.startswith("read")])


async def test_a_look_counts_for_a_minute_and_a_refusal_for_nothing() -> None:
    world = linked(account("alice", active=False))
    known = looking(world)
    assert Reason.ACCOUNT_INACTIVE is await refusal(known, world)
    world.directory.accounts["alice"] = account("alice", "jira-users")
    assert "alice" == await look(known, world)
    world.directory.accounts["alice"] = account("alice", active=False)
    assert "alice" == await look(known, world)
    world.clock.time += REMEMBERED + 1
    assert Reason.ACCOUNT_INACTIVE is await refusal(known, world)
    assert 3 == len(world.directory.diary)


async def test_an_application_that_does_not_answer_is_said_to() -> None:
    world = linked(account("alice", "jira-users"))
    world.directory.gate.clear()
    known = looking(world, reach=Reach(world.directory, (), 0.01))
    async with asyncio.timeout(5):
        assert Reason.CONNECTOR_UNREACHABLE is await refusal(known, world)
