"""What only one instance does at a time: a refresh, an account made ready, removals counted.

Within a process `asyncio` sees to it; between processes a lease in the state does, which ends by itself when its holder
was killed. Used by `flows.provisioning`, `flows.removals` and `flows.recheck`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from sidecar.flows.session_ports import StateError

LOG = logging.getLogger(__name__)
LIFE = 60
"""Seconds for which a lease is held at most. All that is done under one is bounded by less."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


class Leases(Protocol):
    """Where they are kept. Every method may raise `StateError`."""

    async def take(self, name: str, holder: str, seconds: int) -> bool:
        """Hold *name* for so long; False while somebody else does."""
        ...

    async def give_back(self, name: str, holder: str) -> None:
        """Hold it no longer; nothing happens if it is not *holder*'s (any more)."""
        ...


class OneAtATime:
    """Takes leases in turn with the other instances."""

    def __init__(self, leases: Leases | None, holder: str) -> None:
        """*leases*: None where this process is the only one; *holder*: what tells it from the others."""
        self._leases = leases
        self._holder = holder
        self._number = 0

    @asynccontextmanager
    async def turn(self, *name: str, patience: float = LIFE) -> AsyncIterator[None]:
        """Hold the lease within the block, whoever else wants it.

        Raises:
            StateError: the state did not answer, or others held it for *patience* seconds.
        """
        if self._leases is None:
            yield
            return
        # Two of one process are two holders.
        self._number += 1
        lease, holder = "/".join(name), f"{self._holder}/{self._number}"
        await _taken(self._leases, lease, holder, patience)
        try:
            yield
        finally:
            await _given_back(self._leases, lease, holder)


ALONE = OneAtATime(None, "")
"""For the only process there is."""


async def _taken(leases: Leases, name: str, holder: str, patience: float) -> None:
    loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE
    until = loop.time() + patience
    try:
        while not await leases.take(name, holder, LIFE):
            if loop.time() >= until:
                raise StateError("another instance is at the same work for too long")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    except asyncio.CancelledError:
        # It may just have been taken.
        await _given_back(leases, name, holder)
        raise


async def _given_back(leases: Leases, name: str, holder: str) -> None:
    """A lease that cannot be given back ends by itself."""
    try:
        await leases.give_back(name, holder)
    except StateError as error:
        LOG.warning("a lease could not be given back: %s", error)
