"""The sign-in itself: `start` sends a browser away with an attempt, `finish` judges what it brings back.

Checks come before the effects that they guard (rules 27 to 31): state, age, provider and browser before the code is
redeemed; the token before a session exists. From the spending of the state on, all runs in a task of its own: a closed
tab does not leave a code half-used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sidecar.core.kept import kept
from sidecar.core.logins import (
    ATTEMPT_LIFE,
    LOOP_BOUND,
    SKEW,
    UNCONFIRMED,
    Attempt,
    Callback,
    attempt_name,
    circles_of,
    judge_attempt,
    read_callback,
)
from sidecar.core.redirects import safe_return
from sidecar.domain.decision import StartLogin
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Application, Policy
from sidecar.domain.reason import Reason
from sidecar.flows.attempts import LOOP, AttemptCookies, AttemptSealer, CookieChange
from sidecar.flows.login import AuthorizationRequest, LoginError, Provider, SpentStates
from sidecar.flows.login_events import LoginTeller
from sidecar.flows.openings import Openings
from sidecar.flows.owned import OwnedTasks
from sidecar.flows.redemption import Redemption, redirect_uri
from sidecar.flows.returns import Returns
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.telling import Audit, Chance, Clock, Trace

__all__ = ["LOOP", "Arrival", "AttemptSealer", "CookieChange", "Departure", "SignIn", "redirect_uri"]

REDEEMING = 256
"""Most sign-ins that wait for the answers of one provider at once: a slow one costs the others nothing."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Return:
    """One callback with its attempt, judged to belong together; what the browser carried with it."""

    application: Application
    attempt: Attempt
    callback: Callback
    cookies: Mapping[str, str]
    present: Entry | None
    trace: Trace

    def back(self) -> Arrival:
        """To the page that was wanted, with the session that is there already, or without any."""
        portal = self.present.session.portal if self.present is not None else self.attempt.portal
        return _back(self.application, self.attempt.back_to, attempt_name(self.attempt.state), portal)

    def note_unconfirmed(self) -> None:
        """The provider will not vouch for the session without asking the person: its next page begins a sign-in.

        A session with a refresh token has its claims confirmed otherwise, and merely is not renewed.
        """
        present = self.present
        if present is None or present.session.refresh_token is not None or self.callback.error not in UNCONFIRMED:
            return
        present.unconfirmed = present.session.created_at <= self.attempt.began


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
        self._cookies = AttemptCookies(sealer)
        self._spent = spent
        self._sessions = sessions
        self._teller = LoginTeller(audit)
        self._clock = clock
        self._chance = chance
        self._redeeming: defaultdict[str, OwnedTasks] = defaultdict(
            lambda: kept("redemptions", OwnedTasks(), REDEEMING)
        )
        self._redemption = Redemption(providers, policy, clock)
        self._openings = Openings(self._cookies, sessions, clock)
        self._returns = Returns(clock)

    async def start(self, order: StartLogin, cookies: Mapping[str, str], trace: Trace) -> Departure:
        """Begin an attempt.

        Args:
            order: What was decided.
            cookies: Our own flow cookies that the browser carries, by the part after the prefix.

        Raises:
            LoginError: `login_loop`, or the provider cannot be used. Never for a silent renewal: then the browser is
                sent back to its page, for the session is still good.
        """
        application, now = order.place.application, self._clock.now()
        finished, circles = self._cookies.last(application, cookies)
        attempt = Attempt(
            application=application.name,
            portal=order.portal.name,
            provider=order.provider,
            state=self._chance.token(16),
            nonce=self._chance.token(16),
            verifier=self._chance.token(32),
            back_to=order.back_to,
            began=now,
            silent=order.silent,
            max_age=order.max_age,
            acr=order.acr,
            circles=circles if order.silent else circles_of(finished, circles, now),
        )
        try:
            if attempt.circles >= LOOP_BOUND:
                raise LoginError(Reason.LOGIN_LOOP, f"{attempt.circles} sign-ins in a row did not last")
            location = await self._location(order, attempt)
        except LoginError as error:
            failed = self._teller.failed(attempt, error, trace)
            if attempt.silent:
                return Departure(location=application.origin + safe_return(attempt.back_to, application), cookies=())
            raise failed from error
        self._teller.started(attempt, trace)
        changes = self._cookies.begin(application, attempt, cookies)
        self._note_dropped(application, changes, cookies)
        return Departure(location=location, cookies=changes)

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
            StateError: the state store did not answer; no session was opened.
        """
        callback = read_callback(query)
        if callback is None:
            error = LoginError(Reason.CALLBACK_INVALID, "a parameter is missing or stands there twice")
            raise self._teller.unknown(application, self._named(provider), "", error, trace)
        name = attempt_name(callback.state)
        attempt = self._cookies.attempt(application.name, name, cookies.get(name))
        if attempt is None:
            error = LoginError(Reason.STATE_MISSING, "the browser brought no attempt for this state")
            return self.astray(application, provider, name, error, present, trace)
        back = _Return(
            application=application,
            attempt=attempt,
            callback=callback,
            cookies=cookies,
            present=present,
            trace=trace,
        )
        reason = judge_attempt(attempt, callback, application.name, provider, self._clock.now())
        if reason is Reason.STATE_EXPIRED and present is not None:
            return back.back()
        if reason is not Reason.OK:
            raise self._teller.failed(attempt, LoginError(reason, "the attempt does not fit the callback"), trace)
        under_way = self._redeeming[attempt.provider]
        if len(under_way) >= REDEEMING:
            # Codes can be made up by anybody; a provider that is slow must not gather them without end. The state is
            # not spent: the same callback works a moment later.
            full = LoginError(Reason.PROVIDER_UNREACHABLE, "too many sign-ins wait for the provider at once")
            raise self._teller.failed(attempt, full, trace)
        return await under_way.finish(self._redeemed(back))

    def astray(
        self,
        application: Application,
        provider: str,
        name: str,
        error: LoginError,
        present: Entry | None,
        trace: Trace,
    ) -> Arrival:
        """A browser that came back without what belongs to the attempt *name*, which may be "" for none: on to its
        page if it has a session all the same.

        Raises:
            LoginError: *error*, told, with the page that was wanted as far as it is known.
        """
        if present is not None and name:
            wanted = self._returns.page_of(application.name, name, present.session.identity.person)
            return _back(application, wanted, name, present.session.portal)
        error.back_to = self._returns.page_of(application.name, name, None) or ""
        raise self._teller.unknown(application, self._named(provider), name, error, trace)

    async def close(self) -> None:
        """Let what was begun come to its end."""
        while (under_way := next((tasks for tasks in self._redeeming.values() if tasks), None)) is not None:
            await under_way.close()

    def _note_dropped(
        self, application: Application, changes: Iterable[CookieChange], cookies: Mapping[str, str]
    ) -> None:
        for change in changes:
            text = cookies.get(change.name) if change.value is None else None
            dropped = self._cookies.attempt(application.name, change.name, text)
            if dropped is not None:
                self._returns.note(dropped, None)

    async def _location(self, order: StartLogin, attempt: Attempt) -> str:
        provider = self._providers.get(attempt.provider)
        if provider is None:
            raise LoginError(Reason.PROVIDER_MISCONFIGURED, "the provider is not there")
        return await provider.authorization_url(
            AuthorizationRequest(
                state=attempt.state,
                nonce=attempt.nonce,
                verifier=attempt.verifier,
                redirect_uri=redirect_uri(order.place.application, attempt.provider),
                login_hint=order.login_hint,
                prompt="none" if attempt.silent else order.prompt,
                max_age=attempt.max_age,
                acr=attempt.acr,
            )
        )

    async def _redeemed(self, back: _Return) -> Arrival:
        attempt, present, trace = back.attempt, back.present, back.trace
        if not await self._spent.spend(attempt.state, UnixSeconds(attempt.began + ATTEMPT_LIFE + 2 * SKEW)):
            if present is not None:
                return back.back()
            raise self._teller.failed(
                attempt, LoginError(Reason.STATE_SPENT, "this sign-in was finished before"), trace
            )
        if present is not None and _is_overtaken(attempt, present):
            self._returns.note(attempt, present.session.identity.person)
            return back.back()
        try:
            opening = await self._redemption.opening_of(back.application, attempt, back.callback)
        except LoginError as error:
            failed = self._teller.failed(attempt, error, trace)
            if attempt.silent:
                # Either the session is still good, or its page begins an ordinary sign-in.
                back.note_unconfirmed()
                return back.back()
            raise failed from error
        if attempt.silent and present is not None and (present.ended or _is_later(present, attempt)):
            # Signed out, or in as somebody else, in another tab meanwhile: a renewal must not undo that.
            return back.back()
        try:
            cookie, began = await self._openings.cookie_for(opening, attempt, back.cookies, present, trace)
        except LoginError as error:
            error.identity = opening.identity
            failed = self._teller.failed(attempt, error, trace)
            if attempt.silent:
                return back.back()
            raise failed from error
        self._returns.note(attempt, opening.identity.person)
        if began is not None:
            self._teller.succeeded(attempt, began, trace)
        return Arrival(
            location=_location(back.application, attempt.back_to),
            cookies=(
                CookieChange(attempt_name(attempt.state), None),
                self._cookies.finished(back.application, self._clock.now(), attempt.circles),
            ),
            session_cookie=cookie,
            portal=attempt.portal,
        )

    def _named(self, provider: str) -> str:
        """The audit trail gets no names that somebody made up."""
        return provider if provider in self._providers else ""


def _location(application: Application, back_to: str | None) -> str:
    return application.origin + safe_return(back_to, application)


def _back(application: Application, back_to: str | None, name: str, portal: str) -> Arrival:
    return Arrival(
        location=_location(application, back_to),
        cookies=(CookieChange(name, None),),
        session_cookie=None,
        portal=portal,
    )


def _is_later(present: Entry, attempt: Attempt) -> bool:
    """Whether the session began after the attempt to renew the one that was there then."""
    session = present.session
    return session.created_at > attempt.began or session.identity.provider != attempt.provider


def _is_overtaken(attempt: Attempt, present: Entry) -> bool:
    """Another tab of the same browser has signed in at this portal since: one session is enough (rule 31). Who chose
    another provider meant to be somebody else."""
    session = present.session
    return (
        session.portal == attempt.portal
        and session.identity.provider == attempt.provider
        and session.created_at >= attempt.began
        and not attempt.silent
        and attempt.max_age is None
        and not attempt.acr
    )
