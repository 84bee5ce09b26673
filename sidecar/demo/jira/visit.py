"""One request on its way through a stand-in Jira, and the Jira it visits. Made by `handler.py`, read by every page."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import quote_plus

from aiohttp import web

from sidecar.demo.jira.faults import Faults
from sidecar.demo.jira.paths import Target
from sidecar.demo.jira.proof import Prover
from sidecar.demo.jira.recording import Call, Calls
from sidecar.demo.jira.settings import JiraConfig
from sidecar.demo.jira.sso_memory import SsoMemory
from sidecar.demo.jira.state import JiraState, Session
from sidecar.demo.people import User

REMEMBER_ME = "seraph.rememberme.cookie"
SESSION = "JSESSIONID"
XSRF = "atlassian.xsrf.token"


@dataclass(slots=True)
class Site:
    """The Jira that is visited: its memory, its settings and what a test switched."""

    state: JiraState
    config: JiraConfig
    prover: Prover
    base_url: str
    sso: SsoMemory = field(default_factory=SsoMemory)
    crowd_checked: dict[str, tuple[str, float]] = field(default_factory=dict)
    crowd_users: set[str] = field(default_factory=set)
    faults: Faults = field(default_factory=Faults)
    calls: Calls = field(default_factory=Calls)
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    numbers: count[int] = field(default_factory=lambda: count(1))

    def url(self, path: str) -> str:
        """The public address of a path below the context."""
        return self.base_url + path

    def cookie(self, name: str, value: str, age: int | None = None) -> str:
        """A `Set-Cookie` value for the whole context; `age` is in seconds, None lasts a session."""
        parts = [f"{name}={value}", f"Path={self.config.context_path or '/'}"]
        if age is not None:
            parts.append(f"Max-Age={age}")
        if self.base_url.startswith("https:"):
            parts.append("Secure")
        if name != XSRF:
            parts.append("HttpOnly")
        return "; ".join(parts)


@dataclass(slots=True)
class Visit:
    """One request, who makes it, and the headers that its answer will carry.

    `params` are query and form parameters together, as the servlet API mixes them.
    `body` is the whole body, except for multipart and streaming paths, which read it themselves.
    """

    site: Site
    request: web.BaseRequest
    call: Call
    target: Target
    params: Mapping[str, str]
    cookies: Mapping[str, list[str]]
    body: bytes = b""
    user: User | None = None
    session: Session | None = None
    reason: list[str] = field(default_factory=list)
    extra: list[tuple[str, str]] = field(default_factory=list)

    @property
    def username(self) -> str | None:
        """Whom this request is served as; None is anonymous."""
        return None if self.user is None else self.user.username

    @property
    def is_admin(self) -> bool:
        """Whether an administrator makes this request."""
        return self.user is not None and self.site.state.is_admin(self.user.username)

    def below_context(self, path: str) -> str:
        """A path below the context as the browser must ask for it."""
        return self.site.config.context_path + path

    def set_cookie(self, name: str, value: str, age: int | None = None) -> None:
        """Let the answer set a cookie."""
        self.extra.append(("Set-Cookie", self.site.cookie(name, value, age)))

    def open_session(self, user: User | None) -> Session:
        """Begin a session under a fresh id: Seraph drops the old one at a log-in (session fixation)."""
        state = self.site.state
        if self.session is not None:
            state.sessions.pop(self.session.id, None)
        self.session = state.open_session(None if user is None else user.username)
        self.set_cookie(SESSION, self.session.id)
        self.set_cookie(XSRF, self.session.xsrf_token)
        return self.session

    def sign_in(self, user: User, reason: str = "OK") -> None:
        """The request, and the session from now on, belong to that user."""
        self.user = user
        self.call.username = user.username
        self.reason.append(reason)
        self.open_session(user)

    def sign_out(self) -> None:
        """End session and remembered log-in; the visit goes on as a new anonymous one."""
        for value in self.cookies.get(REMEMBER_ME, []):
            self.site.state.remembered.pop(value, None)
        self.set_cookie(REMEMBER_ME, "", 0)
        self.user = None
        self.reason.append("OUT")
        self.open_session(None)

    def dress(self, answer: web.StreamResponse) -> web.StreamResponse:
        """Put Jira's own headers on an answer that is not yet sent."""
        for name, value in self._headers():
            answer.headers.setdefault(name, value)
        for name, value in self.extra:
            answer.headers.add(name, value)
        self.extra.clear()
        return answer

    async def send_head(self, answer: web.StreamResponse) -> bool:
        """Dress and send the head of a streamed answer; False when no body may follow (HEAD)."""
        await self.dress(answer).prepare(self.request)
        return self.request.method != "HEAD"

    def _headers(self) -> list[tuple[str, str]]:
        number = next(self.site.numbers)
        headers = [
            ("X-AREQUESTID", f"{600 + number // 60}x{number}x1"),
            ("X-ANODEID", "node1"),
            ("X-AUSERNAME", quote_username(self.username)),
            ("X-XSS-Protection", "1; mode=block"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("Content-Security-Policy", "frame-ancestors 'self'"),
            ("Referrer-Policy", "strict-origin-when-cross-origin"),
            ("Strict-Transport-Security", "max-age=31536000"),
            ("Cache-Control", "no-cache, no-store, no-transform"),
            ("Vary", "User-Agent"),
            ("Content-Language", "en-US"),
            ("Server", "Stand-in Jira"),
        ]
        if self.session is not None:
            digest = hashlib.sha256(self.session.id.encode()).hexdigest()
            headers.append(("X-ASESSIONID", digest[:6]))
        if self.reason:
            headers.append(("X-Seraph-LoginReason", ", ".join(self.reason)))
        return headers


Page = Callable[[Visit], Awaitable[web.StreamResponse]]


def quote_username(username: str | None) -> str:
    """The username as `X-AUSERNAME` carries it: URL-encoded, or `anonymous`."""
    return "anonymous" if username is None else quote_plus(username, safe="*")
