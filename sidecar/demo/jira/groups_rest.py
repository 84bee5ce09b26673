"""REST of groups: `/rest/api/2/group…`. The table is in `table.py`. Group names are compared in lower case."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from sidecar.demo.jira.answers import (
    RefusedError,
    demand_admin,
    demand_user,
    json_answer,
    json_body,
    text_field,
    wrong_method,
)
from sidecar.demo.jira.seats import demand_seat_for_group
from sidecar.demo.jira.users_rest import demand_writable, known_user, number, user_bean
from sidecar.demo.jira.visit import Visit

_PAGE = 50  # members per answer at most


async def group(visit: Visit) -> web.Response:
    """POST and DELETE `/rest/api/2/group`."""
    demand_admin(visit)
    if visit.request.method == "POST":
        return _create(visit)
    if visit.request.method == "DELETE":
        return _delete(visit)
    return wrong_method("POST", "DELETE")


async def members(visit: Visit) -> web.Response:
    """GET `/rest/api/2/group/member`: active members unless asked, sorted by username."""
    demand_admin(visit)
    name = _known_group(visit)
    params = visit.params
    everyone = params.get("includeInactiveUsers") == "true"
    inside = [user for user in visit.site.state.members(name) if everyone or user.active]
    start = number(params.get("startAt"), 0)
    size = min(_PAGE, number(params.get("maxResults"), _PAGE))
    shown = inside[start : start + size]
    here = f"/rest/api/2/group/member?groupname={quote(name)}&includeInactiveUsers={str(everyone).lower()}"
    answer: dict[str, object] = {
        "self": visit.site.url(f"{here}&maxResults={size}&startAt={start}"),
        "maxResults": size,
        "startAt": start,
        "total": len(inside),
        "isLast": start + len(shown) >= len(inside),
        "values": [user_bean(visit, user) for user in shown],
    }
    if not answer["isLast"]:
        answer["nextPage"] = visit.site.url(f"{here}&maxResults={size}&startAt={start + size}")
    return json_answer(answer)


async def membership(visit: Visit) -> web.Response:
    """POST and DELETE `/rest/api/2/group/user`."""
    demand_admin(visit)
    if visit.request.method == "POST":
        return _join(visit)
    if visit.request.method == "DELETE":
        return _leave(visit)
    return wrong_method("POST", "DELETE")


async def picker(visit: Visit) -> web.Response:
    """GET `/rest/api/2/groups/picker`: group names that contain the query."""
    demand_user(visit)
    query = visit.params.get("query", "").lower()
    found = sorted(name for name in visit.site.state.groups if query in name)
    shown = found[: number(visit.params.get("maxResults"), 20)]
    return json_answer(
        {
            "header": f"Showing {len(shown)} of {len(found)} matching groups",
            "total": len(found),
            "groups": [{"name": name, "html": name, "labels": []} for name in shown],
        }
    )


def _create(visit: Visit) -> web.Response:
    demand_writable(visit)
    name = text_field(json_body(visit), "name").strip().lower()
    if not name:
        raise RefusedError(400, name="You must specify a valid group name.")
    if name in visit.site.state.groups:
        raise RefusedError(400, name="A group or user with this name already exists.")
    visit.site.state.groups.add(name)
    return json_answer(_bean(visit, name), 201)


def _delete(visit: Visit) -> web.Response:
    name = _known_group(visit)
    demand_writable(visit)
    heir = visit.params.get("swapGroup", "").lower()
    if heir and heir not in visit.site.state.groups:
        raise RefusedError(404, f"The group named '{heir}' does not exist.")
    visit.site.state.remove_group(name)
    return web.Response(status=200)


def _join(visit: Visit) -> web.Response:
    name = _known_group(visit)
    username = text_field(json_body(visit), "name")
    if not username:
        raise RefusedError(400, "You must specify a username.")
    user = known_user(visit, username)
    if name in user.groups:
        raise RefusedError(400, f"Cannot add user '{user.username}', user is already a member of '{name}'")
    demand_writable(visit)
    demand_seat_for_group(visit, user, name)
    user.groups.add(name)
    return json_answer(_bean(visit, name), 201)


def _leave(visit: Visit) -> web.Response:
    name = _known_group(visit)
    user = known_user(visit, visit.params.get("username", ""))
    if name not in user.groups:
        raise RefusedError(
            400,
            f"Cannot remove user '{user.username}' from group '{name}' since user is not a member of '{name}'",
        )
    demand_writable(visit)
    user.groups.discard(name)
    return json_answer(_bean(visit, name))


def _known_group(visit: Visit) -> str:
    name = visit.params.get("groupname", "").lower()
    if not name:
        raise RefusedError(400, "The groupname query parameter was not provided.")
    if name not in visit.site.state.groups:
        raise RefusedError(404, f"The group named '{name}' does not exist.")
    return name


def _bean(visit: Visit, name: str) -> dict[str, object]:
    return {
        "name": name,
        "self": visit.site.url(f"/rest/api/2/group?groupname={quote(name)}"),
        "users": {"size": len(visit.site.state.members(name)), "items": []},
        "expand": "users",
    }
