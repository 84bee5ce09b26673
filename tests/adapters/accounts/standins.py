"""The stand-ins that the contract of connectors runs against, each a real server on the loopback. A new connector joins
by a line in `WAYS`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import aiohttp

from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.accounts.confluence import ConfluenceConnector
from sidecar.adapters.accounts.crowd import CrowdConnector
from sidecar.adapters.accounts.jira import JiraConnector
from sidecar.demo.confluence import ConfluenceState, serve_confluence
from sidecar.demo.crowd import CrowdConfig, crowd_people, serve_crowd
from sidecar.demo.jira import JiraConfig, JiraState, serve_jira
from sidecar.demo.jira.faults import Faults
from sidecar.demo.jira.recording import Call
from sidecar.demo.people import Directory
from sidecar.flows.accounts import Connector

SECRET = "the-secret-of-the-connector"
APPLICATION = "lychgate"
ADMIN = "connector"


class Server(Protocol):
    """What a test switches at a stand-in."""

    @property
    def url(self) -> str: ...

    @property
    def faults(self) -> Faults: ...

    @property
    def calls(self) -> list[Call]: ...

    def fail_next(
        self, path_prefix: str, status: int, body: str = "", times: int = 1, headers: tuple[tuple[str, str], ...] = ()
    ) -> None: ...

    def cut_next(self, path_prefix: str, times: int = 1) -> None: ...

    def delay(self, path_prefix: str, seconds: float) -> None: ...


Build = Callable[[aiohttp.ClientSession, str, Callable[[], str], float], Connector]


@dataclass(frozen=True, slots=True)
class StandIn:
    """One product that stands in.

    Attributes:
        name: Of the way, as in `WAYS`.
        people: Its people, to be filled and read.
        build: Makes a connector: session, address, secret of the moment, patience.
        own: Whether the connector has an account of its own there.
        tells: Whether it says that a membership already is as it should be.
        mail: Whether it shows e-mail addresses.
        in_queries: Whether names go in the query, where they may be dots alone and hold a slash; else in the path.
    """

    name: str
    server: Server
    people: Directory
    build: Build
    own: bool = True
    tells: bool = True
    mail: bool = True
    in_queries: bool = True

    def add(self, name: str, *groups: str, active: bool = True) -> None:
        """Make an account and the groups it names."""
        user = self.people.add_user(name, f"{name} Person", f"{name.lower()}@example.com", active=active)
        self.make(groups)
        user.groups.update(group.lower() for group in groups)

    def make(self, groups: Iterable[str]) -> None:
        """Make groups."""
        self.people.groups.update(group.lower() for group in groups)

    def groups_of(self, name: str) -> set[str]:
        """The groups that an account is in, but for those that the product gives by itself."""
        user = self.people.find(name)
        assert user is not None
        return user.groups - {"confluence-users"}

    @asynccontextmanager
    async def connected(
        self, *, secret: Callable[[], str] = lambda: SECRET, patience: float = 5.0, seconds: float = 5.0, url: str = ""
    ) -> AsyncIterator[Connector]:
        """A connector to it, or to what stands before it at *url*."""
        async with open_session(seconds=seconds) as session:
            yield self.build(session, url or self.server.url, secret, patience)


def _jira(session: aiohttp.ClientSession, url: str, secret: Callable[[], str], patience: float) -> Connector:
    return JiraConnector(session, url, secret, patience=patience)


def _confluence(session: aiohttp.ClientSession, url: str, secret: Callable[[], str], patience: float) -> Connector:
    return ConfluenceConnector(session, url, secret, patience=patience)


def _crowd(session: aiohttp.ClientSession, url: str, secret: Callable[[], str], patience: float) -> Connector:
    return CrowdConnector(session, url, APPLICATION, secret, patience=patience)


@asynccontextmanager
async def jira() -> AsyncIterator[StandIn]:
    state = JiraState()
    state.add_user(ADMIN, groups=("jira-administrators",))
    state.add_token(ADMIN, SECRET)
    async with serve_jira(state, JiraConfig(context_path="/jira")) as server:
        yield StandIn("jira", server, state, _jira)


@asynccontextmanager
async def confluence() -> AsyncIterator[StandIn]:
    state = ConfluenceState()
    state.people.add_user(ADMIN, groups=("confluence-administrators",))
    state.add_token(ADMIN, SECRET)
    async with serve_confluence(state) as server:
        yield StandIn("confluence", server, state.people, _confluence, tells=False, mail=False, in_queries=False)


@asynccontextmanager
async def crowd(nesting: Mapping[str, tuple[str, ...]] = MappingProxyType({})) -> AsyncIterator[StandIn]:
    people = crowd_people()
    config = CrowdConfig(applications={APPLICATION: SECRET}, nesting=nesting)
    async with serve_crowd(people, config) as server:
        yield StandIn("crowd", server, people, _crowd, own=False)


@asynccontextmanager
async def user_server() -> AsyncIterator[StandIn]:
    """A Jira that serves its people to other applications."""
    state = JiraState()
    config = CrowdConfig(context_path="/jira", applications={APPLICATION: SECRET})
    async with serve_crowd(state, config) as server:
        yield StandIn("user_server", server, state, _crowd, own=False)


WAYS: dict[str, Callable[[], AbstractAsyncContextManager[StandIn]]] = {
    "jira": jira,
    "confluence": confluence,
    "crowd": crowd,
    "user_server": user_server,
}
