"""What tends the accounts of a running gate: made ready, looked up, foreseen, and the tokens watched with which."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from sidecar.adapters.accounts.jira import JiraConnector
from sidecar.adapters.audit.log import AuditLog
from sidecar.adapters.metrics import Metrics
from sidecar.adapters.state.stores import State
from sidecar.building.reaching import build_connectors, build_foresight, build_looks, build_reach, ends_sessions
from sidecar.building.reloading import InForce
from sidecar.building.renewing import Renewals
from sidecar.building.storing import one_at_a_time
from sidecar.flows.accounts import Connector
from sidecar.flows.directory import Directory
from sidecar.flows.foreseeing import Foresight
from sidecar.flows.journal import Keeping
from sidecar.flows.known import KnownAccounts
from sidecar.flows.leases import OneAtATime
from sidecar.flows.observing import Observer
from sidecar.flows.product_sessions import ProductSessions
from sidecar.flows.provisioning import Accounts
from sidecar.flows.reach import Reach
from sidecar.flows.telling import Clock
from sidecar.flows.token_watch import TokenWatch, tell_refused
from sidecar.upstream.nodes import Nodes


@dataclass(frozen=True, slots=True)
class Tending:
    """All of it, by what it does.

    Attributes:
        reach: How each application's accounts are reached.
        accounts: Makes them ready.
        known: Looks them up.
        foresight: Says what would be done.
        products: Ends the applications' own sessions.
        watch: Watches the connectors' tokens.
        observer: Says what would be done where a portal is not in force.
        keeping: Keeps the journal for as long as the site wants.
        turns: What is done one at a time with the other instances.
        directory: The users and groups that applications take from us.
    """

    reach: Mapping[str, Reach]
    accounts: Accounts
    known: KnownAccounts
    foresight: Foresight
    products: ProductSessions
    watch: TokenWatch
    observer: Observer
    keeping: Keeping
    turns: OneAtATime
    directory: Directory


async def build_tending(
    in_force: InForce,
    state: State,
    nodes: Mapping[str, Nodes],
    log: AuditLog,
    metrics: Metrics,
    clock: Clock,
    renewals: Renewals,
    stack: AsyncExitStack,
) -> Tending:
    """Everything; it stops with *stack*."""
    config, policy, read = in_force.config, in_force.current, in_force.read
    directory, refused = Directory(state.directory, clock), partial(tell_refused, log)
    connectors = await build_connectors(config, policy(), stack, refused, clock, directory, nodes, read, renewals)
    looks = await build_looks(config, policy(), stack, refused, clock, nodes, read, renewals)
    watch = _watch({**connectors, **looks}, log, metrics, clock)
    stack.push_async_callback(watch.close)
    reach = await build_reach(config, connectors, looks, nodes, clock, stack, read)
    turns = one_at_a_time(state)
    accounts = Accounts(policy, reach, state.ledger, log, clock, metrics, one_at_a_time=turns)
    stack.push_async_callback(accounts.close)
    products = ProductSessions(ends_sessions(config, connectors), log)
    stack.push_async_callback(products.close)
    observer = Observer(accounts, log, metrics, clock)
    stack.push_async_callback(observer.close)
    keeping = Keeping({name: one.accounts.journal for name, one in config.applications.items()}, state.ledger, clock)
    known = KnownAccounts(policy, reach, state.ledger, clock)
    foresight = build_foresight(reach, state, policy, clock)
    return Tending(reach, accounts, known, foresight, products, watch, observer, keeping, turns, directory)


def _watch(connectors: Mapping[str, Connector], log: AuditLog, metrics: Metrics, clock: Clock) -> TokenWatch:
    watched = {name: one for name, one in connectors.items() if isinstance(one, JiraConnector)}
    watch = TokenWatch(watched, log, clock)
    for name, help_text, read in (
        ("lychgate_account_token_expiry_timestamp_seconds", "When the connector's token ends.", watch.ends),
        ("lychgate_account_tokens_refused", "Tokens of the connector that are refused at present.", watch.refused),
    ):
        metrics.gauge(name, help_text, "application", read)
    return watch
