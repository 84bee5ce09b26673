"""Claims confirmed while a session lives: once they are older than `recheck`, one call asks the provider again.

Called by the gateway before a decision. One call per session however many requests wait; a request that goes away does
not stop it. What the provider refuses ends the session; what the network loses is forgiven for a bounded while
(`core.ages`). Sessions without a refresh token are confirmed by the browser, silently: that is the decision's matter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

from sidecar.core.ages import ClaimsAge, claims_age
from sidecar.core.claims import identity_from, is_stranger
from sidecar.core.standing import needed_claims
from sidecar.core.tokens import TokenFault
from sidecar.domain.events import Code
from sidecar.domain.identity import Identity, UnixSeconds
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.leases import ALONE, OneAtATime
from sidecar.flows.login import LoginError, Provider, Tokens
from sidecar.flows.session_events import about
from sidecar.flows.sessions import RENEWAL_PAUSE, Entry, Sessions
from sidecar.flows.telling import Audit, Clock, Trace

LOG = logging.getLogger(__name__)
PAUSE = 30
"""Seconds between two tries while it does not answer."""

_NO_ANSWER = frozenset({Reason.PROVIDER_UNREACHABLE, Reason.PROVIDER_MISCONFIGURED, Reason.PROVIDER_REFUSED})


class Recheck:
    """Keeps claims from growing old, for sessions with a refresh token."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        sessions: Sessions,
        policy: Callable[[], Policy],
        audit: Audit,
        clock: Clock,
        one_at_a_time: OneAtATime = ALONE,
    ) -> None:
        self._providers = providers
        self._sessions = sessions
        self._policy = policy
        self._audit = audit
        self._clock = clock
        self._one_at_a_time = one_at_a_time
        self._tasks: dict[str, asyncio.Task[bool]] = {}
        self._unsaved: dict[str, tuple[Entry, Callable[[Session], Session]]] = {}

    def age(self, entry: Entry, at: UnixSeconds | None = None) -> ClaimsAge:
        """How old the claims of a session are."""
        now = self._clock.now() if at is None else at
        return claims_age(entry.session.checked_at, now, self._policy().limits.recheck)

    def is_due(self, entry: Entry, at: UnixSeconds | None = None) -> bool:
        """Whether the claims are older than the site allows and the provider can be asked now."""
        if entry.session.refresh_token is None:
            return False
        now = self._clock.now() if at is None else at
        match self.age(entry, now):
            case ClaimsAge.CURRENT:
                return False
            case ClaimsAge.DUE:
                return now >= entry.recheck_after
            case ClaimsAge.STALE:
                return True

    def wants_browser(self, entry: Entry, at: UnixSeconds) -> bool:
        """Whether the browser should confirm the session silently: there is no other way, and it was not tried just
        now."""
        due = entry.session.refresh_token is None and self.age(entry, at) is not ClaimsAge.CURRENT
        return due and at - entry.renewal_tried >= RENEWAL_PAUSE

    async def confirm(self, entry: Entry, trace: Trace) -> bool:
        """Confirm the claims of a session that is due; False if the session is over.

        Raises:
            StateError: the store did not take the confirmed claims.
        """
        key = entry.session.key
        task = self._tasks.get(key)
        if task is None:
            task = self._begin(key, self._work(entry, trace))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let what was begun come to its end: a spent refresh token must not be lost."""
        while self._tasks:
            _ = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        _ = await asyncio.gather(*(self._save(key) for key in list(self._unsaved)), return_exceptions=True)

    async def retry(self) -> None:
        """Write what the store did not take before. Called every minute.

        Raises:
            StateError: it still does not take it.
        """
        for key in list(self._unsaved):
            # What a request saves, or has saved meanwhile, is not written twice: an older answer must not come last.
            if key not in self._unsaved or key in self._tasks:
                continue
            task = self._begin(key, self._save(key))
            _ = await asyncio.shield(task)

    def _begin(self, key: str, work: Coroutine[Any, Any, bool]) -> asyncio.Task[bool]:
        task = self._tasks[key] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return task

    async def _work(self, entry: Entry, trace: Trace) -> bool:
        if entry.session.key in self._unsaved and not await self._save(entry.session.key):
            return False
        known = entry.session.checked_at
        # A provider that rotates refresh tokens takes one that comes twice for stolen.
        async with self._one_at_a_time.turn("refresh", entry.session.key):
            return await self._ask(entry, known, trace)

    async def _ask(self, entry: Entry, known: UnixSeconds, trace: Trace) -> bool:
        now, session = self._clock.now(), await self._sessions.whole(entry)
        if session is None:
            return False
        if session.checked_at > known:
            # Another instance has asked while this one waited for its turn.
            entry.learn(session)
            return True
        provider = self._providers.get(session.identity.provider)
        if provider is None or session.refresh_token is None:
            return True
        try:
            tokens = await provider.refresh(session.refresh_token, session.identity.person, now)
            identity = self._identity(session, tokens)
        except LoginError as error:
            return await self._failed(entry, error, trace)
        answered = self._clock.now()

        def confirmed(stored: Session) -> Session:
            return replace(
                stored,
                identity=identity,
                checked_at=answered,
                refresh_token=tokens.refresh_token or stored.refresh_token,
                id_token=tokens.id_token if stored.id_token is not None and tokens.id_token else stored.id_token,
            )

        self._unsaved[session.key] = entry, confirmed
        if not await self._save(session.key):
            return False
        self._tell(entry.session, Reason.OK, "", trace)
        return True

    async def _save(self, key: str) -> bool:
        """Write confirmed claims; False if the session is over. What the store does not take is kept and written
        later: a provider that rotates refresh tokens gives each of them once.

        Raises:
            StateError: the store did not take them.
        """
        entry, confirmed = self._unsaved[key]
        saved = await self._sessions.change(entry, confirmed)
        self._unsaved.pop(key, None)
        return saved

    def _identity(self, session: Session, tokens: Tokens) -> Identity:
        policy, old = self._policy(), session.identity
        known, application = policy.providers.get(old.provider), policy.applications.get(session.application)
        if known is None or application is None:
            raise LoginError(Reason.CODE_REFUSED, "the provider or the application is no longer configured")
        if is_stranger(tokens.claims, known):
            raise LoginError(Reason.STRANGER, "the person belongs to none of the organisations let in any more")
        try:
            new = identity_from(tokens.claims, known, needed_claims(application))
        except TokenFault as fault:
            raise LoginError(Reason.TOKEN_INVALID, str(fault)) from fault
        if new.person != old.person:
            raise LoginError(Reason.TOKEN_INVALID, "the provider confirmed somebody else")
        # A refresh is no sign-in: how and when somebody signed in stays what it was, whatever the answer says.
        return replace(new, sid=new.sid or old.sid, sub=new.sub or old.sub, acr=old.acr, auth_time=old.auth_time)

    async def _failed(self, entry: Entry, error: LoginError, trace: Trace) -> bool:
        session, now = entry.session, self._clock.now()
        if error.reason in _NO_ANSWER and self.age(entry, now) is not ClaimsAge.STALE:
            entry.recheck_after = now + PAUSE
            LOG.warning("the claims of a session could not be confirmed: %s", error.detail)
            return await self._kept(entry, error.refresh_token)
        self._tell(session, error.reason, error.detail, trace)
        _ = await self._sessions.end(session.key, "recheck", trace)
        return False

    async def _kept(self, entry: Entry, refresh_token: str | None) -> bool:
        """The session goes on, with the refresh token of the next time if the provider gave one before it failed."""
        if refresh_token is None:
            return True
        key = entry.session.key
        self._unsaved[key] = entry, lambda stored: replace(stored, refresh_token=refresh_token)
        return await self._save(key)

    def _tell(self, session: Session, reason: Reason, detail: str, trace: Trace) -> None:
        facts = {"detail": detail} if detail else None
        self._audit.tell(about(session, Code.SESSION_REFRESHED, trace, reason=reason, facts=facts))
