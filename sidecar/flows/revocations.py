"""Sessions ended from outside: one core, whichever door the word came through.

First this process ends what it remembers, and streams close; then the store gets its markers; then every session that
the store knows under that name ends, at all applications. What the store could not be told is barred in memory and told
again every minute.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, MutableMapping
from datetime import UTC, datetime
from typing import Protocol

from cachetools import TTLCache

from sidecar.core.kept import kept
from sidecar.core.logins import ATTEMPT_LIFE, SKEW
from sidecar.core.logout_tokens import OLDEST, Notice
from sidecar.core.standing import standing_of
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Identity, SignedIn, UnixSeconds
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import By, Name, Revocation
from sidecar.domain.session import Session
from sidecar.flows.barrier import Barrier
from sidecar.flows.login import LoginError, SpentStates
from sidecar.flows.owned import OwnedTasks
from sidecar.flows.product_sessions import ProductSessions
from sidecar.flows.sessions import Sessions, SessionStore, StateError
from sidecar.flows.telling import Audit, Clock, Trace

LOG = logging.getLogger(__name__)
UNFINISHED = 1000
"""Most notices that are remembered to have been used in vain."""


class Notices(Protocol):
    """What one provider posts to us. Every method raises `LoginError` for what is not proven to be the provider's."""

    async def logout(self, token: str) -> Notice:
        """A logout token (OIDC Back-Channel Logout 1.0)."""
        ...

    async def revocation(self, token: str, audience: str) -> Notice:
        """The token that vouches for a global token revocation posted to *audience*."""
        ...

    def subject(self, body: bytes, issuer: str) -> tuple[By, str]:
        """Whose sessions the body of a global token revocation names, for which a token of *issuer* vouched."""
        ...


class SeesOff(Protocol):
    """Who does what is to be done about people who are gone."""

    async def hear(
        self, revocation: Revocation, ended: Iterable[Identity], provider: str, door: str, trace: Trace
    ) -> None:
        """A revocation that came through *door* was carried out; *ended*: whose sessions ended by it.

        Raises:
            StateError: it could not be remembered, and is to be said again.
        """
        ...


class Revocations:
    """Carries them out."""

    def __init__(
        self,
        store: SessionStore,
        spent: SpentStates,
        barrier: Barrier,
        sessions: Sessions,
        products: ProductSessions,
        policy: Callable[[], Policy],
        audit: Audit,
        clock: Clock,
        leavers: SeesOff | None = None,
    ) -> None:
        self._store = store
        self._spent = spent
        self._barrier = barrier
        self._sessions = sessions
        self._products = products
        self._policy = policy
        self._audit = audit
        self._clock = clock
        self._leavers = leavers
        self._origins: defaultdict[Name, set[tuple[str, str]]] = defaultdict(set)
        self._ended: defaultdict[Name, list[Identity]] = defaultdict(list)
        self._tasks = OwnedTasks()
        self._unfinished: MutableMapping[tuple[str, str], Revocation] = kept(
            "notices_unfinished", TTLCache(UNFINISHED, OLDEST + 2 * SKEW, timer=clock.monotonic), UNFINISHED
        )

    async def act_on(self, notice: Notice, revocation: Revocation, provider: str, door: str, trace: Trace) -> int:
        """Use a notice up and do what it says. What could not be finished may be asked again with the same notice.

        Raises:
            LoginError: `logout_token_invalid`: it was used before.
            StateError: as with `revoke`.
        """
        used = (provider, notice.token)
        begun = self._unfinished.get(used)
        if begun is None:
            await self._once(provider, notice)
            begun = revocation
        try:
            # Whoever has signed in since the notice first came is not meant.
            ended = await self.revoke(begun, provider, door, trace)
        except StateError:
            self._unfinished[used] = begun
            raise
        self._unfinished.pop(used, None)
        return ended

    async def revoke(self, revocation: Revocation, provider: str, door: str, trace: Trace) -> int:
        """End all sessions that it names; how many the store knew.

        Raises:
            StateError: the store could not be told. This process has ended them, and tells the store again.
        """
        self._barrier.raise_at_once(revocation)
        self._origins[revocation.name].add((provider, door))
        self._sessions.end_at_hand(revocation)
        return await self._tasks.finish(self._carry_out(revocation, provider, door, trace))

    async def end_known(self, name: Name, provider: str, door: str, trace: Trace) -> int:
        """End the sessions of *name* if there are any; without any nothing is kept, whoever asks.

        For a door at which nobody proves anything.

        Raises:
            StateError: as with `revoke`.
        """
        if not await self._store.named(name):
            return 0
        now = self._clock.now()
        revocation = Revocation(issuer=name.issuer, by=name.by, value=name.value, at=now)
        return await self.revoke(revocation, provider, door, trace)

    def refused(self, provider: str, door: str, error: LoginError, trace: Trace) -> None:
        """Tell of a notice that was not acted on."""
        self._tell(provider, door, error.reason, trace, None, detail=error.detail)

    def say_again(self) -> None:
        """The store may have forgotten the last ones: they are barred here, and told once more by `retry`."""
        self._barrier.say_again()

    async def retry(self) -> None:
        """Tell the store what it could not be told before. Called every minute.

        Raises:
            StateError: it still cannot.
        """
        for revocation in self._barrier.untold():
            _ = await self._tasks.finish(self._carry_out(revocation, "", "again", Trace()))

    async def close(self) -> None:
        """Let what was begun come to its end."""
        await self._tasks.close()

    async def _once(self, provider: str, notice: Notice) -> None:
        """Use a notice up.

        When nobody can say whether it was used before, it counts: a sign-out too many does less harm than one too few.

        Raises:
            LoginError: `logout_token_invalid`: it was used before.
        """
        until = UnixSeconds(notice.issued_at + OLDEST + 2 * SKEW)
        try:
            fresh = await self._spent.spend(json.dumps(["notice", provider, notice.token]), until)
        except StateError as error:
            LOG.warning("whether a notice of %s was used before cannot be told: %s", provider, error)
            return
        if not fresh:
            raise LoginError(Reason.LOGOUT_TOKEN_INVALID, "the token was used before")

    async def _carry_out(self, revocation: Revocation, provider: str, door: str, trace: Trace) -> int:
        absolute = self._policy().limits.absolute
        await self._barrier.mark(revocation, UnixSeconds(revocation.at + absolute + ATTEMPT_LIFE + SKEW))
        ended = 0
        for key in await self._store.named(revocation.name):
            found = await self._store.get(key)
            if found is not None and found[0].created_at > revocation.at:
                # Somebody signed in again before the store could be told.
                continue
            session = await self._sessions.end(key, "revoked", trace)
            if session is not None:
                ended += 1
                self._ended[revocation.name].append(session.identity)
                self._products.end_soon(session, self._username(session), trace)
        await self._see_off(revocation, trace)
        self._barrier.told(revocation)
        issued = {} if revocation.issued_at is None else {"issued": _written(revocation.issued_at)}
        self._tell(provider, door, Reason.OK, trace, revocation, by=revocation.by.value, ended=ended, **issued)
        return ended

    async def _see_off(self, revocation: Revocation, trace: Trace) -> None:
        """Who is gone, by the doors through which the word came first and by the sessions that ended then: what is told
        again came through those doors too, and finds no session any more."""
        for provider, door in sorted(self._origins[revocation.name]):
            if self._leavers is not None:
                await self._leavers.hear(revocation, self._ended[revocation.name], provider, door, trace)
        _ = self._origins.pop(revocation.name, None), self._ended.pop(revocation.name, None)

    def _username(self, session: Session) -> str | None:
        standing = standing_of(session, self._policy())
        return standing.username if standing is not None else None

    def _tell(
        self,
        provider: str,
        door: str,
        reason: Reason,
        trace: Trace,
        revocation: Revocation | None,
        **facts: str | int,
    ) -> None:
        sid = revocation.value if revocation is not None and revocation.by is By.SID else None
        self._audit.tell(
            Event(
                code=Code.SESSIONS_REVOKED,
                outcome="success" if reason is Reason.OK else "failure",
                reason=reason,
                request=trace.request,
                source=trace.source,
                proxies=trace.proxies,
                signed_in=SignedIn(sid=sid),
                provider=provider,
                facts={"door": door, **facts},
            )
        )


def _written(time: UnixSeconds) -> str:
    """RFC 3339, UTC; a provider may write any number."""
    try:
        return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return ""
