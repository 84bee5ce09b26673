"""Leaves a host alone for a moment after it did not answer several times in a row (rule 69).

`oidc.http.Outbound`, `accounts.rest.Rest` and `accounts.webhook.Webhook` ask it. Without it a host that hangs would
hold every request that needs it for the whole time limit, again and again. Only silence counts: an answer, whatever it
says, is one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.flows.telling import Clock

FAILURES = 3
"""Calls in a row without an answer."""

PAUSE = 10
"""Seconds for which the host is left alone; then one call tries."""


class Breaker:
    """Counts by host. A configuration names few, so nothing is ever forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._silent: dict[str, tuple[int, float]] = {}
        self._trials: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def doubts(self, host: str) -> bool:
        """Whether the host was silent so often that it is left alone, or tried by one call at a time."""
        return self._silent.get(host, (0, 0.0))[0] >= FAILURES

    def silent(self) -> tuple[str, ...]:
        """The hosts that are left alone, or tried by one call at a time."""
        return tuple(sorted(host for host in self._silent if self.doubts(host)))

    def may_call(self, host: str) -> bool:
        """Whether to try. Who is let through when the pause is over tries for all: the next pause begins with it."""
        failures, since = self._silent.get(host, (0, 0.0))
        now = self._clock.monotonic()
        if failures < FAILURES:
            return True
        if now - since < PAUSE:
            return False
        self._silent[host] = failures, now
        return True

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[bool]:
        """One call: whether to make it. While the host is doubted, one at a time tries whether it is back, and those
        that came with it hear what it found."""
        if not self.doubts(host):
            yield True
            return
        async with self._trials[host]:
            yield self.may_call(host)

    def answered(self, host: str) -> None:
        """It spoke."""
        self._silent.pop(host, None)

    def was_silent(self, host: str) -> None:
        """It did not, in time or at all."""
        failures, _ = self._silent.get(host, (0, 0.0))
        self._silent[host] = failures + 1, self._clock.monotonic()
