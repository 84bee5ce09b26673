"""Accounts made ready before the first request goes on: one worker at a time per account, however many wait.

Called by the gateway for every forwarded request; nearly always that is one dictionary look-up. Keeps the rules that a
request that goes away never stops work that has begun, and that nothing is forwarded for an account that is not ready.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from weakref import WeakValueDictionary

from sidecar.core.accounts import NewPin, Plan, Refusal, pin_conflict, plan
from sidecar.core.breaker import Removals
from sidecar.core.usernames import fold, is_reserved, may_be_created
from sidecar.domain.account import Account, AccountOrder, Leave
from sidecar.domain.events import Code
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.policy import AccountPolicy, GroupPolicy, Policy, UsernameMapping
from sidecar.domain.reason import Reason
from sidecar.flows.account_events import AccountMeter, Teller
from sidecar.flows.account_steps import Carrying, add_pin, carry_out
from sidecar.flows.accounts import AccountError, Connector, Ledger
from sidecar.flows.reach import BoundHook, OnFailure, Reach
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Clock, SureAudit, Trace

_SEEN_EVERY = 3600
_K = TypeVar("_K")
_V = TypeVar("_V")

_Key = tuple[str, AccountOrder, Person, str]
"""What remembered work is found by: policy, order, person, session. The person is part of it because another one may
have resolved to the same name; the session because every sign-in is an occasion to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How long outcomes are remembered, in seconds, and how many.

    Attributes:
        ready: A finished account; the design's recheck.
        unfinished: An account that serves although a step failed that may work soon. What cannot work soon, such as a
            change in a read-only directory, waits for the recheck.
        failed: A refusal: long enough for the requests of one page, short enough for a person's second try.
        entries: Most outcomes kept of each sort.
        parallel: Most steps at the same time for one account. Ten, so that ten groups take one round trip.
    """

    ready: float = 900.0
    unfinished: float = 60.0
    failed: float = 3.0
    entries: int = 20_000
    parallel: int = 10


_USUAL = Memory()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found. *usable* is whether the ledger may take new pins and removals."""

    account: Account | None
    pin: Pin | None
    pin_on_name: Pin | None
    owned: tuple[OwnedGroup, ...]
    deactivation: Deactivation | None
    usable: bool


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a sign-in would do now. *seen* is None where the application's accounts are not managed."""

    way: Plan | Refusal
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds for one order, taken from one policy."""

    accounts: AccountPolicy
    groups: GroupPolicy
    username: UsernameMapping
    authoritative: bool


class Accounts:
    """Makes accounts ready, and remembers that they are."""

    def __init__(
        self,
        policy: Callable[[], Policy],
        reach: Mapping[str, Reach],
        ledger: Ledger,
        audit: SureAudit,
        clock: Clock,
        meter: AccountMeter,
        memory: Memory = _USUAL,
    ) -> None:
        """*policy* gives the snapshot in force; *reach* is by application name. Nothing is begun here."""
        self._policy = policy
        self._reach = reach
        self._ledger = ledger
        self._audit = audit
        self._clock = clock
        self._meter = meter
        self._memory = memory
        self._ready: OrderedDict[_Key, tuple[str, float]] = OrderedDict()
        self._latest: dict[str, tuple[AccountOrder, Policy, str, float]] = {}
        self._failed: OrderedDict[_Key, tuple[AccountError, float]] = OrderedDict()
        self._noted: OrderedDict[tuple[str, str], UnixSeconds] = OrderedDict()
        self._tasks: dict[_Key, asyncio.Task[str]] = {}
        self._removals: defaultdict[str, Removals] = defaultdict(Removals)
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def ensure(self, order: AccountOrder, identity: Identity, request: Trace) -> str:
        """The username to land with, in the application's own spelling, once the account is as ordered.

        Raises:
            AccountError: the account is not ready; nothing may be forwarded.
        """
        ready = self.at_hand(order, identity, request.session)
        if ready is not None:
            return ready
        policy = self._policy()
        return await self._wait((policy.hash, order, identity.person, request.session), policy, identity, request)

    def at_hand(self, order: AccountOrder, identity: Identity, session: str) -> str | None:
        """The username, if the account was found ready lately; else None. *session* is as in `Trace`."""
        policy, latest = self._policy(), self._latest.get(session)
        if latest is not None and latest[0] is order and latest[1] is policy and self._clock.monotonic() < latest[3]:
            return latest[2]
        key = (policy.hash, order, identity.person, session)
        ready = self._ready.get(key)
        if ready is None or self._clock.monotonic() >= ready[1]:
            return None
        self._ready.move_to_end(key)
        if session:
            # The same objects as the last time: no need to hash fifty groups again.
            if len(self._latest) >= self._memory.entries:
                self._latest.clear()
            self._latest[session] = (order, policy, *ready)
        return ready[0]

    async def foresee(self, order: AccountOrder, identity: Identity) -> Foreseen:
        """What `ensure` would do now, from a fresh look. Nothing is changed, told or remembered.

        Raises:
            AccountError: the look failed.
        """
        rules = _rules(self._policy(), order, identity)
        reach = self._reach.get(order.application, Reach(None))
        async with _outside(reach.budget):
            if reach.connector is None or not rules.accounts.enabled:
                return Foreseen(await self._pin_way(rules, order, identity.person))
            seen = await self._look(reach.connector, order, identity.person)
        return Foreseen(_usable_way(_way(order, seen, rules), seen.usable), seen)

    async def close(self) -> None:
        """Stop all work and wait until it has stopped. Those who wait get an `AccountError`."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, key: _Key, policy: Policy, identity: Identity, request: Trace) -> str:
        failed = self._failed.get(key)
        if failed is not None and self._clock.monotonic() < failed[1]:
            raise AccountError(failed[0].reason, failed[0].detail, retry=failed[0].retry)
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(self._work(key, policy, identity, request))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        try:
            # The request may be cancelled; the work is the flow's and goes on.
            return await asyncio.shield(task)
        except AccountError as error:
            # One exception object in many tasks would gather all their tracebacks.
            raise AccountError(error.reason, error.detail, retry=error.retry) from error
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if task.cancelled() and not (waiter and waiter.cancelling()):
                raise AccountError(Reason.INTERNAL, "the gate is stopping") from None
            raise

    def _finish(self, key: _Key, task: asyncio.Task[str]) -> None:
        del self._tasks[key]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, AccountError):
            until = self._clock.monotonic() + self._memory.failed
            _remember(self._failed, key, (error, until), self._memory.entries)

    async def _work(self, key: _Key, policy: Policy, identity: Identity, request: Trace) -> str:
        order = key[1]
        teller = Teller(self._audit, order, identity, request)
        reach = self._reach.get(order.application, Reach(None))
        try:
            async with _outside(reach.budget), self._turn(order):
                username, complete = await self._make_ready(order, policy, identity, teller, reach)
                complete = await self._run_hooks(reach.hooks, teller) and complete
                await self._note_seen(order)
        except AccountError as error:
            self._meter.step(order.application, "ensure", error.reason.value)
            teller.tell(Code.ACCOUNT_REFUSED, outcome="failure", reason=error.reason, facts={"detail": error.detail})
            raise
        self._meter.step(order.application, "ensure", "done" if complete else "unfinished")
        lasts = self._memory.ready if complete else self._memory.unfinished
        _remember(self._ready, key, (username, self._clock.monotonic() + lasts), self._memory.entries)
        return username

    def _turn(self, order: AccountOrder) -> asyncio.Lock:
        """One at a time per account, whatever is ordered and by whom."""
        return self._turns.setdefault((order.application, fold(order.username)), asyncio.Lock())

    async def _make_ready(
        self, order: AccountOrder, policy: Policy, identity: Identity, teller: Teller, reach: Reach
    ) -> tuple[str, bool]:
        rules = _rules(policy, order, identity)
        if reach.connector is None or not rules.accounts.enabled:
            return await self._hold_pin(rules, teller), True
        seen = await self._look(reach.connector, order, identity.person)
        way = _way(order, seen, rules)
        leaves = 0 if isinstance(way, Refusal) else sum(isinstance(step, Leave) for step in way.steps)
        limit, now = rules.accounts.removals_per_hour, self._clock.monotonic()
        if leaves and not self._removals[order.application].allow(leaves, limit, now):
            # As if the cap of this sign-in were none: held back, told, and taken up again later.
            way = _way(order, seen, replace(rules, groups=replace(rules.groups, max_removals=0)))
        way = _usable_way(way, seen.usable)
        if isinstance(way, Refusal):
            raise AccountError(way.reason, way.detail, retry=False)
        carrying = Carrying(
            reach.connector, self._ledger, self._clock, self._meter, teller, seen.account, self._memory.parallel
        )
        return await carry_out(way, carrying, reach.connector, rules.accounts, rules.groups), carrying.complete

    async def _look(self, connector: Connector, order: AccountOrder, person: Person) -> Seen:
        """Everything that a plan needs, asked for at the same time."""
        application, name = order.application, fold(order.username)
        account, pin, pin_on_name, owned, deactivation, usable = await asyncio.gather(
            connector.read(order.username),
            self._ledger.pin_of(application, person),
            self._ledger.pin_on(application, name),
            self._ledger.owned(application, name),
            self._ledger.deactivation(application, name),
            self._ledger.usable(application),
        )
        return Seen(account, pin, pin_on_name, owned, deactivation, usable)

    async def _hold_pin(self, rules: _Rules, teller: Teller) -> str:
        """The username where no account is managed: pins hold all the same, so that a name used again is noticed."""
        way = await self._pin_way(rules, teller.order, teller.identity.person)
        if isinstance(way, Refusal):
            raise AccountError(way.reason, way.detail, retry=False)
        if way.pin is not None:
            await add_pin(self._ledger, teller, way.pin, self._clock.now())
        return way.username

    async def _pin_way(self, rules: _Rules, order: AccountOrder, person: Person) -> Plan | Refusal:
        """Nobody can look whose account it is. So a new pin needs a provider whose usernames are authoritative, and a
        reserved name needs a link made by an administrator."""
        pin, pin_on_name, usable = await asyncio.gather(
            self._ledger.pin_of(order.application, person),
            self._ledger.pin_on(order.application, fold(order.username)),
            self._ledger.usable(order.application),
        )
        conflict = pin_conflict(order.username, pin, pin_on_name)
        if conflict is not None:
            return conflict
        if pin is not None:
            return Plan(username=pin.spelling)
        if is_reserved(order.username, rules.accounts.reserved):
            return Refusal(Reason.ACCOUNT_RESERVED, "the account name is reserved")
        if not rules.authoritative:
            detail = "accounts are not managed, and this provider's usernames are not authoritative"
            return Refusal(Reason.ACCOUNT_NOT_ADOPTED, detail)
        new = NewPin(fold(order.username), order.username, False)
        return _usable_way(Plan(username=order.username, pin=new), usable)

    async def _run_hooks(self, hooks: Sequence[BoundHook], teller: Teller) -> bool:
        """Run them one after the other; False if one that lets the person in failed and may work soon."""
        complete = True
        for bound in hooks:
            try:
                await teller.intend({"step": "hook", "hook": bound.hook.name})
                await bound.hook.run(teller.order, teller.identity)
            except AccountError as error:
                self._meter.step(teller.order.application, "hook", error.reason.value)
                facts = {"hook": bound.hook.name, "detail": error.detail}
                teller.tell(Code.ACCOUNT_FAILED, outcome="failure", reason=error.reason, facts=facts)
                if bound.on_failure is OnFailure.DENY:
                    raise
                complete = complete and not error.retry
            else:
                self._meter.step(teller.order.application, "hook", "done")
        return complete

    async def _note_seen(self, order: AccountOrder) -> None:
        name = (order.application, fold(order.username))
        now = self._clock.now()
        if now - self._noted.get(name, 0) < _SEEN_EVERY:
            return
        _remember(self._noted, name, now, self._memory.entries)
        # Nobody is kept out because a date could not be written.
        with contextlib.suppress(StateError):
            await self._ledger.seen(*name, now)


def _way(order: AccountOrder, seen: Seen, rules: _Rules) -> Plan | Refusal:
    return plan(
        order,
        account=seen.account,
        pin=seen.pin,
        pin_on_name=seen.pin_on_name,
        owned=seen.owned,
        deactivation=seen.deactivation,
        policy=rules.accounts,
        groups=rules.groups,
        authoritative=rules.authoritative,
        creatable=may_be_created(order.username, rules.username),
    )


@contextlib.asynccontextmanager
async def _outside(budget: float) -> AsyncIterator[None]:
    """Gives the failures of the outside their reason, and an end."""
    try:
        async with asyncio.timeout(budget):
            yield
    except TimeoutError:
        raise AccountError(Reason.CONNECTOR_UNREACHABLE, f"not ready after {budget:g} seconds") from None
    except StateError as error:
        raise AccountError(Reason.STATE_UNAVAILABLE, "the ledger did not answer") from error


def _rules(policy: Policy, order: AccountOrder, identity: Identity) -> _Rules:
    application = policy.applications.get(order.application)
    portal = application.portal(order.portal) if application is not None else None
    provider = policy.providers.get(identity.provider)
    if application is None or portal is None or provider is None:
        raise AccountError(Reason.INTERNAL, "the policy no longer knows the application, portal or provider")
    product = application.product
    return _Rules(
        accounts=replace(application.accounts, reserved=application.accounts.reserved | product.reserved_names),
        groups=replace(portal.groups, protected=portal.groups.protected | product.protected_groups),
        username=portal.names_of(identity.provider),
        authoritative=provider.authoritative,
    )


def _usable_way(way: Plan | Refusal, usable: bool) -> Plan | Refusal:
    """No new pin and no removal where the ledger is not known to be the right one."""
    if usable or isinstance(way, Refusal) or (way.pin is None and not any(isinstance(s, Leave) for s in way.steps)):
        return way
    detail = "the ledger was never declared to be the right one for this application (lychgate ledger init)"
    return Refusal(Reason.LEDGER_UNUSABLE, detail)


def _remember(memory: OrderedDict[_K, _V], key: _K, value: _V, entries: int) -> None:
    """Keep *value* as the youngest; the one that was longest unused makes room."""
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > entries:
        memory.popitem(last=False)
