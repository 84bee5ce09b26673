"""The part of a ledger in memory that watches over groups: when they were read, and how many were taken."""

from __future__ import annotations

from sidecar.core.breaker import Breaker
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.flows.sessions import StateError


class WatchMemory:
    """Readings and breakers without a disk. `broken` makes every method fail."""

    def __init__(self) -> None:
        self.broken = False
        self.readings: dict[tuple[str, Person], UnixSeconds] = {}
        self.breakers: dict[str, Breaker] = {}

    def _check(self) -> None:
        if self.broken:
            raise StateError("broken")

    async def groups_read(self, application: str, person: Person, at: UnixSeconds) -> None:
        self._check()
        self.readings[application, person] = at

    async def groups_unread(self, application: str, person: Person, at: UnixSeconds) -> UnixSeconds:
        self._check()
        return self.readings.setdefault((application, person), at)

    async def breaker(self, application: str) -> Breaker:
        self._check()
        return self.breakers.get(application, Breaker())

    async def keep_breaker(self, application: str, breaker: Breaker) -> None:
        self._check()
        self.breakers[application] = breaker
