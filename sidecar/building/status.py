"""What `lychgate status` tells of a running gate: one section for each of its parts, each asked anew.

Used by `app`. A section that waits for the outside has a few seconds; then it says that there was no answer.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence

from sidecar import __version__
from sidecar.adapters.audit.log import AuditLog
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.adapters.state.stores import State
from sidecar.building.chores import Chores
from sidecar.building.emergency import Emergency
from sidecar.building.reloading import InForce, Reloading
from sidecar.building.tending import Tending
from sidecar.flows.bans import Bans
from sidecar.flows.commanding import Answer, Asked
from sidecar.flows.sessions import Sessions, StateError
from sidecar.flows.telling import Clock
from sidecar.upstream.nodes import Nodes

PATIENCE = 3.0
"""Seconds for a section."""

SILENT = "no answer"
Section = Callable[[], Awaitable[object]]


class Status:
    """All sections, by name, in the order in which they are told."""

    def __init__(self, sections: Mapping[str, Section]) -> None:
        self._sections = sections

    async def told(self, asked: Asked) -> Answer:
        """Ask all at once."""
        found = await asyncio.gather(*(_patiently(section) for section in self._sections.values()))
        return dict(zip(self._sections, found, strict=True))


async def _patiently(section: Section) -> object:
    try:
        async with asyncio.timeout(PATIENCE):
            return await section()
    except (TimeoutError, StateError):
        return SILENT


def at_once(read: Callable[[], object]) -> Section:
    """A section that only looks into memory."""

    async def section() -> object:
        return read()

    return section


def process(clock: Clock, draining: Callable[[], bool]) -> Section:
    """Which program runs where, since when (counted from now on), and whether its end has begun."""
    began = clock.now()

    def read() -> object:
        return {
            "version": __version__,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": began,
            "uptime": clock.now() - began,
            "draining": draining(),
        }

    return at_once(read)


def configuration(in_force: InForce, reloading: Reloading) -> Section:
    """What holds, and which newer one was refused and why."""

    def read() -> object:
        refused = reloading.refused
        return {
            "hash": in_force.policy.hash[:16],
            "since": in_force.since,
            "warnings": len(in_force.loaded.warnings),
            "refused": None
            if refused is None
            else {
                "at": refused.at,
                "cause": refused.cause,
                "restart_needed": refused.result == "restart_needed",
                "faults": list(refused.faults),
            },
        }

    return at_once(read)


def state(state: State, in_force: InForce, heard: Callable[[], bool]) -> Section:
    """Where the state is, whether it answers now, and whether other instances are heard."""

    async def section() -> object:
        answers = True
        try:
            async with asyncio.timeout(PATIENCE / 2):
                ledgers = {name: await state.ledger.usable(name) for name in in_force.policy.applications}
        except (TimeoutError, StateError):
            answers, ledgers = False, {}
        return {
            "shared": state.shared is not None,
            "answers": answers,
            "others_heard": heard() if state.shared is not None else None,
            "ledgers": ledgers,
        }

    return section


def providers(known: Mapping[str, OidcProvider]) -> Section:
    """How many keys each has and how old they are, and which of its hosts are left alone since they were silent."""

    def read() -> object:
        found = {}
        for name, provider in known.items():
            count, age = provider.keys()
            found[name] = {"keys": count, "keys_age": None if age is None else int(age), "silent": provider.silent()}
        return found

    return at_once(read)


def applications(in_force: InForce, nodes: Mapping[str, Nodes], sessions: Sessions, tending: Tending) -> Section:
    """What each says of itself, its nodes, what is under way there; its sessions in memory, and frozen removals."""

    async def one(name: str) -> object:
        found = nodes[name]
        try:
            async with asyncio.timeout(PATIENCE / 2):
                said = await found.state()
        except TimeoutError:
            said = None
        return {
            "state": said[1] if said is not None else SILENT,
            "nodes": {node: bool(yes) for node, yes in found.serving().items()},
            "in_flight": found.in_flight,
            "waiting": found.waiting,
            "idle": found.idle,
            "sessions": sessions.counts().get(name, 0),
            "removals_frozen": bool(tending.accounts.removals.frozen().get(name, 0)),
            "tokens_refused": int(tending.watch.refused().get(name, 0)),
        }

    async def section() -> object:
        names = tuple(in_force.policy.applications)
        return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))

    return section


def keys(ids: Callable[[], Sequence[str]], bans: Bans) -> Section:
    """The ids of the cookie keys, the first one's first, and which of them are taken back."""

    def read() -> object:
        revoked = bans.revoked_keys()
        return {name: "revoked" if name in revoked else "in use" for name in ids()}

    return at_once(read)


def break_glass(emergencies: Mapping[str, Emergency]) -> Section:
    """Which emergency doors are open."""

    def read() -> object:
        windows = {name: one.glass.window for name, one in emergencies.items()}
        return {
            name: {"until": int(one.until) if one is not None else 0, "browsers": len(one) if one is not None else 0}
            for name, one in windows.items()
        }

    return at_once(read)


def chores(known: Chores) -> Section:
    """When each was done last, and why it failed."""
    return at_once(lambda: {name: {"at": done.at, "failed": done.failed} for name, done in known.last.items()})


def audit(log: AuditLog) -> Section:
    """How each sink fares."""

    def read() -> object:
        written, lost, waiting, failing = log.written(), log.lost(), log.waiting(), log.failing()
        return {
            sink: {
                "written": written[sink],
                "lost": lost[sink],
                "waiting": waiting[sink],
                "failing": bool(failing[sink]),
            }
            for sink in written
        }

    return at_once(read)
