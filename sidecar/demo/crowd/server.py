"""Starts a stand-in Crowd on the loopback, and lets applications in. Called by tests."""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import web

from sidecar.demo.crowd.usermanagement import UserManagement
from sidecar.demo.jira.listening import Listening
from sidecar.demo.people import Directory
from sidecar.demo.standin import Ask, json_answer, limited, serve

_ROOT = "/rest/usermanagement/1"


@dataclass(frozen=True, slots=True)
class CrowdConfig:
    """One stand-in Crowd.

    Attributes:
        applications: Passwords by name of the application.
        addresses: The remote addresses that are let in.
        nesting: The groups that a group's members are in by nesting, by the lower-case name of the group.
    """

    context_path: str = "/crowd"
    applications: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ("127.0.0.1",)
    nesting: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def crowd_people() -> Directory:
    """An empty directory that keeps the spelling of names and makes keys as Crowd does."""
    return Directory(key=lambda: f"32769:{uuid4()}", spelled=True)


class _Crowd:
    """Answers every request of one stand-in Crowd."""

    def __init__(self, people: Directory, config: CrowdConfig) -> None:
        self._config = config
        self._rest = UserManagement(people, config.nesting)

    async def answer(self, ask: Ask) -> web.StreamResponse:
        """Who is it, may it, and what then."""
        if ask.path == "/rest/admin/1.0/server-info":
            return json_answer({"version": "7.1.3", "base-url": self._config.context_path})
        if not ask.path.startswith(_ROOT + "/"):
            return web.Response(text="HTTP Status 404 – Not Found", status=404, content_type="text/html")
        name = self._application(ask)
        if name is None:
            challenge = {"WWW-Authenticate": 'BASIC realm="Crowd REST Service"'}
            return web.Response(text="Application failed to authenticate", status=401, headers=challenge)
        ask.call.username, ask.call.how = name, "application"
        if ask.request.remote not in self._config.addresses:
            said = f'Client with address "{ask.request.remote}" is forbidden from making requests to the application'
            return web.Response(text=f"{said}, {name}.", status=403)
        return limited(ask) or self._rest.answer(ask, "/".join(ask.below(_ROOT)))

    def _application(self, ask: Ask) -> str | None:
        scheme, _, credentials = ask.request.headers.get("Authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            return None
        known = self._config.applications.get(name)
        fits = known is not None and hmac.compare_digest(known.encode(), password.encode())
        return name if fits and scheme.lower() == "basic" else None


@asynccontextmanager
async def serve_crowd(people: Directory, config: CrowdConfig, port: int = 0) -> AsyncIterator[Listening]:
    """Serve those people; port 0 takes a free one."""
    async with serve(_Crowd(people, config).answer, config.context_path, port) as running:
        yield running
