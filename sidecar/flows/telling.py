"""The ports through which every flow tells what happened: audit events and counts."""

from __future__ import annotations

from typing import Protocol

from sidecar.domain.events import Event
from sidecar.domain.identity import UnixSeconds


class Audit(Protocol):
    """Where audit events go."""

    def tell(self, event: Event) -> None:
        """Hand an event to the sinks. Does not block and does not raise."""
        ...


class Clock(Protocol):
    """The only clock."""

    def now(self) -> UnixSeconds:
        """Wall-clock seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""
        ...


class Chance(Protocol):
    """The only source of randomness."""

    def token(self, size: int = 32) -> str:
        """URL-safe text of *size* random bytes, without padding: `[A-Za-z0-9_-]` (ADFS loses anything else)."""
        ...
