"""What `lychgate doctor` does: one examination of what the gate stands on, beside a gate that may run.

It asks the providers, the applications and the state itself, and nothing of the gate. Nothing is written anywhere.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from sidecar.adapters.clock import SystemChance, SystemClock
from sidecar.adapters.seal import Sealer
from sidecar.building.examining import Examining, Request
from sidecar.building.nodes import build_nodes
from sidecar.commands.looking import Deaf
from sidecar.config.load import Loaded
from sidecar.config.outside import cookie_keys, header_landing, landing_client
from sidecar.core.holders import Holder
from sidecar.domain.finding import Finding
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Application
from sidecar.domain.session import Session
from sidecar.flows.crowd_landing import CrowdLanding
from sidecar.flows.crowd_tokens import Tokens
from sidecar.flows.dance import Dance
from sidecar.flows.doctor import examine
from sidecar.flows.headless import HeadlessLanding
from sidecar.flows.landing import Landing
from sidecar.flows.landing_codes import Codes
from sidecar.flows.streaming import UpstreamError


async def examined(loaded: Loaded, request: Request) -> tuple[Finding, ...]:
    """Every finding, the gravest first.

    Raises:
        SecretError: a secret of the configuration cannot be read.
        OSError: a file of TLS cannot be read.
    """
    async with AsyncExitStack() as stack:
        nodes = await build_nodes(loaded.config, loaded.policy, str, stack)
        examining = Examining(
            current=lambda: loaded,
            nodes=nodes,
            landings={name: _landing(one, loaded) for name, one in loaded.policy.applications.items()},
            clock=SystemClock(),
            heard=False,
            request=request,
        )
        return await examine(examining.prepare)


def _landing(application: Application, loaded: Loaded) -> Landing:
    """A landing that is looked at and lands nobody."""
    settings, header = loaded.config.applications[application.name].landing, application.product.user_header
    clock, chance, nobody = SystemClock(), SystemChance(), _Nobody()
    keys = cookie_keys(loaded.config, loaded.kept)
    sealer = Sealer([key.encode() for key in keys])
    if settings.by_sign_on:
        client = landing_client(application, loaded.config)
        codes = Codes(sealer, nobody, nobody, nobody, clock, chance)
        return HeadlessLanding(_nowhere, codes, nobody.forget, header, Deaf(), clock, client=client)
    if settings.by_crowd:
        return CrowdLanding(Tokens(sealer, nobody, nobody, lambda: 0, clock, chance), header, Deaf())
    return header_landing(application, loaded.config, keys, loaded.kept)


def _nowhere(node: str) -> Dance:
    raise UpstreamError("connect", f"nobody is landed at {node} by an examination")


class _Nobody:
    """In place of the state: an examination gives nobody anything, and nothing that it is shown counts."""

    async def spend(self, state: str, until: UnixSeconds) -> bool:
        return False

    async def mark(self, subject: str, at: UnixSeconds, until: UnixSeconds) -> None:
        return None

    async def marked_at(self, subject: str, now: UnixSeconds) -> UnixSeconds | None:
        return None

    async def surely(self, holder: Holder, username: str) -> bool:
        return False

    async def session_of(self, holder: Holder) -> Session | None:
        return None

    async def lends(self, holder: Holder, username: str) -> bool:
        return False

    async def forget(self, holder: Holder) -> None:
        return None
