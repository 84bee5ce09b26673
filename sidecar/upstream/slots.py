"""How many requests are at one application at a time, and who waits for one of them to end: first come, first served.

Used by `client` only. Where there is room, taking and leaving is an integer compared and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from sidecar.flows.streaming import UpstreamError
from sidecar.upstream.limits import Limits


class Slots:
    """The slots of one application. Somebody waits only while all are taken: who leaves hands their slot over.

    Attributes:
        taken: How many are taken.
        most: How many there are. Whoever finds `taken` below it may raise it by one, and must `leave` in the end.
    """

    __slots__ = ("_longest", "_wait", "_waiting", "most", "taken")

    def __init__(self, most: int, limits: Limits) -> None:
        self.taken = 0
        self.most = most
        self._longest = limits.queue
        self._wait = limits.queue_wait
        self._waiting: deque[tuple[float, asyncio.Future[bool]]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def take(self) -> None:
        """Take a slot, at once or when one becomes free; as `wait`."""
        if self.taken < self.most:
            self.taken += 1
        else:
            await self.wait()

    async def wait(self) -> None:
        """Wait for a slot, to be called when all are taken. It is the caller's when this returns, and only then.

        Raises:
            UpstreamError: `busy`: too many wait already, or it took too long.
        """
        if len(self._waiting) >= self._longest:
            raise UpstreamError("busy", f"{self.taken} requests are there, and {len(self._waiting)} wait")
        loop = asyncio.get_running_loop()
        place = (loop.time() + self._wait, loop.create_future())
        self._waiting.append(place)
        try:
            got = await place[1]
        except asyncio.CancelledError:
            if place[1].cancelled():
                with contextlib.suppress(ValueError):  # somebody who left has passed it over already
                    self._waiting.remove(place)
            elif place[1].result():
                # The slot and the cancellation came in the same moment: nobody will use it.
                self.leave()
            raise
        if not got:
            raise UpstreamError("busy", f"no slot became free within {self._wait:g} s")

    def leave(self) -> None:
        """Give a slot back: to who waits longest, if anybody."""
        while self._waiting:
            future = self._waiting.popleft()[1]
            if not future.done():
                future.set_result(True)
                return
        self.taken -= 1

    def expire(self, now: float) -> None:
        """Send those away who have waited too long; the sweeper's call, *now* in loop time."""
        while self._waiting and self._waiting[0][0] <= now:
            future = self._waiting.popleft()[1]
            if not future.done():
                future.set_result(False)

    def close(self) -> None:
        """Send all away who wait."""
        self.expire(float("inf"))
