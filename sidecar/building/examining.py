"""What `lychgate doctor` examines, built from the configuration: providers, applications, state.

Used by `app` for the rounds of a running gate, and by `commands.doctor` for one examination beside it. Everything that
is needed is opened for one examination and closed behind it; nothing of the gate's own memory is touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiohttp

from sidecar.adapters.metrics import Metrics
from sidecar.adapters.oidc import http as oidc_http
from sidecar.adapters.oidc.examine import Looked, ProviderLook
from sidecar.adapters.secrets import Secret, SecretError
from sidecar.adapters.state.examine import look_at_files
from sidecar.building.examining_products import Subject, examinations_of
from sidecar.building.reaching import rest_of
from sidecar.building.reloading import InForce
from sidecar.building.storing import database_way
from sidecar.config.load import Loaded
from sidecar.config.outside import landing_client, provider_config
from sidecar.core.doctor import catalogue as kinds
from sidecar.core.doctor.catalogue import unknown
from sidecar.core.doctor.providers import judge_client_secret, judge_keys, judge_metadata, judge_sign_outs
from sidecar.core.doctor.site import Files, Server, judge_files, judge_ledger, judge_memory, judge_server
from sidecar.core.doctor.ways import judge_clock
from sidecar.core.routing import OWN_PREFIX
from sidecar.domain.finding import Check, Finding
from sidecar.domain.reason import Reason
from sidecar.flows.doctor import Ask, Examination, Once
from sidecar.flows.landing import Landing
from sidecar.flows.login import LoginError
from sidecar.flows.rounds import Rounds
from sidecar.flows.session_ports import StateError
from sidecar.flows.telling import Audit, Clock
from sidecar.upstream.nodes import Nodes

_UNUSABLE = (OSError, SecretError)
"""What a file of TLS or a secret raises that has gone since the configuration was loaded."""

SKEW = 60
"""Seconds by which an application's clock may differ: what its own sign-on and our assertions tolerate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks for at the terminal; a running gate asks for all, with what it has.

    Attributes:
        application: Only this one, its providers and the state.
        token: Of a system administrator, for this examination alone.
        username: Whom to pretend to be.
    """

    application: str | None = None
    token: Secret | None = None
    username: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examining:
    """Prepares examinations.

    Attributes:
        current: The configuration of now.
        nodes, landings: By application.
        heard: Whether what products ask of us reaches this process.
    """

    current: Callable[[], Loaded]
    nodes: Mapping[str, Nodes]
    landings: Mapping[str, Landing]
    clock: Clock
    heard: bool
    request: Request = Request()

    async def prepare(self, stack: AsyncExitStack) -> Sequence[Examination]:
        """Everything that is to be examined now; what it needs is open until *stack* closes. Where that cannot be
        had, such as a file of TLS that has gone, one examination in its place says so."""
        loaded, wanted = self.current(), self.request.application
        names = [name for name in loaded.policy.applications if wanted in (None, name)]
        providers = {
            one for name in names for portal in loaded.policy.applications[name].portals for one in portal.providers
        }
        session = await stack.enter_async_context(oidc_http.open_session())
        found: list[Examination] = []
        try:
            found += self._state(loaded, stack)
        except _UNUSABLE as error:
            found.append(Examination(Check.STATE, _cannot(error)))
        for name in sorted(providers):
            try:
                found += self._provider(name, _look(name, loaded, session), loaded, stack)
            except _UNUSABLE as error:
                found.append(Examination(Check.PROVIDER, _cannot(error), provider=name))
        for name in names:
            try:
                found += await self._application(name, loaded, stack)
            except _UNUSABLE as error:
                found.append(Examination(Check.UPSTREAM, _cannot(error), application=name))
        return found

    async def _application(self, name: str, loaded: Loaded, stack: AsyncExitStack) -> Sequence[Examination]:
        application = loaded.policy.applications[name]
        caller, base = await stack.enter_async_context(rest_of(loaded.config, application, self.nodes[name]))
        subject = Subject(
            application=application,
            settings=loaded.config.applications[name],
            session=caller,
            base=base,
            nodes=self.nodes[name],
            landing=self.landings[name],
            clock=self.clock,
            heard=self.heard,
            issuer=_issuer(name, loaded),
            read=loaded.kept.read,
            token=self.request.token,
            username=self.request.username,
            skew=SKEW,
        )
        return await examinations_of(subject, stack)

    def _provider(self, name: str, look: ProviderLook, loaded: Loaded, stack: AsyncExitStack) -> Iterator[Examination]:
        settings, known = loaded.config.providers[name], loaded.policy.providers[name]
        metadata = Once(look.metadata, stack)
        ends = settings.client_secret_ends
        moment = None if ends is None else datetime.combine(ends, datetime.min.time(), UTC).timestamp()
        addresses = [
            f"{one.origin}{one.context}{OWN_PREFIX}/backchannel-logout/{name}"
            for one in loaded.policy.applications.values()
            if any(name in portal.providers for portal in one.portals)
        ]

        async def judged() -> Sequence[Finding]:
            return await _metadata(metadata, look, signs_out=known.sign_out)

        async def keys() -> Sequence[Finding]:
            return await _keys(metadata, look)

        async def clocks() -> Sequence[Finding]:
            seen = await metadata()
            return judge_clock(seen.date, self.clock.now(), settings.clock_skew)

        async def sign_outs() -> Sequence[Finding]:
            return judge_sign_outs((await metadata()).document, " and ".join(addresses))

        async def secret() -> Sequence[Finding]:
            return judge_client_secret(moment, self.clock.now())

        yield Examination(Check.PROVIDER, judged, provider=name)
        yield Examination(Check.KEYS, keys, provider=name)
        yield Examination(Check.CLOCK, clocks, provider=name)
        yield Examination(Check.SIGN_OUTS, sign_outs, provider=name)
        if settings.client_secret is not None:
            yield Examination(Check.CLIENT_SECRET, secret, provider=name)

    def _state(self, loaded: Loaded, stack: AsyncExitStack) -> Iterator[Examination]:
        config = loaded.config
        if not config.state.lasts:
            yield Examination(Check.STATE, _in_memory)
            return
        look: Once[Files] | Once[Server]
        if config.state.directory is not None:
            look = Once(partial(asyncio.to_thread, look_at_files, Path(config.state.directory)), stack)
            yield Examination(Check.STATE, partial(_files, look))
        else:
            from sidecar.adapters.state.postgres.examine import look_at_server

            look = Once(partial(look_at_server, database_way(config, loaded.kept.read)), stack)
            yield Examination(Check.STATE, partial(_server, look))
        for name in loaded.policy.applications:
            if self.request.application in (None, name):
                yield Examination(Check.LEDGER, partial(_ledger, name, look), application=name)


def _look(name: str, loaded: Loaded, session: aiohttp.ClientSession) -> ProviderLook:
    return ProviderLook(provider_config(name, loaded.config.providers[name], loaded.policy, loaded.kept), session)


def _cannot(error: Exception) -> Ask:
    async def ask() -> Sequence[Finding]:
        raise OSError(str(error))

    return ask


def _issuer(application: str, loaded: Loaded) -> str:
    by_sign_on = loaded.config.applications[application].landing.by_sign_on
    return landing_client(loaded.policy.applications[application], loaded.config).issuer if by_sign_on else ""


def build_rounds(
    in_force: InForce,
    nodes: Mapping[str, Nodes],
    landings: Mapping[str, Landing],
    metrics: Metrics,
    audit: Audit,
    clock: Clock,
) -> Rounds:
    """The examinations of a running gate; nothing begins before `Rounds.go_on`."""
    examining = Examining(current=lambda: in_force.loaded, nodes=nodes, landings=landings, clock=clock, heard=True)
    rounds = Rounds(examining.prepare, in_force.config.doctor.every, audit)
    metrics.gauges(
        "lychgate_doctor_findings",
        "What the last examination found.",
        ("application", "provider", "check", "severity"),
        rounds.counts,
    )
    return rounds


async def _metadata(metadata: Once[Looked], look: ProviderLook, *, signs_out: bool) -> Sequence[Finding]:
    if look.configured:
        why = "the configuration names its endpoints: its metadata are not asked"
        return [unknown(Check.PROVIDER, why, "Leave `endpoints` out where the provider has metadata.")]
    try:
        seen = await metadata()
    except LoginError as error:
        gone = error.reason is Reason.PROVIDER_UNREACHABLE
        return [Finding(kind=kinds.PROVIDER_UNREACHABLE if gone else kinds.METADATA_BROKEN, seen=error.detail)]
    return judge_metadata(seen.document, look.wanted(signs_out=signs_out))


async def _keys(metadata: Once[Looked], look: ProviderLook) -> Sequence[Finding]:
    # Where the metadata cannot be had, the check of the provider says so.
    document = {} if look.configured else (await metadata()).document
    try:
        return judge_keys(*await look.keys(document))
    except LoginError as error:
        return [Finding(kind=kinds.KEYS_UNREACHABLE, seen=error.detail)]


async def _in_memory() -> Sequence[Finding]:
    return judge_memory()


async def _files(look: Once[Files]) -> Sequence[Finding]:
    return judge_files(await look())


async def _server(look: Once[Server]) -> Sequence[Finding]:
    try:
        return judge_server(await look())
    except (StateError, SecretError) as error:
        return [Finding(kind=kinds.DATABASE_UNREACHABLE, seen=str(error))]


async def _ledger(application: str, look: Once[Files] | Once[Server]) -> Sequence[Finding]:
    return judge_ledger(application, (await look()).initialised)
