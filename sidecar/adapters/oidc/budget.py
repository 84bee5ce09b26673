"""How many pushed authorization requests go out: anybody without a session can cause one.

One budget for all providers, made by the composition root, asked by `client` before every push. It is what stands
between a flood of strangers and the providers' own limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sidecar.adapters.oidc.http import failure
from sidecar.domain.reason import Reason
from sidecar.flows.telling import Clock

AT_ONCE = 64
PER_SECOND = 20.0
BURST = 100.0


class PushBudget:
    """Pushes under way at once, and pushes per second after a burst."""

    def __init__(
        self, clock: Clock, *, at_once: int = AT_ONCE, per_second: float = PER_SECOND, burst: float = BURST
    ) -> None:
        self._clock = clock
        self._at_once = at_once
        self._per_second = per_second
        self._burst = burst
        self._under_way = 0
        self._left = burst
        self._since = clock.monotonic()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Spend one push; its place is free again at the end.

        Raises:
            LoginError: `too_many_sign_ins`.
        """
        now = self._clock.monotonic()
        self._left = min(self._burst, self._left + max(0.0, now - self._since) * self._per_second)
        self._since = now
        if self._left < 1 or self._under_way >= self._at_once:
            raise failure(Reason.TOO_MANY_SIGN_INS, "too many sign-ins begin at once")
        self._left -= 1
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
