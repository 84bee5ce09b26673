"""The control socket of a running gate: opened where the configuration says, with the commands that it takes (D9)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from sidecar.adapters.audit.log import AuditLog
from sidecar.adapters.control.place import listening
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.stores import State
from sidecar.building import status
from sidecar.building.chores import Chores
from sidecar.building.emergency import Emergency, emergency_commands
from sidecar.building.reloading import InForce, Reloading
from sidecar.building.status import Section, Status
from sidecar.building.tending import Tending
from sidecar.config.control import control_path
from sidecar.config.outside import key_ids
from sidecar.domain.session import Session
from sidecar.flows.administering import Administration, Hands
from sidecar.flows.bans import Bans
from sidecar.flows.commanding import Command, Commands
from sidecar.flows.history import History
from sidecar.flows.inquiries import Inquiries, Sources
from sidecar.flows.key_revoking import Keys
from sidecar.flows.revocations import Revocations
from sidecar.flows.session_ports import Vouching
from sidecar.flows.sessions import Sessions
from sidecar.flows.syncing import Syncing
from sidecar.flows.telling import Clock
from sidecar.upstream.nodes import Nodes
from sidecar.web.control import ALLOWANCE, Control
from sidecar.web.server import Listener
from sidecar.web.tunnel import Tunnels

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reins:
    """What commands hold of a running gate. Only for commands: no request is served by it."""

    in_force: InForce
    reloading: Reloading
    state: State
    sealer: Sealer
    bans: Bans
    vouching: Vouching
    sessions: Sessions
    revocations: Revocations
    providers: Mapping[str, OidcProvider]
    nodes: Mapping[str, Nodes]
    tending: Tending
    tunnels: Tunnels
    log: AuditLog
    clock: Clock


async def open_control(
    reins: Reins,
    emergencies: Mapping[str, Emergency],
    chores: Chores,
    history: History,
    draining: Callable[[], bool],
    stack: AsyncExitStack,
) -> None:
    """Take commands until *stack* closes; those under way come to their end.

    Raises:
        OSError: the place is not fit, or another gate has it.
    """
    config = reins.in_force.config
    path = control_path(config.listen.control, config.state)
    if path is None:
        return
    if not hasattr(socket, "SO_PEERCRED"):
        LOG.warning("no commands are taken: this system does not say who is at the other end of a socket")
        return
    told = Status(_sections(reins, emergencies, chores, draining))
    commands = Commands(_commands(reins, emergencies, told, history), reins.log)
    stack.push_async_callback(commands.close)
    listener = Listener(Control(commands.run, frozenset({0, os.geteuid()})), ALLOWANCE)
    await listener.open_on(stack.enter_context(listening(path)))
    stack.push_async_callback(listener.close)


def keep_history(state: State, log: AuditLog, clock: Clock, stack: AsyncExitStack) -> History:
    """The history of people; it hears every audit event from now on, and is written to its end with *stack*."""
    history = History(state.history, clock)
    history.start()
    stack.push_async_callback(history.close)
    log.listen(history.hear)
    return history


def _commands(
    reins: Reins, emergencies: Mapping[str, Emergency], told: Status, history: History
) -> Mapping[str, Command]:
    """By name; each with what it takes."""
    admin = Administration(_hands(reins))
    state, policy, clock = reins.state, reins.in_force.current, reins.clock
    inquiries = Inquiries(_sources(reins, history))
    syncing = Syncing(reins.tending.accounts, state.sessions, state.ledger, policy, clock)
    keys = Keys(partial(_key_ids, reins), reins.bans, reins.clock)
    someone, where = frozenset({"person"}), frozenset({"application"})
    return {
        "status": Command(told.told),
        **emergency_commands(emergencies),
        "bans": Command(admin.bans),
        "why": Command(inquiries.why, someone | where, about="person"),
        "report groups": Command(inquiries.lost_groups, where | {"seconds"}),
        "accounts sync": Command(
            syncing.sync,
            someone | where | {"claims", "userinfo", "portal", "provider"},
            changes=True,
            about="person",
        ),
        "sessions list": Command(admin.listed, someone | where, about="person"),
        "sessions end": Command(admin.end, someone | where | {"id", "all"}, changes=True, about="person"),
        "block": Command(admin.block, someone | where, changes=True, about="person"),
        "unblock": Command(admin.unblock, someone | where, changes=True, about="person"),
        "revoke session": Command(admin.end, frozenset({"id"}), changes=True, about="id"),
        "revoke person": Command(admin.revoke_person, someone, changes=True, about="person"),
        "revoke provider": Command(
            admin.revoke_provider, frozenset({"provider", "undo"}), changes=True, about="provider"
        ),
        "revoke key": Command(keys.revoke, frozenset({"key", "undo"}), changes=True, about="key"),
    }


def _key_ids(reins: Reins) -> tuple[str, ...]:
    """Of the configuration that is in force."""
    loaded = reins.in_force.loaded
    return key_ids(loaded.config, loaded.kept, reins.clock.now())


def _sources(reins: Reins, history: History) -> Sources:
    """Where it is read what became of people."""
    config = reins.in_force.config
    return Sources(
        history=history,
        store=reins.state.history,
        journal=reins.state.ledger,
        pins=reins.state.ledger,
        bans=reins.bans,
        policy=reins.in_force.current,
        kept_for={name: one.accounts.journal for name, one in config.applications.items()},
        clock=reins.clock,
    )


def _hands(reins: Reins) -> Hands:
    """What sessions and people are administered with."""

    def node(session: Session) -> str:
        found = reins.nodes.get(session.application)
        return found.of(session.key).name if found is not None else ""

    return Hands(
        store=reins.state.sessions,
        sessions=reins.sessions,
        revocations=reins.revocations,
        products=reins.tending.products,
        bans=reins.bans,
        pins=reins.state.ledger,
        policy=reins.in_force.current,
        clock=reins.clock,
        mark=reins.sealer.keyed_hash,
        node=node,
    )


def _sections(
    reins: Reins, emergencies: Mapping[str, Emergency], chores: Chores, draining: Callable[[], bool]
) -> Mapping[str, Section]:
    """What `lychgate status` tells, in order."""
    return {
        "process": status.process(reins.clock, draining),
        "configuration": status.configuration(reins.in_force, reins.reloading),
        "state": status.state(reins.state, reins.in_force, lambda: reins.vouching.is_fresh(reins.clock.now())),
        "providers": status.providers(reins.providers),
        "applications": status.applications(reins.in_force, reins.nodes, reins.sessions, reins.tending),
        "tunnels": status.at_once(reins.tunnels.counts),
        "keys": status.keys(partial(_key_ids, reins), reins.bans),
        "bans": status.at_once(lambda: {"count": len(reins.bans)}),
        "break_glass": status.break_glass(emergencies),
        "chores": status.chores(chores),
        "audit": status.audit(reins.log),
    }
