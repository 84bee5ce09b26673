"""One document of a provider, fetched once for all who wait, renewed in time, and kept while the provider is down.

`discovery` and `keys` are made with it. The timing is that which Microsoft publishes for its key sets.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, Literal, TypeVar

from sidecar.flows.login import LoginError
from sidecar.flows.owned import stopped
from sidecar.flows.telling import Clock

RENEW_AFTER = 3_600
"""Seconds after which a document is renewed in the background."""

STALE_AFTER = 86_400
"""Seconds after which a sign-in waits for the renewal; the last good document serves only if that fails."""

FORCE_PAUSE: Mapping[str, int] = {"answer": 10, "notice": 60, "caller": 60}
"""Seconds between two renewals that an unknown key id forces. What the provider itself answered to us cannot be made up
by anybody else, so a key that was changed twice in a minute costs nobody a sign-in. What strangers bring has budgets of
its own: forged access tokens of programs never use up that of sign-outs, and neither that of sign-ins."""

Budget = Literal["answer", "notice", "caller"]

RETRY_PAUSE = 10
"""Seconds for which a failed provider is left alone."""

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Remembered(Generic[T]):
    """The last good copy of a document and when to fetch it again.

    The fetch runs in a task of its own: a closed browser cancels its wait, never the fetch that others wait for.
    """

    def __init__(self, what: str, fetch: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._what = what
        self._fetch = fetch
        self._clock = clock
        self._value: T | None = None
        self._fetched_at = float("-inf")
        self._forced_at: dict[Budget, float] = {}
        self._failed_at = float("-inf")
        self._failure: LoginError | None = None
        self._task: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """The document.

        Raises:
            LoginError: It was never there and cannot be fetched.
        """
        age = self._clock.monotonic() - self._fetched_at
        if self._value is None or age >= STALE_AFTER:
            await self._renewed()
        elif age >= RENEW_AFTER:
            self._start()
        return self._last_good()

    async def get_newer(self, than: T, budget: Budget) -> T:
        """A document newer than *than* if there may be one now; else the same again. Never raises for want of it."""
        if self._value is not None and self._value is not than:
            return self._value
        if self._task is None:
            now = self._clock.monotonic()
            since = now - self._forced_at.get(budget, float("-inf"))
            if since < FORCE_PAUSE[budget] or self._start() is None:
                return than
            self._forced_at[budget] = now
        await self._renewed()
        return self._value if self._value is not None else than

    def at_hand(self) -> tuple[T | None, float]:
        """The last good document, if any, and its age in seconds."""
        return self._value, self._clock.monotonic() - self._fetched_at

    async def close(self) -> None:
        """Stop a fetch that is under way."""
        task, self._task = self._task, None
        if task is not None:
            await stopped(task)

    def _last_good(self) -> T:
        if self._value is not None:
            return self._value
        if self._failure is None:
            raise RuntimeError("closed while it was being fetched")
        # A fresh exception each time: one object raised again and again would gather tracebacks.
        raise LoginError(self._failure.reason, self._failure.detail)

    async def _renewed(self) -> None:
        task = self._start()
        if task is not None:
            await asyncio.shield(task)

    def _start(self) -> asyncio.Task[None] | None:
        if self._task is None and self._clock.monotonic() - self._failed_at >= RETRY_PAUSE:
            self._task = asyncio.create_task(self._renew())
        return self._task

    async def _renew(self) -> None:
        try:
            self._value = await self._fetch()
            self._fetched_at = self._clock.monotonic()
            self._failure = None
        except LoginError as error:
            self._failure = error
            self._failed_at = self._clock.monotonic()
            kept = "the last good one serves on" if self._value is not None else "there is none yet"
            _log.warning("%s could not be fetched, %s: %s", self._what, kept, error.detail)
        finally:
            self._task = None
