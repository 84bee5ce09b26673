"""The breaker of one application's removals at work: remembered in the ledger, told once when it falls and once when it
is over.

Used by `flows.provisioning`. What was taken is written down before it is taken, so a restart forgets nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping

from sidecar.core.breaker import Breaker, asked, settled
from sidecar.domain.events import Code, Event
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import Ledger
from sidecar.flows.leases import ALONE, OneAtATime
from sidecar.flows.telling import Audit, Clock

LOG = logging.getLogger(__name__)


class RemovalBreakers:
    """One breaker per application."""

    def __init__(self, ledger: Ledger, audit: Audit, clock: Clock, one_at_a_time: OneAtATime = ALONE) -> None:
        self._ledger = ledger
        self._audit = audit
        self._clock = clock
        self._one_at_a_time = one_at_a_time
        self._frozen: dict[str, bool] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def allow(self, application: str, count: int, limit: int) -> bool:
        """Whether one person may leave *count* groups now; if so, they are counted. *limit*: most within an hour.

        Raises:
            StateError: the ledger did not answer.
        """
        async with self._turns[application], self._one_at_a_time.turn("removals", application):
            before = await self._ledger.breaker(application)
            allowed, after = asked(before, count, limit, self._clock.now())
            await self._keep(application, before, after, {"limit": limit})
            return allowed

    async def look(self, applications: Iterable[str]) -> None:
        """Read how the breakers stand, at the start.

        Raises:
            StateError: the ledger did not answer.
        """
        for application in applications:
            self._frozen[application] = False
            await self._review(application)

    async def review(self) -> None:
        """End the freezes that are over. Called every minute.

        Raises:
            StateError: the ledger did not answer.
        """
        for application in [name for name, frozen in self._frozen.items() if frozen]:
            await self._review(application)

    def frozen(self) -> Mapping[str, int]:
        """1 for every application whose removals are frozen, else 0."""
        return {application: int(frozen) for application, frozen in self._frozen.items()}

    async def _review(self, application: str) -> None:
        async with self._turns[application], self._one_at_a_time.turn("removals", application):
            before = await self._ledger.breaker(application)
            await self._keep(application, before, settled(before, self._clock.now()), {})

    async def _keep(self, application: str, before: Breaker, after: Breaker, facts: Mapping[str, int]) -> None:
        if after != before:
            await self._ledger.keep_breaker(application, after)
        self._frozen[application] = after.frozen is not None
        if before.frozen is not None and after.frozen != before.frozen:
            LOG.warning("%s: groups are left again: nothing had to be held back for an hour", application)
            self._audit.tell(Event(code=Code.REMOVALS_RESUMED, application=application, facts={"cause": "time"}))
        if after.frozen is not None and after.frozen != before.frozen:
            taken = sum(count for _, count in after.taken)
            LOG.error("%s: no group is left any more: %d within an hour, and more are asked for", application, taken)
            event = Event(
                code=Code.REMOVALS_FROZEN,
                outcome="failure",
                reason=Reason.REMOVALS_CAPPED,
                application=application,
                facts={"taken": taken, **facts},
            )
            self._audit.tell(event)
