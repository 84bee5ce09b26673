"""flows.provisioning: after any single fault at the application, before or after it acted, the next try converges."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from sidecar.domain.account import Account, Step, StepResult
from sidecar.domain.identity import Identity, UnixSeconds
from sidecar.domain.ledger import Deactivation
from sidecar.domain.policy import GroupMapping
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, Directory, World, account, agent, make_policy

PERSON = agent(groups=("okta-users", "okta-team", "okta-more"))
WANTED = frozenset({"jira-users", "jira-team", "jira-more"})
BY_HAND = "hiking-club"


class Faulty(Directory):
    """Fails at the call number `at`: before it acts, or after, when only the answer is lost. A look whose answer is
    lost is as good as none."""

    def __init__(self, *accounts: Account) -> None:
        super().__init__(*accounts)
        self.at = -1
        self.acts = False
        self.calls = 0

    async def read(self, username: str) -> Account | None:
        self._before()
        return await super().read(username)

    async def apply(self, step: Step) -> StepResult:
        mine = self.calls
        self._before()
        result = await super().apply(step)
        if mine == self.at:
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, "the answer was lost")
        return result

    def _before(self) -> None:
        self.calls += 1
        if self.calls - 1 == self.at and not self.acts:
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")


def newcomer() -> World:
    return World(Faulty())


def mover() -> World:
    world = World(Faulty(replace(account("alice", "jira-old", BY_HAND), display_name="Old")))
    world.pin(PERSON, "alice")
    world.own("alice", "jira-old")
    return world


def leaver() -> World:
    world = World(Faulty(account("alice", "jira-old", BY_HAND, active=False)))
    world.pin(PERSON, "alice")
    world.own("alice", "jira-old")
    entry = Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(1))
    world.ledger.deactivations["jira", "alice"] = entry
    return world


def administrator() -> World:
    """Gone, and back with a protected group. What was joined of it before a failure must not bar the way."""
    groups = replace(
        GROUPS,
        mapping=(*GROUPS.mapping, GroupMapping(source="okta-more", target="jira-more", exact=True, admin=True)),
        admin=frozenset({"jira-more"}),
        protected=frozenset({"jira-more"}),
    )
    world = leaver()
    world.policy = make_policy(ACCOUNTS, groups)
    return world


async def tried(world: World, person: Identity = PERSON) -> bool:
    try:
        return "alice" == await world.visit(person)
    except AccountError:
        return False


@pytest.mark.parametrize("begin", [newcomer, mover, leaver, administrator])
@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("at", range(10))
async def test_the_next_try_converges(begin: object, acts: bool, at: int) -> None:
    world = begin()  # type: ignore[operator]
    directory = world.directory
    directory.at, directory.acts = at, acts
    before = directory.accounts.get("alice")
    by_hand = before.groups & {BY_HAND} if before else frozenset()
    _ = await tried(world)
    assert by_hand <= (directory.accounts["alice"].groups if "alice" in directory.accounts else by_hand)
    directory.at = -1
    for _ in range(2):
        # An account that was served in spite of a failure is looked at again after a minute.
        world.clock.time += 61
        assert await tried(world)
    found = directory.accounts["alice"]
    assert (True, WANTED | by_hand) == (found.active, found.groups)
    assert (1, sorted(WANTED), {}) == (len(world.ledger.pins), world.ledger.owned_groups(), world.ledger.deactivations)
    done = Counter((event.code, event.facts.get("group")) for event in world.audit.events if event.outcome == "success")
    assert [] == [step for step, times in done.items() if times > 1]
    told = {str(group) for code, group in done if code.value == "group.added"}
    assert told <= WANTED
