"""What is done when a provider says that somebody is gone: it is remembered, and the account is made inactive.

Called by `flows.revocations` once the sessions are over. The work is the flow's: it goes on when the provider's request
is long answered, is tried again a few times, and is told whatever becomes of it. Whoever signs in meanwhile is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from sidecar.core.accounts import Refusal
from sidecar.core.leavers import REMEMBERED, Leaver, all_guarded, farewell, gone_mark, leavers_of
from sidecar.core.rolling import Rolling
from sidecar.core.usernames import fold
from sidecar.domain.account import Account, AccountOrder, Deactivate
from sidecar.domain.events import Code
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.ledger import Pin
from sidecar.domain.policy import Application, Policy
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import Revocation
from sidecar.flows.account_events import AccountMeter, Teller
from sidecar.flows.account_look import elsewhere
from sidecar.flows.account_steps import Carrying
from sidecar.flows.accounts import AccountError, Connector, Ledger
from sidecar.flows.logout import Markers
from sidecar.flows.owned import OwnedTasks
from sidecar.flows.reach import Reach
from sidecar.flows.sessions import SessionStore, StateError
from sidecar.flows.telling import Clock, SureAudit, Trace

LOG = logging.getLogger(__name__)
PAUSES = (0.0, 5.0, 30.0, 120.0, 600.0)
"""Seconds before each try. What fails a quarter of an hour long is an administrator's to look at."""
PARALLEL = 4


class Turns(Protocol):
    """Who may work at an account: one at a time."""

    def turn(self, application: str, username: str) -> AbstractAsyncContextManager[None]:
        """The turn at an account, by its name."""
        ...


@dataclass(slots=True)
class _Farewell:
    """One account to be made inactive. *counted*: whether the breaker let it pass."""

    application: Application
    leaver: Leaver
    since: UnixSeconds
    trace: Trace
    counted: bool = False


class Leavers:
    """Sees people off."""

    def __init__(
        self,
        turns: Turns,
        reach: Mapping[str, Reach],
        ledger: Ledger,
        store: SessionStore,
        markers: Markers,
        policy: Callable[[], Policy],
        audit: SureAudit,
        clock: Clock,
        meter: AccountMeter,
        *,
        heard: Callable[[], None] = lambda: None,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """*heard* is called as soon as it is remembered that somebody is gone."""
        self._turns = turns
        self._reach = reach
        self._ledger = ledger
        self._store = store
        self._markers = markers
        self._policy = policy
        self._audit = audit
        self._clock = clock
        self._meter = meter
        self._heard = heard
        self._pauses = pauses
        self._farewells: defaultdict[str, Rolling] = defaultdict(Rolling)
        self._parallel = asyncio.Semaphore(PARALLEL)
        self._tasks = OwnedTasks()
        self._stopping = asyncio.Event()

    async def hear(
        self, revocation: Revocation, ended: Iterable[Identity], provider: str, door: str, trace: Trace
    ) -> None:
        """A revocation was carried out. Nothing happens where *door* does not say that somebody is gone.

        Args:
            ended: Whose sessions ended by it.

        Raises:
            StateError: it could not be remembered.
        """
        policy = self._policy()
        meant = [known for known in policy.applications.values() if door in known.accounts.gone_by]
        if not meant:
            return
        for leaver in leavers_of(revocation, ended, provider, policy.providers):
            for application in meant:
                if await is_back(self._store, application.name, leaver.person, revocation.at):
                    continue
                until = UnixSeconds(revocation.at + REMEMBERED)
                await self._markers.mark(gone_mark(application.name, leaver.person), revocation.at, until)
                if application.accounts.deactivate:
                    _ = self._tasks.begin(self._see_off(_Farewell(application, leaver, revocation.at, trace)))
        self._heard()

    async def close(self) -> None:
        """Let what is under way come to its end; what only waits for its next try is given up, and told."""
        self._stopping.set()
        await self._tasks.close()

    async def _see_off(self, one: _Farewell) -> None:
        error = AccountError(Reason.INTERNAL, "nothing was tried")
        for pause in self._pauses:
            if await self._stopped(pause):
                error = AccountError(Reason.INTERNAL, f"the gate stopped before the next try; the last one: {error}")
                break
            try:
                async with self._parallel:
                    await self._try(one)
                return
            except AccountError as failed:
                error = failed
                if not failed.retry:
                    break
            except StateError:
                error = AccountError(Reason.STATE_UNAVAILABLE, "the ledger did not answer")
            except Exception:
                LOG.exception("a leaver's account could not be looked at")
                error = AccountError(Reason.INTERNAL, "a fault of ours; see the log")
                break
        self._give_up(one, error)

    async def _stopped(self, pause: float) -> bool:
        """Wait; whether the end has come meanwhile."""
        if pause:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
        return self._stopping.is_set() and pause > 0

    async def _try(self, one: _Farewell) -> None:
        name = one.application.name
        reach = self._reach.get(name, Reach(None))
        try:
            async with asyncio.timeout(reach.budget):
                pin = await self._ledger.pin_of(name, one.leaver.person)
                if pin is None:
                    return
                async with self._turns.turn(name, pin.username):
                    await self._deactivate(one, pin, reach)
        except TimeoutError:
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, f"not done after {reach.budget:g} seconds") from None

    async def _deactivate(self, one: _Farewell, pin: Pin, reach: Reach) -> None:
        """In the account's turn: a sign-in came before, and is seen here, or comes after, and finds the note."""
        connector = reach.connector
        if connector is None or await is_back(self._store, one.application.name, one.leaver.person, one.since):
            return
        policy = one.application.accounts
        account = await self._account_of(pin, connector, reach)
        step = farewell(account, pin, policy, all_guarded(one.application))
        if isinstance(step, Refusal):
            raise AccountError(step.reason, step.detail, retry=False)
        if step is None or account is None:
            return
        self._count(one)
        carrying = Carrying(
            connector, self._ledger, self._clock, self._meter, self._teller(one, pin.spelling), account, 1
        )
        await carrying.run_stage((step,), None)
        # The answer to a change of `active` is no proof of the directory's state.
        checked = await connector.read(account.username)
        if checked is not None and checked.active:
            raise AccountError(Reason.ACCOUNT_STEP_FAILED, "the application still shows the account as active")

    async def _account_of(self, pin: Pin, connector: Connector, reach: Reach) -> Account | None:
        """The linked account under whatever name it has now; or what stands under its old name; or None.

        Raises:
            AccountError: the name that it has now is linked to somebody else; or as the connector does.
        """
        account = await connector.read(pin.spelling)
        if account is not None and pin.key in {None, account.key}:
            return account
        # Renamed by an administrator: the ledger hears of that at a sign-in only, and a leaver does not come again.
        moved = await elsewhere(pin, reach.registry)
        if moved is None:
            return account
        holder = await self._ledger.pin_on(pin.application, fold(moved.username))
        if holder is not None and holder.person != pin.person:
            detail = f"the account {pin.spelling} is called {moved.username} now, which is linked to another person"
            raise AccountError(Reason.PIN_CONFLICT, detail, retry=False)
        return moved

    def _count(self, one: _Farewell) -> None:
        limit, now = one.application.accounts.deactivations_per_hour, self._clock.monotonic()
        if not one.counted and not self._farewells[one.application.name].allow(limit, now):
            detail = f"more than {limit} accounts would be made inactive within an hour"
            raise AccountError(Reason.DEACTIVATIONS_CAPPED, detail, retry=False)
        one.counted = True

    def _give_up(self, one: _Farewell, error: AccountError) -> None:
        name, reason = one.application.name, error.reason
        LOG.error("%s: the account of a leaver may still be active: %s", name, error)
        self._meter.step(name, "farewell", reason.value)
        self._teller(one, "").tell(
            Code.ACCOUNT_FAILED,
            outcome="failure",
            reason=reason,
            facts={"step": Deactivate.__name__.lower(), "detail": error.detail, "given_up": True},
        )

    def _teller(self, one: _Farewell, username: str) -> Teller:
        person, provider = one.leaver.person, one.leaver.provider
        order = AccountOrder(
            application=one.application.name, portal="", username=username, display_name=None, email=None, groups=None
        )
        identity = Identity(person=person, provider=provider, claims={}, groups=None)
        return Teller(self._audit, order, identity, one.trace)


async def is_back(store: SessionStore, application: str, person: Person, since: UnixSeconds) -> bool:
    """Whether somebody has signed in after *since*; then nobody says any more that they are gone.

    Raises:
        StateError: nobody knows.
    """
    for key in await store.of_person(application, person):
        found = await store.get(key)
        if found is not None and found[0].created_at > since:
            return True
    return False
