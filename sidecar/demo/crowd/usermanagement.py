"""The resources below `/rest/usermanagement/1`, over any people. Called by `server.py` for an application that is let
in. Statuses and bodies follow the published descriptions of the interface.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

from aiohttp import web

from sidecar.demo.people import Directory, User
from sidecar.demo.standin import Ask, json_answer

_JSON = "application/json"
T = TypeVar("T")


class RefusedError(Exception):
    """A refusal with Crowd's words: its status, `reason` and `message`."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.body = {"reason": reason, "message": message}


class UserManagement:
    """Users, groups and memberships."""

    def __init__(self, people: Directory, nesting: Mapping[str, tuple[str, ...]]) -> None:
        self._people = people
        self._nesting = nesting
        self._names: dict[str, tuple[str, str]] = {}
        self._table: Mapping[tuple[str, str], Callable[[Ask], web.Response]] = {
            ("GET", "user"): lambda ask: json_answer(self._bean(self._asked(ask))),
            ("POST", "user"): self._create,
            ("PUT", "user"): self._change,
            ("DELETE", "user"): self._remove,
            ("POST", "user/rename"): self._rename,
            ("GET", "user/group/direct"): lambda ask: self._groups(ask, nested=False),
            ("GET", "user/group/nested"): lambda ask: self._groups(ask, nested=True),
            ("POST", "user/group/direct"): self._join,
            ("DELETE", "user/group/direct"): self._leave,
            ("GET", "group"): lambda ask: json_answer(_group_bean(self._asked_group(ask))),
            ("POST", "group"): self._make_group,
            ("DELETE", "group"): self._remove_group,
            ("GET", "group/user/direct"): lambda ask: self._members(ask, nested=False),
            ("GET", "group/user/nested"): lambda ask: self._members(ask, nested=True),
            ("GET", "search"): self._search,
        }

    def answer(self, ask: Ask, resource: str) -> web.Response:
        """What the resource says."""
        page = self._table.get((ask.method, resource))
        if page is None:
            known = any(resource == name for _, name in self._table)
            return json_answer({"message": "null for uri", "status-code": 404}, 404) if not known else _wrong_method()
        if ask.method in ("POST", "PUT") and ask.request.content_type != _JSON:
            return web.Response(status=415)
        try:
            answer = page(ask)
        except RefusedError as refused:
            answer = json_answer(refused.body, refused.status)
        if _JSON not in ask.request.headers.get("Accept", ""):
            # Who does not ask for JSON gets XML.
            return web.Response(text="<?xml version='1.0'?>", status=answer.status, content_type="application/xml")
        return answer

    def _bean(self, user: User) -> dict[str, object]:
        first, last = self._names.get(user.key, _split(user.display_name))
        return {
            "expand": "attributes",
            "link": {"href": f"/rest/usermanagement/1/user?username={quote(user.username)}", "rel": "self"},
            "name": user.username,
            "first-name": first,
            "last-name": last,
            "display-name": user.display_name,
            "email": user.email,
            "key": user.key,
            "active": user.active,
            "password": {"link": {"rel": "edit"}},
            "attributes": {"attributes": []},
        }

    def _create(self, ask: Ask) -> web.Response:
        body = _body(ask)
        name = _text(body, "name")
        _demand_writable(ask)
        if not name or not _text(body, "last-name"):
            raise RefusedError(400, "INVALID_USER", "name and last-name must not be empty")
        if self._people.find(name) is not None:
            raise RefusedError(400, "INVALID_USER", f"User already exists in directory: {name}")
        active = body.get("active") is True
        user = self._people.add_user(name, _text(body, "display-name"), _text(body, "email"), active=active)
        self._names[user.key] = (_text(body, "first-name"), _text(body, "last-name"))
        return json_answer(self._bean(user), 201)

    def _change(self, ask: Ask) -> web.Response:
        """A whole object: what is not sent is empty afterwards."""
        user, body = self._asked(ask), _body(ask)
        if _text(body, "name").lower() != user.username.lower():
            raise RefusedError(400, "INVALID_USER", "The username in the body does not match the one in the query")
        _demand_writable(ask, user)
        user.display_name, user.email = _text(body, "display-name"), _text(body, "email")
        user.active = body.get("active") is True
        self._names[user.key] = (_text(body, "first-name"), _text(body, "last-name"))
        return web.Response(status=204)

    def _remove(self, ask: Ask) -> web.Response:
        user = self._asked(ask)
        _demand_writable(ask, user)
        del self._people.users[user.username.lower()]
        return web.Response(status=204)

    def _rename(self, ask: Ask) -> web.Response:
        user, name = self._asked(ask), _text(_body(ask), "new-name")
        _demand_writable(ask, user)
        if not name or self._people.find(name) is not None:
            raise RefusedError(400, "INVALID_USER", "The new name is empty or taken")
        del self._people.users[user.username.lower()]
        user.username = name
        self._people.users[name.lower()] = user
        return json_answer(self._bean(user))

    def _groups(self, ask: Ask, *, nested: bool) -> web.Response:
        names = set(self._asked(ask).groups)
        if nested:
            names |= {parent for group in names for parent in self._above(group, frozenset())}
        groups = [{"name": name, "link": {"rel": "self"}} for name in _paged(ask, sorted(names))]
        return json_answer({"expand": "group", "groups": groups})

    def _above(self, group: str, seen: frozenset[str]) -> set[str]:
        direct = set(self._nesting.get(group, ())) - seen
        return direct.union(*(self._above(parent, seen | direct) for parent in direct))

    def _join(self, ask: Ask) -> web.Response:
        user, name = self._asked(ask), _text(_body(ask), "name").lower()
        if name not in self._people.groups:
            raise RefusedError(400, "GROUP_NOT_FOUND", f"Group <{name}> does not exist")
        if name in user.groups:
            message = f"Membership already exists: {user.username} in {name}"
            raise RefusedError(409, "MEMBERSHIP_ALREADY_EXISTS", message)
        _demand_writable(ask, user)
        user.groups.add(name)
        return web.Response(status=201)

    def _leave(self, ask: Ask) -> web.Response:
        user, name = self._asked(ask), self._asked_group(ask)
        if name not in user.groups:
            raise RefusedError(404, "MEMBERSHIP_NOT_FOUND", f"{user.username} is not a member of {name}")
        _demand_writable(ask, user)
        user.groups.discard(name)
        return web.Response(status=204)

    def _make_group(self, ask: Ask) -> web.Response:
        name = _text(_body(ask), "name").lower()
        _demand_writable(ask)
        if not name or name in self._people.groups:
            raise RefusedError(400, "INVALID_GROUP", f"Group already exists: {name}" if name else "The name is empty")
        self._people.groups.add(name)
        return json_answer(_group_bean(name), 201)

    def _remove_group(self, ask: Ask) -> web.Response:
        name = self._asked_group(ask)
        self._people.groups.discard(name)
        for user in self._people.users.values():
            user.groups.discard(name)
        return web.Response(status=204)

    def _members(self, ask: Ask, *, nested: bool) -> web.Response:
        group = self._asked_group(ask)
        inside = {group} | (self._below(group, frozenset()) if nested else set())
        users = [user for name, user in sorted(self._people.users.items()) if user.groups & inside]
        return json_answer({"expand": "user", "users": [self._shown(ask, user) for user in _paged(ask, users)]})

    def _below(self, group: str, seen: frozenset[str]) -> set[str]:
        direct = {child for child, parents in self._nesting.items() if group in parents} - seen
        return direct.union(*(self._below(child, seen | direct) for child in direct))

    def _search(self, ask: Ask) -> web.Response:
        """GET `/search`: all users or groups, for a restriction that says nothing."""
        if ask.params.get("restriction", ""):
            raise RefusedError(400, "ILLEGAL_ARGUMENT", "This stand-in knows no restrictions")
        match ask.params.get("entity-type", ""):
            case "user":
                users = [user for _, user in sorted(self._people.users.items())]
                return json_answer({"expand": "user", "users": [self._shown(ask, user) for user in _paged(ask, users)]})
            case "group":
                groups = [{"name": name, "link": {"rel": "self"}} for name in _paged(ask, sorted(self._people.groups))]
                return json_answer({"expand": "group", "groups": groups})
            case other:
                raise RefusedError(400, "ILLEGAL_ARGUMENT", f"Unknown entity-type: {other}")

    def _shown(self, ask: Ask, user: User) -> dict[str, object]:
        """A user on a list: whole only if that was asked for."""
        return self._bean(user) if ask.params.get("expand") == "user" else {"name": user.username}

    def _asked(self, ask: Ask) -> User:
        key, name = ask.params.get("key"), ask.params.get("username", "")
        if key is not None:
            found = next((user for user in self._people.users.values() if user.key == key), None)
        else:
            found = self._people.find(name)
        if found is None:
            shown = name if key is None else key
            raise RefusedError(404, "USER_NOT_FOUND", f"User <{shown}> does not exist")
        return found

    def _asked_group(self, ask: Ask) -> str:
        name = ask.params.get("groupname", "").lower()
        if name not in self._people.groups:
            raise RefusedError(404, "GROUP_NOT_FOUND", f"Group <{name}> does not exist")
        return name


def _paged(ask: Ask, entries: list[T]) -> list[T]:
    start = ask.number("start-index", 0)
    return entries[start : start + ask.number("max-results", 1000)]


def _group_bean(name: str) -> dict[str, object]:
    return {"expand": "attributes", "name": name, "description": "", "type": "GROUP", "active": True}


def _demand_writable(ask: Ask, user: User | None = None) -> None:
    if ask.faults.directory_read_only or (user is not None and user.read_only):
        raise RefusedError(403, "APPLICATION_PERMISSION_DENIED", "Not allowed to change the directory")


def _wrong_method() -> web.Response:
    return json_answer({"message": "HTTP 405 Method Not Allowed", "status-code": 405}, 405)


def _body(ask: Ask) -> dict[str, object]:
    found = ask.json_body()
    if found is None:
        raise RefusedError(400, "ILLEGAL_ARGUMENT", "The body is no JSON object")
    return found


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _split(display_name: str) -> tuple[str, str]:
    first, _, last = display_name.rpartition(" ")
    return first, last
