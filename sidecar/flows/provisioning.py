"""Accounts made ready before the first request goes on: one worker at a time per account, however many wait.

Called by the gateway for every forwarded request; nearly always that is one dictionary look-up. Keeps the rules that a
request that goes away never stops work that has begun, and that nothing is forwarded for an account that is not ready.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

from sidecar.core.accounts import Plan, Refusal, may_be_made, pin_conflict
from sidecar.core.kept import Kept, kept
from sidecar.core.seats import fitted, taken_by
from sidecar.core.usernames import fold
from sidecar.domain.account import AccountOrder, Leave, Step
from sidecar.domain.events import Code
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.flows.account_events import AccountMeter, Teller
from sidecar.flows.account_look import Foreseen, Rules, Seen, foresee, look, pins_way, rules_of, usable_way, way_for
from sidecar.flows.account_plan import NotShownError, carry_out, must_be_ready
from sidecar.flows.account_steps import Carrying, add_pin
from sidecar.flows.accounts import AccountError, Connector, CredentialRefusedError, Ledger
from sidecar.flows.group_ages import GroupAges
from sidecar.flows.last_administrators import LastAdministrators
from sidecar.flows.late import Late
from sidecar.flows.leases import ALONE, OneAtATime
from sidecar.flows.owned import stopped
from sidecar.flows.reach import BoundHook, OnFailure, Reach, within
from sidecar.flows.read_only import ReadOnly
from sidecar.flows.removals import RemovalBreakers
from sidecar.flows.seats import Seats
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Clock, SureAudit, Trace
from sidecar.flows.unseen import Unseen

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
_MISSED = "not ready"


@dataclass(slots=True)
class _Timed:
    """How the work of one hook ended: `done`, `unfinished`, or a reason."""

    result: str = "done"


class Accounts:
    """Makes accounts ready, and remembers that they are.

    Attributes:
        removals: What holds removals back across people.
    """

    def __init__(
        self,
        policy: Callable[[], Policy],
        reach: Mapping[str, Reach],
        ledger: Ledger,
        audit: SureAudit,
        clock: Clock,
        meter: AccountMeter,
        memory: Memory = _USUAL,
        one_at_a_time: OneAtATime = ALONE,
    ) -> None:
        """*policy* gives the snapshot in force; *reach* is by application name. Nothing is begun here."""
        self._policy = policy
        self._reach = reach
        self._ledger = ledger
        self._audit = audit
        self._clock = clock
        self._meter = meter
        self._memory = memory
        self._ready: OrderedDict[_Key, tuple[str, float]] = kept("accounts_ready", OrderedDict(), memory.entries)
        self._latest: dict[str, tuple[AccountOrder, Policy, str, float]] = kept(
            "accounts_latest", Kept(), memory.entries
        )
        self._failed: OrderedDict[_Key, tuple[AccountError, float]] = kept(
            "accounts_failed", OrderedDict(), memory.entries
        )
        self._noted: OrderedDict[tuple[str, str], UnixSeconds] = kept("accounts_noted", OrderedDict(), memory.entries)
        self._tasks: dict[_Key, asyncio.Task[str]] = {}
        self._ages = GroupAges(ledger, clock)
        self.removals = RemovalBreakers(ledger, audit, clock, one_at_a_time)
        self._one_at_a_time = one_at_a_time
        self._seats: dict[str, Seats] = {}
        self._last = LastAdministrators()
        self._read_only = ReadOnly(clock, memory.entries)
        self._late = Late(clock, memory.entries)
        self._unseen = Unseen(ledger, clock, memory.entries)
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
        rules = rules_of(self._policy(), order, identity)
        reach = self._reach.get(order.application, Reach(None))
        seats = self._seats_of(order.application, reach)
        async with within(reach.budget, _MISSED):
            return await foresee(order, identity.person, rules, reach, self._ledger, seats)

    async def close(self) -> None:
        """Stop all work and wait until it has stopped. Those who wait get an `AccountError`."""
        await stopped(*self._tasks.values())

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
            async with within(reach.budget, _MISSED), self.turn(order.application, order.username):
                await self._ages.check(order, identity, policy)
                with self._timed(order.application, "accounts") as timed:
                    username, complete, steps = await self._make_ready(order, policy, identity, teller, reach)
                    timed.result = "done" if complete else "unfinished"
                complete = await self._run_hooks(reach.hooks, teller, steps) and complete
                await self._note_seen(order)
        except AccountError as error:
            self._meter.step(order.application, "ensure", error.reason.value)
            teller.tell(Code.ACCOUNT_REFUSED, outcome="failure", reason=error.reason, facts={"detail": error.detail})
            raise
        self._meter.step(order.application, "ensure", "done" if complete else "unfinished")
        lasts = self._memory.ready if complete else self._memory.unfinished
        _remember(self._ready, key, (username, self._clock.monotonic() + lasts), self._memory.entries)
        return username

    @contextlib.asynccontextmanager
    async def turn(self, application: str, username: str) -> AsyncIterator[None]:
        """One at a time per account, whatever is ordered, by whom and at which instance."""
        name = fold(username)
        async with (
            self._turns.setdefault((application, name), asyncio.Lock()),
            self._one_at_a_time.turn("account", application, name),
        ):
            yield

    async def _make_ready(
        self, order: AccountOrder, policy: Policy, identity: Identity, teller: Teller, reach: Reach
    ) -> tuple[str, bool, Sequence[Step]]:
        rules = rules_of(policy, order, identity)
        connector = reach.connector
        if connector is None or not rules.accounts.enabled:
            return await self._hold_pin(rules, teller), True, ()
        try:
            seen = await look(order, identity.person, reach, self._ledger, self._seats_of(order.application, reach))
        except CredentialRefusedError as error:
            return await self._unseen.username(teller, rules.groups, rules.accounts.serve_known, error), False, ()
        if pin_conflict(order.username, seen.pin, seen.pin_on_name) is None:
            self._late.check(order, seen.shown, rules.accounts.sync_wait)
        async with self._last.turn(order.application, seen.account, rules.groups):
            way = await self._allowed(order, seen, rules, reach)
            seats = taken_by(way, seen.account, seen.licences or ())
            with self._seats_of(order.application, reach).taking(seats) as full:
                if full:
                    way = _or_refuse(fitted(way, seen.account, seen.licences or (), full))
                username, complete = await self._carry_out(way, seen, rules, teller, connector)
        await self._must_show(order, way, seen, rules, reach.application)
        await self._unseen.note(order, username)
        return username, complete, way.steps

    async def _allowed(self, order: AccountOrder, seen: Seen, rules: Rules, reach: Reach) -> Plan:
        """The plan, within what may be taken from all people together and without what is hopeless.

        Raises:
            AccountError: there is no way.
        """
        if seen.renamed is not None:
            raise AccountError(seen.renamed.reason, seen.renamed.detail, retry=False)
        # What is not tried is not counted either: somebody in a read-only directory who asks again freezes nothing.
        way = await self._last.without(self._usable(order, seen, rules), rules.groups, reach)
        leaves = sum(isinstance(step, Leave) for step in way.steps)
        if leaves and not await self.removals.allow(order.application, leaves, rules.accounts.removals_per_hour):
            # As if the cap of this sign-in were none: held back, told, and taken up again later.
            return self._usable(order, seen, replace(rules, groups=replace(rules.groups, max_removals=0)))
        return way

    def _usable(self, order: AccountOrder, seen: Seen, rules: Rules) -> Plan:
        way = _or_refuse(usable_way(_or_refuse(way_for(order, seen, rules)), seen.usable))
        return _or_refuse(self._read_only.without(order.application, way))

    async def _carry_out(
        self, way: Plan, seen: Seen, rules: Rules, teller: Teller, connector: Connector
    ) -> tuple[str, bool]:
        carrying = Carrying(
            connector,
            self._ledger,
            self._clock,
            self._meter,
            teller,
            seen.account,
            self._memory.parallel,
            may_make=partial(may_be_made, groups=rules.groups),
        )
        try:
            username = await carry_out(way, carrying, connector, rules.accounts, rules.groups)
        except NotShownError as error:
            if seen.deactivation is not None:
                # Carrying forgot it too early: the account is still as Lychgate left it.
                await self._ledger.note_deactivation(seen.deactivation)
            raise self._late.refusal(teller.order, error, rules.accounts.sync_wait) from error
        finally:
            self._read_only.note(teller.order.application, carrying.failures)
        return username, carrying.complete

    async def _must_show(
        self, order: AccountOrder, way: Plan, seen: Seen, rules: Rules, application: Connector | None
    ) -> None:
        """What the user server has is no proof that the application has it.

        Raises:
            AccountError: as `Late.refusal` says, or as `Connector.read` does.
        """
        if application is None:
            return
        try:
            _ = must_be_ready(
                await application.read(way.username) if way.steps else seen.shown, frozenset(map(fold, order.needed))
            )
        except NotShownError as error:
            raise self._late.refusal(order, error, rules.accounts.sync_wait) from error

    def _seats_of(self, application: str, reach: Reach) -> Seats:
        return self._seats.setdefault(application, Seats(reach.registry, self._clock))

    async def _hold_pin(self, rules: Rules, teller: Teller) -> str:
        """The username where no account is managed."""
        way = _or_refuse(await pins_way(teller.order, teller.identity.person, rules, self._ledger))
        if way.pin is not None:
            await add_pin(self._ledger, teller, way.pin, self._clock.now())
        return way.username

    async def _run_hooks(self, hooks: Sequence[BoundHook], teller: Teller, steps: Sequence[Step]) -> bool:
        """Run them one after the other; False if one that lets the person in failed and may work soon."""
        complete = True
        for bound in hooks:
            try:
                with self._timed(teller.order.application, bound.hook.name):
                    await teller.intend({"step": "hook", "hook": bound.hook.name})
                    await bound.hook.run(teller.order, teller.identity, steps)
            except AccountError as error:
                facts = {"hook": bound.hook.name, "detail": error.detail}
                teller.tell(Code.ACCOUNT_FAILED, outcome="failure", reason=error.reason, facts=facts)
                if bound.on_failure is OnFailure.DENY:
                    raise
                complete = complete and not error.retry
        return complete

    @contextlib.contextmanager
    def _timed(self, application: str, name: str) -> Iterator[_Timed]:
        """Count what a hook does, with its time and its end."""
        timed, began = _Timed(), self._clock.monotonic()
        try:
            yield timed
        except AccountError as error:
            timed.result = error.reason.value
            raise
        except BaseException:
            timed.result = Reason.INTERNAL.value
            raise
        finally:
            self._meter.hook(application, name, timed.result, self._clock.monotonic() - began)

    async def _note_seen(self, order: AccountOrder) -> None:
        name = (order.application, fold(order.username))
        now = self._clock.now()
        if now - self._noted.get(name, 0) < _SEEN_EVERY:
            return
        _remember(self._noted, name, now, self._memory.entries)
        # Nobody is kept out because a date could not be written.
        with contextlib.suppress(StateError):
            await self._ledger.seen(*name, now)


def _or_refuse(found: Plan | Refusal) -> Plan:
    if isinstance(found, Refusal):
        raise AccountError(found.reason, found.detail, retry=False)
    return found


def _remember(memory: OrderedDict[_K, _V], key: _K, value: _V, entries: int) -> None:
    """Keep *value* as the youngest; the one that was longest unused makes room."""
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > entries:
        memory.popitem(last=False)
