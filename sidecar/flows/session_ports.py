"""What `flows.sessions` needs of the outside, and the values that it hands around. Used through `flows.sessions`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from sidecar.domain.decision import Forward, Kind, Place
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.revocation import Name
from sidecar.domain.session import Session
from sidecar.domain.standing import Standing
from sidecar.flows.ends import Ends

LOG = logging.getLogger(__name__)


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

    async def named(self, name: Name) -> tuple[str, ...]:
        """Keys of the sessions, at all applications, that can be revoked under *name*, the oldest first."""
        ...

    async def count(self) -> int:
        """How many there are."""
        ...

    async def unused(self, many: int) -> tuple[str, ...]:
        """Keys of the *many* that were longest unused."""
        ...

    async def page(self, after: str, limit: int) -> tuple[tuple[Session, UnixSeconds] | str, ...]:
        """The sessions with the next *limit* keys after *after*, in the order of keys, with when each was last seen;
        the key alone where the record cannot be read any more. None at all: that was the end."""
        ...

    async def sweep(self, now: UnixSeconds, idle: int) -> tuple[Session, ...]:
        """Remove sessions that are dead at *now*; returns them so that their end can be told."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """How a session stands in the store: its version, and when it was last seen."""

    version: int
    seen: UnixSeconds


class Vouching:
    """Until when what this process remembers of sessions may be believed (`flows.others`)."""

    FRESH = 10
    """Seconds for which a proof counts as one of now."""

    def __init__(self, grace: int | None = None, ends: Ends | None = None) -> None:
        """*grace*: seconds for which sessions live on while the state does not answer; None where this process is the
        only one: its memory is the truth. *ends*: is told what ended."""
        self._grace = grace
        self.ends = ends
        self._at: UnixSeconds | None = None

    @property
    def shared(self) -> bool:
        """Whether other instances may have changed what is remembered."""
        return self._grace is not None

    def note_end(self, key: str) -> None:
        """A session is over, whoever ended it."""
        if self.ends is not None:
            self.ends.note(key)

    def note(self, at: UnixSeconds) -> None:
        """Memory was as the store at *at*."""
        self._at = at

    def is_fresh(self, now: UnixSeconds) -> bool:
        """Whether memory may be believed without reserve."""
        return self._grace is None or self._within(now, self.FRESH)

    def holds(self, now: UnixSeconds) -> bool:
        """Whether sessions in memory still count."""
        return self._grace is None or self._within(now, max(self.FRESH, self._grace))

    def _within(self, now: UnixSeconds, seconds: int) -> bool:
        # A clock that was put back proves nothing.
        return self._at is not None and -self.FRESH <= now - self._at <= seconds


class Signer(Protocol):
    """Signs what a browser carries, with a salt per purpose (rule 33)."""

    def sign(self, purpose: str, value: str) -> str:
        """*value* with a signature that is good for *purpose* only."""
        ...

    def unsign(self, purpose: str, text: str) -> str | None:
        """The value, or None if the text is not ours. Never raises."""
        ...


class Closers(set[Callable[[], None]]):
    """How to close what is open for a session: streams and tunnels put themselves in and take themselves out.

    What comes too late is closed at once: a request may have found its session just before it ended.
    """

    over = False

    def add(self, close: Callable[[], None]) -> None:
        """Call *close* when the session ends; now if it has ended."""
        if self.over:
            close()
        else:
            super().add(close)

    def close_all(self) -> None:
        """Close everything, now and from now on. One that fails does not spare the others."""
        self.over = True
        for close in tuple(self):
            try:
                close()
            except Exception:
                LOG.exception("something could not be closed at the end of a session")
        self.clear()


@dataclass(slots=True, eq=False)
class Entry:
    """A session in memory: the record, and what is worth remembering beside it.

    Attributes:
        session: The record; a change is a new object. Its version is the one that the store has.
        seen: Last use.
        noted: Last use as the store knows it.
        standing: Under `standing.policy`; None until first asked for.
        forwards: Decisions under `standing` that let a request pass, by place, method and kind (`web.lane`).
        renewal_tried: When a silent renewal was last begun.
        unconfirmed: The provider does not confirm it without asking the person.
        recheck_after: Before then a provider that did not answer is not asked again.
        closers: Called when the session ends. A renewed session takes over those of the one before.
        writing: The write of the jars that is under way, or the last one.
        ended: Whether it is over; whoever still holds the entry must not build on it.
        successor: The session that took its place when the same person was confirmed at the same door.
    """

    session: Session
    seen: UnixSeconds
    noted: UnixSeconds
    standing: Standing | None = None
    forwards: dict[tuple[int, str, Kind], tuple[Place, Forward]] = field(default_factory=dict)
    renewal_tried: int = 0
    unconfirmed: bool = False
    recheck_after: int = 0
    closers: Closers = field(default_factory=Closers)
    writing: asyncio.Task[None] | None = None
    ended: bool = False
    successor: Entry | None = None

    def learn(self, stored: Session) -> None:
        """Take over a record that is newer than the one in memory, but for jars that are still to be written."""
        if self.ended or stored.version <= self.session.version:
            return
        if stored.identity != self.session.identity:
            self.standing = None
        ahead = self.writing is not None and not self.writing.done()
        self.session = (replace(stored, jars=self.session.jars) if ahead else stored).light()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a new session is made of. *began*: when its sign-in did; what is revoked later is revoked for it too."""

    application: str
    portal: str
    identity: Identity
    began: UnixSeconds
    refresh_token: str | None
    id_token: str | None
