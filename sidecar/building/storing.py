"""The state that the configuration names, opened for a gate or for a command.

What PostgreSQL needs is imported only where the configuration names a database.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from sidecar.adapters.metrics import Metrics
from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.snapshot import copied_state
from sidecar.adapters.state.sqlite import State, open_state
from sidecar.adapters.state.worker import Told
from sidecar.config.model import Config
from sidecar.config.outside import database_password, database_tls
from sidecar.flows.leases import ALONE, OneAtATime
from sidecar.flows.others import Others
from sidecar.flows.session_ports import Vouching
from sidecar.flows.sessions import Sessions
from sidecar.flows.telling import Clock

if TYPE_CHECKING:
    from sidecar.adapters.state.postgres.database import Way


@asynccontextmanager
async def state_for_gate(config: Config, sealer: Sealer, told: Told | None = None) -> AsyncIterator[State]:
    """For a gate that serves.

    Raises:
        StateError: it cannot be opened. Says what to do.
        SecretError: the database's password cannot be read.
    """
    if config.state.database is None:
        async with open_state(config.state.directory, sealer, told) as state:
            yield state
        return
    from sidecar.adapters.state.postgres.store import open_shared

    async with open_shared(_way(config), sealer, told) as state:
        yield state


@asynccontextmanager
async def state_for_change(config: Config, sealer: Sealer) -> AsyncIterator[State]:
    """For a command that changes something, while no gate runs.

    Raises:
        StateError: also: a gate runs.
        SecretError: the database's password cannot be read.
    """
    if config.state.database is None:
        async with open_state(config.state.directory, sealer) as state:
            yield state
        return
    from sidecar.adapters.state.postgres.store import open_alone

    async with open_alone(_way(config), sealer) as state:
        yield state


@asynccontextmanager
async def state_to_look(config: Config, sealer: Sealer) -> AsyncIterator[State]:
    """For a command that only looks, beside running gates.

    Raises:
        StateError: it cannot be read.
        SecretError: the database's password cannot be read.
    """
    if config.state.database is None:
        async with copied_state(config.state.directory, sealer) as state:
            yield state
        return
    from sidecar.adapters.state.postgres.store import open_to_look

    async with open_to_look(_way(config), sealer) as state:
        yield state


def vouching_for(config: Config, state: State) -> Vouching:
    """How far the memory of this process is believed."""
    return Vouching(config.postgresql.grace if state.shared is not None else None)


def one_at_a_time(state: State) -> OneAtATime:
    """What this process does in turn with the others."""
    if state.shared is None:
        return ALONE
    return OneAtATime(state.shared.leases, f"{socket.gethostname()}-{secrets.token_hex(8)}")


async def keep_in_step(
    state: State, sessions: Sessions, vouching: Vouching, clock: Clock, metrics: Metrics, stack: AsyncExitStack
) -> None:
    """Hear what other instances do, until *stack* closes.

    Raises:
        StateError: they cannot be heard.
    """
    metrics.gauge(
        "lychgate_state_heard",
        "Whether all other instances on the same state are heard.",
        "state",
        lambda: {"alone" if state.shared is None else "shared": int(vouching.is_fresh(clock.now()))},
    )
    if state.shared is not None:
        others = Others(state.shared.line, state.shared.confirms, sessions, vouching, clock)
        stack.push_async_callback(others.close)
        await others.start()


def _way(config: Config) -> Way:
    from sidecar.adapters.state.postgres.database import Way

    settings = config.postgresql
    return Way(
        address=config.state.database or "",
        password=database_password(settings),
        tls=database_tls(settings) or False,
        connections=settings.connections,
        timeout=float(settings.timeout),
    )
