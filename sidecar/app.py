"""The composition root: from a loaded configuration to a running gate. Nothing else knows all the parts."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Literal, TextIO

from sidecar.adapters.clock import SystemChance, SystemClock
from sidecar.adapters.metrics import Metrics
from sidecar.adapters.seal import CookieSigner, Sealer
from sidecar.adapters.state.stores import State
from sidecar.building.banning import load_bans
from sidecar.building.chores import Chores, Work
from sidecar.building.controlling import Reins, keep_history, open_control
from sidecar.building.crowd import build_crowd
from sidecar.building.emergency import Emergency, open_emergencies
from sidecar.building.examining import build_rounds
from sidecar.building.landings import Giving, build_headless
from sidecar.building.leaving import build_leaving
from sidecar.building.measuring import measure, new_metrics
from sidecar.building.nodes import build_nodes
from sidecar.building.parts import (
    audit_log,
    build_applications,
    build_callers,
    build_providers,
    build_state,
    wrapping_of,
)
from sidecar.building.reloading import InForce, Reloading
from sidecar.building.renewing import Commit, Renewals, of_keys
from sidecar.building.storing import keep_in_step, vouching_for
from sidecar.building.tending import build_tending
from sidecar.config.load import Loaded
from sidecar.config.model import Config
from sidecar.config.outside import cookie_keys, landing_tls
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Policy
from sidecar.flows.barrier import Barrier
from sidecar.flows.holders import Holders
from sidecar.flows.owned import stopped
from sidecar.flows.recheck import Recheck
from sidecar.flows.revocations import Revocations
from sidecar.flows.rounds import Rounds
from sidecar.flows.sessions import Sessions
from sidecar.flows.signin import SignIn
from sidecar.flows.signout import SignOuts
from sidecar.flows.telling import Clock
from sidecar.upstream.nodes import Nodes
from sidecar.web.allowance import Allowance
from sidecar.web.bounce import Bounce
from sidecar.web.doors import Doors
from sidecar.web.forwarding import Forwarding
from sidecar.web.gateway import Gateway
from sidecar.web.landing_listener import LandingListener
from sidecar.web.lane import Lane
from sidecar.web.operations import Operations
from sidecar.web.own import OwnEndpoints
from sidecar.web.pages import Pages
from sidecar.web.reading import Readings
from sidecar.web.replies import Replies
from sidecar.web.server import Listener
from sidecar.web.teller import Teller
from sidecar.web.tunnel import Tunnels
from sidecar.web.upstream_status import UpstreamStatus

LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Health:
    """What readiness tells: that the configuration is in force and the ports are open, and whether the end has begun.

    Never whether state, provider or application answer: every instance would turn unready in the same moment, and the
    people whom it can serve without them would meet nobody.
    """

    listening: bool = False
    stopping: bool = False

    def ready(self) -> bool:
        """Whether new requests are welcome."""
        return self.listening and not self.stopping

    def stop(self) -> None:
        """The process is about to end."""
        self.stopping = True


@dataclass(frozen=True, slots=True)
class Running:
    """A gate that serves.

    Attributes:
        public, operations: Ports.
        state: For commands that run beside the gate (the demo initialises its ledger).
        rounds: Examines what the gate stands on; whoever serves lets it go on.
    """

    public: int
    operations: int
    in_force: InForce
    state: State
    metrics: Metrics
    sessions: Sessions
    gateway: Gateway
    reloading: Reloading
    rounds: Rounds
    emergencies: Mapping[str, Emergency]

    @property
    def policy(self) -> Policy:
        """The one of now."""
        return self.in_force.policy


@asynccontextmanager
async def running(loaded: Loaded, *, audit: TextIO | None = None, clock: Clock | None = None) -> AsyncIterator[Running]:
    """Start everything, serve until the block ends, then close in order.

    Args:
        loaded: A configuration without errors.
        audit: Where audit events go instead of standard output.
        clock: Another clock, for tests.

    Raises:
        StateError: the state cannot be opened.
        SecretError: a secret cannot be read.
        OSError: a port cannot be had.
    """
    config, policy, time, chance = loaded.config, loaded.policy, clock or SystemClock(), SystemChance()
    keys, signer, sealer = _sealing(loaded, time)
    in_force, renewals, metrics = InForce(loaded, time), Renewals(time), new_metrics()
    async with AsyncExitStack() as stack:
        log, current = audit_log(in_force, audit, time, metrics, sealer, renewals, stack), in_force.current
        tell, state = (log, time, chance), await build_state(in_force, sealer, time, metrics, stack)
        bans, keys = await load_bans(state, in_force, renewals, (signer, sealer))
        nodes = await build_nodes(config, policy, sealer.keyed_hash, stack, metrics, renewals)
        tending = await build_tending(in_force, state, nodes, log, metrics, time, renewals, stack)
        vouching, products, foresight = vouching_for(config, state, time), tending.products, tending.foresight
        providers = await build_providers(config, policy, time, metrics, renewals, stack)
        wrapping, barrier = wrapping_of(config, stack), Barrier(state.markers, time, bans)
        asked, callers = wrapping.providers(providers), build_callers(providers, barrier, current, time, stack)
        sessions = Sessions(state.sessions, barrier, signer, current, log, time, chance, vouching)
        sign_in = SignIn(asked, sealer, state.spent, sessions, current, log, time, chance)
        recheck = Recheck(asked, sessions, current, log, time, tending.turns)
        renewals.add(of_keys(signer, sealer, sessions))
        _ = [stack.push_async_callback(one.close) for one in (sessions, sign_in, recheck)]
        giving = Giving(sealer, state, sessions, Holders(sessions, barrier, time))
        headless = await build_headless(config, policy, keys, nodes, giving, tell, renewals, metrics, stack)
        desk = build_crowd(config, current, tending.directory, giving, headless, tell, renewals)
        serving = build_applications(in_force, keys, tending, nodes, headless, desk, renewals)
        applications = wrapping.applications(serving)
        landings = {name: one.landing for name, one in applications.items()}
        sign_outs = SignOuts(sessions, asked, landings, products, current, chance)
        owners, leavers = await build_leaving(in_force, tending, state, tell, metrics, bans, nodes, renewals, stack)
        revocations = Revocations(state.sessions, state.spent, barrier, sessions, products, current, log, time, leavers)
        _ = [stack.push_async_callback(one.close) for one in (sign_outs, revocations)]
        tunnels, readings, replies = Tunnels(), Readings(current), Replies(Pages(nonce=lambda: chance.token(16)))
        teller, bounce = Teller(log, wrapping.meter(metrics), time, chance), Bounce(sealer, replies)
        doors = Doors(revocations, {name: provider.notices for name, provider in providers.items()}, replies)
        own = OwnEndpoints(sessions, sign_in, sign_outs, signer, applications, replies, doors, bounce, foresight)
        forwarding = Forwarding(applications, sessions, tunnels, tending.known, log, time)
        way = (readings, sessions, forwarding, own, replies, teller, recheck, callers, owners)
        gateway, exits = wrapping.gateway(*way), await open_emergencies(loaded, applications, way, tell, metrics, stack)
        lane = wrapping.quick(Lane(readings, sessions, applications, teller, recheck, log, time), gateway)
        reloading = Reloading(in_force, renewals, log, metrics, gateway.review, time)
        reins = Reins(
            in_force, reloading, state, sealer, bans, vouching, sessions, revocations, providers, nodes, tending,
            tunnels, log, time
        )  # fmt: skip
        public, operations = await _listen(reins, exits, recheck, gateway, lane, metrics, desk.door, renewals, stack)
        stack.callback(tunnels.close_all)
        rounds = build_rounds(in_force, nodes, landings, metrics, log, time)
        yield Running(public, operations, in_force, state, metrics, sessions, gateway, reloading, rounds, exits)


def _sealing(loaded: Loaded, clock: Clock) -> tuple[tuple[str, ...], CookieSigner, Sealer]:
    """The cookie keys, the first that signs in front, and what signs and seals with them."""
    keys = cookie_keys(loaded.config, loaded.kept, clock.now())
    plain = [key.encode() for key in keys]
    return keys, CookieSigner(plain), Sealer(plain)


async def _listen(
    reins: Reins,
    emergencies: Mapping[str, Emergency],
    recheck: Recheck,
    gateway: Gateway,
    lane: Lane | None,
    metrics: Metrics,
    asked: LandingListener | None,
    renewals: Renewals,
    stack: AsyncExitStack,
) -> tuple[int, int]:
    """Open the ports and the control socket; chores are done and readiness is told as long as they are open."""
    config, nodes, tending = reins.in_force.config, reins.nodes, reins.tending
    await _watch(reins, metrics, stack)
    history = keep_history(reins.state, reins.log, reins.clock, stack)
    minutely: Mapping[str, Work] = {
        "revocations": reins.revocations.retry,
        "claims": recheck.retry,
        "sessions": reins.sessions.sweep,
        "bans": reins.bans.refresh,
        "websockets": gateway.review,
        "removals": tending.accounts.removals.review,
        "tokens": tending.watch.review,
        "journal": tending.keeping.prune,
        "history": history.prune,
    }
    health, chores = Health(), Chores(minutely, reins.clock)
    sweeper = asyncio.create_task(chores.go_on())
    stack.push_async_callback(stopped, sweeper)
    await open_control(reins, emergencies, chores, history, lambda: health.stopping, stack)
    # Opened first, so that it closes last: probes and Prometheus see the end coming.
    states = UpstreamStatus({name: one.state for name, one in nodes.items()})
    stack.push_async_callback(states.close)
    operations = await _open(Listener(Operations(metrics.render, health.ready, states)), "operations", config, stack)
    if asked is not None:
        # Before the public one: the first person who comes is landed through it.
        listener, tls = Listener(asked), landing_tls(config)
        _ = await _open(listener, "landing", config, stack, tls)
        if tls is not None:
            renewals.add(partial(_new_certificate, listener, tls))
    listen = config.listen
    allowance = Allowance(
        connections=listen.connections,
        head_time=listen.head_time,
        body_time=listen.body_time,
        answer_time=listen.answer_time,
        drain=listen.drain,
    )
    listener = Listener(gateway, allowance, metrics.turned_away, lane)
    public = await _open(listener, "public", config, stack)
    health.listening = True
    metrics.gauge("lychgate_connections", "Open connections of clients.", "listener", lambda: {"public": len(listener)})
    reins.reloading.tell("start")
    stack.callback(health.stop)
    return public, operations


async def _watch(reins: Reins, metrics: Metrics, stack: AsyncExitStack) -> None:
    """What is measured, and heard of other instances, until *stack* closes.

    An empty ledger refuses whoever is new: better said now than by the first person.
    """
    state, nodes, sessions, applications = reins.state, reins.nodes, reins.sessions, reins.in_force.policy.applications
    measure(metrics, reins.in_force, reins.providers, reins.clock, stack)
    told = reins.log, metrics
    reins.bans.hearing.append(sessions.review_bans)
    await keep_in_step(state, sessions, reins.revocations, reins.vouching, told, reins.clock, reins.bans, stack)
    tunnels, removals = reins.tunnels, reins.tending.accounts.removals
    metrics.gauge("lychgate_sessions", "Live sessions in memory.", "application", sessions.counts)
    kind = "alone" if state.shared is None else "shared"
    metrics.gauge("lychgate_sessions_stored", "Sessions in the state.", "state", lambda: {kind: sessions.stored})
    metrics.gauge("lychgate_tunnels", "Open WebSockets.", "portal", tunnels.counts)
    for name, help_text, read in (
        ("lychgate_upstream_requests", "Requests at the application.", attrgetter("in_flight")),
        ("lychgate_upstream_waiting", "Requests that wait for one of them to end.", attrgetter("waiting")),
        ("lychgate_upstream_idle", "Connections to the application kept open for reuse.", attrgetter("idle")),
    ):
        metrics.gauge(name, help_text, "application", partial(_of_each, nodes, read))
    metrics.gauge(
        "lychgate_upstream_node_serving",
        "Whether a node of an application with several serves.",
        "node",
        lambda: {f"{name}/{node}": yes for name, one in nodes.items() for node, yes in one.serving().items()},
    )
    usable = {name: int(await state.ledger.usable(name)) for name in applications}
    for name in (name for name, answer in usable.items() if not answer):
        LOG.error("the ledger of %s was not initialised: nobody new gets in before `lychgate ledger init`", name)
    metrics.gauge(
        "lychgate_ledger_usable", "Whether the ledger was initialised, at the start.", "application", lambda: usable
    )
    await removals.look(applications)
    metrics.gauge("lychgate_removals_frozen", "Whether no group is left any more.", "application", removals.frozen)


def _of_each(nodes: Mapping[str, Nodes], read: Callable[[Nodes], int]) -> Mapping[str, int]:
    return {name: read(one) for name, one in nodes.items()}


async def _open(
    listener: Listener,
    name: Literal["public", "operations", "landing"],
    config: Config,
    stack: AsyncExitStack,
    tls: ssl.SSLContext | None = None,
) -> int:
    address: str = getattr(config.listen, name)
    host, _, port = address.rpartition(":")
    try:
        await listener.open(host.strip("[]"), int(port), tls)
    except OSError as error:
        raise OSError(f"listen.{name}: {address} cannot be had ({error.strerror}); free it or choose another") from None
    stack.push_async_callback(listener.close)
    return listener.port


def _new_certificate(listener: Listener, before: ssl.SSLContext, after: Loaded, _now: UnixSeconds) -> Commit:
    return partial(listener.renew, landing_tls(after.config) or before)
