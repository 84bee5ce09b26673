"""flows.account_steps: groups that come with a new account come once, whatever happens on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.account import Create, Join
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, World, account, agent, make_policy

FIRST = Join("alice", "newcomers", once=True)
SILENT = AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")


def here() -> World:
    """Whoever is new gets a group with the account."""
    return World(policy=make_policy(ACCOUNTS, replace(GROUPS, on_create=("newcomers",))))


async def later(world: World) -> None:
    """The next look, an hour later."""
    world.clock.time += 3600
    await world.visit(agent())


async def test_they_are_given_once_and_noted_so() -> None:
    world = here()
    await world.visit(agent())
    assert frozenset({"jira-users", "newcomers"}) == world.directory.groups("alice")
    assert [("jira-users", False), ("newcomers", True)] == sorted(
        (entry.group, entry.once) for entry in world.ledger.entries.values()
    )
    world.directory.accounts["alice"] = account("alice", "jira-users", key="made-1")

    await later(world)

    assert frozenset({"jira-users"}) == world.directory.groups("alice")
    assert ["jira-users"] == world.ledger.owned_groups()


@pytest.mark.parametrize("error", [SILENT, None])
async def test_one_that_failed_comes_at_the_next_look(error: AccountError | None) -> None:
    world = here()
    if error is None:
        world.audit.refused = "join"
    else:
        world.directory.refuse[FIRST] = error
        world.directory.refuse[replace(FIRST, group="jira-users", needed=True, once=False)] = error
    assert "newcomers" not in await groups_after_a_failure(world)
    world.audit.refused = ""
    world.directory.refuse.clear()

    await later(world)

    assert frozenset({"jira-users", "newcomers"}) == world.directory.groups("alice")
    assert ["jira-users", "newcomers"] == world.ledger.owned_groups()


async def groups_after_a_failure(world: World) -> frozenset[str]:
    """The new account's groups after a visit that did not let the person in."""
    assert isinstance(await world.refusal(agent()), Reason)
    return world.directory.groups("alice")


async def test_a_group_that_is_not_there_is_not_asked_for_again() -> None:
    world = here()
    world.directory.refuse[FIRST] = AccountError(Reason.GROUP_ABSENT, "no such group", retry=False)
    await world.visit(agent())
    world.directory.refuse.clear()
    await later(world)
    assert frozenset({"jira-users"}) == world.directory.groups("alice")
    assert ["jira-users"] == world.ledger.owned_groups()


async def test_an_account_that_was_not_made_leaves_nothing_that_would_come_later() -> None:
    """Somebody else makes it by hand: it is taken over as it is."""
    world = here()
    create = Create("alice", "Alice", "alice@example.com")
    world.directory.refuse[create] = AccountError(Reason.ACCOUNT_STEP_FAILED, "read-only", retry=False)
    assert Reason.ACCOUNT_STEP_FAILED is await world.refusal(agent())
    world.directory.accounts["alice"] = account("alice")

    await later(world)

    assert frozenset({"jira-users"}) == world.directory.groups("alice")
