"""The state that the configuration names, opened for a gate or for a command.

What PostgreSQL needs is imported only where the configuration names a database.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from sidecar.adapters.metrics import Metrics
from sidecar.adapters.seal import Sealer
from sidecar.adapters.secrets import Read, read_secret
from sidecar.adapters.state.snapshot import copied_state
from sidecar.adapters.state.sqlite import open_state
from sidecar.adapters.state.stores import State
from sidecar.adapters.state.worker import Told
from sidecar.config.model import Config
from sidecar.config.outside import database_tls
from sidecar.flows.bans import Bans
from sidecar.flows.ends import Ends
from sidecar.flows.leases import ALONE, OneAtATime
from sidecar.flows.lineage import Lineage
from sidecar.flows.others import Others
from sidecar.flows.revocations import Revocations
from sidecar.flows.session_ports import Vouching
from sidecar.flows.sessions import Sessions
from sidecar.flows.telling import Audit, Clock

if TYPE_CHECKING:
    from sidecar.adapters.state.postgres.database import Way


def state_for_gate(
    config: Config, sealer: Sealer, told: Told | None = None, read: Read = read_secret
) -> AbstractAsyncContextManager[State]:
    """For a gate that serves. Entered, it raises `StateError` if it cannot be opened, and says what to do, and
    `SecretError` if the database's password cannot be read. *read* is asked for it with every connection.
    """
    if config.state.database is None:
        return open_state(config.state.directory, sealer, told)
    from sidecar.adapters.state.postgres.store import open_shared

    return open_shared(database_way(config, read), sealer, told)


def state_for_change(config: Config, sealer: Sealer) -> AbstractAsyncContextManager[State]:
    """For a command that changes something; entered, it raises `StateError` also while a gate runs, and `SecretError`
    if the database's password cannot be read.
    """
    if config.state.database is None:
        return open_state(config.state.directory, sealer)
    from sidecar.adapters.state.postgres.store import open_alone

    return open_alone(database_way(config), sealer)


def state_to_look(config: Config, sealer: Sealer) -> AbstractAsyncContextManager[State]:
    """For a command that only looks, beside running gates. Entered, it raises `StateError` if it cannot be read, and
    `SecretError` if the database's password cannot.
    """
    if config.state.database is None:
        return copied_state(config.state.directory, sealer)
    from sidecar.adapters.state.postgres.store import open_to_look

    return open_to_look(database_way(config), sealer)


def vouching_for(config: Config, state: State, clock: Clock) -> Vouching:
    """How far the memory of this process is believed."""
    return Vouching(config.postgresql.grace, Ends(clock)) if state.shared is not None else Vouching()


def one_at_a_time(state: State) -> OneAtATime:
    """What this process does in turn with the others."""
    if state.shared is None:
        return ALONE
    return OneAtATime(state.shared.leases, f"{socket.gethostname()}-{secrets.token_hex(8)}")


async def keep_in_step(
    state: State,
    sessions: Sessions,
    revocations: Revocations,
    vouching: Vouching,
    told: tuple[Audit, Metrics],
    clock: Clock,
    bans: Bans,
    stack: AsyncExitStack,
) -> None:
    """Hear what other instances do, until *stack* closes.

    Raises:
        StateError: they cannot be heard.
    """
    audit, metrics = told
    metrics.gauge(
        "lychgate_state_heard",
        "Whether all other instances on the same state are heard.",
        "state",
        lambda: {"alone" if state.shared is None else "shared": int(vouching.is_fresh(clock.now()))},
    )
    if (shared := state.shared) is not None and vouching.ends is not None:
        lineage = Lineage(shared.pulse, shared.confirms, sessions, revocations, vouching.ends, audit, clock)
        others = Others(shared.line, shared.confirms, lineage, sessions, vouching, clock, bans)
        stack.push_async_callback(others.close)
        await others.start()


def database_way(config: Config, read: Read = read_secret) -> Way:
    """How the database of the configuration is reached; *read* is asked for its password with every connection."""
    from sidecar.adapters.state.postgres.database import Way

    settings = config.postgresql
    return Way(
        address=config.state.database or "",
        password=partial(read, settings.password) if settings.password is not None else None,
        tls=database_tls(settings) or False,
        connections=settings.connections,
        timeout=float(settings.timeout),
    )
