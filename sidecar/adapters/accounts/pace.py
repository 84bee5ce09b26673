"""How fast one application may be asked: a limit that one call meets is waited for by all.

Used by `accounts.rest`. Jira and Confluence answer 429 once the bucket of the token's account is empty, and say when
and how fast it fills again. Without this every person of a morning rush would run into the same limit by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from sidecar.flows.telling import Clock

SHORTEST = 0.1
LONGEST = 60.0
"""Seconds after which one call tries, whatever was said: the account may have been exempted meanwhile."""
_LARGEST = 1_000_000

Sleep = Callable[[float], Awaitable[object]]


class Pace:
    """Of one application. Nothing is held back before the first 429.

    Afterwards as many calls go out as the bucket is said to hold, until the application says that it holds plenty.
    """

    def __init__(self, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._until = 0.0
        self._left: int | None = None
        self._fill = 1
        self._interval = 1.0
        self._under_way = 0

    async def turn(self, patience: float) -> float:
        """Wait until a call may go out; seconds waited. `over` must follow.

        Raises:
            TimeoutError: that would take longer than *patience* seconds.
        """
        waited = 0.0
        while (pause := self._pause()) > 0:
            if waited + pause > patience:
                raise TimeoutError
            waited += pause
            await self._sleep(pause)
        if self._left is not None:
            self._left -= 1
        self._under_way += 1
        return waited

    def over(self, status: int | None, headers: Mapping[str, str]) -> None:
        """A call came to its end, with *status* or without an answer."""
        self._under_way -= 1
        if status == 429:
            self._limited(headers)
        elif status is not None and self._left is not None:
            self._relax(headers)

    def _pause(self) -> float:
        now = self._clock.monotonic()
        if now < self._until:
            return self._until - now
        if self._left is not None and self._left <= 0:
            if self._until:
                # The pause is over: the bucket was filled once.
                self._until, self._left = 0.0, self._fill
                return 0.0
            self._until = now + self._interval
            return self._interval
        return 0.0

    def _limited(self, headers: Mapping[str, str]) -> None:
        self._fill = max(1, _number(headers, "X-RateLimit-FillRate", 1))
        # Zero is said where tokens remain; a date or nothing counts as the interval, or as one second.
        interval = float(_number(headers, "X-RateLimit-Interval-Seconds", 1))
        wait = float(_number(headers, "Retry-After", int(interval)))
        self._interval = min(max(interval, SHORTEST), LONGEST)
        self._left = 0
        self._until = max(self._until, self._clock.monotonic() + min(max(wait, SHORTEST), LONGEST))

    def _relax(self, headers: Mapping[str, str]) -> None:
        remaining = _number(headers, "X-RateLimit-Remaining", -1)
        if remaining < 0 or remaining - self._under_way > self._fill:
            self._left = None if self._clock.monotonic() >= self._until else self._left


def _number(headers: Mapping[str, str], name: str, otherwise: int) -> int:
    value = headers.get(name, "").strip()
    return min(int(value), _LARGEST) if value.isascii() and value.isdigit() and len(value) < 8 else otherwise
