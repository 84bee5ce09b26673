"""`/rest/authconfig/1.0`: the set-up of the built-in OpenID client, for system administrators. The table leads here."""

from __future__ import annotations

from aiohttp import web

from sidecar.demo.jira import sso_setup
from sidecar.demo.jira.answers import RefusedError, demand_system_admin, json_answer, json_body, not_found, wrong_method
from sidecar.demo.jira.visit import Visit


async def providers(visit: Visit) -> web.Response:
    """GET the list, POST a new one."""
    demand_system_admin(visit)
    sso = visit.site.sso
    match visit.request.method:
        case "GET":
            return json_answer(sso_setup.listed(sso))
        case "POST":
            return _kept(visit, sso_setup.new(sso, json_body(visit)), 201)
        case _:
            return wrong_method("GET", "POST")


async def provider(visit: Visit) -> web.Response:
    """GET, PATCH or DELETE one."""
    demand_system_admin(visit)
    number = visit.target.path.rpartition("/")[2]
    idp = sso_setup.found(visit.site.sso, number)
    if idp is None:
        return not_found(visit)
    match visit.request.method:
        case "GET":
            return json_answer(sso_setup.shown(idp))
        case "PATCH":
            return _kept(visit, {**idp, **json_body(visit), "id": idp["id"]}, 200)
        case "DELETE":
            del visit.site.sso.idps[int(number)]
            visit.site.sso.config = None
            return web.Response(status=204)
        case _:
            return wrong_method("GET", "PATCH", "DELETE")


async def switches(visit: Visit) -> web.Response:
    """GET what holds for all providers together."""
    demand_system_admin(visit)
    if visit.request.method != "GET":
        return wrong_method("GET")
    found = {"show-login-form": True, "show-login-form-for-jsm": True}
    return json_answer({**found, "enable-authentication-fallback": visit.site.sso.fallback})


def _kept(visit: Visit, idp: dict[str, object], status: int) -> web.Response:
    errors = sso_setup.keep(visit.site.sso, idp)
    if errors:
        raise RefusedError(400, **errors)
    return json_answer(sso_setup.shown(idp), status)
