"""Whether the store still is the one that was known: sessions that ended must not come back with an older one.

A database that was put back from a backup, or a copy that took over before it had received everything, has forgotten
the last ends. So whenever a connection begins anew, what ended within `ends.REACH` is ended again; a sign-out that the
store could not be told gets there in the same way. And the store has a pulse, which every instance raises twice a
minute and compares with what it saw last: where the store lacks more than can be said again, or nobody was there to
know, all sessions end, and the provider signs most people in again without a page. Used by `flows.others`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.domain.events import Code, Event
from sidecar.domain.session import Session
from sidecar.flows.ends import REACH, Ends
from sidecar.flows.session_ports import StateError, Stored
from sidecar.flows.telling import Audit, Clock

LOG = logging.getLogger(__name__)
BEAT = 30.0
"""Seconds from one beat of this instance to its next."""
PATIENCE = 6.0
"""Seconds that an instance which has just started leaves to those that were there before it."""
AT_ONCE = 2000
SEEN = 2 * int(REACH / BEAT)
"""Numbers of the pulse that an instance remembers: longer than what it can say again."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the store's pulse stands.

    Attributes:
        number: Beats since the store was made; a store that was put back has fewer.
        age: Seconds since the last one, by the store's own clock.
    """

    number: int
    age: int


class Pulses(Protocol):
    """The pulse of the store. Every method may raise `StateError`."""

    async def read(self) -> Pulse:
        """How it stands."""
        ...

    async def beat(self) -> int:
        """Raise it by one; the new number."""
        ...


class Forgetful(Protocol):
    """The store itself. Every method may raise `StateError`."""

    async def stored(self, keys: Sequence[str]) -> Mapping[str, Stored]:
        """How those of *keys* stand that there are."""
        ...

    async def clear(self) -> int:
        """Remove all sessions; how many there were."""
        ...


class Ending(Protocol):
    """Who ends sessions: `flows.sessions.Sessions`."""

    async def end(self, key: str, cause: str) -> Session | None:
        """End one, and tell why.

        Raises:
            StateError: the store could not be told.
        """
        ...


class Repeats(Protocol):
    """Who knows what was revoked: `flows.revocations.Revocations`."""

    def say_again(self) -> None:
        """The store may have forgotten the last ones."""
        ...


class Lineage:
    """Compares the store with what was known of it."""

    def __init__(
        self,
        pulses: Pulses,
        store: Forgetful,
        sessions: Ending,
        revocations: Repeats,
        ends: Ends,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._pulses = pulses
        self._store = store
        self._sessions = sessions
        self._revocations = revocations
        self._ends = ends
        self._audit = audit
        self._clock = clock
        self._known: Pulse | None = None
        self._beaten = 0.0
        # Numbers of the pulse, and when it had them by this instance's clock.
        self._seen: deque[tuple[int, float]] = deque(maxlen=SEEN)

    async def rejoin(self) -> None:
        """Compare, and end what must not be there: before anything that is remembered is vouched for.

        Raises:
            StateError: the store did not answer.
        """
        found, known = await self._pulses.read(), self._known
        if known is None and found.age > REACH:
            # Whoever lived through it beats first: then no session was lost.
            await asyncio.sleep(PATIENCE)
            found = await self._pulses.read()
        if known is None:
            if found.age > REACH:
                await self._clear("unattended")
        elif found.number < known.number and not self._ends.cover(max(found.age, self._ago(found.number))):
            await self._clear("older")
        else:
            await self._say_again()
        self._known = found
        self._seen.append((found.number, self._clock.monotonic() - found.age))
        await self._beat()

    def _ago(self, number: int) -> float:
        """Seconds since the pulse had *number*, at most: a machine that is put back may have the clock of then."""
        while self._seen and self._seen[-1][0] > number:
            _ = self._seen.pop()
        return self._clock.monotonic() - self._seen[-1][1] if self._seen else float("inf")

    async def keep(self) -> bool:
        """Beat where it is time for it; whether the store turned out to be another one, so that all is to be asked for.

        Raises:
            StateError: the store did not answer.
        """
        if self._clock.monotonic() - self._beaten < BEAT:
            return False
        found, known = await self._pulses.read(), self._known
        if known is not None and found.number < known.number:
            # Put back under the eyes of everybody, without a connection that broke.
            await self.rejoin()
            return True
        await self._beat()
        return False

    async def _beat(self) -> None:
        self._beaten = self._clock.monotonic()
        try:
            number = await self._pulses.beat()
        except StateError as error:
            # A database that is full can be read, and people who are signed in go on.
            LOG.warning("the pulse of the state could not be raised: %s", error)
            return
        if self._known is not None:
            self._known = Pulse(number, 0)
            self._seen.append((number, self._beaten))

    async def _clear(self, cause: str) -> None:
        ended = await self._store.clear()
        self._revocations.say_again()
        LOG.warning("the state is older than it should be, or nobody attended to it (%s): all sessions ended", cause)
        self._audit.tell(Event(code=Code.SESSIONS_CLEARED, facts={"cause": cause, "ended": ended}))

    async def _say_again(self) -> None:
        self._revocations.say_again()
        keys = self._ends.lately()
        for start in range(0, len(keys), AT_ONCE):
            for key in await self._store.stored(keys[start : start + AT_ONCE]):
                _ = await self._sessions.end(key, "again")
