"""flows.last_administrators: whoever is the last one in an administrators' group keeps it, and is let in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from sidecar.domain.account import Account
from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.ledger import Deactivation
from sidecar.domain.policy import GroupMapping
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.provisioning import Accounts
from sidecar.flows.reach import Reach
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, Directory, World, account, agent, make_policy

ADMINS = "jira-administrators"
RULES = replace(
    GROUPS,
    mapping=(*GROUPS.mapping, GroupMapping(source="okta-admins", target=ADMINS, exact=True, admin=True)),
    admin=frozenset({ADMINS}),
    protected=frozenset({ADMINS}),
)
OTHERS: Mapping[str, tuple[Account, bool]] = {
    "nobody": (account("bob", "jira-users"), False),
    "somebody inactive": (account("bob", ADMINS, active=False), False),
    "the connector's own account": (replace(account("bob", ADMINS), own=True), False),
    "somebody active": (account("bob", ADMINS), True),
}


class Listed(Directory):
    """Lists its members; while `silent` it does not."""

    silent = False

    def listing(self) -> Listed:
        return self

    def untold(self) -> tuple[str, ...]:
        return ()

    async def people(self) -> tuple[Account, ...]:
        return tuple(self.accounts.values())

    async def shadowed(self) -> None:
        return None

    async def members(self, group: str) -> frozenset[str]:
        if self.silent:
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")
        return frozenset(name for name, one in self.accounts.items() if group in one.groups)


def world_of(*accounts: Account) -> World:
    directory = Listed(*accounts)
    world = World(directory, policy=make_policy(ACCOUNTS, RULES))
    reach = {"jira": Reach(directory, (), world.budget, lists=directory)}  # type: ignore[arg-type]
    world.flow = Accounts(
        lambda: world.policy, reach, world.ledger, world.audit, world.clock, world.meter, world.memory
    )
    for one in accounts:
        world.pin(agent(one.username), one.username)
        world.own(one.username, *(one.groups & {ADMINS}))
    return world


@pytest.mark.parametrize("other", OTHERS)
async def test_the_group_is_left_only_where_somebody_else_can_administer(other: str) -> None:
    found, leaves = OTHERS[other]
    world = world_of(account("alice", "jira-users", ADMINS), found)
    assert "alice" == await world.visit(agent())
    assert leaves == (ADMINS not in world.directory.groups("alice"))
    told = [(e.code, e.reason, e.before) for e in world.audit.events if e.code is Code.REMOVAL_SKIPPED]
    assert told == ([] if leaves else [(Code.REMOVAL_SKIPPED, Reason.LAST_ADMINISTRATOR, (ADMINS,))])
    assert int(leaves) == sum(count for _, count in (await world.ledger.breaker("jira")).taken)


async def test_nobody_becomes_an_administrator_whose_account_does_not_show_active() -> None:
    """It would be a protected account then, which no sign-in switches on."""
    world = world_of(account("alice", "jira-users", active=False))
    left = Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(1))
    await world.ledger.note_deactivation(left)
    world.directory.deaf = True
    person = agent(groups=("okta-users", "okta-admins"))
    assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(person)
    assert ADMINS not in world.directory.groups("alice")
    world.directory.accounts["alice"] = replace(world.directory.accounts["alice"], active=True)
    world.clock.time += 5
    assert "alice" == await world.visit(person)
    assert ADMINS in world.directory.groups("alice")


async def test_it_is_left_as_soon_as_somebody_else_is_in_it() -> None:
    world = world_of(account("alice", "jira-users", ADMINS), account("bob", "jira-users"))
    await world.visit(agent())
    await world.visit(agent("bob", ("okta-users", "okta-admins")))
    world.clock.time += 901
    await world.visit(agent())
    assert (False, True) == tuple(ADMINS in world.directory.groups(name) for name in ("alice", "bob"))


async def test_two_who_leave_at_the_same_time_do_not_count_on_each_other() -> None:
    world = world_of(account("alice", "jira-users", ADMINS), account("bob", "jira-users", ADMINS))
    await asyncio.gather(world.visit(agent("alice")), world.visit(agent("bob")))
    assert 1 == len([name for name in ("alice", "bob") if ADMINS in world.directory.groups(name)])


async def test_where_the_application_does_not_tell_nothing_is_taken_and_nobody_let_in() -> None:
    world = world_of(account("alice", "jira-users", ADMINS), account("bob", ADMINS))
    world.directory.silent = True  # type: ignore[attr-defined]
    assert Reason.CONNECTOR_UNREACHABLE is await world.refusal(agent())
    assert ADMINS in world.directory.groups("alice")
