"""Password log-ins and the log-out: every way in that the gate must close. The table is in `table.py`."""

from __future__ import annotations

from urllib.parse import quote, unquote

from aiohttp import web

from sidecar.demo.jira.answers import (
    RefusedError,
    json_answer,
    json_body,
    page,
    redirect,
    text_field,
    unauthenticated,
    wrong_method,
)
from sidecar.demo.jira.recognise import DENIED, log_in
from sidecar.demo.jira.visit import REMEMBER_ME, Visit

_TWO_WEEKS = 1209600  # seconds, Seraph's age of the remember-me cookie


async def login_page(visit: Visit) -> web.Response:
    """GET the form; POST `os_username` and `os_password`, which were already tried on the way in."""
    destination = local_destination(visit.params.get("os_destination", ""))
    if visit.request.method == "POST" and visit.user is not None:
        remember(visit, wanted=visit.params.get("os_cookie") == "true")
        return redirect(visit.below_context(destination))
    return page(
        visit,
        "login.html",
        destination=destination,
        failed=visit.request.method == "POST",
        denied=DENIED in visit.reason,
        permission_violation="permissionViolation" in visit.params,
        action="/login.jsp",
    )


async def rest_session(visit: Visit) -> web.Response:
    """`/rest/auth/1/session`: GET who, POST a password log-in, DELETE log out."""
    match visit.request.method:
        case "GET":
            if visit.user is None:
                unauthenticated()
            url = visit.site.url(f"/rest/api/2/user?username={quote(visit.user.username)}")
            return json_answer({"self": url, "name": visit.user.username, "loginInfo": {}})
        case "POST":
            _password_by_json(visit)
            session = visit.session
            value = "" if session is None else session.id
            return json_answer({"session": {"name": "JSESSIONID", "value": value}, "loginInfo": {}})
        case "DELETE":
            if visit.user is None:
                unauthenticated()
            visit.sign_out()
            return web.Response(status=204)
        case _:
            return wrong_method("GET", "POST", "DELETE")


async def two_step(visit: Visit) -> web.Response:
    """POST `/rest/tsv/1.0/authenticate`: the log-in of the form since Jira 10."""
    if visit.request.method != "POST":
        return wrong_method("POST")
    found = _password_by_json(visit)
    remember(visit, wanted=found.get("rememberMe") is True)
    target = local_destination(text_field(found, "targetUrl"))
    return json_answer({"status": "SUCCESS", "targetUrl": visit.below_context(target)})


async def gadget(visit: Visit) -> web.Response:
    """POST `/rest/gadget/1.0/login`: the old log-in gadget of the dashboard, a form."""
    if visit.request.method != "POST":
        return wrong_method("POST")
    return json_answer(
        {
            "loginSucceeded": visit.user is not None,
            "loginFailedByPermissions": False,
            "loginError": False,
            "captchaFailure": DENIED in visit.reason,
        }
    )


async def logout(visit: Visit) -> web.Response:
    """`Logout!default.jspa`: the session ends and a page says so."""
    visit.sign_out()
    return page(
        visit,
        "message.html",
        title="You are now logged out",
        text="Any automatic log-in has been stopped too.",
    )


def local_destination(asked: str) -> str:
    """A return path inside this Jira; anything else leads to the dashboard."""
    path = asked if asked.startswith("/") else unquote(asked)
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if safe else "/secure/Dashboard.jspa"


def remember(visit: Visit, *, wanted: bool) -> None:
    """Hand out a remember-me cookie when it was asked for."""
    if wanted and visit.user is not None:
        value = visit.site.state.remember(visit.user.username)
        visit.set_cookie(REMEMBER_ME, value, _TWO_WEEKS)


def _password_by_json(visit: Visit) -> dict[str, object]:
    found = json_body(visit)
    if not visit.site.config.basic_auth:
        raise RefusedError(403, "Password log-in over REST is disabled.")
    visit.reason.clear()
    if log_in(visit, text_field(found, "username"), text_field(found, "password"), "parameters"):
        return found
    raise RefusedError(403 if DENIED in visit.reason else 401, "Login failed")
