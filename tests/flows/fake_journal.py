"""A journal without a disk, for the ledger in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Entry


class MemoryJournal:
    """Keeps entries in a list; `taken_back` are the numbers of those that were undone."""

    def __init__(self) -> None:
        self.journal: list[Entry] = []
        self.taken_back: set[int] = set()
        self._count = 0

    async def begin(self, entries: Sequence[Entry]) -> tuple[int, ...]:
        numbers = []
        for entry in entries:
            self._count += 1
            self.journal.append(replace(entry, number=self._count))
            numbers.append(self._count)
        return tuple(numbers)

    async def settle(self, done: Collection[int], void: Collection[int]) -> None:
        self.journal = [
            replace(entry, pending=entry.pending and entry.number not in done)
            for entry in self.journal
            if entry.number not in void
        ]

    async def journal_since(self, application: str, since: UnixSeconds) -> tuple[Entry, ...]:
        return tuple(
            entry
            for entry in self.journal
            if entry.application == application and entry.at >= since and entry.number not in self.taken_back
        )

    async def undone(self, numbers: Collection[int], at: UnixSeconds) -> None:
        self.taken_back.update(numbers)

    async def prune(self, application: str, before: UnixSeconds) -> int:
        old = [entry for entry in self.journal if entry.application == application and entry.at < before]
        self.journal = [entry for entry in self.journal if entry not in old]
        return len(old)
