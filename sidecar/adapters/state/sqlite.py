"""The embedded state store, for one instance: SQLite of the standard library in one thread of its own.

Opened by the composition root. Start reading here: `files` guards the directory, `database` one file in it,
`sessions`, `spent` and `ledger` are what the flows ask for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.bans import SqliteBans
from sidecar.adapters.state.database import Database, connect
from sidecar.adapters.state.directory import SqliteDirectory
from sidecar.adapters.state.files import held, opened
from sidecar.adapters.state.history import SqliteHistory
from sidecar.adapters.state.ledger import SqliteLedger
from sidecar.adapters.state.schema import LEDGER, SESSIONS, Schema
from sidecar.adapters.state.sessions import SqliteSessions
from sidecar.adapters.state.spent import SqliteMarkers, SqliteSpentStates
from sidecar.adapters.state.stores import State
from sidecar.adapters.state.worker import Told, Worker


def state_in(ledger: Database, sessions: Database, sealer: Sealer) -> State:
    """What these two databases keep."""
    return State(
        sessions=SqliteSessions(sessions, sealer),
        spent=SqliteSpentStates(sessions),
        markers=SqliteMarkers(sessions),
        ledger=SqliteLedger(ledger),
        directory=SqliteDirectory(ledger),
        bans=SqliteBans(ledger),
        history=SqliteHistory(sessions, sealer),
    )


@asynccontextmanager
async def open_state(directory: Path | None, sealer: Sealer, told: Told | None = None) -> AsyncIterator[State]:
    """The state in *directory* (`sessions.sqlite3`, `ledger.sqlite3`, `lock`), or in memory for None.

    *told* hears of every piece of work.

    Raises:
        StateError: another process holds the directory, or a file in it is damaged, foreign or too new.
            The text says what to do. Nothing is ever replaced by something empty.
    """
    async with Worker(told=told) as worker:
        if directory is not None:
            path = directory
            await worker.run(lambda: worker.stack.enter_context(held(path)))

        async def database(schema: Schema) -> Database:
            return Database(worker, await worker.run(lambda: _connected(worker, directory, schema)), schema.name)

        ledger = await database(LEDGER)
        yield state_in(ledger, await database(SESSIONS), sealer)


def _connected(worker: Worker, directory: Path | None, schema: Schema) -> sqlite3.Connection:
    connection = connect(":memory:", schema) if directory is None else opened(directory, schema)
    return worker.stack.enter_context(closing(connection))
