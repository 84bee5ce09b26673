"""REST about the server itself and what machines ask of it: status, roles, tokens, links."""

from __future__ import annotations

from aiohttp import web

from sidecar.demo.jira.answers import (
    RefusedError,
    demand_admin,
    demand_system_admin,
    demand_user,
    json_answer,
    json_body,
    plain,
    text_field,
    wrong_method,
)
from sidecar.demo.jira.seats import number_of_seats, remaining
from sidecar.demo.jira.state import ApplicationRole
from sidecar.demo.jira.visit import Visit


async def status(visit: Visit) -> web.Response:
    """GET `/status`: the readiness probe, without log-in and without session."""
    return json_answer({"state": "RUNNING"})


async def server_info(visit: Visit) -> web.Response:
    """GET `/rest/api/2/serverInfo`: anonymous may read it, so a dead token gets 200 here."""
    version = visit.site.config.version
    return json_answer(
        {
            "baseUrl": visit.site.base_url,
            "version": version,
            "versionNumbers": [int(part) for part in version.split(".")],
            "deploymentType": "Server",
            "buildNumber": 10030024,
            "serverTitle": "Stand-in Jira",
        }
    )


async def application_roles(visit: Visit) -> web.Response:
    """GET `/rest/api/2/applicationrole[/{key}]`: who may use what, and the seats left."""
    demand_admin(visit)
    roles = visit.site.state.roles
    key = visit.target.path.removeprefix("/rest/api/2/applicationrole").strip("/")
    if not key:
        return json_answer([_role_bean(visit, role) for role in roles.values()])
    if key not in roles:
        raise RefusedError(404, f"The application role with key '{key}' does not exist.")
    return json_answer(_role_bean(visit, roles[key]))


async def tokens(visit: Visit) -> web.Response:
    """GET and POST `/rest/pat/latest/tokens`: personal access tokens; the value is shown once."""
    owner = demand_user(visit)
    state = visit.site.state
    if visit.request.method == "GET":
        mine = [token for token, name in state.tokens.items() if name == owner]
        return json_answer(
            [
                {"id": number, "name": "token", "expiringAt": state.token_ends.get(token)}
                for number, token in enumerate(mine, 1)
            ]
        )
    if visit.request.method != "POST":
        return wrong_method("GET", "POST")
    name = text_field(json_body(visit), "name")
    if not name:
        raise RefusedError(400, name="You must specify a token name.")
    made = state.add_token(owner)
    return json_answer({"id": len(state.tokens), "name": name, "rawToken": made}, 201)


async def my_permissions(visit: Visit) -> web.Response:
    """GET `/rest/api/2/mypermissions`: what the visitor may do, of the global permissions those that matter here."""
    state, name = visit.site.state, visit.username or ""
    has = {"ADMINISTER": state.is_admin(name), "SYSTEM_ADMIN": state.is_system_admin(name)}
    found = {key: {"key": key, "type": "GLOBAL", "havePermission": value} for key, value in has.items()}
    return json_answer({"permissions": found})


async def directories(visit: Visit) -> web.Response:
    """GET `/rest/crowd/latest/directory`: the user directories in their order, for system administrators."""
    demand_system_admin(visit)
    listed: list[dict[str, object]] = []
    for name, said in visit.site.state.directories:
        synchronisation = {} if said is None else {"synchronisation": {"syncStatus": said}}
        listed.append({"name": name, **synchronisation})
    return json_answer({"directories": listed})


async def manifest(visit: Visit) -> web.Response:
    """GET `/rest/applinks/1.0/manifest`: anonymous, for application links."""
    return json_answer(
        {
            "name": "Stand-in Jira",
            "typeId": "jira",
            "version": visit.site.config.version,
            "url": visit.site.base_url,
        }
    )


async def whoami(visit: Visit) -> web.Response:
    """GET `/plugins/servlet/applinks/whoami`: the username as text, empty for anonymous."""
    return plain(visit.username or "")


async def web_resources(visit: Visit) -> web.Response:
    """POST `/rest/webResources/1.0/resources`: anonymous pages need it too."""
    return json_answer({"resources": [], "unparsedData": {}, "unparsedErrors": {}})


async def notifications(visit: Visit) -> web.Response:
    """GET the notification count: every open tab polls it."""
    demand_user(visit)
    return json_answer({"count": 0, "timeout": 60, "maxTimeout": 300})


def _role_bean(visit: Visit, role: ApplicationRole) -> dict[str, object]:
    left = remaining(visit, role)
    return {
        "key": role.key,
        "name": role.name,
        "groups": list(role.groups),
        "defaultGroups": list(role.default_groups),
        "selectedByDefault": role.key == "jira-software",
        "defined": True,
        "numberOfSeats": number_of_seats(visit, role),
        "remainingSeats": -1 if left is None else left,
        "userCount": visit.site.state.seats_taken(role),
        "userCountDescription": "users",
        "hasUnlimitedSeats": left is None,
        "platform": False,
    }
