"""The ways to the applications' accounts: connectors and hooks, built from the configuration."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from sidecar.adapters.accounts import calls
from sidecar.adapters.accounts.confluence import ConfluenceConnector
from sidecar.adapters.accounts.crowd import CrowdConnector
from sidecar.adapters.accounts.directory import DirectoryConnector
from sidecar.adapters.accounts.jira import JiraConnector
from sidecar.adapters.accounts.settings import CrowdSettings
from sidecar.adapters.accounts.webhook import Webhook
from sidecar.adapters.clock import SystemChance
from sidecar.adapters.secrets import Read, Secret, read_secret
from sidecar.adapters.state.stores import State
from sidecar.building.nodes import tls_of
from sidecar.building.renewing import Current, Renewals
from sidecar.config.load import Loaded
from sidecar.config.model import Config
from sidecar.config.model_upstream import UpstreamSettings
from sidecar.config.outside import crowd_tls
from sidecar.domain.policy import Application, Policy
from sidecar.flows.accounts import Connector, Registry
from sidecar.flows.directory import Directory
from sidecar.flows.foreseeing import Foresight
from sidecar.flows.listing import Lists
from sidecar.flows.product_sessions import EndsSessions
from sidecar.flows.reach import BoundHook, OnFailure, Reach
from sidecar.flows.starting import StartingConnector
from sidecar.flows.telling import Clock
from sidecar.upstream.nodes import Nodes


@asynccontextmanager
async def rest_of(
    config: Config, application: Application, nodes: Nodes | None = None, renewals: Renewals | None = None
) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A session for calls to an application's REST interface, and the address that they begin with.

    Of several nodes, *nodes* say which serve; without them each is tried. Without *renewals* the files of TLS are read
    once.
    """
    way = config.applications[application.name].upstream
    # Over a socket the address says only which host is meant.
    origin = way.url if way.socket is None else f"http://{application.host}"
    tls = tls_of(application.name, way, renewals)
    places = partial(_places, way, nodes) if way.several else None
    async with calls.open_session(tls=tls, server_name=way.server_name, socket=way.socket, places=places) as session:
        yield session, origin + application.context


def _places(way: UpstreamSettings, nodes: Nodes | None) -> Sequence[calls.Place]:
    """Always the same node as long as it serves: what was written there is known there. Those that say that they do not
    serve come last, since they may be wrong."""
    serving = nodes.serving() if nodes is not None else {}
    if way.every_address:
        scheme, (host, _) = urlsplit(way.url).scheme, way.place
        # The certificate bears the name, not the address.
        known = {
            name: calls.Place(URL(f"{scheme}://{name}"), way.server_name or host, is_named=False) for name in serving
        }
    else:
        known = {urlsplit(url).netloc: calls.Place(URL(url), way.server_name) for url in way.addresses}
    found = [known[name] for name in sorted(known, key=lambda name: not serving.get(name, 1))]
    return found or [calls.Place(URL(way.url), way.server_name)]


def _nobody(application: str, place: int, none_left: bool) -> None:
    """Hears of a refused token, and tells nobody."""


async def build_connectors(
    config: Config,
    policy: Policy,
    stack: AsyncExitStack,
    refused: Callable[[str, int, bool], None] = _nobody,
    clock: Clock | None = None,
    directory: Directory | None = None,
    nodes: Mapping[str, Nodes] | None = None,
    read: Read = read_secret,
    renewals: Renewals | None = None,
) -> Mapping[str, Connector]:
    """The ways to the applications' accounts, where the configuration has a token, a user server or a directory.

    *refused* hears of tokens that are not taken: application, place, and whether none is left. *read* is asked for a
    credential with every call.
    """
    found: dict[str, Connector] = {}
    for name, settings in config.applications.items():
        token, crowd = settings.accounts.token, settings.accounts.crowd
        if crowd is not None:
            found[name] = await user_server(name, crowd, read, renewals, stack)
            continue
        if settings.accounts.directory and directory is not None:
            found[name] = DirectoryConnector(directory, name, SystemChance())
        if token is None:
            continue
        session, base = await stack.enter_async_context(
            rest_of(config, policy.applications[name], (nodes or {}).get(name), renewals)
        )
        following = settings.accounts.next_token
        first, told = partial(read, token), partial(refused, name)
        second = partial(read, following) if following is not None else None
        if settings.product == "confluence":
            found[name] = ConfluenceConnector(session, base, first, next_token=second, told=told, clock=clock)
            continue
        other = settings.accounts.switch
        switch = await user_server(name, other, read, renewals, stack) if other is not None else None
        found[name] = JiraConnector(session, base, first, next_token=second, told=told, switch=switch, clock=clock)
    return found


async def build_looks(
    config: Config,
    policy: Policy,
    stack: AsyncExitStack,
    refused: Callable[[str, int, bool], None] = _nobody,
    clock: Clock | None = None,
    nodes: Mapping[str, Nodes] | None = None,
    read: Read = read_secret,
    renewals: Renewals | None = None,
) -> Mapping[str, Connector]:
    """The applications that are asked themselves, beside the user server where their accounts are managed."""
    found: dict[str, Connector] = {}
    for name, settings in config.applications.items():
        token = settings.accounts.look_token
        if token is None:
            continue
        session, base = await stack.enter_async_context(
            rest_of(config, policy.applications[name], (nodes or {}).get(name), renewals)
        )
        kind = ConfluenceConnector if settings.product == "confluence" else JiraConnector
        found[name] = kind(session, base, partial(read, token), told=partial(refused, name), clock=clock)
    return found


async def user_server(
    name: str, settings: CrowdSettings, read: Read, renewals: Renewals | None, stack: AsyncExitStack
) -> CrowdConnector:
    """The way to the user server of the application *name*; it closes with *stack*."""
    context = crowd_tls(settings)
    tls = Current(context) if context is not None else None
    if context is not None and renewals is not None:

        def anew(after: Loaded) -> ssl.SSLContext:
            accounts = after.config.applications[name].accounts
            server = accounts.crowd or accounts.switch
            return (crowd_tls(server) if server is not None else None) or context

        tls = renewals.current(context, anew)
    caller = await stack.enter_async_context(calls.open_session(tls=tls))
    return CrowdConnector(caller, settings.url, settings.application, partial(read, settings.password))


def ends_sessions(config: Config, connectors: Mapping[str, Connector]) -> Mapping[str, EndsSessions]:
    """The connectors of the applications whose own sessions end with ours."""
    wanted = {name: one for name, one in connectors.items() if config.applications[name].accounts.end_sessions}
    return {name: one for name, one in wanted.items() if isinstance(one, JiraConnector)}


async def build_reach(
    config: Config,
    connectors: Mapping[str, Connector],
    looks: Mapping[str, Connector],
    nodes: Mapping[str, Nodes],
    clock: Clock,
    stack: AsyncExitStack,
    read: Read = read_secret,
) -> Mapping[str, Reach]:
    """What is done for a person on the first request, by application."""
    found: dict[str, Reach] = {}
    for name, settings in config.applications.items():
        accounts = settings.accounts
        hooks: list[BoundHook] = []
        for number, hook in enumerate(accounts.hooks.webhook):
            caller = await stack.enter_async_context(calls.open_session(seconds=hook.timeout))
            webhook = Webhook(f"{name}/webhook/{number}", caller, hook.url, partial(_key, hook.secret, read), clock)
            hooks.append(BoundHook(webhook, OnFailure(hook.on_failure)))
        way = connectors.get(name)
        if way is None:
            found[name] = Reach(None, hooks, float(accounts.time_budget))
            continue
        registry, look = way if isinstance(way, Registry) else None, looks.get(name)
        found[name] = Reach(
            StartingConnector(way, nodes[name]),
            hooks,
            float(accounts.time_budget),
            registry,
            lists=way if isinstance(way, Lists) else None,
            application=StartingConnector(look, nodes[name]) if look is not None else None,
        )
    return found


def build_foresight(reach: Mapping[str, Reach], state: State, policy: Callable[[], Policy], clock: Clock) -> Foresight:
    """What looks and changes nothing."""
    return Foresight(policy, reach, state.ledger, clock)


def _key(secret: Secret, read: Read) -> bytes:
    """Asked for with every call, so that another one counts for the next."""
    return read(secret, at_least=32).encode()
