"""The state in PostgreSQL: opened by the composition root, and by commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.postgres.bans import PostgresBans
from sidecar.adapters.state.postgres.database import Database, Way, pooled
from sidecar.adapters.state.postgres.directory import PostgresDirectory
from sidecar.adapters.state.postgres.history import PostgresHistory
from sidecar.adapters.state.postgres.leases import PostgresLeases
from sidecar.adapters.state.postgres.ledger import PostgresLedger
from sidecar.adapters.state.postgres.line import PostgresLine, held_alone
from sidecar.adapters.state.postgres.pulse import PostgresPulse
from sidecar.adapters.state.postgres.schema import migrate, must_be_current
from sidecar.adapters.state.postgres.sessions import PostgresSessions
from sidecar.adapters.state.postgres.spent import PostgresMarkers, PostgresSpentStates
from sidecar.adapters.state.stores import Shared, State
from sidecar.adapters.state.worker import Told
from sidecar.flows.sessions import StateError


@asynccontextmanager
async def open_shared(way: Way, sealer: Sealer, told: Told | None = None) -> AsyncIterator[State]:
    """The state in a database, for one of several instances; its tables are brought up to date first.

    Raises:
        StateError: the database cannot be reached, or is a newer Lychgate's. Says what to do.
    """
    async with pooled(way, told) as (sessions, ledger):
        await migrate(ledger)
        yield _state(sessions, ledger, way, sealer)


@asynccontextmanager
async def open_alone(way: Way, sealer: Sealer) -> AsyncIterator[State]:
    """As `open_shared`, for a command that changes something while no gate runs.

    Raises:
        StateError: also: a gate or another command has it.
    """
    async with held_alone(way), open_shared(way, sealer) as state:
        yield state


@asynccontextmanager
async def open_to_look(way: Way, sealer: Sealer) -> AsyncIterator[State]:
    """For a command that only looks, beside running gates: nothing can be written.

    Raises:
        StateError: the database cannot be reached, has no tables of ours yet, or another version's.
    """
    async with pooled(way, None, read_only=True) as (sessions, ledger):
        if not await must_be_current(ledger):
            raise StateError("the database has no tables of Lychgate's yet: run `lychgate ledger init` first")
        yield _state(sessions, ledger, way, sealer)


def _state(database: Database, ledger: Database, way: Way, sealer: Sealer) -> State:
    sessions = PostgresSessions(database, sealer)
    return State(
        directory=PostgresDirectory(ledger),
        sessions=sessions,
        spent=PostgresSpentStates(database),
        markers=PostgresMarkers(database),
        ledger=PostgresLedger(ledger),
        bans=PostgresBans(ledger),
        history=PostgresHistory(database, sealer),
        shared=Shared(
            line=PostgresLine(way),
            confirms=sessions,
            leases=PostgresLeases(database),
            pulse=PostgresPulse(database),
        ),
    )
