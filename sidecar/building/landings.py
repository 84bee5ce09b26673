"""The landings of a gate, and what products ask of us where we are their provider. Used by `building` and `app`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from sidecar.adapters.landing.id_tokens import IdTokens, landing_keys
from sidecar.adapters.metrics import Metrics
from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.stores import State
from sidecar.building.renewing import Renewals, of_asking, of_minter
from sidecar.config.model import Config
from sidecar.config.outside import landing_client, landing_secrets
from sidecar.core.grants import Client
from sidecar.domain.policy import Application, Policy
from sidecar.flows.asking import Asking
from sidecar.flows.dance import Dance, Floor, Took
from sidecar.flows.headless import HeadlessLanding
from sidecar.flows.holders import Holders
from sidecar.flows.landing_codes import Codes
from sidecar.flows.sessions import Sessions
from sidecar.flows.streaming import Upstream
from sidecar.flows.telling import Audit, Chance, Clock
from sidecar.flows.walking import BrowserLanding
from sidecar.upstream.nodes import Nodes
from sidecar.web.landing_provider import Party


@dataclass(frozen=True, slots=True)
class Headless:
    """An application where people are landed by its own OpenID sign-on, and what it asks of us."""

    landing: HeadlessLanding
    party: Party


@dataclass(frozen=True, slots=True)
class Giving:
    """What is needed to give products codes and tokens that any instance can be asked for."""

    sealer: Sealer
    state: State
    sessions: Sessions
    holders: Holders

    def codes(self, clock: Clock, chance: Chance) -> Codes:
        """Those of one product."""
        return Codes(self.sealer, self.state.spent, self.state.markers, self.holders, clock, chance)


async def build_headless(
    config: Config,
    policy: Policy,
    keys: tuple[str, ...],
    nodes: Mapping[str, Nodes],
    giving: Giving,
    tell: tuple[Audit, Clock, Chance],
    renewals: Renewals,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> Mapping[str, Headless]:
    """By application; those that are not named are landed by a header.

    Raises:
        SecretError: a secret cannot be read.
    """
    names = [name for name in policy.applications if config.applications[name].landing.by_sign_on]
    if not names:
        return {}
    minter = await build_minter(keys)
    audit, clock, chance = tell
    found: dict[str, Headless] = {}
    renewals.add(of_minter(minter, keys))
    for name in names:
        application = policy.applications[name]
        party = _party(application, config, minter, giving.codes(clock, chance))
        renewals.add(of_asking(name, party))
        dance_at = partial(_dance_at, application, nodes[name], party, clock, partial(metrics.danced, name))
        mode, header = config.applications[name].landing.mode, application.product.user_header
        landing = (
            BrowserLanding(
                dance_at,
                party.codes,
                giving.holders.forget_jars,
                header,
                audit,
                clock,
                client=party.client,
                nodes=nodes[name],
                sessions=giving.sessions,
                at_once=mode == "browser",
            )
            if mode in {"browser", "auto"}
            else HeadlessLanding(
                dance_at, party.codes, giving.holders.forget_jars, header, audit, clock, client=party.client
            )
        )
        watch = nodes[name].watch
        if watch is not None:
            watch.lost.append(landing.doubt)
        stack.push_async_callback(landing.close)
        found[name] = Headless(landing, party)
    return found


def _dance_at(application: Application, nodes: Nodes, party: Party, clock: Clock, took: Took, node: str) -> Dance:
    return Dance(floor_of(application, nodes.at(node), party.client), party.codes, clock, took)


async def build_minter(keys: tuple[str, ...]) -> IdTokens:
    """The keys take a moment each."""
    return IdTokens(await asyncio.to_thread(landing_keys, keys))


async def build_party(application: Application, config: Config, keys: tuple[str, ...], codes: Codes) -> Party:
    """One application alone, for `lychgate landing verify`.

    Raises:
        SecretError: a secret cannot be read.
    """
    return _party(application, config, await build_minter(keys), codes)


def _party(application: Application, config: Config, minter: IdTokens, codes: Codes) -> Party:
    first, *older = landing_secrets(application, config)
    return Party(
        client=landing_client(application, config),
        secret=first,
        older=tuple(older),
        codes=codes,
        minter=minter,
    )


def floor_of(application: Application, upstream: Upstream, client: Client) -> Floor:
    """The application, as a dance sees it."""
    product = application.product
    asking = Asking(upstream, application.host.encode(), forwarded_lines(application))
    return Floor(asking, client, product, application.context, product.session_cookies)


def forwarded_lines(application: Application) -> tuple[bytes, ...]:
    """What the application needs to know of its own public address; the same for every request."""
    scheme = application.origin.partition("://")[0]
    port = application.host.rpartition("]")[2].partition(":")[2] or ("443" if scheme == "https" else "80")
    return (
        b"X-Forwarded-Proto: " + scheme.encode(),
        b"X-Forwarded-Host: " + application.host.encode(),
        b"X-Forwarded-Port: " + port.encode(),
    )
