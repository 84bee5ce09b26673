"""What was revoked or is banned, asked whenever a session begins or changes.

Used by `flows.sessions` and `flows.revocations`. The order leaves no gap: whoever opens a session stores it and asks
here afterwards; whoever revokes marks here and looks for sessions afterwards. One of the two sees the other.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

from cachetools import TTLCache

from sidecar.core.kept import Kept, kept
from sidecar.core.revocations import came_before, is_named, marker, marker_there, names_of
from sidecar.domain.identity import Identity, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import Name, Revocation
from sidecar.domain.session import Session
from sidecar.domain.standing import Standing
from sidecar.flows.bans import Bans, NoBans
from sidecar.flows.ends import REACH
from sidecar.flows.logout import Markers
from sidecar.flows.session_ports import StateError
from sidecar.flows.telling import Clock

UNTOLD = 10_000
"""Most revocations that wait until the store can be told."""
LATELY = 1000
"""Most revocations of the last minutes that can be said again."""


class Barrier:
    """Markers in the store; and in memory what the store could not be told yet."""

    def __init__(self, markers: Markers, clock: Clock, bans: Bans | None = None) -> None:
        self._markers = markers
        self._clock = clock
        self._bans = bans if bans is not None else Bans(NoBans())
        self._untold: dict[Name, Revocation] = kept("revocations_untold", Kept(), UNTOLD)
        self._lately: MutableMapping[Name, Revocation] = kept(
            "revocations_said", TTLCache(LATELY, REACH, timer=clock.monotonic), LATELY
        )

    def admitted(self, session: Session, standing: Standing | None) -> Standing | None:
        """*standing*, unless somebody is banned: then their session is none."""
        return standing if self.banned(session, standing) is Reason.OK else None

    def banned(self, session: Session, standing: Standing | None) -> Reason:
        """Why somebody is refused until an administrator takes it back; `ok` where nothing says so. In memory."""
        username = standing.username if standing is not None else None
        return self._bans.verdict(session.application, session.identity, username)

    def is_banned(self, application: str, identity: Identity, username: str) -> bool:
        """The same of somebody who has no session, under the name that they were given."""
        return self._bans.verdict(application, identity, username) is not Reason.OK

    async def verdict(self, session: Session, standing: Standing | None, began: UnixSeconds) -> Reason:
        """Why a session may not begin; `ok` if it may.

        Raises:
            StateError: nobody knows; the caller refuses.
        """
        if await self.bars(session.identity, began):
            return Reason.SESSION_REVOKED
        return self.banned(session, standing)

    async def bars(self, identity: Identity, began: UnixSeconds) -> bool:
        """Whether an authentication that *began* then was revoked since.

        Raises:
            StateError: nobody knows; the caller refuses.
        """
        if self.holds(identity, began):
            return True
        now = self._clock.now()
        for name in names_of(identity):
            at = await self._markers.marked_at(marker(name), now)
            there = await self._markers.marked_at(marker_there(name), now)
            if came_before(identity, began, at, there):
                return True
        return False

    def holds(self, identity: Identity, began: UnixSeconds) -> bool:
        """Whether it is among what the store could not be told yet; in memory, at once."""
        return any(
            is_named(identity, untold) and came_before(identity, began, untold.at, untold.issued_at)
            for untold in self._untold.values()
        )

    def raise_at_once(self, revocation: Revocation) -> None:
        """Bar it in this process, until `mark` has told the store.

        Raises:
            StateError: too many wait already. Nothing was done, and who says it is to say it again.
        """
        if len(self._untold) >= UNTOLD and revocation.name not in self._untold:
            raise StateError("too many revocations wait until the state can be told")
        self._untold[revocation.name] = revocation

    async def mark(self, revocation: Revocation, until: UnixSeconds) -> None:
        """Tell the store; kept there until *until*.

        Raises:
            StateError: it could not be told; this process bars it all the same.
        """
        name = revocation.name
        await self._markers.mark(marker(name), revocation.at, until)
        if revocation.issued_at is not None:
            await self._markers.mark(marker_there(name), revocation.issued_at, until)

    def told(self, revocation: Revocation) -> None:
        """The store knows, and no session of it is left there."""
        name = revocation.name
        if self._untold.get(name) == revocation:
            del self._untold[name]
        self._lately[name] = revocation

    def say_again(self) -> None:
        """The store may have forgotten the last ones: bar them here until it is told once more."""
        for name, revocation in self._lately.items():
            _ = self._untold.setdefault(name, revocation)

    def untold(self) -> Iterable[Revocation]:
        """What the store could not be told yet."""
        return tuple(self._untold.values())
