"""Our own endpoints below `<context>/.lychgate/`: callback, sign-out, whoami, keys, try (D9).

Sign-in is `entrance`'s, the test page `preview_page`'s.

A dictionary looked up with the exact name; there is no other way to reach a handler.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from sidecar.core.cookies import find_cookie
from sidecar.core.redirects import CONFIRMED, safe_return
from sidecar.core.steps import step_up_for
from sidecar.domain.decision import Deny, Kind, Own
from sidecar.domain.policy import Application, ProviderPolicy
from sidecar.domain.reason import Reason
from sidecar.flows.foreseeing import Foresight
from sidecar.flows.login import LoginError
from sidecar.flows.session_making import purpose_of
from sidecar.flows.sessions import Entry, Sessions, Signer
from sidecar.flows.signin import CookieChange, SignIn
from sidecar.flows.signout import SignOuts, signed_out_url
from sidecar.web.bounce import Bounce, posted_name
from sidecar.web.doors import Doors
from sidecar.web.entrance import LONGEST_QUERY, Entrance, is_choice, page_at
from sidecar.web.failures import choice, denied, form_targets
from sidecar.web.forms import form_of
from sidecar.web.pages import Action, WhoAmI
from sidecar.web.preview_page import PreviewPage
from sidecar.web.replies import Replies, flow_cookies, put_cookies, put_session
from sidecar.web.visit import Serving, Visit
from sidecar.web.walking import Walking

MAX_FORM = 8192
TRY_LIFE = 8 * 3600
NEXT_LIFE = 600
"""Seconds for which the browser remembers, across a sign-out at the provider, where to go on."""
Handler = Callable[[Visit, Application, str], Awaitable[web.StreamResponse]]


class OwnEndpoints:
    """Serves what is ours."""

    def __init__(
        self,
        sessions: Sessions,
        sign_in: SignIn,
        sign_outs: SignOuts,
        signer: Signer,
        applications: Mapping[str, Serving],
        replies: Replies,
        doors: Doors,
        bounce: Bounce,
        foresight: Foresight,
    ) -> None:
        self.entrance = Entrance(sign_in, signer, replies, self.session_of)
        self._doors = doors
        self._bounce = bounce
        self._sessions = sessions
        self._sign_in = sign_in
        self._sign_outs = sign_outs
        self._signer = signer
        self._applications = applications
        self._replies = replies
        preview = PreviewPage(foresight, self.entrance, replies, self.session_of)
        self.walking = Walking(applications, sessions, replies, self.session_of)
        self._handlers: Mapping[tuple[str, str], Handler] = {
            ("GET", "login"): self.entrance.login,
            ("GET", "choose"): self.entrance.choose,
            ("GET", "logout"): self._logout_page,
            ("POST", "logout"): self._logout,
            ("GET", "signed-out"): self._signed_out,
            ("GET", "whoami"): self._whoami,
            ("GET", "jwks"): self._jwks,
            ("GET", "try"): self._try,
            ("GET", "confirm"): self._confirm,
            ("GET", "confirmed"): self._confirmed,
            ("GET", "test"): preview.serve,
            ("GET", "authorize"): self.walking.authorize,
        }

    async def serve(self, visit: Visit, own: Own) -> web.StreamResponse:
        """One endpoint by its exact name; everything else does not exist."""
        method = "GET" if visit.facts.method == "HEAD" else visit.facts.method
        name, _, provider = own.endpoint.partition("/")
        if name == "callback" and provider and method == "GET":
            return await self._callback(visit, own.application, provider)
        if name == "callback" and provider and visit.facts.method == "POST":
            return await self._post(visit, own.application, provider)
        if provider and (door := self._doors.find(visit.facts.method, name)) is not None:
            known = _provider(visit, own.application, provider)
            return await door(visit, own.application, known) if known is not None else self._nothing(visit)
        handler = self._handlers.get((method, own.endpoint))
        if handler is None:
            return self._nothing(visit)
        return await handler(visit, own.application, own.query)

    async def session_of(self, visit: Visit, application: Application) -> Entry | None:
        """The browser's live session for an application."""
        name = application.cookie.encode()
        return await self._sessions.find(application.name, find_cookie(b"; ".join(visit.head.cookies), name))

    def is_signed(self, visit: Visit, application: Application) -> bool:
        """Whether the browser's cookie, as it came, is signed with a key that is still in force."""
        cookie = find_cookie(b"; ".join(visit.head.cookies), application.cookie.encode())
        return cookie is not None and self._signer.unsign(purpose_of(application.name), cookie) is not None

    def is_trying(self, visit: Visit, application: Application) -> bool:
        """Whether the browser asked for enforcement of observed portals."""
        text = flow_cookies(visit.head.cookies, application).get("try")
        return text is not None and self._signer.unsign(f"try/{application.name}", text) == "on"

    async def confirm_sign_out(self, visit: Visit, application: Application) -> web.Response:
        """A GET only asks: no link and no image of another site can sign somebody out (rule 56)."""
        entry = visit.entry or await self.session_of(visit, application)
        pages, record, title = self._replies.pages, visit.record, application.product.title
        if entry is None:
            return self._signed_out_page(visit, application, application.start_of())
        standing = entry.standing
        known = visit.policy.providers.get(entry.session.identity.provider)
        page = pages.confirm_sign_out(
            product=title,
            username=(standing.username or "") if standing is not None else "",
            action=Action(
                label="Sign out",
                href=f"{application.context}/.lychgate/logout",
                post=True,
                fields=(("token", entry.session.form_token),),
                primary=True,
            ),
            form_targets=form_targets(visit) if known is not None and known.sign_out else (),
            request_id=record.request,
            cancel=_front(application, entry),
        )
        return self._replies.page(page, record)

    async def _confirm(self, visit: Visit, application: Application, query: str) -> web.StreamResponse:
        """Sign in as the rule asks that refused what another window sent; then say so."""
        given = parse_qs(query) if len(query) <= LONGEST_QUERY else {}
        target, method = (given.get(name, [""])[0] for name in ("for", "method"))
        place = page_at(visit, application, target) if target else None
        entry = visit.entry = await self.session_of(visit, application)
        if place is None:
            return self._refuse(visit, 404, Reason.NO_PORTAL)
        visit.place = place
        if entry is None:
            return self._refuse(visit, 401, Reason.NO_SESSION)
        order = step_up_for(place, method, entry.session, CONFIRMED)
        if order is None:
            return self._replies.redirect(application.origin + application.context + CONFIRMED, visit.record)
        return await self.entrance.start(visit, order)

    async def _confirmed(self, visit: Visit, application: Application, query: str) -> web.Response:
        page = self._replies.pages.confirmed(product=application.product.title, request_id=visit.record.request)
        return self._replies.page(page, visit.record)

    async def _callback(self, visit: Visit, application: Application, provider: str) -> web.StreamResponse:
        visit.entry = await self.session_of(visit, application)
        cookies = flow_cookies(visit.head.cookies, application)
        query = urlsplit(visit.facts.target).query
        posted = posted_name(query)
        try:
            brought = query if posted is None else self._bounce.query_of(visit, application, provider, posted)
        except LoginError as error:
            arrival = self._sign_in.astray(application, provider, posted or "", error, visit.entry, visit.trace)
        else:
            arrival = await self._sign_in.finish(application, provider, brought, cookies, visit.entry, visit.trace)
        visit.record.portal = arrival.portal
        response = self._replies.redirect(arrival.location, visit.record)
        put_cookies(response, application, arrival.cookies)
        if posted is not None:
            self._bounce.forget(response, application, provider, posted)
        if arrival.session_cookie is not None:
            put_session(response, application, arrival.session_cookie)
            portal = application.portal(arrival.portal)
            kept = self.entrance.remember(application, portal, provider) if portal is not None else None
            put_cookies(response, application, [kept] if kept is not None else [])
        return response

    async def _post(self, visit: Visit, application: Application, provider: str) -> web.Response:
        """An answer in a form, of a provider that may answer so. It is not judged here: see `web.bounce`."""
        known = _provider(visit, application, provider)
        if known is None or not known.form_post:
            return self._nothing(visit)
        try:
            return await self._bounce.receive(visit, application, provider)
        except LoginError as error:
            _ = self._sign_in.astray(application, provider, "", error, None, visit.trace)
            raise

    async def _logout_page(self, visit: Visit, application: Application, query: str) -> web.Response:
        return await self.confirm_sign_out(visit, application)

    async def _logout(self, visit: Visit, application: Application, query: str) -> web.Response:
        entry = await self.session_of(visit, application)
        visit.entry = entry
        form = await form_of(visit, MAX_FORM)
        if form is None:
            return self._refuse(visit, 400, Reason.FORM_TOKEN_INVALID)
        if entry is None:
            return self._replies.redirect(signed_out_url(application), visit.record)
        if not self._sign_outs.is_asked_by(entry, form.get("token", "")):
            return self._refuse(visit, 403, Reason.FORM_TOKEN_INVALID)
        onward = safe_return(form["to"], application) if "to" in form else _front(application, entry)
        farewell = await self._sign_outs.end(application, entry, "user", visit.trace)
        location = farewell.location
        if location is None and "to" in form:
            # A switch to another portal: its own sign-in follows.
            location = application.origin + onward
        response = self._replies.redirect(location or signed_out_url(application), visit.record)
        put_session(response, application, None)
        # Who wants to be somebody else chooses anew; everybody else finds the service that was chosen before.
        flows = flow_cookies(visit.head.cookies, application)
        taken_back = [CookieChange(name, None) for name in flows if "to" in form or not is_choice(name)]
        # A provider sends everybody back to one registered address: where to go on waits in the browser meanwhile.
        text = base64.urlsafe_b64encode(onward.encode()).decode()
        value = self._signer.sign(_next(application, farewell.state), text)
        put_cookies(response, application, [*taken_back, CookieChange("next", value, NEXT_LIFE)])
        return response

    async def _signed_out(self, visit: Visit, application: Application, query: str) -> web.Response:
        # A provider gives `state` back (OIDC RP-Initiated Logout 1.0, section 3); another one's leads nowhere.
        states = parse_qs(query, keep_blank_values=True).get("state", [""]) if len(query) <= 1024 else []
        cookie = flow_cookies(visit.head.cookies, application).get("next", "")
        signed = self._signer.unsign(_next(application, states[0]), cookie) if len(states) == 1 else None
        start = safe_return(base64.urlsafe_b64decode(signed).decode() if signed else None, application)
        return self._signed_out_page(visit, application, start)

    def _signed_out_page(self, visit: Visit, application: Application, start: str) -> web.Response:
        place = page_at(visit, application, start)
        elsewhere = choice(application, place.portal, start) if place is not None else None
        page = self._replies.pages.signed_out(
            product=application.product.title, start=start, request_id=visit.record.request, elsewhere=elsewhere
        )
        return self._replies.page(page, visit.record)

    async def _whoami(self, visit: Visit, application: Application, query: str) -> web.Response:
        entry = await self.session_of(visit, application)
        visit.entry = entry
        if entry is None or entry.standing is None:
            visit.application = application
            return self._refuse(visit, 401, Reason.NO_SESSION)
        facts = _who(entry, application)
        pages, request_id = self._replies.pages, visit.record.request
        as_page = visit.facts.kind is Kind.NAVIGATION
        page = (
            pages.whoami(facts=facts, request_id=request_id)
            if as_page
            else pages.whoami_json(facts=facts, request_id=request_id)
        )
        return self._replies.page(page, visit.record)

    async def _jwks(self, visit: Visit, application: Application, query: str) -> web.Response:
        """RFC 7517, section 5. Receivers fetch it without any credential."""
        visit.record.status = 200
        keys = self._applications[application.name].landing.keys()
        return web.Response(
            body=json.dumps(keys).encode(),
            content_type="application/json",
            headers={"Cache-Control": "public, max-age=300", "Server": "lychgate"},
        )

    async def _try(self, visit: Visit, application: Application, query: str) -> web.Response:
        """Enforcement for this one browser: harmless by itself, it can only refuse more (D13)."""
        on = query != "off"
        response = self._replies.redirect(application.origin + application.start_of(), visit.record)
        value = self._signer.sign(f"try/{application.name}", "on") if on else None
        put_cookies(response, application, [CookieChange("try", value, TRY_LIFE if on else None)])
        return response

    def _nothing(self, visit: Visit) -> web.Response:
        return self._refuse(visit, 404, Reason.UNKNOWN_ENDPOINT)

    def _refuse(self, visit: Visit, status: int, reason: Reason) -> web.Response:
        return denied(self._replies, visit, Deny(status=status, reason=reason))


def _provider(visit: Visit, application: Application, name: str) -> ProviderPolicy | None:
    """The provider of that name, if people of the application sign in there."""
    used = any(name in portal.providers for portal in application.portals)
    return visit.policy.providers.get(name) if used else None


def _next(application: Application, state: str) -> str:
    """Purpose of the cookie that remembers where to go on after a sign-out at the provider."""
    return f"next/{application.name}/{state}"


def _who(entry: Entry, application: Application) -> WhoAmI:
    """A fixed list of what the person may see of themselves; never tokens (rule 61)."""
    session, standing = entry.session, entry.standing
    claims = session.identity.claims
    return WhoAmI(
        username=(standing.username or "") if standing is not None else "",
        display_name=str(claims.get("name") or ""),
        email=str(claims.get("email") or ""),
        application=application.name,
        portal=session.portal,
        provider=session.identity.provider,
        groups=session.identity.groups,
        signed_in_at=_iso(session.created_at),
        ends_at=_iso(session.ends_at),
        auth_time=_iso(session.identity.auth_time) if session.identity.auth_time is not None else "",
        portals=tuple(
            (name, admission.require) for name, admission in (standing.portals.items() if standing is not None else ())
        ),
    )


def _front(application: Application, entry: Entry) -> str:
    """The page at which the session's own portal begins: a customer has no business at the agents' door."""
    return application.start_of(application.portal(entry.session.portal))


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
