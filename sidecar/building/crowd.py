"""Lychgate as products' Crowd server, built from the configuration: tokens, landings, directories, and what answers.

Used by `app`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sidecar.building.landings import Giving, Headless
from sidecar.building.renewing import Renewals, of_asking, of_tokens
from sidecar.config.model import Config
from sidecar.config.outside import landing_secrets
from sidecar.domain.policy import Application, Policy
from sidecar.flows.crowd_ends import CrowdEnds
from sidecar.flows.crowd_landing import CrowdLanding
from sidecar.flows.crowd_tokens import Tokens
from sidecar.flows.directory import Directory
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
    current: Callable[[], Policy],
    directory: Directory,
    giving: Giving,
    headless: Mapping[str, Headless],
    tell: tuple[Audit, Clock, Chance],
    renewals: Renewals,
) -> CrowdSide:
    """For the applications whose landing is Crowd's, and for those that take their users from us.

    Raises:
        SecretError: a secret cannot be read.
    """
    audit, clock, chance = tell
    policy, state = current(), giving.state
    tokens = Tokens(giving.sealer, giving.holders, state.markers, lambda: current().limits.recheck, clock, chance)
    renewals.add(of_tokens(tokens))
    ends = CrowdEnds(tokens, giving.sessions, state.sessions, state.ledger.pin_on)
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
    server = CrowdServer(asking, tokens, directory, people, ends, clock) if asking else None
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
