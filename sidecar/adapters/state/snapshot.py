"""A copy of the state in memory, for commands that only look: beside a running gate, of an older version too.

The files are opened for reading only and copied by SQLite's own backup, so the copy is of one moment, no lock of the
gate is taken, and whatever a command does to the copy reaches nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import quote

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.database import Database, adopt, connect, told
from sidecar.adapters.state.files import ENDING
from sidecar.adapters.state.schema import LEDGER, SESSIONS, Schema
from sidecar.adapters.state.sqlite import state_in
from sidecar.adapters.state.stores import State
from sidecar.adapters.state.worker import Worker


@asynccontextmanager
async def copied_state(directory: Path | None, sealer: Sealer) -> AsyncIterator[State]:
    """The state in *directory* as it is now; empty where there is none yet.

    Raises:
        StateError: a file is damaged, foreign or too new, or may not be read.
    """
    async with Worker() as worker:

        async def database(schema: Schema) -> Database:
            return Database(worker, await worker.run(lambda: _copied(worker, directory, schema)), schema.name)

        ledger = await database(LEDGER)
        yield state_in(ledger, await database(SESSIONS), sealer)


def _copied(worker: Worker, directory: Path | None, schema: Schema) -> sqlite3.Connection:
    path = directory / f"{schema.name}{ENDING}" if directory is not None else None
    if path is None or not path.exists():
        return worker.stack.enter_context(closing(connect(":memory:", schema)))
    copy = worker.stack.enter_context(closing(sqlite3.connect(":memory:", isolation_level=None)))
    with told(str(path)), closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as source:
        source.backup(copy)
    adopt(copy, str(path), schema)
    return copy
