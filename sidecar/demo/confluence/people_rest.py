"""REST of users and groups. The table is in `server.py`; statuses follow Confluence's OpenAPI document of 10.0.3."""

from __future__ import annotations

import re

from aiohttp import web

from sidecar.demo.confluence.answers import (
    RefusedError,
    Visit,
    body_of,
    demand_admin,
    demand_user,
    demand_writable,
    known_user,
    paged,
    text_of,
)
from sidecar.demo.confluence.state import ADMINISTRATORS, USERS
from sidecar.demo.people import User
from sidecar.demo.standin import json_answer

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_NOT_IN_NAMES = re.compile("[\\\\,+<>'\"\\s]")


def person(visit: Visit, user: User | None) -> dict[str, object]:
    """A `Person`: without an e-mail address, and with its status only where that was asked for."""
    if user is None:
        return {"type": "anonymous", "displayName": "Anonymous", "_links": {"base": visit.base_url}}
    shown: dict[str, object] = {
        "type": "known",
        "username": user.username,
        "userKey": user.key,
        "displayName": user.display_name,
        "profilePicture": {"path": "/images/icons/profilepics/default.svg", "isDefault": True},
        "_links": {"self": f"{visit.base_url}/rest/api/user?key={user.key}"},
        "_expandable": {"status": ""},
    }
    if "status" in visit.ask.params.get("expand", "").split(","):
        shown["status"] = visit.config.words[0 if user.active else 1]
    return shown


async def user(visit: Visit) -> web.Response:
    """GET `/rest/api/user`."""
    demand_user(visit)
    key = visit.ask.params.get("key")
    if key is None:
        return json_answer(person(visit, known_user(visit, visit.ask.params.get("username", ""))))
    found = next((one for one in visit.state.people.users.values() if one.key == key), None)
    if found is None:
        raise RefusedError(404, f"No user found with key : {key}")
    return json_answer(person(visit, found))


async def current(visit: Visit) -> web.Response:
    """GET `/rest/api/user/current`: anonymous is somebody too."""
    return json_answer(person(visit, visit.user))


async def memberof(visit: Visit) -> web.Response:
    """GET `/rest/api/user/memberof`."""
    demand_user(visit)
    found = known_user(visit, visit.ask.params.get("username", ""))
    return json_answer(paged(visit, [_group_bean(visit, name) for name in sorted(found.groups)]))


async def everybody(visit: Visit) -> web.Response:
    """GET `/rest/api/user/list`, the disabled ones too."""
    demand_admin(visit)
    return json_answer(paged(visit, [person(visit, one) for _, one in sorted(visit.state.people.users.items())], 100))


async def membership(visit: Visit) -> web.Response:
    """PUT and DELETE `/rest/api/user/{username}/group/{groupName}`: the same whether it changes something or not."""
    demand_admin(visit)
    username, _, group = visit.ask.below("/rest/api/user")
    found, name = known_user(visit, username), _known_group(visit, group)
    demand_writable(visit, found)
    if visit.ask.method == "PUT":
        found.groups.add(name)
    else:
        found.groups.discard(name)
    return web.Response(status=204)


async def create(visit: Visit) -> web.Response:
    """POST `/rest/api/admin/user`."""
    demand_admin(visit)
    body = body_of(visit)
    name, shown, email = (text_of(body, field) for field in ("userName", "fullName", "email"))
    if not name or _NOT_IN_NAMES.search(name) or name != name.lower() or name == "anonymous":
        raise RefusedError(400, "The userName is not valid")
    _check_attributes(shown, email)
    if bool(text_of(body, "password")) == (body.get("notifyViaEmail") is True):
        raise RefusedError(400, "Exactly one of password and notifyViaEmail must be given")
    if visit.state.people.find(name) is not None:
        raise RefusedError(409, f"User with userName {name} already exists")
    demand_writable(visit)
    if visit.config.seats is not None and visit.state.seats_taken() >= visit.config.seats:
        raise RefusedError(402, "The license does not allow more users")
    made = visit.state.people.add_user(name, shown, email, groups=(USERS,))
    made.password = text_of(body, "password")
    return json_answer({"userKey": made.key}, 201)


async def update(visit: Visit) -> web.Response:
    """PUT `/rest/api/admin/user/{username}`."""
    demand_admin(visit)
    found = known_user(visit, visit.ask.below("/rest/api/admin/user")[0])
    body = body_of(visit)
    shown, email = text_of(body, "fullName") or found.display_name, text_of(body, "email") or found.email
    _check_attributes(shown, email)
    demand_writable(visit, found)
    found.display_name, found.email = shown, email
    return web.Response(status=204)


async def switch(visit: Visit) -> web.Response:
    """PUT `/rest/api/admin/user/{username}/enable` and `/disable`."""
    demand_admin(visit)
    username, way = visit.ask.below("/rest/api/admin/user")
    found = known_user(visit, username)
    demand_writable(visit, found)
    found.active = way == "enable"
    return web.Response(status=204)


async def groups(visit: Visit) -> web.Response:
    """GET `/rest/api/group`."""
    demand_user(visit)
    return json_answer(paged(visit, [_group_bean(visit, name) for name in sorted(visit.state.people.groups)]))


async def group(visit: Visit) -> web.Response:
    """GET `/rest/api/group/{groupName}`."""
    demand_user(visit)
    return json_answer(_group_bean(visit, _known_group(visit, visit.ask.below("/rest/api/group")[0])))


async def group_members(visit: Visit) -> web.Response:
    """GET `/rest/api/group/{groupName}/member`: for administrators only since 10.0."""
    demand_user(visit)
    if visit.config.at_least(10):
        demand_admin(visit)
    name = _known_group(visit, visit.ask.below("/rest/api/group")[0])
    return json_answer(paged(visit, [person(visit, one) for one in visit.state.people.members(name)]))


async def make_group(visit: Visit) -> web.Response:
    """POST `/rest/api/admin/group`."""
    demand_admin(visit)
    name = text_of(body_of(visit), "name").lower()
    if not name.strip():
        raise RefusedError(400, "The group name must not be blank")
    if name in visit.state.people.groups:
        raise RefusedError(409, f"Group {name} already exists")
    demand_writable(visit)
    visit.state.people.groups.add(name)
    return json_answer(_group_bean(visit, name))


async def remove_group(visit: Visit) -> web.Response:
    """DELETE `/rest/api/admin/group/{groupName}`."""
    demand_admin(visit)
    name = _known_group(visit, visit.ask.below("/rest/api/admin/group")[0])
    if name == ADMINISTRATORS:
        raise RefusedError(400, "The last group of administrators cannot be deleted")
    visit.state.people.groups.discard(name)
    for one in visit.state.people.users.values():
        one.groups.discard(name)
    return web.Response(status=204)


async def permissions(visit: Visit) -> web.Response:
    """GET `/rest/api/permissions/user/{user}`: what was given to the user directly."""
    demand_admin(visit)
    found = known_user(visit, visit.ask.below("/rest/api/permissions/user")[0])
    subject = {"displayName": found.display_name, "type": "known"}
    given = ("use",) if found.groups & {ADMINISTRATORS, USERS} else ()
    return json_answer(
        [{"operation": {"targetType": "application", "operationKey": key}, "subject": subject} for key in given]
    )


async def seats(visit: Visit) -> web.Response:
    """GET `/rest/license/1.0/license/remainingSeats`."""
    demand_admin(visit)
    limit = visit.config.seats
    return json_answer({"count": -1 if limit is None else max(0, limit - visit.state.seats_taken())})


def _known_group(visit: Visit, name: str) -> str:
    if name.lower() not in visit.state.people.groups:
        raise RefusedError(404, f"No group found with name : {name}")
    return name.lower()


def _check_attributes(shown: str, email: str) -> None:
    if not shown.strip() or any(c in "<>" for c in shown) or shown.lower() == "anonymous":
        raise RefusedError(400, "The fullName is not valid")
    if not _EMAIL.fullmatch(email):
        raise RefusedError(400, "The email is not valid")


def _group_bean(visit: Visit, name: str) -> dict[str, object]:
    return {"type": "group", "name": name, "_links": {"self": f"{visit.base_url}/rest/api/group/{name}"}}
