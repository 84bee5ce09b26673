"""The history of people: the last refusals, sign-ins and account changes of each, so that somebody can say why.

Hears every audit event and keeps few of them: those that name somebody and are no everyday traffic. Hearing costs a
look at the code; what is kept waits in a short queue and is written by a task, together, a moment later. So a signed-in
request costs nothing, and a store that is slow or down costs history only.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import MutableMapping, Sequence
from typing import Protocol

from cachetools import TTLCache

from sidecar.core.kept import kept
from sidecar.domain.events import Code, Event
from sidecar.domain.history import Happened
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.flows.owned import stopped
from sidecar.flows.session_ports import StateError
from sidecar.flows.telling import Clock

LOG = logging.getLogger(__name__)
PER_PERSON = 50
"""Entries of one person, or of one account that is nobody's; the oldest give way."""
MOST = 100_000
"""Entries of all."""
KEPT = 30 * 86_400
"""Seconds for which an entry is kept."""
QUEUE = 1000
"""Entries that wait to be written; beyond that the oldest are lost."""
PAUSE = 1.0
SEEN = 4096
SAME = 60
"""Seconds in which the same refusal of the same person is kept once."""
LONGEST = 300

_KEPT = frozenset(
    {
        Code.LOGIN_SUCCEEDED,
        Code.LOGIN_FAILED,
        Code.SESSION_ENDED,
        Code.ACCESS_DENIED,
        Code.ACCESS_OBSERVED,
        Code.REQUEST_FAILED,
        Code.LANDING_FAILED,
        Code.LANDING_MISMATCH,
        Code.ACCOUNT_REFUSED,
        Code.ACCOUNT_FAILED,
        Code.ACCOUNT_OBSERVED,
        Code.USER_LINKED,
        Code.USER_UNLINKED,
        Code.USER_CREATED,
        Code.USER_REACTIVATED,
        Code.USER_UPDATED,
        Code.USER_DEACTIVATED,
        Code.USER_RENAMED,
        Code.GROUP_ADDED,
        Code.GROUP_REMOVED,
        Code.JOIN_SKIPPED,
        Code.REMOVAL_SKIPPED,
        Code.GROUPS_INCOMPLETE,
    }
)
_TOLD = ("cause", "step", "group", "groups", "path", "detail")
"""Facts that an entry repeats."""


class HistoryStore(Protocol):
    """Where entries are kept. Every method may raise `flows.sessions.StateError`."""

    async def add(self, entries: Sequence[Happened], per_person: int) -> None:
        """Keep them, and of each person and account the youngest *per_person* only."""
        ...

    async def of(
        self, persons: Sequence[Person], accounts: Sequence[tuple[str, str]], limit: int
    ) -> Sequence[Happened]:
        """The youngest entries of any of the persons and accounts (application and folded name), the oldest first."""
        ...

    async def prune(self, before: UnixSeconds, most: int) -> None:
        """Forget what is older than *before*, and the oldest beyond *most*."""
        ...


class History:
    """Hears, and keeps."""

    def __init__(self, store: HistoryStore, clock: Clock, *, pause: float = PAUSE) -> None:
        self._store = store
        self._clock = clock
        self._pause = pause
        self._waiting: deque[Happened] = kept("history_waiting", deque(maxlen=QUEUE), QUEUE)
        self._seen: MutableMapping[tuple[object, ...], bool] = kept(
            "history_seen", TTLCache(SEEN, SAME, timer=clock.monotonic), SEEN
        )
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def hear(self, event: Event) -> None:
        """One audit event. Does not block and does not raise."""
        if event.code not in _KEPT or (event.person is None and not event.username):
            return
        entry = _of(event, self._clock.now())
        same = (entry.code, entry.reason, entry.person, entry.username, entry.application, entry.portal, entry.detail)
        if event.reason is not Reason.OK:
            if same in self._seen:
                return
            self._seen[same] = True
        self._waiting.append(entry)
        self._wake.set()

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._go_on())

    async def prune(self) -> None:
        """Called every minute.

        Raises:
            StateError: the store did not do it.
        """
        await self._store.prune(UnixSeconds(self._clock.now() - KEPT), MOST)

    async def write(self) -> None:
        """Write what waits. What cannot be written is lost, and said."""
        if not self._waiting:
            return
        entries = tuple(self._waiting)
        self._waiting.clear()
        try:
            await self._store.add(entries, PER_PERSON)
        except StateError as error:
            LOG.warning("%d entries of the history of people are lost: %s", len(entries), error)

    async def close(self) -> None:
        """Write the rest, and stop."""
        if self._task is not None:
            await stopped(self._task)
        await self.write()

    async def _go_on(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(self._pause)
            await asyncio.shield(self.write())


def _of(event: Event, now: UnixSeconds) -> Happened:
    facts = [f"{name}: {_text(event.facts[name])}" for name in _TOLD if event.facts.get(name) not in (None, "", ())]
    if event.code is Code.REMOVAL_SKIPPED and event.before:
        facts.append(f"groups: {', '.join(event.before)}")
    return Happened(
        at=now,
        code=event.code.value,
        outcome=event.outcome,
        reason=event.reason.value,
        person=event.person,
        username=event.username,
        application=event.application,
        portal=event.portal,
        provider=event.provider,
        source=event.source,
        detail="; ".join(facts)[:LONGEST],
        request=event.request,
    )


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
