"""Our own answers: the one place where refusals and errors become responses, and where our cookies are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from sidecar.domain.decision import Kind
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord
from sidecar.flows.signin import CookieChange
from sidecar.web.pages import Action, Notice, Page, Pages

_PAGES = frozenset({Kind.NAVIGATION, Kind.FRAME, Kind.PREVIEW})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal or failure on its way to the client.

    Attributes:
        facts: Lines for the person or the administrator, without secrets.
        actions: What a person can do next.
        form_targets: Origins to which their forms may lead.
    """

    status: int
    reason: Reason
    kind: Kind
    application: Application | None = None
    portal: str = ""
    username: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    actions: tuple[Action, ...] = ()
    form_targets: tuple[str, ...] = ()
    retry_after: int | None = None


class Replies:
    """Renders by what the client asked for: HTML for people, JSON for everybody else."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages

    def refuse(self, refusal: Refusal, record: RequestRecord) -> web.Response:
        """A page or a JSON object with the reason word and the request id."""
        record.status, record.reason = refusal.status, refusal.reason
        application = refusal.application
        notice = Notice(
            status=refusal.status,
            reason=refusal.reason,
            request_id=record.request,
            product=application.product.title if application is not None else "",
            portal=refusal.portal,
            username=refusal.username,
            facts=refusal.facts,
            actions=refusal.actions,
            retry_after=refusal.retry_after,
        )
        if refusal.kind in _PAGES:
            page = self.pages.notice(notice, form_targets=refusal.form_targets)
        else:
            page = self.pages.notice_json(notice)
        response = self.page(page, record)
        if refusal.status == 401:
            realm = application.name if application is not None else "lychgate"
            # A challenge is mandatory (RFC 9110, section 15.5.2); `Basic` would open the browser's password box.
            # RFC 6750, section 3.1: a client library renews its token upon this word.
            error = ', error="invalid_token"' if refusal.reason is Reason.TOKEN_NOT_ACCEPTED else ""
            response.headers["WWW-Authenticate"] = f'Bearer realm="{realm}"{error}'
        return response

    def page(self, page: Page, record: RequestRecord) -> web.Response:
        """A rendered page as a response."""
        record.status = page.status
        response = web.Response(status=page.status, body=page.body)
        for name, value in page.headers:
            response.headers[name] = value
        return _ours(response, record)

    def redirect(self, location: str, record: RequestRecord, status: int = 303) -> web.Response:
        """To a location that `core.redirects` or a provider's configuration has judged (rule 23)."""
        record.status = status
        response = web.Response(status=status, headers={"Location": location, "Cache-Control": "no-store"})
        return _ours(response, record)


def _ours(response: web.Response, record: RequestRecord) -> web.Response:
    response.headers["X-Request-Id"] = record.request
    # aiohttp would name itself and Python with their versions.
    response.headers["Server"] = "lychgate"
    return response


def put_cookies(response: web.Response, application: Application, changes: Iterable[CookieChange]) -> None:
    """Write flow cookies beside the session cookie: `<session cookie>.<name>`."""
    for change in changes:
        _put(response, f"{application.cookie}.{change.name}", change.value, change.max_age)


def put_session(response: web.Response, application: Application, value: str | None) -> None:
    """Write or (None) take back the session cookie. It ends with the browser; its real end is the server's."""
    _put(response, application.cookie, value, None)


def put_cookie_at(response: web.Response, path: str, name: str, value: str | None, max_age: int | None) -> None:
    """Write or (None) take back a cookie that only *path* gets."""
    _put(response, name, value, max_age, path)


def flow_cookies(fields: Iterable[bytes], application: Application) -> dict[str, str]:
    """Our flow cookies that the browser carries, by name without the prefix."""
    prefix = f"{application.cookie}."
    found: dict[str, str] = {}
    for piece in b";".join(fields).decode("latin-1").split(";"):
        name, mark, value = piece.strip().partition("=")
        if mark and name.startswith(prefix) and len(value) <= 4096 and len(found) < 40:
            found[name[len(prefix) :]] = value
    return found


def _put(response: web.Response, name: str, value: str | None, max_age: int | None, path: str = "/") -> None:
    """`__Host-` cookies: Secure, whole host, no Domain (RFC 6265bis, section 4.1.3.2); taken back with the same
    attributes, or browsers keep them (rule 38)."""
    age = 0 if value is None else max_age
    parts = [f"{name}={value or ''}", f"Path={path}", "Secure", "HttpOnly", "SameSite=Lax"]
    if age is not None:
        parts.append(f"Max-Age={age}")
    response.headers.add("Set-Cookie", "; ".join(parts))
