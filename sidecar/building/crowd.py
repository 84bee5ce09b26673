"""Lychgate as products' Crowd server, built from the configuration: tokens, landings, directories, and what answers.

Used by `app`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.building.landings import Headless
from sidecar.building.renewing import Renewals, of_asking
from sidecar.config.model import Config
from sidecar.config.outside import landing_secrets
from sidecar.domain.policy import Application, Policy
from sidecar.domain.session import Session
from sidecar.flows.callers import Callers
from sidecar.flows.crowd_landing import CrowdLanding
from sidecar.flows.crowd_tokens import Given, Tokens
from sidecar.flows.directory import Directory
from sidecar.flows.sessions import Sessions
from sidecar.flows.telling import Audit, Chance, Clock
from sidecar.web.crowd_directory import CrowdPeople
from sidecar.web.crowd_server import CrowdServer, Guest
from sidecar.web.landing_listener import LandingListener
from sidecar.web.landing_provider import LandingProvider


@dataclass(frozen=True, slots=True)
class CrowdSide:
    """What others need of it. *door* answers at `listen.landing`; None: no product asks anything there."""

    landings: Mapping[str, CrowdLanding]
    directory: Directory
    door: LandingListener | None


def build_crowd(
    config: Config,
    policy: Policy,
    directory: Directory,
    sessions: Sessions,
    callers: Callers,
    headless: Mapping[str, Headless],
    tell: tuple[Audit, Clock, Chance],
    renewals: Renewals,
) -> CrowdSide:
    """For the applications whose landing is Crowd's, and for those that take their users from us.

    Raises:
        SecretError: a secret cannot be read.
    """
    audit, clock, chance = tell

    async def alive(session: Session) -> bool:
        if await callers.is_alive(session):
            return True
        return await sessions.find_by_key(session.application, session.key) is not None

    async def end(given: Given) -> None:
        tokens.end(given.session)
        _ = await sessions.end(given.session.key, "product")

    tokens = Tokens(alive, clock, chance)
    landed = {name: one for name, one in policy.applications.items() if config.applications[name].landing.by_crowd}
    asking = {
        name: _guest(application, config)
        for name, application in policy.applications.items()
        if name in landed or config.applications[name].accounts.directory
    }
    for name, guest in asking.items():
        renewals.add(of_asking(name, guest))
    landings = {name: CrowdLanding(tokens, one.product.user_header, audit) for name, one in landed.items()}
    people = CrowdPeople(directory, chance.token(8))
    server = CrowdServer(asking, tokens, directory, people, end, clock) if asking else None
    provider = LandingProvider({name: one.party for name, one in headless.items()}, clock)
    door = LandingListener(provider, server) if asking or headless else None
    return CrowdSide(landings, directory, door)


def _guest(application: Application, config: Config) -> Guest:
    first, *older = landing_secrets(application, config)
    return Guest(
        name=application.name,
        client_id=config.applications[application.name].landing.client_id,
        secret=first,
        older=tuple(older),
        secure=application.origin.startswith("https:"),
    )
