"""One fault at any call of any piece of work: a second try makes the account as it was ordered, the ledger knows what
is ours, and the audit trail tells what happened and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from sidecar.adapters.state.sqlite import open_state
from sidecar.core.orders import order_for
from sidecar.core.usernames import resolve_username
from sidecar.domain.account import AccountOrder
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Identity, UnixSeconds
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Ledger
from sidecar.flows.provisioning import Accounts
from sidecar.flows.reach import Reach
from tests.adapters.accounts.faulty import Fault, FaultyWay, faulty_way
from tests.adapters.accounts.standins import WAYS, StandIn
from tests.adapters.state.samples import SEALER
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, TRACE, Counter, Hands, Listener, agent, make_policy

TEN = ("okta-users", *(f"okta-team-{number}" for number in range(9)))


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work: what is there before, and what is ordered.

    Attributes:
        there: The groups of the account that is there, all of them ours; None: there is no account.
        active: Whether it is active; if not, we deactivated it.
        foreign: A group of the account that is not ours.
        claims: The provider's groups.
    """

    name: str
    there: tuple[str, ...] | None
    claims: tuple[str, ...]
    active: bool = True
    foreign: tuple[str, ...] = ()

    @property
    def wanted(self) -> set[str]:
        return {group.replace("okta-", "jira-") for group in self.claims}


NEW = Work("new", None, TEN)
BACK = Work("back", ("jira-users", "jira-old", "jira-older"), ("okta-users", "okta-fresh"), active=False)
MOVED = Work("moved", ("jira-users", "jira-a", "jira-b"), ("okta-users", "okta-c", "okta-d"), foreign=("by-hand",))
WORKS = (NEW, BACK, MOVED)


@dataclass(slots=True)
class Scene:
    """One piece of work at one stand-in."""

    work: Work
    standin: StandIn
    way: FaultyWay
    flow: Accounts
    ledger: Ledger
    audit: Listener
    clock: Hands
    policy: Policy
    person: Identity

    async def attempt(self) -> Reason | None:
        """One visit; the reason of its refusal, or None."""
        try:
            assert "alice" == await self.flow.ensure(self._order(), self.person, TRACE)
        except AccountError as error:
            return error.reason
        return None

    def _order(self) -> AccountOrder:
        application = self.policy.applications["jira"]
        home = application.portal("agents")
        assert home is not None
        username = resolve_username(self.person, home.username)
        assert not isinstance(username, Reason)
        return order_for(self.person, home, application, username, trusted=True)

    def check_truth(self) -> None:
        """What was told as done is so, and what was told as refused for certain is not."""
        user = self.standin.people.find("alice")
        groups, active = (user.groups, user.active) if user else (set(), False)
        told = {(event.code, event.facts.get("group")): event for event in self.audit.events}
        for (code, group), event in told.items():
            if code is Code.GROUP_ADDED:
                assert group in groups, event
            elif code is Code.GROUP_REMOVED:
                assert group not in groups, event
            elif code in (Code.USER_CREATED, Code.USER_REACTIVATED):
                assert active, event
        for event in self.audit.events:
            if event.code is Code.ACCOUNT_FAILED and event.reason is not Reason.CONNECTOR_UNREACHABLE:
                self._check_refused(event, groups, active)

    def _check_refused(self, event: Event, groups: set[str], active: bool) -> None:
        done = self.audit.codes()
        match event.facts["step"]:
            case "join" if Code.GROUP_ADDED.value not in done:
                assert event.facts["group"] not in groups, event
            case "leave" if Code.GROUP_REMOVED.value not in done:
                assert event.facts["group"] in groups, event
            case "create" if Code.USER_CREATED.value not in done:
                assert self.standin.people.find("alice") is None, event
            case "reactivate" if Code.USER_REACTIVATED.value not in done:
                assert not active, event

    async def check_end(self) -> None:
        """The account is as ordered, there is one of it, and the ledger knows all of it."""
        user, work = self.standin.people.find("alice"), self.work
        assert user is not None
        assert (True, work.wanted | set(work.foreign)) == (user.active, self.standin.groups_of("alice"))
        assert ("Alice", "alice@example.com") == (user.display_name, user.email)
        assert 1 == sum(one.username.lower() == "alice" for one in self.standin.people.users.values())
        pin = await self.ledger.pin_of("jira", self.person.person)
        assert pin is not None
        assert ("alice", user.key) == (pin.username, pin.key)
        owned = await self.ledger.owned("jira", "alice")
        assert (work.wanted, {False}) == ({entry.group for entry in owned}, {entry.pending for entry in owned})
        assert None is await self.ledger.deactivation("jira", "alice")
        self._check_told()

    def _check_told(self) -> None:
        """Every change has its event, or at least a failure that says that nobody knows."""
        told = {(event.code, event.facts.get("group")) for event in self.audit.events}
        lost = {
            (event.facts["step"], event.facts.get("group"))
            for event in self.audit.events
            if event.code is Code.ACCOUNT_FAILED and event.reason is Reason.CONNECTOR_UNREACHABLE
        }
        before = set(self.work.there or ())
        for group in self.work.wanted - before:
            assert (Code.GROUP_ADDED, group) in told or ("join", group) in lost, group
        for group in before - self.work.wanted:
            assert (Code.GROUP_REMOVED, group) in told or ("leave", group) in lost, group
        if self.work.there is None:
            assert (Code.USER_CREATED, None) in told or ("create", None) in lost
        if not self.work.active:
            assert (Code.USER_REACTIVATED, None) in told or ("reactivate", None) in lost


@asynccontextmanager
async def scene(work: Work, standin: StandIn, way: FaultyWay) -> AsyncIterator[Scene]:
    """Everything as it is before the work; nothing of an earlier scene is left."""
    standin.people.users.pop("alice", None)
    standin.make([*work.wanted, *(work.there or ()), *work.foreign])
    policy = make_policy(ACCOUNTS, GROUPS)
    async with open_state(None, SEALER) as state, standin.connected(url=way.url) as connector:
        ledger, audit, clock = state.ledger, Listener(), Hands()
        await ledger.init("jira", clock.now())
        flow = Accounts(lambda: policy, {"jira": Reach(connector, (), 30.0)}, ledger, audit, clock, Counter())
        made = Scene(work, standin, way, flow, ledger, audit, clock, policy, agent(groups=work.claims))
        if work.there is not None:
            await _remember(made)
        way.calls = 0
        yield made


async def _remember(made: Scene) -> None:
    """An account that Lychgate made, with its groups, and perhaps deactivated."""
    work, ledger, at = made.work, made.ledger, UnixSeconds(1)
    made.standin.add("alice", *(work.there or ()), *work.foreign, active=work.active)
    user = made.standin.people.find("alice")
    assert user is not None
    user.display_name = "Alice"
    person = made.person.person
    await ledger.pin(
        Pin(application="jira", username="alice", spelling="alice", person=person, created=True, at=at, key=user.key)
    )
    for group in work.there or ():
        await ledger.own(
            OwnedGroup(application="jira", username="alice", group=group, portal="agents", at=at, pending=False)
        )
    if not work.active:
        await ledger.note_deactivation(Deactivation(application="jira", username="alice", cause="revoked", at=at))


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
@pytest.mark.parametrize("name", WAYS)
async def test_without_a_fault_one_visit_is_enough(name: str, work: Work) -> None:
    async with WAYS[name]() as standin, faulty_way(standin.server.url) as way, scene(work, standin, way) as made:
        assert None is await made.attempt()
        made.check_truth()
        await made.check_end()
        made.audit.events.clear()
        calls = way.calls
        made.clock.time += 1_000
        # A second look finds nothing to do, but where no address is shown, it is written once.
        assert None is await made.attempt()
        codes = [Code.USER_UPDATED.value] if not standin.mail and work.there is not None else []
        assert ([], True) == ([code for code in made.audit.codes() if code not in codes], way.calls < 2 * calls)


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
@pytest.mark.parametrize("name", WAYS)
async def test_after_one_fault_at_any_call_a_second_visit_converges(name: str, work: Work, fault: Fault) -> None:
    async with WAYS[name]() as standin, faulty_way(standin.server.url) as way:
        refusals, failing = 0, 0
        while True:
            way.failing, way.fault = failing, fault
            async with scene(work, standin, way) as made:
                first = await made.attempt()
                if way.calls <= failing:
                    break
                made.check_truth()
                refusals += first is not None
                way.failing = None
                # After this long nothing is remembered.
                made.clock.time += 1_000
                second = await made.attempt()
                assert None is second, (failing, first)
                made.check_truth()
                await made.check_end()
            failing += 1
        # The loop was no empty one: reading alone can fail, and steps can.
        assert failing >= 5
        assert 0 < refusals <= failing
