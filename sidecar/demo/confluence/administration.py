"""What a stand-in Confluence tells its administrators, and what its actions make of a password. The table is in
`server.py`.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from aiohttp import web

from sidecar.demo.confluence.answers import RefusedError, Visit, demand_admin
from sidecar.demo.jira import sso_setup
from sidecar.demo.standin import json_answer

LOG_IN = "/dologin.action"
ADMIN_PAGE = "/admin/viewgeneralconfig.action"


def try_password(visit: Visit) -> None:
    """Seraph's log-in filter: the log-in action takes a form's password, and every action does where
    `login.submit.url` is not set."""
    ask = visit.ask
    if ask.method != "POST" or ask.request.content_type != "application/x-www-form-urlencoded":
        return
    form = dict(parse_qsl(ask.body.decode("utf-8", "replace")))
    if "os_username" not in form or (visit.config.login_submit_url and ask.path != LOG_IN):
        return
    user = visit.active(form["os_username"])
    good = user is not None and user.has_password(form.get("os_password", ""))
    if good:
        visit.open_session(user)
    ask.extra.append(("X-Seraph-LoginReason", "OK" if good else "AUTHENTICATED_FAILED"))


async def general_configuration(visit: Visit) -> web.Response:
    """GET an administrator's page; where it is set so, after the password again."""
    context = visit.config.context_path
    if not visit.is_admin:
        return web.Response(status=302, headers={"Location": f"{context}/login.action?permissionViolation=true"})
    if visit.config.websudo:
        return web.Response(status=302, headers={"Location": f"{context}/authenticate.action?destination=x"})
    name = "anonymous" if visit.user is None else visit.user.username
    visit.ask.extra.append(("X-AUSERNAME", name))
    return web.Response(text="<title>General configuration</title>", content_type="text/html")


async def manifest(visit: Visit) -> web.Response:
    """GET `/rest/applinks/1.0/manifest`: anonymous, for application links."""
    return json_answer({"typeId": "confluence", "version": visit.config.version, "url": visit.base_url})


async def sign_on(visit: Visit) -> web.Response:
    """GET `/rest/authconfig/1.0/sso`."""
    _demand_system_admin(visit)
    return json_answer({"show-login-form": True, "enable-authentication-fallback": visit.sso.fallback})


async def providers(visit: Visit) -> web.Response:
    """GET `/rest/authconfig/1.0/idps`; POST a new one."""
    _demand_system_admin(visit)
    if visit.ask.method == "GET":
        return json_answer(sso_setup.listed(visit.sso))
    return _kept(visit, sso_setup.new(visit.sso, _said(visit)), 201)


async def provider(visit: Visit) -> web.Response:
    """GET or PATCH one of them."""
    _demand_system_admin(visit)
    number = visit.ask.below("/rest/authconfig/1.0/idps")[0]
    idp = sso_setup.found(visit.sso, number)
    if idp is None:
        raise RefusedError(404, f"There is no provider {number}")
    if visit.ask.method == "GET":
        return json_answer(sso_setup.shown(idp))
    return _kept(visit, {**idp, **_said(visit), "id": idp["id"]}, 200)


def _kept(visit: Visit, idp: dict[str, object], status: int) -> web.Response:
    errors = sso_setup.keep(visit.sso, idp)
    if errors:
        # It is the same plug-in as in Jira, which words its refusals itself.
        return json_answer({"errorMessages": [], "errors": errors}, 400)
    return json_answer(sso_setup.shown(idp), status)


def _said(visit: Visit) -> dict[str, object]:
    said = visit.ask.json_body()
    if said is None:
        raise RefusedError(400, "The body is no JSON object")
    return said


async def directories(visit: Visit) -> web.Response:
    """GET `/rest/crowd/latest/directory`: in their order."""
    _demand_system_admin(visit)
    listed: list[dict[str, object]] = []
    for name, said in visit.state.directories:
        synchronisation = {} if said is None else {"synchronisation": {"syncStatus": said}}
        listed.append({"name": name, **synchronisation})
    return json_answer({"directory": listed})


def _demand_system_admin(visit: Visit) -> None:
    demand_admin(visit)
    if visit.user is None or not visit.state.is_system_admin(visit.user.username):
        raise RefusedError(403, "The calling user is no system administrator")
