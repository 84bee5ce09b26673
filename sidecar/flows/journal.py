"""The journal: every step of ours with what was before it, so that it can be taken back; kept for a time.

Written by `flows.account_steps` around each stage, read by `flows.undoing`. Keeps the rule that an entry stands before
its step is tried.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Entry
from sidecar.flows.telling import Clock


class Journal(Protocol):
    """Where entries are kept. Every method may raise `flows.sessions.StateError`."""

    async def begin(self, entries: Sequence[Entry]) -> tuple[int, ...]:
        """Keep entries, all or none; their numbers."""
        ...

    async def settle(self, done: Collection[int], void: Collection[int]) -> None:
        """Confirm the entries *done*, and forget the entries *void*: nothing was changed for them."""
        ...

    async def journal_since(self, application: str, since: UnixSeconds) -> tuple[Entry, ...]:
        """What was done from *since* on and not taken back, the oldest first."""
        ...

    async def undone(self, numbers: Collection[int], at: UnixSeconds) -> None:
        """Note that entries were taken back."""
        ...

    async def prune(self, application: str, before: UnixSeconds) -> int:
        """Forget entries from before a time; how many."""
        ...


class Keeping:
    """Lets the journal grow only so old."""

    def __init__(self, ages: Mapping[str, int], journal: Journal, clock: Clock) -> None:
        """*ages* are seconds by application."""
        self._ages = ages
        self._journal = journal
        self._clock = clock

    async def prune(self) -> None:
        """Called every minute."""
        for application, age in self._ages.items():
            await self._journal.prune(application, UnixSeconds(self._clock.now() - age))
