"""How many sessions there may be: of a person, in all, and in the memory of a process. Used by `flows.sessions`."""

from __future__ import annotations

from collections.abc import MutableMapping

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import Session
from sidecar.flows.session_ports import Entry, SessionStore

REMEMBERED = 20_000
"""Beyond so many in memory, those are forgotten that nobody used for `UNUSED` seconds."""
MOST_REMEMBERED = 50_000
"""Beyond so many, those that were longest unused, whenever that was. All are read again when they are needed."""
UNUSED = 3600


class Bounds:
    """Which sessions must end because another one began."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self.stored = 0
        """How many the store had when it was last asked, and those that began here since."""
        self._asked = False

    async def beyond(self, session: Session, per_person: int, most: int) -> tuple[str, ...]:
        """Keys of those that give way to *session*, which is in the store: the person's oldest, and of all those that
        were longest unused.

        Raises:
            StateError: the store did not answer.
        """
        theirs = await self._store.of_person(session.application, session.identity.person)
        self.stored += 1
        if self.stored > most or not self._asked:
            await self.count()
        others = await self._store.unused(self.stored - most) if self.stored > most else ()
        ending = dict.fromkeys((*theirs[: max(0, len(theirs) - per_person)], *others))
        return tuple(key for key in ending if key != session.key)

    async def count(self) -> None:
        """Ask the store; other instances begin sessions too.

        Raises:
            StateError: it did not answer.
        """
        self.stored = await self._store.count()
        self._asked = True


def forget(entries: MutableMapping[str, Entry], now: UnixSeconds) -> None:
    """Keep memory bounded; what is open, or still to be written, stays."""
    if len(entries) <= REMEMBERED:
        return
    free = [(key, entry) for key, entry in entries.items() if _is_free(entry)]
    if len(entries) < MOST_REMEMBERED:
        free = [(key, entry) for key, entry in free if now - entry.seen > UNUSED]
    else:
        # Some more than needed, so that not everybody who comes makes room anew.
        free.sort(key=lambda one: one[1].seen)
        free = free[: len(entries) - MOST_REMEMBERED * 9 // 10]
    for key, _ in free:
        del entries[key]


def _is_free(entry: Entry) -> bool:
    return not entry.closers and (entry.writing is None or entry.writing.done())
