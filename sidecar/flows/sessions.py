"""Sessions of browsers: opened at sign-in, found on every request, ended at sign-out."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from sidecar.core.standing import standing_of
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.policy import Policy
from sidecar.domain.session import Jar, Session
from sidecar.domain.standing import Standing
from sidecar.flows.telling import Audit, Chance, Clock, Trace

LOG = logging.getLogger(__name__)
SEEN_EVERY = 60
RENEWAL_PAUSE = 300
REMEMBERED = 20_000
NO_TRACE = Trace()


class StateError(Exception):
    """The state store did not answer or cannot be read. The request is refused (D11)."""


class SessionStore(Protocol):
    """Where sessions outlive the process. Every method may raise `StateError`."""

    async def add(self, session: Session) -> None:
        """Keep a new session; last seen at its `created_at`."""
        ...

    async def get(self, key: str) -> tuple[Session, UnixSeconds] | None:
        """The session and when it was last seen; None if there is none or it cannot be read any more."""
        ...

    async def replace(self, session: Session) -> bool:
        """Write *session* if the stored one has version `session.version - 1`; False if it changed or is gone."""
        ...

    async def touch(self, key: str, seen: UnixSeconds) -> None:
        """Note that the session was used; never moves back, never revives an ended one."""
        ...

    async def end(self, key: str) -> Session | None:
        """Remove it; the session that was removed, or None."""
        ...

    async def of_person(self, application: str, person: Person) -> tuple[str, ...]:
        """Keys of a person's sessions at an application, the oldest first."""
        ...

    async def of_sid(self, issuer: str, sid: str) -> tuple[str, ...]:
        """Keys of the sessions that the provider knows as *sid*."""
        ...

    async def sweep(self, now: UnixSeconds, idle: int) -> tuple[Session, ...]:
        """Remove sessions that are dead at *now*; returns them so that their end can be told."""
        ...


class Signer(Protocol):
    """Signs what a browser carries, with a salt per purpose (rule 33)."""

    def sign(self, purpose: str, value: str) -> str:
        """*value* with a signature that is good for *purpose* only."""
        ...

    def unsign(self, purpose: str, text: str) -> str | None:
        """The value, or None if the text is not ours. Never raises."""
        ...


@dataclass(slots=True, eq=False)
class Entry:
    """A session in memory: the record, and what is worth remembering beside it.

    Attributes:
        session: The record; a change is a new object with the next version.
        seen: Last use.
        noted: Last use as the store knows it.
        standing: Under `standing.policy`; None until first asked for.
        renewal_tried: When a silent renewal was last begun.
        closers: Called when the session ends: they close its open streams and tunnels.
    """

    session: Session
    seen: UnixSeconds
    noted: UnixSeconds
    standing: Standing | None = None
    renewal_tried: int = 0
    closers: set[Callable[[], None]] = field(default_factory=set)
    writing: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a new session is made of."""

    application: str
    portal: str
    identity: Identity
    refresh_token: str | None
    id_token: str | None


class Sessions:
    """Finds, opens, changes and ends sessions. A signed-in request costs a dictionary hit."""

    def __init__(
        self,
        store: SessionStore,
        signer: Signer,
        policy: Callable[[], Policy],
        audit: Audit,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._store = store
        self._signer = signer
        self._policy = policy
        self._audit = audit
        self._clock = clock
        self._chance = chance
        self._entries: dict[str, Entry] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._loading: dict[str, asyncio.Task[Entry | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def find(self, application: str, cookie: str | None) -> Entry | None:
        """The live session behind a cookie of this application, with its standing; None if there is none.

        Raises:
            StateError: the store could not be asked.
        """
        key = self._key_of(application, cookie) if cookie else None
        if key is None:
            return None
        entry = self._entries.get(key)
        if entry is None:
            entry = await self._load(key)
        if entry is None or entry.session.application != application:
            return None
        now, policy = self._clock.now(), self._policy()
        if not entry.session.is_live(now, entry.seen, policy.limits.idle):
            cause = "absolute" if now >= entry.session.ends_at else "idle"
            await self.end(key, cause)
            return None
        if entry.standing is None or entry.standing.policy != policy.hash:
            entry.standing = standing_of(entry.session, policy)
        return entry if entry.standing is not None else None

    def used(self, entry: Entry) -> None:
        """Move the idle end; the store hears of it at most once a minute (design, section 7)."""
        entry.seen = self._clock.now()
        if entry.seen - entry.noted >= SEEN_EVERY:
            entry.noted = entry.seen
            _ = self._in_background(self._store.touch(entry.session.key, entry.seen))

    def wants_renewal(self, entry: Entry) -> bool:
        """From 80 % of the absolute life on, once every few minutes."""
        now, session = self._clock.now(), entry.session
        due = session.created_at + (session.ends_at - session.created_at) * 4 // 5
        return now >= due and now - entry.renewal_tried >= RENEWAL_PAUSE

    async def open(self, opening: Opening, replaces: Entry | None, trace: Trace) -> tuple[Session, str]:
        """Begin a session under a fresh key; the one it replaces ends. Returns the session and the cookie's value.

        Raises:
            StateError: nothing was begun.
        """
        now, limits = self._clock.now(), self._policy().limits
        token = self._chance.token()
        carried = replaces.session.jars if replaces is not None and _same_seat(replaces.session, opening) else {}
        session = Session(
            key=_key(token),
            application=opening.application,
            portal=opening.portal,
            identity=opening.identity,
            created_at=now,
            ends_at=UnixSeconds(now + limits.absolute),
            checked_at=now,
            form_token=self._chance.token(16),
            refresh_token=opening.refresh_token,
            id_token=opening.id_token,
            jars=carried,
        )
        await self._store.add(session)
        self._entries[session.key] = Entry(session, seen=now, noted=now)
        self._tell(Code.SESSION_CREATED, session, "", trace)
        if replaces is not None:
            await self.end(replaces.session.key, "replaced", trace)
        await self._keep_within_bound(session, limits.per_person, trace)
        return session, self._signer.sign(_purpose(opening.application), token)

    async def end(self, key: str, cause: str, trace: Trace = NO_TRACE) -> Session | None:
        """End a session and everything that is open for it. Harmless if it is over already.

        Raises:
            StateError: the store could not be told; this process has forgotten the session all the same.
        """
        self._drop(key)
        ended = await self._store.end(key)
        if ended is not None:
            self._tell(Code.SESSION_ENDED, ended, cause, trace)
        return ended

    def keep_jar(self, entry: Entry, node: str, jar: Jar) -> None:
        """Remember the application's cookies for this session and node; written soon, in order, compare-and-set."""
        jars = {**entry.session.jars, node: jar}
        entry.session = replace(entry.session, jars=jars, version=entry.session.version + 1)
        if entry.writing is None or entry.writing.done():
            entry.writing = self._in_background(self._write(entry))

    async def sweep(self) -> None:
        """Remove what is dead. Called every minute by the owner of the process."""
        now, idle = self._clock.now(), self._policy().limits.idle
        for entry in [entry for entry in self._entries.values() if entry.seen > entry.noted]:
            entry.noted = entry.seen
            await self._store.touch(entry.session.key, entry.seen)
        for session in await self._store.sweep(now, idle):
            self._drop(session.key)
            self._tell(Code.SESSION_ENDED, session, "absolute" if now >= session.ends_at else "idle", NO_TRACE)
        self._forget_unused(now)

    def counts(self) -> Mapping[str, int]:
        """Sessions in memory by application, for the gauge."""
        found: dict[str, int] = {}
        for entry in self._entries.values():
            found[entry.session.application] = found.get(entry.session.application, 0) + 1
        return found

    async def close(self) -> None:
        """Write what is still to be written."""
        for entry in self._entries.values():
            if entry.seen > entry.noted:
                _ = self._in_background(self._store.touch(entry.session.key, entry.seen))
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _key_of(self, application: str, cookie: str) -> str | None:
        known = self._keys.get((application, cookie))
        if known is not None:
            return known
        token = self._signer.unsign(_purpose(application), cookie)
        if token is None:
            return None
        if len(self._keys) >= REMEMBERED:
            self._keys.clear()
        return self._keys.setdefault((application, cookie), _key(token))

    async def _load(self, key: str) -> Entry | None:
        """One look into the store however many requests of a page ask at once."""
        task = self._loading.get(key)
        if task is None:
            task = asyncio.create_task(self._read(key))
            self._loading[key] = task
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(task)

    async def _read(self, key: str) -> Entry | None:
        found = await self._store.get(key)
        if found is None:
            return None
        session, seen = found
        return self._entries.setdefault(key, Entry(session, seen=seen, noted=seen))

    async def _write(self, entry: Entry) -> None:
        written = -1
        while written != entry.session.version:
            session = entry.session
            # The store counts its own writes: several changes may go out as one.
            stored = await self._store.get(session.key)
            if stored is None:
                return
            ready = replace(session, version=stored[0].version + 1)
            if not await self._store.replace(ready):
                return
            written = session.version

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            for close in tuple(entry.closers):
                close()

    async def _keep_within_bound(self, session: Session, bound: int, trace: Trace) -> None:
        keys = await self._store.of_person(session.application, session.identity.person)
        for key in keys[: max(0, len(keys) - bound)]:
            if key != session.key:
                await self.end(key, "bound", trace)

    def _forget_unused(self, now: UnixSeconds) -> None:
        """Keep memory bounded: what has not been used for an hour is read again from the store when needed."""
        if len(self._entries) > REMEMBERED:
            for key, entry in list(self._entries.items()):
                if now - entry.seen > 3600 and not entry.closers:
                    del self._entries[key]

    def _tell(self, code: Code, session: Session, cause: str, trace: Trace) -> None:
        self._audit.tell(
            Event(
                code=code,
                request=trace.request,
                source=trace.source,
                person=session.identity.person,
                application=session.application,
                portal=session.portal,
                provider=session.identity.provider,
                session=session.key[:16],
                facts={"cause": cause} if cause else {},
            )
        )

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _quietly(work: Coroutine[None, None, None]) -> None:
    """A note that could not be written is written again at the next occasion; no request hangs on it."""
    try:
        await work
    except StateError as error:
        LOG.warning("the state store did not take a note: %s", error)


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _purpose(application: str) -> str:
    return f"session/{application}"


def _same_seat(session: Session, opening: Opening) -> bool:
    """Whether the application's cookies may go on: the same person at the same door (R5)."""
    return session.portal == opening.portal and session.identity.person == opening.identity.person
