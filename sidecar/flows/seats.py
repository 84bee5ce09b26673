"""The seats of one application: read with a short memory, and reserved, so that a rush gives none away twice.

Used by `flows.provisioning`. Without a registry there are no licences to count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sidecar.domain.licence import Licence
from sidecar.flows.accounts import AccountError, Registry
from sidecar.flows.telling import Clock

REMEMBERED = 30.0
"""Seconds: a seat that was bought or freed counts after that time at the latest."""


@dataclass(eq=False, slots=True)
class _Taking:
    """Seats that one piece of work takes. *ended*: when it was over; None while it goes on."""

    keys: frozenset[str]
    ended: float | None = None


class Seats:
    """One application's."""

    def __init__(self, registry: Registry | None, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._licences: tuple[Licence, ...] = ()
        self._read_at: float | None = None
        self._takings: list[_Taking] = []
        self._one_reads = asyncio.Lock()

    async def licences(self) -> tuple[Licence, ...] | None:
        """The licences; None if the application does not tell."""
        if self._registry is None:
            return ()
        try:
            async with self._one_reads:
                if self._read_at is None or self._clock.monotonic() - self._read_at >= REMEMBERED:
                    await self._read(self._registry)
        except AccountError:
            return None
        return self._licences

    @contextmanager
    def taking(self, keys: frozenset[str]) -> Iterator[frozenset[str]]:
        """Reserve a seat of each of *keys* while work goes on; gives those of which none is left.

        Whatever the work comes to, its seats count as taken until the licences are read anew.
        """
        full = frozenset(key for key in keys if self._left(key) <= 0)
        taking = _Taking(keys - full)
        self._takings.append(taking)
        try:
            yield full
        finally:
            taking.ended = self._clock.monotonic()

    def _left(self, key: str) -> int:
        remaining = next((one.remaining for one in self._licences if one.key == key), None)
        if remaining is None:
            return 1
        return remaining - sum(key in taking.keys for taking in self._takings)

    async def _read(self, registry: Registry) -> None:
        began = self._clock.monotonic()
        self._licences = await registry.licences()
        self._read_at = began
        # What was over before the question is in the answer.
        self._takings = [one for one in self._takings if one.ended is None or one.ended >= began]
