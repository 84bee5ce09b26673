"""The sign-in itself: `start` sends a browser away with an attempt, `finish` judges what it brings back.

Checks come before the effects that they guard (rules 27 to 31): state, age, provider and browser before the code is
redeemed; the token before a session exists. Redeeming runs in a task of its own: a closed tab does not leave a code
half-used.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.core.claims import identity_from, is_stranger
from sidecar.core.logins import (
    ATTEMPT_LIFE,
    LOOP_BOUND,
    LOOP_WINDOW,
    Attempt,
    Callback,
    attempt_from_bytes,
    attempt_name,
    attempt_to_bytes,
    circles_of,
    judge_attempt,
    read_callback,
    too_many,
)
from sidecar.core.redirects import safe_return
from sidecar.core.standing import needed_claims
from sidecar.core.tokens import TokenFault
from sidecar.domain.decision import StartLogin
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.policy import Application, Policy
from sidecar.domain.reason import Reason
from sidecar.flows.login import AuthorizationRequest, CodeGrant, LoginError, Provider, SpentStates, Tokens
from sidecar.flows.sessions import Entry, Opening, Sessions
from sidecar.flows.telling import Audit, Chance, Clock, Trace

LOOP = "loop"
"""Purpose and name of the small cookie that remembers the last finished sign-in."""


class AttemptSealer(Protocol):
    """Seals what a browser carries but may not read (AEAD)."""

    def seal_text(self, purpose: str, aad: bytes, plaintext: bytes) -> str:
        """Sealed, URL-safe text, good for the purpose and *aad* only."""
        ...

    def open_text(self, purpose: str, aad: bytes, text: str) -> bytes | None:
        """The plaintext, or None. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class CookieChange:
    """A cookie to set, or (value None) to take back. *name* is the part after the product's prefix."""

    name: str
    value: str | None
    max_age: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Send the browser to the provider."""

    location: str
    cookies: tuple[CookieChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The browser is back: where it goes now, and what it carries."""

    location: str
    cookies: tuple[CookieChange, ...]
    session_cookie: str | None
    portal: str


class SignIn:
    """Sign-in at any provider for any application."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        sealer: AttemptSealer,
        spent: SpentStates,
        sessions: Sessions,
        policy: Callable[[], Policy],
        audit: Audit,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._providers = providers
        self._sealer = sealer
        self._spent = spent
        self._sessions = sessions
        self._policy = policy
        self._audit = audit
        self._clock = clock
        self._chance = chance
        self._tasks: set[asyncio.Task[Arrival]] = set()

    async def start(self, order: StartLogin, cookies: Mapping[str, str], trace: Trace) -> Departure:
        """Begin an attempt.

        Args:
            order: What was decided.
            cookies: Our own flow cookies that the browser carries, by the part after the prefix.

        Raises:
            LoginError: `login_loop`, or the provider cannot be used.
        """
        application, now = order.place.application, self._clock.now()
        finished, circles = self._last(application, cookies)
        circles = circles_of(finished, circles, now)
        if circles >= LOOP_BOUND:
            raise LoginError(Reason.LOGIN_LOOP, f"{circles} sign-ins in a row did not last")
        attempt = Attempt(
            application=application.name,
            portal=order.portal.name,
            provider=order.provider,
            state=self._chance.token(24),
            nonce=self._chance.token(24),
            verifier=self._chance.token(32),
            back_to=order.back_to,
            began=now,
            silent=order.silent,
            max_age=order.max_age,
            circles=circles,
        )
        location = await self._providers[order.provider].authorization_url(
            AuthorizationRequest(
                state=attempt.state,
                nonce=attempt.nonce,
                verifier=attempt.verifier,
                redirect_uri=redirect_uri(application, order.provider),
                prompt="none" if attempt.silent else None,
                max_age=attempt.max_age,
            )
        )
        name = attempt_name(attempt.state)
        sealed = self._sealer.seal_text("attempt", f"{application.name}/{name}".encode(), attempt_to_bytes(attempt))
        dropped = tuple(CookieChange(old, None) for old in too_many(self._carried(application, cookies)))
        self._tell(Code.LOGIN_STARTED, attempt, Reason.OK, trace, {"silent": order.silent})
        return Departure(location=location, cookies=(*dropped, CookieChange(name, sealed, ATTEMPT_LIFE)))

    async def finish(
        self,
        application: Application,
        provider: str,
        query: str,
        cookies: Mapping[str, str],
        present: Entry | None,
        trace: Trace,
    ) -> Arrival:
        """Judge a callback and open a session.

        Args:
            application: At whose endpoint the browser came back.
            provider: Named by the endpoint: every provider has a redirect address of its own (rule 28).
            query: The raw query.
            cookies: As in `start`.
            present: The browser's live session for the application, if it has one.

        Raises:
            LoginError: with a reason for the page; no session was opened.
        """
        callback = read_callback(query)
        if callback is None:
            raise LoginError(Reason.CALLBACK_INVALID, "a parameter is missing or stands there twice")
        name = attempt_name(callback.state)
        attempt = self._attempt(application, name, cookies.get(name))
        if attempt is None:
            if present is not None:
                return self._back(application, safe_return(None, application), name, present.session.portal)
            raise LoginError(Reason.STATE_MISSING, "the browser brought no attempt for this state")
        now = self._clock.now()
        reason = judge_attempt(attempt, callback, application.name, provider, now)
        if reason is not Reason.OK:
            raise self._failed(attempt, LoginError(reason, "the attempt does not fit the callback"), trace)
        if not await self._spent.spend(callback.state, UnixSeconds(attempt.began + ATTEMPT_LIFE + 60)):
            if present is not None:
                return self._back(application, attempt.back_to, name, present.session.portal)
            raise self._failed(attempt, LoginError(Reason.STATE_SPENT, "this sign-in was finished before"), trace)
        if present is not None and _is_overtaken(attempt, present):
            return self._back(application, attempt.back_to, name, present.session.portal)
        task = asyncio.create_task(self._redeem(application, attempt, callback, present, trace))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let what was begun come to its end."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _redeem(
        self, application: Application, attempt: Attempt, callback: Callback, present: Entry | None, trace: Trace
    ) -> Arrival:
        name = attempt_name(attempt.state)
        try:
            tokens = await self._tokens(application, attempt, callback)
            identity = self._identity(application, attempt, tokens)
        except LoginError as error:
            if attempt.silent and present is not None:
                # The session is good; only its silent renewal did not work. The page is what the person wanted.
                self._tell(Code.LOGIN_FAILED, attempt, error.reason, trace, {"silent": True, "detail": error.detail})
                return self._back(application, attempt.back_to, name, present.session.portal)
            raise self._failed(attempt, error, trace) from error
        sign_out = self._policy().providers[attempt.provider].sign_out
        opening = Opening(
            application=application.name,
            portal=attempt.portal,
            identity=identity,
            refresh_token=tokens.refresh_token,
            id_token=tokens.id_token if sign_out else None,
        )
        session, cookie = await self._sessions.open(opening, present, trace)
        self._tell(Code.LOGIN_SUCCEEDED, attempt, Reason.OK, trace, {"session": session.key[:16]}, identity.person)
        loop = json.dumps([self._clock.now(), attempt.circles]).encode()
        sealed = self._sealer.seal_text(LOOP, application.name.encode(), loop)
        return Arrival(
            location=application.origin + attempt.back_to,
            cookies=(CookieChange(name, None), CookieChange(LOOP, sealed, LOOP_WINDOW * 2)),
            session_cookie=cookie,
            portal=attempt.portal,
        )

    async def _tokens(self, application: Application, attempt: Attempt, callback: Callback) -> Tokens:
        provider = self._providers.get(attempt.provider)
        if provider is None:
            raise LoginError(Reason.STATE_EXPIRED, "the provider is no longer configured")
        await provider.check_response_issuer(callback.issuer)
        if callback.code is None:
            raise LoginError(Reason.PROVIDER_REFUSED, f"the provider answered {(callback.error or '')[:60]!r}")
        return await provider.redeem(
            CodeGrant(
                code=callback.code,
                verifier=attempt.verifier,
                redirect_uri=redirect_uri(application, attempt.provider),
                nonce=attempt.nonce,
                max_age=attempt.max_age,
                issuer=callback.issuer,
                now=self._clock.now(),
            )
        )

    def _identity(self, application: Application, attempt: Attempt, tokens: Tokens) -> Identity:
        policy = self._policy()
        known = policy.providers.get(attempt.provider)
        portal = application.portal(attempt.portal)
        if known is None or portal is None or attempt.provider not in portal.providers:
            raise LoginError(Reason.STATE_EXPIRED, "the portal changed while somebody signed in")
        if is_stranger(tokens.claims, known):
            raise LoginError(Reason.STRANGER, "the person belongs to none of the organisations let in")
        try:
            return identity_from(tokens.claims, known, needed_claims(application))
        except TokenFault as fault:
            raise LoginError(Reason.TOKEN_INVALID, str(fault)) from fault

    def _attempt(self, application: Application, name: str, sealed: str | None) -> Attempt | None:
        data = self._sealer.open_text("attempt", f"{application.name}/{name}".encode(), sealed) if sealed else None
        return attempt_from_bytes(data) if data is not None else None

    def _carried(self, application: Application, cookies: Mapping[str, str]) -> list[tuple[UnixSeconds, str, int]]:
        found: list[tuple[UnixSeconds, str, int]] = []
        for name, value in cookies.items():
            if name == LOOP:
                continue
            attempt = self._attempt(application, name, value)
            found.append((attempt.began if attempt else UnixSeconds(0), name, len(name) + len(value)))
        return found

    def _last(self, application: Application, cookies: Mapping[str, str]) -> tuple[int | None, int]:
        sealed = cookies.get(LOOP)
        data = self._sealer.open_text(LOOP, application.name.encode(), sealed) if sealed else None
        if data is None:
            return None, 0
        at, circles = json.loads(data)
        return int(at), int(circles)

    def _back(self, application: Application, back_to: str, name: str, portal: str) -> Arrival:
        return Arrival(
            location=application.origin + back_to,
            cookies=(CookieChange(name, None),),
            session_cookie=None,
            portal=portal,
        )

    def _failed(self, attempt: Attempt, error: LoginError, trace: Trace) -> LoginError:
        self._tell(Code.LOGIN_FAILED, attempt, error.reason, trace, {"detail": error.detail})
        return error

    def _tell(
        self,
        code: Code,
        attempt: Attempt,
        reason: Reason,
        trace: Trace,
        facts: Mapping[str, str | bool],
        person: Person | None = None,
    ) -> None:
        self._audit.tell(
            Event(
                code=code,
                outcome="success" if reason is Reason.OK else "failure",
                reason=reason,
                request=trace.request,
                source=trace.source,
                person=person,
                application=attempt.application,
                portal=attempt.portal,
                provider=attempt.provider,
                facts=dict(facts),
            )
        )


def redirect_uri(application: Application, provider: str) -> str:
    """Where the provider sends the browser back; to be registered there exactly so."""
    return f"{application.origin}{application.context}/.lychgate/callback/{provider}"


def _is_overtaken(attempt: Attempt, present: Entry) -> bool:
    """Another tab of the same browser has signed in at this portal since: one session is enough (rule 31)."""
    session = present.session
    return (
        session.portal == attempt.portal
        and session.created_at >= attempt.began
        and not attempt.silent
        and attempt.max_age is None
    )
