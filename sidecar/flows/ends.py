"""What this process knows to have ended lately, so that it can be ended again where a store has forgotten it.

Noted by `flows.sessions`, used by `flows.lineage`.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence

from cachetools import TTLCache

from sidecar.core.kept import kept
from sidecar.flows.telling import Clock

REACH = 600
"""Seconds for which an end is remembered."""
MOST = 10_000
"""Most ends that are remembered. Beyond it, it is known that some are not."""


class Ends:
    """Keys of sessions that ended here, or of whose end another instance told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._keys: MutableMapping[str, None] = kept("ends", TTLCache(MOST, REACH, timer=clock.monotonic), MOST)

    def __len__(self) -> int:
        return len(self._keys)

    def note(self, key: str) -> None:
        """The session is over."""
        self._keys[key] = None

    def lately(self) -> Sequence[str]:
        """All that are remembered."""
        return tuple(self._keys)

    def cover(self, seconds: float) -> bool:
        """Whether every end of the last *seconds* is among them, as far as this process was told."""
        return seconds <= min(REACH, self._clock.monotonic() - self._began) and len(self._keys) < MOST
