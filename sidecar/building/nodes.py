"""The ways to the applications and their nodes, built from the configuration. Used by `app` and `commands.landing`."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import urlsplit

from sidecar.adapters.metrics import Metrics
from sidecar.building.measuring import timed
from sidecar.building.renewing import Current, Renewals
from sidecar.config.model import Config
from sidecar.config.model_upstream import UpstreamSettings, place_of
from sidecar.config.outside import upstream_limits, upstream_tls
from sidecar.domain.policy import Application, Policy
from sidecar.upstream.client import Client, Connect, addresses_of, connect_to, connect_unix
from sidecar.upstream.nodes import Nodes, Places, Watch
from sidecar.upstream.startup import StatusPage


async def build_nodes(
    config: Config,
    policy: Policy,
    mark: Callable[[str], str],
    stack: AsyncExitStack,
    metrics: Metrics | None = None,
    renewals: Renewals | None = None,
) -> Mapping[str, Nodes]:
    """By application, never shared (rule 73); those with several nodes are watched from now on. *mark* makes a short
    keyed hash of a credential. Without *renewals* the files of TLS are read once."""
    found: dict[str, Nodes] = {}
    for name, application in policy.applications.items():
        way = config.applications[name].upstream
        found[name] = _nodes(application, way, tls_of(name, way, renewals), mark, metrics)
        stack.push_async_callback(found[name].close)
        await found[name].start()
    return found


def tls_of(name: str, way: UpstreamSettings, renewals: Renewals | None) -> Callable[[], ssl.SSLContext] | None:
    """How TLS is spoken with an application at each moment, or None: it is not.

    Raises:
        OSError: a file has gone or changed since it was checked.
    """
    context = upstream_tls(way)
    if context is None:
        return None
    if renewals is None:
        return Current(context)
    return renewals.current(context, lambda after: upstream_tls(after.config.applications[name].upstream) or context)


def _nodes(
    application: Application,
    way: UpstreamSettings,
    tls: Callable[[], ssl.SSLContext] | None,
    mark: Callable[[str], str],
    metrics: Metrics | None,
) -> Nodes:
    limits = upstream_limits(way)
    status = StatusPage((application.context + application.product.status_page).encode(), application.host.encode())

    def client(connect: Connect) -> Client:
        if metrics is not None:
            connect = timed(connect, partial(metrics.connected, application.name))
        return Client(connect, limits, status)

    def places(hosts: Mapping[str, tuple[str, int]], certified: str | None) -> Places:
        return {
            name: partial(client, connect_to(host, port, tls, way.server_name or certified))
            for name, (host, port) in hosts.items()
        }

    if way.socket is not None:
        return Nodes(client(connect_unix(way.socket)))
    host, port = way.place
    fixed = places({urlsplit(url).netloc: place_of(url) for url in way.addresses}, None)

    async def listed() -> Places:
        return fixed

    async def by_name() -> Places:
        found = await addresses_of(host, port)
        # The certificate bears the name, not the address.
        return places({_spelled(address, port): (address, port) for address in found}, host)

    if way.every_address:
        return Nodes(watch=Watch(find=by_name, otherwise=fixed, every=way.status_every, mark=mark))
    if way.also:
        return Nodes(watch=Watch(find=listed, otherwise=fixed, every=way.status_every, mark=mark))
    return Nodes(client(connect_to(host, port, tls, way.server_name)))


def _spelled(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
