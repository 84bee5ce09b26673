"""What the commands `lychgate landing` do: tell what the product must know of us, write it there, and walk a sign-in.

Writing and walking are audited and done while the gate does not run, as all commands with an effect.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from sidecar.adapters.clock import SystemChance, SystemClock
from sidecar.adapters.landing.authconfig import AuthConfig
from sidecar.adapters.seal import Sealer
from sidecar.adapters.secrets import Secret, read_secret
from sidecar.building.landings import build_party, floor_of
from sidecar.building.nodes import build_nodes
from sidecar.building.reaching import rest_of
from sidecar.commands.beside import beside, intended
from sidecar.config.load import Loaded
from sidecar.config.outside import cookie_keys, landing_client, landing_secret, landing_tls
from sidecar.core.crowd_setup import CrowdSetup, crowd_lines
from sidecar.core.holders import Holder
from sidecar.core.landing_setup import Difference, Line, differences, lines, wanted
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.policy import Application
from sidecar.domain.session import Jar, Session
from sidecar.flows.asking import Asking, Reply
from sidecar.flows.dance import Dance
from sidecar.flows.landing import LandingError
from sidecar.flows.landing_codes import Codes
from sidecar.web.landing_provider import LandingProvider
from sidecar.web.server import Listener

TEST_PERSON = Person("urn:lychgate:landing-verify", "nobody")
_LIFE = 300
_KEY = "verify"


def shown(loaded: Loaded, application: Application) -> tuple[Line, ...]:
    """What goes into which field of the product's form."""
    settings = loaded.config.applications[application.name]
    secret, client = settings.landing.client_secret, landing_client(application, loaded.config)
    if not settings.landing.by_sign_on:
        return crowd_lines(
            application.name,
            CrowdSetup(client.issuer, client.client_id, str(secret), application.product.crowd_authenticator),
            landed=settings.landing.by_crowd,
            directory=settings.accounts.directory,
        )
    found = lines(client, str(secret), customers=_has_customers(application))
    if not settings.accounts.directory:
        return found
    setup = CrowdSetup(client.issuer, client.client_id, str(secret), "")
    return (*found, *crowd_lines(application.name, setup, landed=False, directory=True))


async def compare(loaded: Loaded, application: Application, token: Secret) -> tuple[Difference, ...] | None:
    """What the product has otherwise; None: it does not know us at all.

    Raises:
        AccountError: the product cannot be asked, or does not let us.
    """
    async with _authconfig(loaded, application, token) as product:
        client = landing_client(application, loaded.config)
        found = await product.find(client.issuer)
        return None if found is None else differences(found, client, customers=_has_customers(application))


async def configure(loaded: Loaded, application: Application, token: Secret) -> tuple[Difference, ...]:
    """Write our fields into the product and read them back: what it has otherwise even then.

    Raises:
        AccountError: the product cannot be asked, or does not take it.
        StateError: the gate is running.
        AuditError: the audit trail must have it and does not take it.
    """
    client, customers = landing_client(application, loaded.config), _has_customers(application)
    body = wanted(client, customers=customers)
    async with beside(loaded, SystemClock()) as (_, log), _authconfig(loaded, application, token) as product:
        known = await product.find(client.issuer)
        await log.sure(intended("configure landing", application.name))
        await product.write(known, body, landing_secret(application, loaded.config))
        facts: dict[str, str | tuple[str, ...]] = {"cause": "command", "fields": tuple(sorted(body))}
        log.tell(Event(code=Code.LANDING_CONFIGURED, application=application.name, facts=facts))
        found = await product.find(client.issuer)
        return differences(found or {}, client, customers=customers)


async def verify(loaded: Loaded, application: Application, username: str, tell: Callable[[str], None]) -> None:
    """Walk a sign-in of a test account, and tell every step.

    Raises:
        LandingError: the product does not take the account in.
        UpstreamError: it could not be asked.
        StateError: the gate is running.
        AuditError: the audit trail must have it and does not take it.
    """
    config, clock, chance = loaded.config, SystemClock(), SystemChance()
    about = partial(Event, application=application.name, username=username)
    keys = cookie_keys(config)
    sealer = Sealer([key.encode() for key in keys])
    async with beside(loaded, clock) as (state, log), AsyncExitStack() as stack:
        nodes = (await build_nodes(config, loaded.policy, str, stack))[application.name]
        codes = Codes(sealer, state.spent, state.markers, _OwnSession(), clock, chance)
        party = await build_party(application, config, keys, codes)
        listener = Listener(LandingProvider({application.name: party}, clock))
        host, _, port = config.listen.landing.rpartition(":")
        await listener.open(host.strip("[]"), int(port), landing_tls(config))
        stack.push_async_callback(listener.close)
        facts = {"cause": "command", "step": "verify landing", "account": username}
        await log.sure(about(code=Code.CHANGE_INTENDED, outcome="intended", facts=facts))
        floor = floor_of(application, nodes.any().upstream, party.client)
        told = _ToldAsking(floor.asking.upstream, floor.asking.host, floor.asking.forwarded, tell)
        try:
            dance = Dance(replace(floor, asking=told), party.codes, clock)
            _ = await dance.walk(_session(application, clock), username)
        except LandingError as error:
            facts = {"cause": "command", "detail": error.detail}
            log.tell(about(code=Code.LANDING_FAILED, outcome="failure", reason=error.reason, facts=facts))
            raise
        log.tell(about(code=Code.LANDING_ESTABLISHED, facts={"cause": "command"}))


@dataclass(frozen=True, slots=True)
class _ToldAsking(Asking):
    """Tells every question and its answer, without what is secret in them."""

    tell: Callable[[str], None]

    async def get(self, target: str, jar: Jar) -> Reply:
        reply = await Asking.get(self, target, jar)
        leads = reply.head.leads_to.partition(b"?")[0].decode("latin-1")
        self.tell(f"GET {target.partition('?')[0]}: {reply.head.status}{' to ' + leads if leads else ''}")
        return reply


class _OwnSession:
    """The session of the test account lives as long as the command, and in no store. Implements `Counts`."""

    async def surely(self, holder: Holder, username: str) -> bool:
        return holder.session == _KEY


def _session(application: Application, clock: SystemClock) -> Session:
    now = clock.now()
    identity = Identity(person=TEST_PERSON, provider="", claims={}, groups=None, auth_time=now)
    return Session(
        key=_KEY,
        application=application.name,
        portal=application.default_portal.name,
        identity=identity,
        created_at=now,
        ends_at=UnixSeconds(now + _LIFE),
        checked_at=now,
        form_token="",
    )


def _has_customers(application: Application) -> bool:
    return bool(application.product.presets)


@asynccontextmanager
async def _authconfig(loaded: Loaded, application: Application, token: Secret) -> AsyncIterator[AuthConfig]:
    async with rest_of(loaded.config, application) as (session, base):
        yield AuthConfig(session, base, partial(read_secret, token))
