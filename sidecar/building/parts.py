"""The parts of a gate, each built from the configuration. Used by `app`, which puts them together."""

from __future__ import annotations

import secrets
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TextIO

from sidecar import __version__
from sidecar.adapters.audit.begin import take_up
from sidecar.adapters.audit.chain import Chain
from sidecar.adapters.audit.forms import ChainedForm, TextForm
from sidecar.adapters.audit.log import AuditLog
from sidecar.adapters.audit.outputs import Stream, Witness
from sidecar.adapters.audit.record import Envelope
from sidecar.adapters.audit.segments import Limits, Segments
from sidecar.adapters.audit.settings import FileSettings, SinkSettings
from sidecar.adapters.audit.sink import Bounds, Sink, SinkPolicy
from sidecar.adapters.landing.header import HeaderLanding
from sidecar.adapters.metrics import Metrics
from sidecar.adapters.oidc import http as oidc_http
from sidecar.adapters.oidc.budget import PushBudget
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.stores import State
from sidecar.building.crowd import CrowdSide
from sidecar.building.landings import Headless, forwarded_lines
from sidecar.building.reloading import InForce
from sidecar.building.renewing import Commit, Renewals, of_header, of_provider
from sidecar.building.storing import state_for_gate
from sidecar.building.tending import Tending
from sidecar.building.wrapping import Wrapping
from sidecar.config.load import Loaded
from sidecar.config.model import Config
from sidecar.config.outside import (
    audit_keys,
    header_landing,
    patiences,
    provider_config,
)
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Application, Policy
from sidecar.flows.barrier import Barrier
from sidecar.flows.callers import Callers
from sidecar.flows.crowd_landing import CrowdLanding
from sidecar.flows.crowd_tokens import COOKIE
from sidecar.flows.directory import Directory
from sidecar.flows.landing import Landing
from sidecar.flows.telling import Clock
from sidecar.flows.walking import BrowserLanding
from sidecar.upstream.nodes import Nodes
from sidecar.web.visit import Serving


def audit_log(
    in_force: InForce,
    audit: TextIO | None,
    clock: Clock,
    metrics: Metrics,
    sealer: Sealer,
    renewals: Renewals,
    stack: AsyncExitStack,
) -> AuditLog:
    """The audit trail as the configuration wants it; it is written to its end and closed with *stack*.

    Raises:
        OSError: its file cannot be had.
    """
    config, sinks = in_force.config, list[Sink]()
    settings, key = config.audit, audit_keys(config)[0]
    forms: list[ChainedForm] = []
    instance = f"{socket.gethostname()}-{secrets.token_hex(3)}"

    def form(of: SinkSettings, chain: Chain) -> ChainedForm:
        forms.append(ChainedForm(envelope(of), chain, key, settings.checkpoint_records, settings.checkpoint_time))
        return forms[-1]

    def envelope(of: SinkSettings) -> Envelope:
        pseudonym = pseudonym_of(sealer) if of.pseudonyms else None
        return Envelope(instance=instance, version=__version__, session_mark=sealer.keyed_hash, pseudonym=pseudonym)

    if settings.stdout.format != "off":
        out, chained = settings.stdout, settings.stdout.format == "json"
        way = form(out, Chain(secrets.token_hex(8))) if chained else TextForm(envelope(out))
        sinks.append(
            Sink("stdout", SinkPolicy(out.policy), way, Stream(audit or sys.stdout), clock, bounds=_bounds(out))
        )
    if settings.file is not None:
        file = settings.file
        segments = _opened(file)
        chain, begin = take_up(segments, clock.now())
        witness = Witness(Path(file.checkpoints)) if file.checkpoints is not None else None
        sinks.append(
            Sink(
                "file",
                SinkPolicy(file.policy),
                form(file, chain),
                segments,
                clock,
                bounds=_bounds(file),
                witness=witness,
                begin=begin,
            )
        )
    renewals.add(partial(_new_audit_key, forms))
    log = AuditLog(clock, lambda: in_force.policy.hash, sinks, (metrics.event,), strangers=settings.strangers)
    stack.push_async_callback(log.close)
    metrics.counter("lychgate_audit_lost", "Audit events that a sink did not take.", "sink", log.lost)
    metrics.counter("lychgate_audit_written", "Audit events that were written.", "sink", log.written)
    metrics.gauge("lychgate_audit_queue", "Audit events that wait to be written.", "sink", log.waiting)
    metrics.gauge("lychgate_audit_failing", "Whether a sink cannot be written.", "sink", log.failing)
    return log


def _new_audit_key(forms: Sequence[ChainedForm], after: Loaded, now: UnixSeconds) -> Commit:
    key = audit_keys(after.config, after.kept, now)[0]

    def commit() -> None:
        for form in forms:
            form.renew(key)

    return commit


def _opened(file: FileSettings) -> Segments:
    try:
        return Segments(Path(file.path), Limits(file.segment_size, file.segment_age, file.keep, file.keep_for))
    except BlockingIOError:
        raise OSError(f"audit.file: {file.path} is written by another process; give each a file of its own") from None
    except OSError as error:
        raise OSError(
            f"audit.file: {file.path} cannot be opened ({error.strerror}); make its folder writable"
        ) from None


def _bounds(of: SinkSettings) -> Bounds:
    return Bounds(queue=of.queue, patience=float(of.patience))


def pseudonym_of(sealer: Sealer) -> Callable[[str], str]:
    """Makes the keyed hash by which a sink shows a person."""
    return lambda text: sealer.keyed_hash(f"person {text}")


async def build_state(
    in_force: InForce, sealer: Sealer, clock: Clock, metrics: Metrics, stack: AsyncExitStack
) -> State:
    config, policy = in_force.config, in_force.policy
    state = await stack.enter_async_context(state_for_gate(config, sealer, metrics.state_work, in_force.read))
    if not config.state.lasts:
        # Nothing was there before and nothing will be after: there is no wrong ledger to guard against.
        _ = [await state.ledger.init(name, clock.now()) for name in policy.applications]
    return state


async def build_providers(
    config: Config, policy: Policy, clock: Clock, metrics: Metrics, renewals: Renewals, stack: AsyncExitStack
) -> Mapping[str, OidcProvider]:
    session = await stack.enter_async_context(oidc_http.open_session())
    found: dict[str, OidcProvider] = {}
    budget = PushBudget(clock)
    for name, settings in config.providers.items():
        told = partial(metrics.provider_call, name)
        found[name] = OidcProvider(provider_config(name, settings, policy), session, clock, budget, told)
        renewals.add(of_provider(name, found[name]))
        stack.push_async_callback(found[name].close)
    return found


def build_callers(
    providers: Mapping[str, OidcProvider],
    barrier: Barrier,
    policy: Callable[[], Policy],
    clock: Clock,
    stack: AsyncExitStack,
) -> Callers:
    """What finds out for whom access tokens speak; it stops with *stack*, before the providers."""
    callers = Callers({name: provider.access_tokens for name, provider in providers.items()}, barrier, policy, clock)
    stack.push_async_callback(callers.close)
    return callers


def build_applications(
    in_force: InForce,
    keys: tuple[str, ...],
    tending: Tending,
    nodes: Mapping[str, Nodes],
    headless: Mapping[str, Headless],
    crowd: CrowdSide,
    renewals: Renewals,
) -> Mapping[str, Serving]:
    config, policy, found = in_force.config, in_force.policy, dict[str, Serving]()
    for name, application in policy.applications.items():
        product, unseen = application.product, headless.get(name)
        ours = {COOKIE} if name in crowd.landings else set[str]()
        found[name] = Serving(
            nodes=nodes[name],
            only=nodes[name].only,
            landing=_landing(application, config, keys, headless, crowd.landings, renewals),
            walked=unseen.landing if unseen is not None and isinstance(unseen.landing, BrowserLanding) else None,
            accounts=tending.accounts,
            observer=tending.observer,
            guarded=frozenset(cookie.encode() for cookie in product.session_cookies | product.remember_cookies),
            # What the product makes of our own token is nothing new.
            kept=frozenset(cookie.encode() for cookie in product.session_cookies - ours),
            host=application.host.encode(),
            forwarded=forwarded_lines(application),
            patiences=patiences(config.applications[name].upstream, product),
            pending=_unsynchronised(name, config, crowd.directory),
            asks_at=unseen.party.client.authorization_endpoint.encode() if unseen is not None else b"",
        )
    return found


def _landing(
    application: Application,
    config: Config,
    keys: tuple[str, ...],
    headless: Mapping[str, Headless],
    crowd: Mapping[str, CrowdLanding],
    renewals: Renewals,
) -> Landing:
    unseen = headless.get(application.name)
    if unseen is not None:
        return unseen.landing
    token = crowd.get(application.name)
    if token is not None:
        return token
    made = header_landing(application, config, keys)
    if isinstance(made, HeaderLanding):
        renewals.add(of_header(application.name, made))
    return made


def _unsynchronised(application: str, config: Config, directory: Directory) -> Callable[[str], bool] | None:
    accounts = config.applications[application].accounts
    if not accounts.directory:
        return None
    return lambda username: directory.is_pending(application, username, accounts.sync_wait)


def wrapping_of(config: Config, stack: AsyncExitStack) -> Wrapping:
    """What the configuration wants; spans are sent to their end and closed with *stack*.

    Raises:
        OSError: OpenTelemetry is not installed.
    """
    if config.tracing is None:
        return Wrapping()
    try:
        from sidecar.building.tracing import watched
    except ImportError as error:
        raise OSError(f"tracing: {error.name} is not installed; add the extra: lychgate[tracing]") from None
    return watched(config.tracing, stack)
