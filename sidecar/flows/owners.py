"""Whether the owner of a personal access token is gone (D6, leavers).

Asked by the gateway before such a token passes. What is remembered is found by the token's full hash, for one
application; the token itself is kept nowhere. A token belongs to one account for all its life, so whose it is may be
remembered; whether that account's person is gone is looked up anew every minute, and at once after a revocation.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Protocol

from cachetools import LRUCache, TTLCache

from sidecar.core.kept import Kept, kept
from sidecar.core.leavers import REMEMBERED, back_mark, gone_mark, is_gone
from sidecar.core.usernames import fold
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Ledger
from sidecar.flows.bans import Bans, NoBans
from sidecar.flows.leavers import is_back
from sidecar.flows.logout import Markers
from sidecar.flows.owned import stopped
from sidecar.flows.sessions import SessionStore
from sidecar.flows.telling import Clock

MOST = 10_000
"""Tokens that are remembered: those with an owner, and as many without."""
FRESH = 900.0
"""Seconds after which the application is asked again whose a token is: a renamed account has a new name by then."""
NOBODYS = 15.0
"""Seconds for which a token counts as nobody's."""
VERDICT = 60.0
FAILED = 3.0
"""Seconds for which a failure to find out stands: an integration that hammers does not hammer through us."""
PARALLEL = 16
WAITING = 500
"""Tokens that are asked about at the same time; beyond that, callers are told to come again."""


@dataclass(frozen=True, slots=True)
class Owner:
    """An account to which a token belongs. *key*: the application's immutable one, or None."""

    username: str
    key: str | None = None


class Resolves(Protocol):
    """One application's way to tell whose a credential is."""

    async def owner_of(self, authorization: str) -> Owner | None:
        """The owner; None if the application does not accept the credential.

        Raises:
            AccountError: it did not say.
        """
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. *username*: of the owner, or ""; *person*: who is gone, if anybody."""

    reason: Reason = Reason.OK
    username: str = ""
    person: Person | None = None


_Key = tuple[str, bytes]
_PASSES = Verdict()


class Owners:
    """Finds out, and remembers."""

    def __init__(
        self,
        ways: Mapping[str, Resolves],
        ledger: Ledger,
        store: SessionStore,
        markers: Markers,
        clock: Clock,
        count: Callable[[str, str, str], None] = lambda application, kind, result: None,
        bans: Bans | None = None,
    ) -> None:
        """*ways* are by application; where there is none, every token passes. *count* hears what came of asking."""
        self._bans = bans if bans is not None else Bans(NoBans())
        self._ways = ways
        self._ledger = ledger
        self._store = store
        self._markers = markers
        self._clock = clock
        self._count = count
        self._owners: MutableMapping[_Key, tuple[Owner, float]] = kept("token_owners", LRUCache(MOST), MOST)
        self._nobodys: MutableMapping[_Key, bool] = kept(
            "tokens_of_nobody", TTLCache(MOST, NOBODYS, timer=clock.monotonic), MOST
        )
        self._failed: MutableMapping[_Key, AccountError] = kept(
            "token_questions_failed", TTLCache(MOST, FAILED, timer=clock.monotonic), MOST
        )
        self._verdicts: MutableMapping[_Key, tuple[Verdict, float]] = kept("token_verdicts", LRUCache(MOST), MOST)
        self._tasks: dict[_Key, asyncio.Task[Verdict]] = kept("token_questions", Kept(), WAITING)
        self._gate = asyncio.Semaphore(PARALLEL)
        self._round = 0

    def __len__(self) -> int:
        return len(self._owners)

    async def judge(self, application: str, authorization: str) -> Verdict:
        """Whether the token in an `Authorization` field may pass.

        Raises:
            AccountError: nobody can tell now whose it is, and nobody could lately.
            StateError: nobody can tell whether the owner is gone.
        """
        if application not in self._ways:
            return _PASSES
        key = (application, hashlib.sha256(authorization.encode("utf-8", "surrogateescape")).digest())
        known = self._verdicts.get(key)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        if key in self._nobodys:
            # The application refuses it, or serves it as nobody: that is its own to say.
            return _PASSES
        task = self._tasks.get(key)
        if task is None:
            if len(self._tasks) >= WAITING:
                raise AccountError(Reason.CONNECTOR_UNREACHABLE, "too many tokens are being asked about")
            task = asyncio.create_task(self._find(key, authorization))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Somebody is gone since this moment: every verdict is found anew. Whose a token is stays known."""
        self._round += 1
        self._verdicts.clear()

    async def close(self) -> None:
        """Stop asking."""
        await stopped(*self._tasks.values())

    def _done(self, key: _Key, task: asyncio.Task[Verdict]) -> None:
        self._tasks.pop(key, None)
        if not task.cancelled():
            # Whoever waited may be gone: then nobody else would look at the error.
            _ = task.exception()

    async def _find(self, key: _Key, authorization: str) -> Verdict:
        while True:
            begun = self._round
            owner = await self._owner(key, authorization)
            if owner is None:
                return _PASSES
            verdict = await self._verdict(key[0], owner)
            if begun == self._round:
                self._verdicts[key] = verdict, self._clock.monotonic() + VERDICT
                return verdict
            # Somebody was said to be gone meanwhile: look again.

    async def _owner(self, key: _Key, authorization: str) -> Owner | None:
        """Whose it is. What was known stays true while the application does not answer."""
        known, now = self._owners.get(key), self._clock.monotonic()
        if known is not None and now < known[1]:
            return known[0]
        try:
            failed = self._failed.get(key)
            if failed is not None:
                raise AccountError(failed.reason, failed.detail)
            async with self._gate:
                owner = await self._ways[key[0]].owner_of(authorization)
        except AccountError as error:
            self._count(key[0], "pat_owner", error.reason.value)
            self._failed.setdefault(key, error)
            if known is not None:
                return known[0]
            raise
        self._count(key[0], "pat_owner", "done" if owner is not None else "nobody")
        if owner is None:
            self._owners.pop(key, None)
            self._nobodys[key] = True
            return None
        self._owners[key] = owner, now + FRESH
        return owner

    async def _verdict(self, application: str, owner: Owner) -> Verdict:
        pin = await self._ledger.pin_on(application, fold(owner.username))
        if owner.key is not None and (pin is None or pin.key not in {None, owner.key}):
            # The account may have been renamed since it was linked.
            pin = await self._ledger.pin_with(application, owner.key)
        person = pin.person if pin is not None and pin.key in {None, owner.key} else None
        if self._bans.is_account_blocked(application, owner.username, person):
            return Verdict(Reason.BLOCKED, owner.username, person)
        if pin is None or person is None:
            # An account of nobody's: a robot's, or one that Lychgate has never linked.
            return Verdict(username=owner.username)
        gone = await self._is_gone(application, person)
        if gone or await self._ledger.deactivation(application, pin.username) is not None:
            return Verdict(Reason.OWNER_GONE, owner.username, person)
        return Verdict(username=owner.username)

    async def _is_gone(self, application: str, person: Person) -> bool:
        now = self._clock.now()
        gone_at = await self._markers.marked_at(gone_mark(application, person), now)
        back_at = await self._markers.marked_at(back_mark(application, person), now)
        if gone_at is None or not is_gone(gone_at, back_at):
            return False
        if not await is_back(self._store, application, person, gone_at):
            return True
        # Noted, because the session ends one day and the token is to work on.
        await self._markers.mark(back_mark(application, person), now, UnixSeconds(now + REMEMBERED))
        return False
