"""Work that belongs to its flow and not to the request that asked for it.

Used wherever an effect was begun that must come to its end: a closed tab cancels its own waiting, never the work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from sidecar.flows.session_ports import StateError

LOG = logging.getLogger(__name__)
T = TypeVar("T")


async def stopped(*tasks: asyncio.Task[Any]) -> None:
    """Stop them, and wait until they have stopped; what comes of them is nobody's any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def quietly(work: Coroutine[Any, Any, object]) -> None:
    """A note that could not be written is written again at the next occasion; no request hangs on it."""
    try:
        _ = await work
    except StateError as error:
        LOG.warning("the state store did not take a note: %s", error)


class OwnedTasks:
    """Tasks of one flow. `len` says how many are under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin; whoever waits for the task shields it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Begin, and wait as long as the one who asks is there."""
        return await asyncio.shield(self.begin(work))

    async def close(self) -> None:
        """Let what was begun come to its end."""
        while self._tasks:
            _ = await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Whoever waited may be gone: then nobody else would look at the error.
            _ = task.exception()
