"""REST of accounts: `/rest/api/2/user…` and `myself`. The table is in `table.py`.

Statuses and bodies follow Atlassian's OpenAPI document of 10.3; where it is silent the choice is said in place.
"""

from __future__ import annotations

import re
import secrets
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
from sidecar.demo.jira.seats import demand_seat
from sidecar.demo.jira.visit import Visit
from sidecar.demo.people import User

_SEARCH_CAP = 100  # hits in total, from Jira 10 on
_FIELDS = ("name", "password", "emailAddress", "displayName", "active")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def user_bean(visit: Visit, user: User, expand: str = "") -> dict[str, object]:
    """A `UserBean`; groups and roles are listed only when expanded."""
    site, wanted = visit.site, expand.split(",")
    roles = [r for r in site.state.roles.values() if not user.groups.isdisjoint(r.groups)]
    group_items = [
        {"name": g, "self": site.url(f"/rest/api/2/group?groupname={quote(g)}")} for g in sorted(user.groups)
    ]
    return {
        "self": site.url(f"/rest/api/2/user?username={quote(user.username)}"),
        "key": user.key,
        "name": user.username,
        "emailAddress": user.email,
        "avatarUrls": {"48x48": site.url("/secure/useravatar?avatarId=10122")},
        "displayName": user.display_name,
        "active": user.active,
        "deleted": False,
        "timeZone": "Etc/UTC",
        "locale": "en_US",
        "groups": {
            "size": len(group_items),
            "items": group_items if "groups" in wanted else [],
        },
        "applicationRoles": {
            "size": len(roles),
            "items": [{"key": r.key, "name": r.name} for r in roles] if "applicationRoles" in wanted else [],
        },
        "expand": "groups,applicationRoles",
    }


async def user(visit: Visit) -> web.Response:
    """GET, POST, PUT, DELETE `/rest/api/2/user`."""
    match visit.request.method:
        case "GET" | "HEAD":
            demand_user(visit)
            return json_answer(user_bean(visit, _named(visit), visit.params.get("expand", "")))
        case "POST":
            demand_admin(visit)
            return _create(visit)
        case "PUT":
            demand_admin(visit)
            return _update(visit, _named(visit))
        case "DELETE":
            demand_admin(visit)
            found = _named(visit)
            demand_writable(visit, found)
            visit.site.state.remove_user(found)
            return web.Response(status=204)
        case _:
            return wrong_method("GET", "POST", "PUT", "DELETE")


async def myself(visit: Visit) -> web.Response:
    """GET `/rest/api/2/myself`: who asks."""
    found = visit.site.state.users[demand_user(visit)]
    return json_answer(user_bean(visit, found, visit.params.get("expand", "")))


async def search(visit: Visit) -> web.Response:
    """GET `/rest/api/2/user/search`: substring over username, name and e-mail, at most 100 hits in total."""
    demand_user(visit)
    params = visit.params
    if "username" not in params:
        raise RefusedError(400, "The username query parameter was not provided.")
    wanted = params["username"].lower()
    states = set()
    if params.get("includeActive", "true") == "true":
        states.add(True)
    if params.get("includeInactive", "false") == "true":
        states.add(False)
    hits = [
        found
        for _, found in sorted(visit.site.state.users.items())
        if found.active in states
        and (wanted in (".", "") or any(wanted in t.lower() for t in (found.username, found.display_name, found.email)))
    ]
    start, size = number(params.get("startAt"), 0), number(params.get("maxResults"), 50)
    return json_answer([user_bean(visit, found) for found in hits[:_SEARCH_CAP][start : start + size]])


async def end_sessions(visit: Visit) -> web.Response:
    """DELETE `/rest/api/2/user/session/{username}`."""
    demand_admin(visit)
    if visit.request.method != "DELETE":
        return wrong_method("DELETE")
    found = known_user(visit, visit.target.path.rpartition("/")[2])
    visit.site.state.end_sessions(found.username)
    return web.Response(status=200)


def known_user(visit: Visit, username: str) -> User:
    """The account of that name, active or not; 404 with Jira's text when there is none."""
    found = visit.site.state.find(username)
    if found is None or found.username in visit.site.faults.late:
        raise RefusedError(404, f"The user named '{username}' does not exist")
    return found


def demand_writable(visit: Visit, user: User | None = None) -> None:
    """403 when the directory cannot be written (the documented text exists for `myself` only)."""
    if visit.site.faults.directory_read_only or (user is not None and user.read_only):
        raise RefusedError(403, "The directory is read-only.")


def number(text: str | None, default: int) -> int:
    """A query parameter as a number of at least 0; 400 for anything else."""
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise RefusedError(400, f"'{text}' is not a number.")
    return int(text)


def _named(visit: Visit) -> User:
    username, key = visit.params.get("username"), visit.params.get("key")
    if username is not None:
        return known_user(visit, username)
    if key is None:
        raise RefusedError(400, "Either the 'username' or the 'key' query parameter is required.")
    found = visit.site.state.find_key(key)
    if found is None:
        raise RefusedError(404, f"The user with the key '{key}' does not exist")
    return found


def _create(visit: Visit) -> web.Response:
    demand_writable(visit)
    body = json_body(visit)
    name, email, shown = (text_field(body, f) for f in ("name", "emailAddress", "displayName"))
    errors = _name_errors(visit, name) | _email_errors(email)
    if not shown.strip():
        errors["fullname"] = "You must specify a full name."
    if errors:
        raise RefusedError(400, **errors)
    groups = _default_groups(visit, body.get("applicationKeys"))
    made = visit.site.state.add_user(
        name,
        shown,
        email,
        groups=groups,
        # Without one Jira makes a random password up.
        password=text_field(body, "password") or secrets.token_urlsafe(24),
    )
    return json_answer(user_bean(visit, made), 201)


def _update(visit: Visit, user: User) -> web.Response:
    body = json_body(visit)
    if not any(field in body for field in _FIELDS):
        raise RefusedError(400, "error.no.value.found.to.be.changed")
    demand_writable(visit, user)
    name, email = text_field(body, "name"), text_field(body, "emailAddress")
    shown, password = text_field(body, "displayName"), text_field(body, "password")
    active = body.get("active", user.active)
    errors: dict[str, str] = {}
    if name and name.lower() != user.username:
        errors |= _name_errors(visit, name)
    if "emailAddress" in body:
        errors |= _email_errors(email)
    if not isinstance(active, bool):
        errors["active"] = "The value must be true or false."
    if errors:
        raise RefusedError(400, **errors)
    if not visit.site.faults.active_ignored:
        user.active = active is True
    user.email = email or user.email
    user.display_name = shown or user.display_name
    user.password = password or user.password
    if name and name.lower() != user.username:
        visit.site.state.rename(user, name)
    return json_answer(user_bean(visit, user))


def _name_errors(visit: Visit, name: str) -> dict[str, str]:
    if not name.strip():
        return {"username": "You must specify a username."}
    if any(c in "<>&" for c in name):
        return {"username": "The username must not contain '<', '>' or '&'."}
    if visit.site.state.find(name) is not None:
        return {"username": "A user with that username already exists."}
    return {}


def _email_errors(email: str) -> dict[str, str]:
    if not email:
        return {"email": "You must specify an email address."}
    return {} if _EMAIL.fullmatch(email) else {"email": "You must specify a valid email address."}


def _default_groups(visit: Visit, keys: object) -> list[str]:
    # Absent keys mean the default application; an empty list means no access at all.
    if keys is None:
        keys = ["jira-software"]
    if not isinstance(keys, list):
        raise RefusedError(400, applicationKeys="The value must be a list.")
    groups: list[str] = []
    for key in keys:
        role = visit.site.state.roles.get(str(key))
        if role is None:
            raise RefusedError(400, applicationKeys=f"Unknown application '{key}'.")
        demand_seat(visit, role, "applicationKeys")
        groups += role.default_groups
    return groups
