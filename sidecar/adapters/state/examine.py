"""What `lychgate doctor` looks at in the embedded store: whether its files can be written, their versions, the room.

Beside a running gate: files are opened for reading only, and no file is made. SQLite would make its index of the log
(`-shm`) for whoever reads; where no gate has the file open it is therefore read as one that nobody changes.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sidecar.adapters.state.files import ENDING
from sidecar.adapters.state.schema import LEDGER, SESSIONS
from sidecar.core.doctor.site import Files


def look_at_files(directory: Path) -> Files:
    """What is there now. Blocks for as long as the disk takes."""
    if not directory.exists():
        may = directory.parent.is_dir() and _may_write(directory.parent)
        return Files(unwritable=() if may else (f"{directory} cannot be made by user {os.getuid()}",))
    versions: dict[str, tuple[int, int]] = {}
    damaged: list[str] = []
    initialised: frozenset[str] | None = frozenset()
    for schema in (LEDGER, SESSIONS):
        path = directory / f"{schema.name}{ENDING}"
        if not path.exists():
            continue
        try:
            with closing(_opened(path)) as connection:
                versions[path.name] = _version(connection), len(schema.steps)
                if schema is LEDGER:
                    rows = connection.execute("SELECT application FROM meta").fetchall()
                    initialised = frozenset(str(row[0]) for row in rows)
        except sqlite3.Error as error:
            initialised = None if schema is LEDGER else initialised
            damaged.append(f"{path.name}: {getattr(error, 'sqlite_errorname', None) or type(error).__name__}")
    return Files(
        unwritable=tuple(_unwritable(directory)),
        damaged=tuple(damaged),
        versions=versions,
        room=_room(directory),
        initialised=initialised,
    )


def _unwritable(directory: Path) -> Iterator[str]:
    for path in (directory, *(directory / f"{schema.name}{ENDING}" for schema in (LEDGER, SESSIONS))):
        if path.exists() and not _may_write(path):
            yield f"{path} cannot be written by user {os.getuid()}"


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0))


def _room(path: Path) -> int:
    return shutil.disk_usage(path).free


def _opened(path: Path) -> sqlite3.Connection:
    is_open = path.with_name(f"{path.name}-shm").exists()
    way = "mode=ro" if is_open else "mode=ro&immutable=1"
    return sqlite3.connect(f"file:{quote(str(path))}?{way}", uri=True, timeout=2)


def _version(connection: sqlite3.Connection) -> int:
    # The tables are read too: what has a good first page alone is not whole.
    _ = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
