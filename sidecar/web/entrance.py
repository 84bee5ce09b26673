"""Where sign-ins begin: at the portal's provider, at the one that this browser used last, or on a page to choose one.

Used by `web.own` and by the gateway. Which provider somebody used is remembered per portal, in a signed cookie that
says nothing else; who has an account nobody learns here: an e-mail address leads on by its domain alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlencode

from aiohttp import web

from sidecar.core.addresses import domain_of
from sidecar.core.departures import LONGEST_HINT
from sidecar.core.redirects import safe_return
from sidecar.core.routing import locate
from sidecar.domain.decision import Deny, Kind, Place, RequestFacts, StartLogin
from sidecar.domain.policy import Application, Portal
from sidecar.domain.reason import Reason
from sidecar.flows.sessions import Entry, Signer
from sidecar.flows.signin import CookieChange, SignIn
from sidecar.web.failures import denied
from sidecar.web.pages import Action
from sidecar.web.replies import Replies, flow_cookies, put_cookies
from sidecar.web.visit import Visit

REMEMBERED = 180 * 86_400
"""Seconds for which a browser's choice is remembered after a sign-in."""
LONGEST_QUERY = 8192
SessionOf = Callable[[Visit, Application], Awaitable[Entry | None]]


class Entrance:
    """Begins sign-ins.

    Args:
        session_of: Finds the browser's live session for an application.
    """

    def __init__(self, sign_in: SignIn, signer: Signer, replies: Replies, session_of: SessionOf) -> None:
        self._sign_in = sign_in
        self._signer = signer
        self._replies = replies
        self._session_of = session_of

    async def start(self, visit: Visit, order: StartLogin) -> web.StreamResponse:
        """Send a page to the provider, or to the choice of one; frames and link previews get a page of ours instead."""
        application, record = order.place.application, visit.record
        title = application.product.title
        if order.preview:
            return self._replies.page(self._replies.pages.reload(product=title, request_id=record.request), record)
        if order.framed:
            page = self._replies.pages.open_window(product=title, href=order.back_to, request_id=record.request)
            return self._replies.page(page, record)
        if order.silent and visit.entry is not None:
            visit.entry.renewal_tried = visit.now
        cookies = flow_cookies(visit.head.cookies, application)
        provider = order.provider or self._last_used(application, order.portal, cookies)
        if provider is None:
            query = {"to": order.back_to} | ({"prompt": order.prompt} if order.prompt is not None else {})
            return self._replies.redirect(_own(application, "choose", query), record, status=302)
        departure = await self._sign_in.start(replace(order, provider=provider), cookies, visit.trace)
        response = self._replies.redirect(departure.location, record, status=302)
        put_cookies(response, application, departure.cookies)
        return response

    async def login(self, visit: Visit, application: Application, query: str) -> web.StreamResponse:
        """Begin again, at the portal of the page that was wanted."""
        given = _fields(query)
        wanted = await self._wanted(visit, application, given)
        if isinstance(wanted, web.Response):
            return wanted
        return await self.start(visit, _order(*wanted, given))

    async def choose(self, visit: Visit, application: Application, query: str) -> web.StreamResponse:
        """The page with the portal's providers, whichever was used last; or where an e-mail address belongs."""
        given = _fields(query)
        wanted = await self._wanted(visit, application, given)
        if isinstance(wanted, web.Response):
            return wanted
        place, back_to = wanted
        portal = place.portal
        if not portal.asks_where:
            return await self.start(visit, _order(place, back_to, given))
        address = given.get("email", "").strip()
        provider = portal.domains.get(domain_of(address) or "")
        pages, record = self._replies.pages, visit.record
        onward = {"to": back_to} | ({"prompt": "login"} if given.get("prompt") == "login" else {})
        if provider is not None:
            # A page between: browsers hold every redirect behind a form against `form-action`, and a provider may lead
            # on to hosts that nobody here knows.
            href = _own(application, "login", {"provider": provider, **onward, "login_hint": address}, path_only=True)
            label = visit.policy.providers[provider].label
            page = pages.onward(service=label, href=href, request_id=record.request)
            return self._replies.page(page, record)
        last = self._last_used(application, portal, flow_cookies(visit.head.cookies, application))
        page = pages.choose(
            product=application.product.title,
            services=tuple(
                Action(
                    label=visit.policy.providers[name].label,
                    href=_own(application, "login", {"provider": name, **onward}, path_only=True),
                    primary=name == last,
                )
                for name in portal.providers
            ),
            action=f"{application.context}/.lychgate/choose" if portal.domains else "",
            onward=onward,
            address=address,
            request_id=record.request,
        )
        return self._replies.page(page, record)

    def remember(self, application: Application, portal: Portal, provider: str) -> CookieChange | None:
        """The cookie that keeps the choice; None where there was none."""
        if not portal.asks_where:
            return None
        value = self._signer.sign(_purpose(application, portal), provider)
        return CookieChange(_cookie(portal), value, REMEMBERED)

    def _last_used(self, application: Application, portal: Portal, cookies: Mapping[str, str]) -> str | None:
        """What the browser chose before, as long as it is a provider of the portal."""
        text = cookies.get(_cookie(portal))
        name = self._signer.unsign(_purpose(application, portal), text) if text is not None else None
        return name if name in portal.providers else None

    async def _wanted(
        self, visit: Visit, application: Application, given: Mapping[str, str]
    ) -> tuple[Place, str] | web.Response:
        """The page for which somebody signs in, and its judged address; or the answer, where nobody has to."""
        back_to = safe_return(given.get("to"), application)
        place = visit.place = page_at(visit, application, back_to)
        if place is None:
            return denied(self._replies, visit, Deny(status=404, reason=Reason.NO_PORTAL))
        if await self._session_of(visit, application) is not None:
            return self._replies.redirect(application.origin + back_to, visit.record)
        return place, back_to


def page_at(visit: Visit, application: Application, target: str) -> Place | None:
    """Where a page of the application belongs; None if *target* is none of its pages."""
    facts = RequestFacts(method="GET", host=visit.facts.host, target=target, kind=Kind.NAVIGATION)
    place = locate(facts, visit.policy)
    return place if isinstance(place, Place) and place.application is application else None


def is_choice(name: str) -> bool:
    """Whether a flow cookie remembers a choice: it outlives a sign-out."""
    return name.startswith("at-")


def _order(place: Place, back_to: str, given: Mapping[str, str]) -> StartLogin:
    portal, named = place.portal, given.get("provider")
    known = named if named is not None and named in portal.providers else ""
    return StartLogin(
        place=place,
        portal=portal,
        provider=known if portal.asks_where else portal.providers[0],
        back_to=back_to,
        rule="own/login",
        prompt="login" if given.get("prompt") == "login" else None,
        login_hint=_hint(given.get("login_hint", "")),
    )


def _fields(query: str) -> dict[str, str]:
    """The fields of a query that stand there once; what stands there twice is not there."""
    if len(query) > LONGEST_QUERY:
        return {}
    return {name: values[0] for name, values in parse_qs(query).items() if len(values) == 1}


def _hint(text: str) -> str | None:
    """Whom the provider should expect, if that is something that one can expect."""
    return text if 0 < len(text) <= LONGEST_HINT and text.isprintable() else None


def _own(application: Application, name: str, query: Mapping[str, str], *, path_only: bool = False) -> str:
    path = f"{application.context}/.lychgate/{name}?{urlencode(query)}"
    return path if path_only else application.origin + path


def _cookie(portal: Portal) -> str:
    return f"at-{portal.name}"


def _purpose(application: Application, portal: Portal) -> str:
    return f"provider/{application.name}/{portal.name}"
