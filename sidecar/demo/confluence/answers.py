"""The visitor of a stand-in Confluence, and the shapes of its answers. Used by every page of this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.demo.confluence.state import ConfluenceConfig, ConfluenceState, Session
from sidecar.demo.jira.sso_memory import SsoMemory
from sidecar.demo.people import User
from sidecar.demo.standin import Ask


@dataclass(slots=True)
class Visit:
    """One request and who makes it; None is anonymous."""

    ask: Ask
    state: ConfluenceState
    config: ConfluenceConfig
    base_url: str
    sso: SsoMemory
    cookies: Mapping[str, list[str]] = field(default_factory=dict)
    user: User | None = None
    session: Session | None = None

    @property
    def is_admin(self) -> bool:
        """Whether an administrator makes this request."""
        return self.user is not None and self.state.is_admin(self.user.username)

    def active(self, username: str | None) -> User | None:
        """The account of that name, unless it is inactive."""
        user = self.state.people.find(username or "")
        return user if user is not None and user.active else None

    def set_cookie(self, name: str, value: str) -> None:
        """Let the answer set a cookie for the whole context."""
        self.ask.extra.append(("Set-Cookie", f"{name}={value}; Path={self.config.context_path or '/'}; HttpOnly"))

    def open_session(self, user: User | None) -> Session:
        """The request, and a new session in place of the present one, belong to that user."""
        if self.session is not None:
            self.state.sessions.pop(self.session.id, None)
        self.user, self.session = user, self.state.open_session(None if user is None else user.username)
        self.set_cookie("JSESSIONID", self.session.id)
        return self.session


class RefusedError(Exception):
    """A REST refusal: becomes a `RestError` with this status."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(status, message)
        self.status = status
        data = {"authorized": status not in (401, 403), "valid": status != 400, "errors": [], "successful": False}
        self.body = {"statusCode": status, "data": data, "message": message, "reason": reason or _REASONS.get(status)}


_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
}


def demand_user(visit: Visit) -> User:
    """The signed-in visitor; anonymous gets 403, as Confluence says it for what anonymous may not see."""
    if visit.user is None:
        raise RefusedError(403, "The calling user does not have permission to view this")
    return visit.user


def demand_admin(visit: Visit) -> None:
    """Let administrators pass: 401 for anonymous, 403 for others."""
    if visit.user is None:
        raise RefusedError(401, "Authentication is required")
    if not visit.is_admin:
        raise RefusedError(403, "The calling user does not have permission to administer users and groups")


def demand_writable(visit: Visit, user: User | None = None) -> None:
    """403 where the directory cannot be written."""
    if visit.ask.faults.directory_read_only or (user is not None and user.read_only):
        raise RefusedError(403, "The directory is read-only")


def known_user(visit: Visit, username: str) -> User:
    """The account of that name, active or not."""
    found = visit.state.people.find(username)
    if found is None:
        raise RefusedError(404, f"No user found with username : {username}")
    return found


def body_of(visit: Visit) -> dict[str, object]:
    """The JSON object in the body."""
    found = visit.ask.json_body() if visit.ask.request.content_type == "application/json" else None
    if found is None:
        raise RefusedError(400, "The request body must be a JSON object")
    return found


def text_of(body: dict[str, object], name: str) -> str:
    """A string member of a JSON body; empty when absent or something else."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


def paged(visit: Visit, entries: list[dict[str, object]], cap: int = 200) -> dict[str, object]:
    """One page of a listing, with `next` where another one follows."""
    start, limit = visit.ask.number("start", 0), min(visit.ask.number("limit", cap), cap)
    shown = entries[start : start + limit]
    links: dict[str, object] = {"base": visit.base_url, "context": visit.config.context_path}
    if start + limit < len(entries):
        links["next"] = f"{visit.ask.path}?start={start + limit}&limit={limit}"
    return {"results": shown, "start": start, "limit": limit, "size": len(shown), "_links": links}
