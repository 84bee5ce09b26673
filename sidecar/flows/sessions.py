"""Sessions of browsers: opened at sign-in, found on every request, ended at sign-out."""

from __future__ import annotations

from typing import Protocol

from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.session import Session


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
