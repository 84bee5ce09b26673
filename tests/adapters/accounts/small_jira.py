"""A small Jira for the connector's tests: the documented answers of its user administration, over a socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from aiohttp.test_utils import RawTestServer

from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.accounts.jira import JiraConnector
from sidecar.flows.accounts import SwitchesActive
from sidecar.flows.telling import Clock

TOKEN = "pat-of-the-connector"


def errors(status: int, *messages: str, **fields: str) -> web.Response:
    """An `ErrorCollection`."""
    return web.json_response({"errorMessages": list(messages), "errors": fields}, status=status)


class SmallJira:
    """Users and groups in memory. `next_answers` are given before anything else."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, set[str]] = {}
        self.token = TOKEN
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.next_answers: list[Callable[[], web.StreamResponse]] = []
        self.after_myself: list[Callable[[], web.StreamResponse]] = []
        self.ended: list[str] = []
        self.roles: list[dict[str, Any]] = []
        self.tokens: list[dict[str, Any]] = []
        self.deaf = False
        self.add("connector", "jira-administrators")

    def add(self, name: str, *groups: str, active: bool = True) -> None:
        self.users[name.lower()] = {
            "name": name,
            "key": f"JIRAUSER{10100 + len(self.users)}",
            "emailAddress": f"{name}@example.com",
            "displayName": name.title(),
            "active": active,
        }
        for group in groups:
            self.groups.setdefault(group, set()).add(name.lower())

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = request.raw_path
        self.requests.append((request.method, raw))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        body = json.loads(text) if (text := await request.text()) else None
        self.bodies.append(body)
        if self.next_answers:
            return self.next_answers.pop(0)()
        path, _, query = raw.partition("?")
        # Read like Tomcat: split first, decode afterwards.
        asked = {
            unquote(k): unquote(v.replace("+", " ")) for k, _, v in (part.partition("=") for part in query.split("&"))
        }
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({}, headers={"X-Seraph-LoginReason": "OUT, AUTHENTICATED_FAILED"})
        if request.method != "GET" and request.headers.get("X-Atlassian-Token") != "no-check":
            return web.Response(status=403, text="XSRF check failed")
        below = path.removeprefix("/jira/rest/api/2").removeprefix("/jira/rest")
        if below.startswith("/user/session/"):
            asked["username"], below = unquote(below.removeprefix("/user/session/")), "/user/session"
        route = self._routes().get((request.method, below))
        if route is None:
            return web.Response(status=404, text="<html>dead link</html>", content_type="text/html")
        answer = route(asked, body)
        answer.headers["X-Seraph-LoginReason"] = "OK"
        return answer

    def _routes(self) -> dict[tuple[str, str], Callable[[dict[str, str], Any], web.Response]]:
        return {
            ("GET", "/myself"): lambda asked, body: web.json_response(self.users["connector"]),
            ("GET", "/user"): self._read,
            ("POST", "/user"): self._create,
            ("PUT", "/user"): self._change,
            ("DELETE", "/user/session"): self._end_sessions,
            ("GET", "/applicationrole"): lambda asked, body: web.json_response(self.roles),
            ("GET", "/pat/latest/tokens"): lambda asked, body: web.json_response(self.tokens),
            ("POST", "/group"): self._make,
            ("POST", "/group/user"): self._join,
            ("DELETE", "/group/user"): self._leave,
        }

    def _read(self, asked: dict[str, str], body: Any) -> web.Response:
        named = asked.get("username", "").lower()
        user = next((it for it in self.users.values() if it["key"] == asked.get("key")), self.users.get(named))
        if user is None:
            return errors(404, f"The user named '{named}' does not exist")
        names = sorted(group for group, members in self.groups.items() if user["name"].lower() in members)
        groups = {"size": len(names), "max-results": 50, "items": [{"name": name, "self": ""} for name in names]}
        return web.json_response(user | ({"groups": groups} if "groups" in asked.get("expand", "") else {}))

    def _create(self, asked: dict[str, str], body: Any) -> web.Response:
        if body["name"].lower() in self.users:
            return errors(400, username="A user with that username already exists.")
        self.add(body["name"])
        self.users[body["name"].lower()] |= {"emailAddress": body["emailAddress"], "displayName": body["displayName"]}
        return web.json_response(body, status=201)

    def _change(self, asked: dict[str, str], body: Any) -> web.Response:
        user = self.users.get(asked["username"].lower())
        if user is None:
            return errors(404, "no such user")
        user |= {name: value for name, value in body.items() if not (self.deaf and name == "active")}
        return web.json_response(body)

    def _make(self, asked: dict[str, str], body: Any) -> web.Response:
        if body["name"] in self.groups:
            return errors(400, name="A group or user with this name already exists.")
        self.groups[body["name"]] = set()
        return web.json_response(body, status=201)

    def _end_sessions(self, asked: dict[str, str], body: Any) -> web.Response:
        if asked["username"].lower() not in self.users:
            return errors(404, "no such user")
        self.ended.append(asked["username"])
        return web.Response(status=200)

    def _join(self, asked: dict[str, str], body: Any) -> web.Response:
        members = self.groups.get(asked["groupname"])
        if members is None or body["name"].lower() not in self.users:
            return errors(404, "The group or user does not exist")
        if body["name"].lower() in members:
            return errors(400, f"Cannot add user '{body['name']}', user is already a member of '{asked['groupname']}'")
        members.add(body["name"].lower())
        return web.json_response({"name": asked["groupname"]}, status=201)

    def _leave(self, asked: dict[str, str], body: Any) -> web.Response:
        members = self.groups.get(asked["groupname"])
        if members is None:
            return errors(404, "no such group")
        if asked["username"].lower() not in members:
            return errors(400, f"Cannot remove user, user is not a member of '{asked['groupname']}'")
        members.discard(asked["username"].lower())
        return web.json_response({})


@asynccontextmanager
async def connected(
    jira: SmallJira,
    *,
    token: Callable[[], str] = lambda: TOKEN,
    patience: float = 5.0,
    seconds: float = 5.0,
    next_token: Callable[[], str] | None = None,
    switch: SwitchesActive | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[JiraConnector]:
    """A connector to *jira*, which listens on a loopback port."""
    async with RawTestServer(jira.handle) as server, open_session(seconds=seconds) as session:
        base = str(server.make_url("/jira"))
        yield JiraConnector(session, base, token, patience=patience, next_token=next_token, switch=switch, clock=clock)
