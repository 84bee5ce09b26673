"""The steps that a browser takes to land (`landing.mode: browser`): the product's start, our answer, its callback.

The product's own sign-on is closed to everybody (`products.atlassian.CLOSED`). It is open, by exact path, for the
navigations of a live session whose walk is under way, and even then the product is asked by us, with its cookies that
stay here (`flows.walking`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from sidecar.core.departures import back_to
from sidecar.domain.decision import Decision, Deny, Kind, Place
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar
from sidecar.flows.asking import Reply
from sidecar.flows.landing import WalkNeededError
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.walking import BrowserLanding, NoWalkError
from sidecar.web.failures import denied
from sidecar.web.replies import Replies
from sidecar.web.visit import Serving, Visit

SessionOf = Callable[[Visit, Application], Awaitable[Entry | None]]
_SHOWN = ("Content-Type", "Content-Language", "Content-Security-Policy", "Referrer-Policy")
"""What of the head of the product's page its body needs."""


class Walking:
    """Leads browsers."""

    def __init__(
        self, applications: Mapping[str, Serving], sessions: Sessions, replies: Replies, session_of: SessionOf
    ) -> None:
        self._applications = applications
        self._sessions = sessions
        self._replies = replies
        self._session_of = session_of

    async def begin(self, visit: Visit, needed: WalkNeededError) -> web.StreamResponse | None:
        """Lead the browser to the product's sign-on; None: decide again, the walk that was waited for is over.

        Raises:
            WalkNeededError: what was asked for is no page.
            LandingError: the browser would be led in a circle. StateError: the walk cannot be noted.
        """
        if needed.walked:
            return None
        entry, place = visit.entry, visit.place
        landing = self._applications[place.application.name].walked if place is not None else None
        if landing is None or entry is None or place is None or not _is_page(visit):
            raise needed
        try:
            if not await landing.begin(entry.session, needed.username, back_to(visit.facts.target, place)):
                return None
        except NoWalkError:
            return None
        visit.record.outcome = "login"
        return self._redirect(visit, place.application.origin + _start(place.application))

    async def is_step(self, visit: Visit, decision: Decision) -> bool:
        """Whether a request that the rules refuse is a step of the walk that its own session takes.

        Raises:
            StateError: nobody knows.
        """
        if not isinstance(decision, Deny) or decision.reason is not Reason.CLOSED_PATH or decision.place is None:
            return False
        entry, application = visit.entry, decision.place.application
        landing = self._applications[application.name].walked
        return (
            entry is not None
            and landing is not None
            and _path(visit) in {_start(application), _back(application)}
            and _is_page(visit)
            and await landing.is_under_way(entry.session)
        )

    async def step(self, visit: Visit, place: Place) -> web.StreamResponse:
        """The product's start, or its callback.

        Raises:
            AccountError, LandingError, UpstreamError, StateError: see `flows.walking`.
        """
        visit.record.outcome = "own"
        application = place.application
        try:
            landing, entry, username = await self._walker(visit, application)
            if _path(visit) == _start(application):
                return self._shown(visit, await landing.start(entry.session, username))

            def keep(seat: str, jar: Jar) -> None:
                self._sessions.keep_jar(entry, seat, jar)

            then = await landing.finish(entry.session, username, visit.facts.query, keep)
        except NoWalkError:
            return denied(self._replies, visit, Deny(status=403, reason=Reason.CLOSED_PATH, place=place))
        return self._redirect(visit, application.origin + (then if then is not None else _start(application)))

    async def authorize(self, visit: Visit, application: Application, query: str) -> web.StreamResponse:
        """Our authorization endpoint: answered silently, and only for the walk that is under way.

        Raises:
            AccountError, LandingError, StateError: see `flows.walking`.
        """
        if self._applications[application.name].walked is None:
            return denied(self._replies, visit, Deny(status=404, reason=Reason.UNKNOWN_ENDPOINT))
        if not _is_page(visit):
            return denied(self._replies, visit, Deny(status=403, reason=Reason.CLOSED_PATH))
        visit.entry = await self._session_of(visit, application)
        try:
            landing, entry, username = await self._walker(visit, application)
            return self._redirect(visit, await landing.answer(entry.session, username, query))
        except NoWalkError:
            return denied(self._replies, visit, Deny(status=403, reason=Reason.CLOSED_PATH))

    async def _walker(self, visit: Visit, application: Application) -> tuple[BrowserLanding, Entry, str]:
        """Who walks, the account ready as at the begin.

        Raises:
            NoWalkError: nobody.
        """
        serving, entry = self._applications[application.name], visit.entry
        landing = serving.walked
        if landing is None or entry is None or entry.standing is None or entry.standing.order is None:
            raise NoWalkError
        standing = entry.standing
        username = await serving.accounts.ensure(entry.standing.order, entry.session.identity, visit.trace)
        if not self._sessions.holds(entry, standing):
            raise NoWalkError
        return landing, entry, username

    def _shown(self, visit: Visit, reply: Reply) -> web.StreamResponse:
        """The product's answer to the browser, without its cookies."""
        if reply.head.status != 200:
            return self._redirect(visit, reply.head.leads_to.decode("latin-1"))
        visit.record.status = 200
        response = web.Response(status=200, body=reply.body)
        for name in _SHOWN:
            value = reply.head.get(name.lower().encode())
            if value is not None:
                response.headers[name] = value.decode("latin-1")
        response.headers.update(
            {
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "X-Request-Id": visit.record.request,
                "Server": "lychgate",
            }
        )
        return response

    def _redirect(self, visit: Visit, location: str) -> web.StreamResponse:
        response = self._replies.redirect(location, visit.record)
        # The code stands in an address: no page may be told of it.
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


def _start(application: Application) -> str:
    return application.context + application.product.sso_start


def _back(application: Application) -> str:
    return application.context + application.product.sso_callback


def _path(visit: Visit) -> str:
    """As it was sent: another spelling is no step."""
    return visit.facts.target.partition("?")[0]


def _is_page(visit: Visit) -> bool:
    """Only what a person sees can be led: no script, no frame, no form."""
    return visit.facts.kind is Kind.NAVIGATION and visit.facts.method == "GET" and not visit.request.body_exists
