"""The shapes of Jira's answers: JSON, error collections, pages and redirects. Used by every page of this room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from sidecar.demo.jira.visit import Visit

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class RefusedError(Exception):
    """A REST refusal: becomes an `ErrorCollection` with this status."""

    def __init__(self, status: int, *messages: str, **errors: str) -> None:
        """`errors` are by field."""
        super().__init__(status, *messages)
        self.status = status
        self.body = {"errorMessages": list(messages), "errors": errors}


def json_answer(content: object, status: int = 200) -> web.Response:
    """A JSON answer as Jira spells its content type."""
    return web.Response(
        text=json.dumps(content, ensure_ascii=False, separators=(",", ":")),
        status=status,
        headers={"Content-Type": "application/json;charset=UTF-8"},
    )


def refusal(error: RefusedError) -> web.Response:
    """The error collection of a refusal."""
    return json_answer(error.body, error.status)


def page(visit: Visit, template: str, status: int = 200, **values: object) -> web.Response:
    """A page from a template, which knows the visitor, the context path and the token of its forms."""
    session = visit.session
    text = _TEMPLATES.get_template(template).render(
        user=visit.user,
        is_admin=visit.is_admin,
        here=visit.site.config.context_path,
        version=visit.site.config.version,
        atl_token="" if session is None else session.xsrf_token,
        **values,
    )
    headers = {"Content-Type": "text/html;charset=UTF-8"}
    return web.Response(text=text, status=status, headers=headers)


def plain(text: str, status: int = 200) -> web.Response:
    """A plain text answer."""
    return web.Response(text=text, status=status, headers={"Content-Type": "text/plain;charset=UTF-8"})


def not_found(visit: Visit) -> web.Response:
    """Jira's 404: JSON below `/rest/`, a page elsewhere."""
    if visit.target.path.startswith("/rest/"):
        return json_answer({"message": "null for uri", "status-code": 404}, 404)
    return page(visit, "message.html", 404, title="Dead link", text="That page does not exist.")


def wrong_method(*allowed: str) -> web.Response:
    """405 with the methods that would do."""
    answer = json_answer({"message": "HTTP 405 Method Not Allowed", "status-code": 405}, 405)
    answer.headers["Allow"] = ",".join(allowed)
    return answer


def redirect(location: str) -> web.Response:
    """A 302 as a servlet sends it: no body."""
    return web.Response(status=302, headers={"Location": location})


def to_login(visit: Visit, user_role: str = "") -> web.Response:
    """Seraph's `login.url` for a protected page; `user_role` is ADMIN for administration."""
    original = visit.target.path + (f"?{visit.target.query}" if visit.target.query else "")
    return redirect(
        visit.below_context("/login.jsp?permissionViolation=true&os_destination=")
        + f"{quote(original, safe='')}&page_caps=&user_role={user_role}"
    )


def unauthenticated() -> NoReturn:
    """Anonymous REST: 401."""
    raise RefusedError(401, "You are not authenticated. Authentication required to perform this operation.")


def demand_user(visit: Visit) -> str:
    """The username of a signed-in visitor; anonymous gets 401."""
    if visit.user is None:
        unauthenticated()
    return visit.user.username


def demand_admin(visit: Visit) -> None:
    """Let administrators pass: 401 for anonymous, 403 for others."""
    demand_user(visit)
    if not visit.is_admin:
        raise RefusedError(403, "You are not authorized to perform this operation.")


def demand_system_admin(visit: Visit) -> None:
    """Let system administrators pass: 401 for anonymous, 403 for others."""
    if not visit.site.state.is_system_admin(demand_user(visit)):
        raise RefusedError(403, "You are not authorized to perform this operation.")


def json_body(visit: Visit) -> dict[str, object]:
    """The JSON object in the body; 415 for another type, 400 for anything else."""
    if visit.request.content_type != "application/json":
        raise RefusedError(415, "The request must be application/json.")
    try:
        found = json.loads(visit.body)
    except ValueError as error:
        raise RefusedError(400, "The request body is not valid JSON.") from error
    if not isinstance(found, dict):
        raise RefusedError(400, "The request body must be a JSON object.")
    return found


def text_field(found: dict[str, object], name: str) -> str:
    """A string member of a JSON body; empty when absent, 400 when it is something else."""
    value = found.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RefusedError(400, f"Field '{name}' must be a string.")
    return value
