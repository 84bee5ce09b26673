"""What the applications say of themselves, for the probes of their own pods: `/upstream-status` on the operations port.

A container whose port the gate has taken over cannot be probed at its own: the kubelet asks here. A question is shared
by all who ask at the same moment, and its answer kept for a second, so that probes cost the application one request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from sidecar.flows.owned import stopped

PATH = "/upstream-status"
KEPT = 1.0
"""Seconds for which an answer counts."""

State = tuple[int, str] | None
"""The status of the application's answer and its word; None: it did not answer."""


class UpstreamStatus:
    """Asks one application by its name, or the only one without."""

    def __init__(self, asks: Mapping[str, Callable[[], Awaitable[State]]]) -> None:
        """*asks* is by application name. Does no call."""
        self._asks = asks
        self._answers: dict[str, tuple[float, asyncio.Task[State]]] = {}

    async def answer(self, path: str) -> web.Response:
        """200 while the application says with 200 that it serves, else 503; the body is JSON with its word."""
        name = path.removeprefix(PATH).removeprefix("/")
        if not name and len(self._asks) == 1:
            name = next(iter(self._asks))
        if name not in self._asks:
            return _told(404, "UNKNOWN_APPLICATION")
        state = await self._state(name)
        if state is None:
            return _told(503, "UNREACHABLE")
        status, word = state
        return _told(200 if status == 200 else 503, word)

    async def _state(self, name: str) -> State:
        now = asyncio.get_running_loop().time()
        at, task = self._answers.get(name, (0.0, None))
        if task is None or (task.done() and now - at >= KEPT):
            task = asyncio.ensure_future(self._asks[name]())
            self._answers[name] = now, task
        # A probe that gave up leaves the question to the others.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Ask no more."""
        await stopped(*(task for _, task in self._answers.values()))


def _told(status: int, word: str) -> web.Response:
    headers = {"Server": "lychgate", "Cache-Control": "no-store"}
    return web.Response(
        status=status, text=json.dumps({"state": word}) + "\n", content_type="application/json", headers=headers
    )
