"""What a sign-in would do to an account now, from a fresh look. Its ports can only read: nothing is changed, ever.

Asked by the test page.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import replace

from cachetools import TTLCache

from sidecar.core.kept import kept
from sidecar.domain.account import Account, AccountOrder, Step, StepResult
from sidecar.domain.identity import Identity, Person
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.flows.account_look import Foreseen, ReadsLedger, foresee, rules_of
from sidecar.flows.accounts import AccountError, Connector
from sidecar.flows.reach import Reach, within
from sidecar.flows.seats import Seats
from sidecar.flows.telling import Clock

PARALLEL = 8
OFTEN = 10
"""Looks of one person at one application within `WITHIN` seconds: each asks the application."""
WITHIN = 60.0
MOST = 5000


class OnlyReads:
    """The reading half of a `flows.accounts.Connector`."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def read(self, username: str) -> Account | None:
        """See `Connector.read`."""
        return await self._connector.read(username)

    async def apply(self, step: Step) -> StepResult:
        """Nothing is done here.

        Raises:
            AccountError: `internal`, always.
        """
        raise AccountError(Reason.INTERNAL, f"a look would have done a step: {type(step).__name__}", retry=False)


class Foresight:
    """Looks."""

    def __init__(
        self, policy: Callable[[], Policy], reach: Mapping[str, Reach], ledger: ReadsLedger, clock: Clock
    ) -> None:
        self._policy = policy
        self._ways = {name: (_reading(way), Seats(way.registry, clock)) for name, way in reach.items()}
        self._ledger = ledger
        self._clock = clock
        self._gate = asyncio.Semaphore(PARALLEL)
        self._looks: MutableMapping[tuple[str, Person], deque[float]] = kept(
            "test_page_looks", TTLCache(MOST, WITHIN, timer=clock.monotonic), MOST
        )

    def may_look(self, application: str, person: Person) -> bool:
        """Whether it was not too often; counted by the person, whom another sign-in does not change."""
        key, now = (application, person), self._clock.monotonic()
        looks = self._looks.get(key) or deque[float](maxlen=OFTEN)
        if len(looks) == OFTEN and now - looks[0] < WITHIN:
            return False
        looks.append(now)
        self._looks[key] = looks
        return True

    async def foresee(self, order: AccountOrder, identity: Identity) -> Foreseen:
        """What a sign-in of *identity* would do now.

        Raises:
            AccountError: the look failed.
        """
        reach, seats = self._ways.get(order.application, (Reach(None), Seats(None, self._clock)))
        async with within(reach.budget), self._gate:
            rules = rules_of(self._policy(), order, identity)
            return await foresee(order, identity.person, rules, reach, self._ledger, seats)


def _reading(reach: Reach) -> Reach:
    return replace(
        reach,
        connector=OnlyReads(reach.connector) if reach.connector is not None else None,
        hooks=(),
        application=OnlyReads(reach.application) if reach.application is not None else None,
    )
