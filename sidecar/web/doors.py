"""The doors through which sign-outs come from outside: from a provider's server, or from its page in the browser.

Called by `web.own`. All of them lead to one core (`flows.revocations`). What is proven to be the provider's is always
acted on; only what is not is counted, and beyond a bound answered without a reason.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from sidecar.core.issuers import issuers_of
from sidecar.core.kept import kept
from sidecar.core.logout_tokens import Notice
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Application, ProviderPolicy
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import By, Name, Revocation
from sidecar.flows.login import LoginError
from sidecar.flows.revocations import Notices, Revocations
from sidecar.flows.sessions import StateError
from sidecar.web.forms import body_of, form_of
from sidecar.web.page_headers import framed_headers, plain_headers
from sidecar.web.pages import Page
from sidecar.web.replies import Replies
from sidecar.web.visit import Visit

MOST_BYTES = 16 * 1024
MOST_FAILURES = 120
"""Failures within a minute, at all doors together, that are answered and told one by one."""

BACK, FRONT, GLOBAL = "back_channel", "front_channel", "global_revocation"

Door = Callable[[Visit, Application, ProviderPolicy], Awaitable[web.Response]]


class Doors:
    """Serves them."""

    def __init__(self, revocations: Revocations, notices: Mapping[str, Notices], replies: Replies) -> None:
        self._revocations = revocations
        self._notices = notices
        self._replies = replies
        self._failures: deque[UnixSeconds] = kept("notices_refused", deque(maxlen=MOST_FAILURES), MOST_FAILURES)
        self._doors: Mapping[tuple[str, str], Door] = {
            ("POST", "backchannel-logout"): self._back_channel,
            ("GET", "frontchannel-logout"): self._front_channel,
            ("POST", "global-token-revocation"): self._global,
        }

    def find(self, method: str, name: str) -> Door | None:
        """The door of that exact name, or None."""
        return self._doors.get((method, name))

    async def _back_channel(self, visit: Visit, application: Application, provider: ProviderPolicy) -> web.Response:
        """OIDC Back-Channel Logout 1.0, sections 2.5 to 2.8."""
        form = await form_of(visit, MOST_BYTES)
        token = (form or {}).get("logout_token")
        if not token:
            return self._fail(visit, provider, BACK, _invalid("logout_token is missing, or this is no form"))
        try:
            notice = await self._notices[provider.name].logout(token)
            if notice.by is None:
                raise _invalid("the token names nobody")
            await self._revoke(visit, provider, BACK, notice, notice.by, notice.value)
        except LoginError as error:
            return self._fail(visit, provider, BACK, error)
        except StateError:
            return self._later(visit)
        return self._done(visit, 200)

    async def _global(self, visit: Visit, application: Application, provider: ProviderPolicy) -> web.Response:
        """Global Token Revocation (draft-parecki-oauth-global-token-revocation), which Okta calls Universal Logout."""
        scheme, _, token = (visit.facts.authorization or "").partition(" ")
        address = f"{application.origin}{application.context}/.lychgate/global-token-revocation/{provider.name}"
        notices = self._notices[provider.name]
        try:
            if scheme.lower() != "bearer" or not token.strip():
                raise _invalid("the Authorization field brings no token")
            notice = await notices.revocation(token.strip(), address)
        except LoginError as error:
            return self._fail(visit, provider, GLOBAL, error, status=401)
        try:
            body = await body_of(visit, MOST_BYTES)
            if body is None:
                raise _invalid("the body is too large")
            by, value = notices.subject(body, notice.issuer)
            await self._revoke(visit, provider, GLOBAL, notice, by, value)
        except LoginError as error:
            return self._fail(visit, provider, GLOBAL, error)
        except StateError:
            return self._later(visit)
        return self._done(visit, 204)

    async def _front_channel(self, visit: Visit, application: Application, provider: ProviderPolicy) -> web.Response:
        """OIDC Front-Channel Logout 1.0, section 2. Nobody proves anything here, so it ends the sessions that the
        provider knows under that `sid`, and does nothing else (rule 58)."""
        try:
            pairs = parse_qsl(visit.facts.query, keep_blank_values=True, max_num_fields=10, errors="strict")
            given = dict(pairs)
            if len(given) != len(pairs) or not given.get("sid") or given.get("iss") not in issuers_of(provider):
                raise _invalid("iss and sid are needed, once each, and iss is the provider's")
            name = Name(given["iss"], By.SID, given["sid"][:512])
            ended = await self._revocations.end_known(name, provider.name, FRONT, visit.trace)
            if not ended:
                self._count(visit)
        except (LoginError, ValueError) as error:
            fault = error if isinstance(error, LoginError) else _invalid("the query cannot be read")
            return self._fail(visit, provider, FRONT, fault)
        except StateError:
            return self._later(visit)
        page = Page(200, framed_headers(provider.origins), b"<!doctype html><title>Signed out</title>\n")
        return self._replies.page(page, visit.record)

    async def _revoke(
        self, visit: Visit, provider: ProviderPolicy, door: str, notice: Notice, by: By, value: str
    ) -> None:
        revocation = Revocation(issuer=notice.issuer, by=by, value=value, at=visit.now, issued_at=notice.issued_at)
        _ = await self._revocations.act_on(notice, revocation, provider.name, door, visit.trace)

    def _fail(
        self, visit: Visit, provider: ProviderPolicy, door: str, error: LoginError, *, status: int = 400
    ) -> web.Response:
        """Refuse. Many failures in a minute are no longer told one by one: a flood of forgeries fills no log."""
        few = self._count(visit)
        if few:
            self._revocations.refused(provider.name, door, error, visit.trace)
        if error.reason is not Reason.LOGOUT_TOKEN_INVALID:
            # The keys cannot be had: the provider's fault or the network's, and worth another try.
            return self._answer(visit, 503, error.reason)
        return self._answer(visit, status, error.reason) if few else self._answer(visit, 429, Reason.TOO_MANY_FAILURES)

    def _count(self, visit: Visit) -> bool:
        """Count a failure; False if there were too many lately."""
        failures = self._failures
        full = len(failures) == MOST_FAILURES and visit.now - failures[0] < 60
        if not full:
            failures.append(visit.now)
        return not full

    def _later(self, visit: Visit) -> web.Response:
        return self._answer(visit, 503, Reason.STATE_UNAVAILABLE)

    def _done(self, visit: Visit, status: int) -> web.Response:
        return self._replies.page(Page(status, plain_headers("application/json"), b""), visit.record)

    def _answer(self, visit: Visit, status: int, reason: Reason) -> web.Response:
        visit.record.outcome, visit.record.reason = "denied", reason
        # The words of OIDC Back-Channel Logout 1.0, section 2.8; which check failed is for our own log.
        body = json.dumps({"error": "invalid_request", "error_description": reason.value}).encode() + b"\n"
        response = self._replies.page(Page(status, plain_headers("application/json"), body), visit.record)
        if status == 401:
            response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        return response


def _invalid(detail: str) -> LoginError:
    return LoginError(Reason.LOGOUT_TOKEN_INVALID, detail)
