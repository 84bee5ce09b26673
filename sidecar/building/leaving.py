"""What is done about people who are gone: their accounts, and the tokens that they left; built from the config."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

from sidecar.adapters.accounts.token_owners import TokenOwners
from sidecar.adapters.metrics import Metrics
from sidecar.adapters.state.stores import State
from sidecar.building.reaching import rest_of
from sidecar.building.reloading import InForce
from sidecar.building.renewing import Renewals
from sidecar.building.tending import Tending
from sidecar.config.model import Config
from sidecar.domain.policy import Policy
from sidecar.flows.bans import Bans
from sidecar.flows.leavers import Leavers
from sidecar.flows.owners import Owners
from sidecar.flows.telling import Chance, Clock, SureAudit
from sidecar.upstream.nodes import Nodes


async def build_leaving(
    in_force: InForce,
    tending: Tending,
    state: State,
    tell: tuple[SureAudit, Clock, Chance],
    metrics: Metrics,
    bans: Bans,
    nodes: Mapping[str, Nodes],
    renewals: Renewals,
    stack: AsyncExitStack,
) -> tuple[Owners, Leavers]:
    """What tells whether a token's owner is gone, and what sees people off; both stop with *stack*."""
    config, policy, (audit, clock, _) = in_force.config, in_force.current, tell
    ways = await _ways(config, policy(), nodes, renewals, stack)
    owners = Owners(ways, state.ledger, state.sessions, state.markers, clock, metrics.step, bans)
    stack.push_async_callback(owners.close)
    bans.hearing.append(partial(_forget, owners))
    leavers = Leavers(
        tending.accounts,
        tending.reach,
        state.ledger,
        state.sessions,
        state.markers,
        policy,
        audit,
        clock,
        metrics,
        heard=owners.forget,
    )
    stack.push_async_callback(leavers.close)
    return owners, leavers


async def _forget(owners: Owners) -> None:
    """Somebody is banned, or not any more."""
    owners.forget()


async def _ways(
    config: Config, policy: Policy, nodes: Mapping[str, Nodes], renewals: Renewals, stack: AsyncExitStack
) -> Mapping[str, TokenOwners]:
    """For the applications that want it."""
    found: dict[str, TokenOwners] = {}
    for name, settings in config.applications.items():
        application = policy.applications[name]
        if not application.api.owners:
            continue
        session, base = await stack.enter_async_context(rest_of(config, application, nodes[name], renewals))
        found[name] = TokenOwners(session, base, settings.product)
    return found
