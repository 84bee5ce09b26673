"""What other instances do to sessions that this one remembers: heard at once, and asked for every few seconds.

A signed-in request costs no round trip, because memory is believed for as long as it is vouched for. The line proves
itself every round; what was missed while it was down is asked for before anything is vouched for again. While nobody
can vouch, what is remembered lives on for the grace of the settings, but not for rules that ask for a fresh sign-in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sidecar.domain.identity import UnixSeconds
from sidecar.flows.lineage import Lineage
from sidecar.flows.owned import OwnedTasks, quietly, stopped
from sidecar.flows.session_ports import StateError, Stored, Vouching
from sidecar.flows.telling import Clock

LOG = logging.getLogger(__name__)
EVERY = 2.0
"""Seconds from one round to the next."""
BANS = "bans"
"""In the place of a session's key: what is banned has changed."""
AT_ONCE = 2000
"""Sessions that are asked for in one question."""


class Call(Protocol):
    """An open line."""

    async def prove(self) -> None:
        """Return once everything that was told until now has been heard.

        Raises:
            StateError: the line is down: something may have been missed.
        """
        ...


class Line(Protocol):
    """How instances tell each other what became of sessions."""

    def open(self, heard: Callable[[str, int], None]) -> AbstractAsyncContextManager[Call]:
        """Listen within the block: *heard* gets the key of a session and its new version, 0 if it ended.

        Raises:
            StateError: it cannot be opened.
        """
        ...


class Confirms(Protocol):
    """Who knows how sessions stand."""

    async def stored(self, keys: Sequence[str]) -> Mapping[str, Stored]:
        """How those of *keys* stand that there are.

        Raises:
            StateError: the store did not answer.
        """
        ...

    async def clear(self) -> int:
        """Remove all sessions; how many there were.

        Raises:
            StateError: the store did not answer.
        """
        ...


class Remembers(Protocol):
    """Who remembers sessions: `flows.sessions.Sessions`."""

    def remembered(self, since: UnixSeconds) -> Sequence[str]:
        """Keys of the sessions in memory that were used since, or have something open."""
        ...

    def ended_elsewhere(self, key: str) -> None:
        """Forget a session that another instance ended; what is open for it closes."""
        ...

    async def changed_elsewhere(self, key: str, stored: Stored) -> None:
        """Take over what another instance wrote, if it is news.

        Raises:
            StateError: it could not be read.
        """
        ...


class KnowsBans(Protocol):
    """Who remembers what is banned: `flows.bans.Bans`."""

    async def refresh(self) -> None:
        """Read it anew.

        Raises:
            StateError: the store did not answer.
        """
        ...


class Others:
    """Keeps this instance's memory in step with the others."""

    def __init__(
        self,
        line: Line,
        confirms: Confirms,
        lineage: Lineage,
        sessions: Remembers,
        vouching: Vouching,
        clock: Clock,
        bans: KnowsBans | None = None,
    ) -> None:
        self._line = line
        self._bans = bans
        self._lineage = lineage
        self._confirms = confirms
        self._sessions = sessions
        self._vouching = vouching
        self._clock = clock
        self._tasks = OwnedTasks()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, and return once memory is vouched for.

        Raises:
            StateError: the line cannot be opened.
        """
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeping = asyncio.create_task(self._keep(ready))
        await ready

    async def close(self) -> None:
        """Stop."""
        if self._keeping is not None:
            await stopped(self._keeping)
        await self._tasks.close()

    async def _keep(self, ready: asyncio.Future[None]) -> None:
        while True:
            try:
                async with self._line.open(self._heard) as call:
                    await self._stay(call, ready)
            except StateError as error:
                if not ready.done():
                    ready.set_exception(error)
                    return
                LOG.warning("other instances cannot be heard: %s", error)
            except Exception:
                # Nothing is vouched for any more, and that is what matters.
                LOG.exception("other instances cannot be heard")
            await asyncio.sleep(EVERY)

    async def _stay(self, call: Call, ready: asyncio.Future[None]) -> None:
        # The line was down until now, so all that is remembered may be old.
        since = UnixSeconds(0)
        while True:
            began = self._clock.now()
            await call.prove()
            if self._bans is not None:
                await self._bans.refresh()
            if since == 0:
                await self._lineage.rejoin()
            elif await self._lineage.keep():
                since = UnixSeconds(0)
            await self._ask(self._sessions.remembered(since))
            self._vouching.note(began)
            if not ready.done():
                ready.set_result(None)
            await asyncio.sleep(EVERY)
            since = UnixSeconds(began - 1)

    async def _ask(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            found = await self._confirms.stored(some)
            for key in some:
                if (stored := found.get(key)) is None:
                    self._sessions.ended_elsewhere(key)
                else:
                    await self._sessions.changed_elsewhere(key, stored)

    def _heard(self, key: str, version: int) -> None:
        if key == BANS and self._bans is not None:
            _ = self._tasks.begin(quietly(self._bans.refresh()))
        elif version == 0:
            self._sessions.ended_elsewhere(key)
        else:
            _ = self._tasks.begin(self._sessions.changed_elsewhere(key, Stored(version, UnixSeconds(0))))
