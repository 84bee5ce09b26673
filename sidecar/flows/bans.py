"""What is banned, in the memory of this process: loaded at the start, kept in step with the state and other instances.

Asked whenever a session begins, is read or stands anew, and by what judges tokens; a request of a live session asks
nothing, because a ban ends the sessions that it names (`flows.administering`, and here for other instances' bans).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from sidecar.core.bans import is_blocked, person_marks, verdict
from sidecar.domain.ban import Ban, Kind, Mark
from sidecar.domain.identity import Identity, Person
from sidecar.domain.reason import Reason
from sidecar.flows.session_ports import StateError

MOST = 10_000
"""Bans that are kept."""


class BanStore(Protocol):
    """Where bans outlive the process. Every method may raise `flows.sessions.StateError`."""

    async def all(self) -> tuple[Ban, ...]:
        """All of them, the oldest first."""
        ...

    async def add(self, ban: Ban) -> bool:
        """Keep one, and tell the other instances; False if its mark is there already: that one stays as it is."""
        ...

    async def lift(self, mark: Mark) -> bool:
        """Forget one, and tell the other instances; False if there is none."""
        ...


class NoBans:
    """Where nothing is ever banned: for commands, and for parts by themselves."""

    async def all(self) -> tuple[Ban, ...]:
        """See `BanStore.all`."""
        return ()

    async def add(self, ban: Ban) -> bool:
        """See `BanStore.add`."""
        return False

    async def lift(self, mark: Mark) -> bool:
        """See `BanStore.lift`."""
        return False


class Bans:
    """All bans in force.

    Attributes:
        hearing: Called after they changed, one after the other; what is banned since is refused already.
    """

    def __init__(self, store: BanStore) -> None:
        self._store = store
        self._bans: Mapping[Mark, Ban] = {}
        self._turn = asyncio.Lock()
        self._unheard = False
        self.hearing: list[Callable[[], Awaitable[None]]] = []

    def __len__(self) -> int:
        return len(self._bans)

    def all(self) -> tuple[Ban, ...]:
        """All of them, the oldest first."""
        return tuple(self._bans.values())

    def verdict(self, application: str, identity: Identity, username: str | None) -> Reason:
        """See `core.bans.verdict`. Costs nothing where there is none."""
        return verdict(self._bans, application, identity, username) if self._bans else Reason.OK

    def is_account_blocked(self, application: str, username: str, person: Person | None) -> bool:
        """Whether an account is, or the person to whom it is tied."""
        if not self._bans:
            return False
        named = person is not None and any(mark in self._bans for mark in person_marks(application, person))
        return named or is_blocked(self._bans, application, username)

    def revoked_keys(self) -> frozenset[str]:
        """The ids of our own keys that are taken back."""
        return frozenset(mark.value for mark in self._bans if mark.kind is Kind.KEY)

    async def refresh(self) -> None:
        """Read them anew, and act on what changed. Called at the start, for every notice, and every few seconds.

        Raises:
            StateError: the store did not answer; what is known goes on. Or not everybody could act on it; the next call
                tries again.
        """
        async with self._turn:
            found = {ban.mark: ban for ban in await self._store.all()}
            if found.keys() == self._bans.keys() and not self._unheard:
                return
            self._bans, self._unheard, failed = found, True, None
            for hear in self.hearing:
                try:
                    await hear()
                except StateError as error:
                    failed = failed or error
            if failed is not None:
                raise failed
            self._unheard = False

    async def add(self, *bans: Ban) -> bool:
        """From now on they hold, here and in the store; False if all of them did already.

        Raises:
            StateError: not all could be kept, or not everybody could act on them. What was kept holds all the same, and
                is acted on at the next look.
        """
        added = False
        try:
            for ban in bans:
                added = await self._store.add(ban) or added
        finally:
            await self.refresh()
        return added

    async def lift(self, mark: Mark) -> bool:
        """It holds no more; False if it did not.

        Raises:
            StateError: it could not be forgotten, and holds on.
        """
        lifted = await self._store.lift(mark)
        await self.refresh()
        return lifted
