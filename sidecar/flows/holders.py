"""Whether the session or the caller behind a code or a token still counts, whichever instance is asked.

Used by `flows.landing_codes` and `flows.crowd_tokens`, which give products what they carry and keep nothing of it.
"""

from __future__ import annotations

from typing import Protocol

from sidecar.core.holders import Holder
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import Session
from sidecar.flows.barrier import Barrier
from sidecar.flows.callers import SKEW
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.telling import Clock


class TextSealer(Protocol):
    """Seals what others carry and may not read (AEAD)."""

    def seal_text(self, purpose: str, aad: bytes, plaintext: bytes) -> str:
        """Sealed, URL-safe text, good for the purpose and *aad* only.

        Raises:
            ValueError: it would be too long.
        """
        ...

    def open_text(self, purpose: str, aad: bytes, text: str) -> bytes | None:
        """The plaintext, or None. Never raises."""
        ...


class Counts(Protocol):
    """Says whether somebody still counts."""

    async def surely(self, holder: Holder, username: str) -> bool:
        """Whether *holder* counts at this moment under that name, by the store.

        Raises:
            StateError: nobody knows.
        """
        ...


class Vouches(Protocol):
    """Says whose session it is, and whether a caller's token still counts."""

    async def session_of(self, holder: Holder) -> Session | None:
        """The live session, as far as memory is vouched for; None if it is over.

        Raises:
            StateError: nobody knows.
        """
        ...

    async def lends(self, holder: Holder, username: str) -> bool:
        """Whether a caller's access token still counts, for an account of that name.

        Raises:
            StateError: nobody knows whether it was revoked.
        """
        ...


class Holders:
    """See `Counts` and `Vouches`."""

    def __init__(self, sessions: Sessions, barrier: Barrier, clock: Clock) -> None:
        self._sessions = sessions
        self._barrier = barrier
        self._clock = clock

    async def surely(self, holder: Holder, username: str) -> bool:
        """See the port. Memory is not enough: another instance may have ended the session a moment ago."""
        if holder.lent is not None:
            return await self.lends(holder, username)
        entry = await self.entry_of(holder)
        return entry is not None and await self._sessions.whole(entry) is not None

    async def entry_of(self, holder: Holder) -> Entry | None:
        """As `session_of`, with what memory has of it."""
        return await self._sessions.find_by_key(holder.application, holder.session)

    async def session_of(self, holder: Holder) -> Session | None:
        """See `Vouches`."""
        entry = await self.entry_of(holder)
        return entry.session if entry is not None else None

    async def lends(self, holder: Holder, username: str) -> bool:
        """See `Vouches`."""
        lent = holder.lent
        if lent is None or self._clock.now() >= lent.ends_at:
            return False
        if self._barrier.is_banned(holder.application, lent.identity, username):
            return False
        return not await self._barrier.bars(lent.identity, UnixSeconds(lent.issued_at - SKEW))

    async def forget_jars(self, holder: Holder) -> None:
        """Throw away what an application gave to a session, whichever instance has it.

        Raises:
            StateError: nobody knows what that is.
        """
        entry = await self.entry_of(holder)
        if entry is not None:
            for seat in list(entry.session.jars):
                self._sessions.keep_jar(entry, seat, ())
