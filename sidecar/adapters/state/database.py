"""One SQLite file: opened, checked, brought to our version, and used through the worker's thread.

The three stores beside this module say what they want as functions of a connection; here each becomes a transaction,
and what SQLite raises becomes a `StateError` with a short detail.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sidecar.adapters.state.schema import Schema
from sidecar.adapters.state.worker import Worker
from sidecar.flows.sessions import StateError

T = TypeVar("T")

BUSY_MILLISECONDS = 5000
"""How long a write waits for another reader of the file, such as a backup."""

_WAL_BYTES = 16 << 20


class Database:
    """Asks the worker to use one connection."""

    def __init__(self, worker: Worker, connection: sqlite3.Connection, name: str) -> None:
        self._worker = worker
        self._connection = connection
        self._name = name

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run *work* in a transaction of its own: all of it, or nothing and an exception.

        Raises:
            StateError: SQLite failed, or a value cannot be stored.
        """
        return await self._worker.run(lambda: self._transaction(work), self._name)

    async def change(self, statement: str, *values: str | int | bytes | None) -> int:
        """Run one statement in a transaction of its own; the number of rows that it changed.

        Raises:
            StateError: as `do`.
        """
        return await self.do(lambda connection: connection.execute(statement, values).rowcount)

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with told(self._name), transaction(self._connection):
            return work(self._connection)


def connect(where: str, schema: Schema) -> sqlite3.Connection:
    """A connection to the file (or `:memory:`) in our version; it belongs to the calling thread.

    Raises:
        StateError: not ours, corrupt, of a newer version, or on a disk that cannot take it. Says what to do.
    """
    with told(where):
        connection = sqlite3.connect(where, isolation_level=None)
    try:
        adopt(connection, where, schema)
    except BaseException:
        connection.close()
        raise
    return connection


def adopt(connection: sqlite3.Connection, where: str, schema: Schema) -> None:
    """Check what an open connection leads to, and bring it to our version.

    Raises:
        StateError: as `connect`.
    """
    with told(where):
        _prepare(connection, where, schema)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit at the end, roll back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors, a full disk for one.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def told(name: str) -> Iterator[None]:
    """Raise what SQLite raises as a `StateError`. Its messages hold names of tables and columns, never values."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", None) or type(error).__name__
        raise StateError(f"{name}: {code}: {str(error)[:200]}") from error
    except (ValueError, OverflowError) as error:
        raise StateError(f"{name}: a value cannot be stored: {type(error).__name__}") from error


def hashed(*parts: str) -> bytes:
    """SHA-256 of the length-prefixed parts: the store is searched without seeing names (rule 70)."""
    digest = hashlib.sha256()
    for part in parts:
        text = part.encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(4, "big") + text)
    return digest.digest()


def _prepare(connection: sqlite3.Connection, where: str, schema: Schema) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    _check(connection, where, schema)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode not in ("wal", "memory"):
        raise StateError(f"{where}: this file system does not take a write-ahead log: use a local disk for `state`.")
    for pragma in (
        f"journal_size_limit = {_WAL_BYTES}",
        f"synchronous = {schema.synchronous}",
        "foreign_keys = ON",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")
    _migrate(connection, where, schema)


def _check(connection: sqlite3.Connection, where: str, schema: Schema) -> None:
    """Read every page before anything is written."""
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        owner = _pragma(connection, "application_id")
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.OperationalError:
        raise  # locked or unreadable, which says nothing about what is in it
    except sqlite3.DatabaseError as error:
        raise StateError(f"{where} is damaged ({str(error)[:100]}). {schema.cure}") from error
    if found != "ok":
        raise StateError(f"{where} is damaged ({str(found)[:100]}). {schema.cure}")
    if owner != schema.application_id and (owner or tables):
        raise StateError(f"{where} is not Lychgate's {schema.name} file: let `state` name another directory.")


def _migrate(connection: sqlite3.Connection, where: str, schema: Schema) -> None:
    known = len(schema.steps)
    with transaction(connection):
        version = _pragma(connection, "user_version")
        if version > known:
            raise StateError(
                f"{where} was written by a newer Lychgate (version {version} of the {schema.name}, this one knows "
                f"{known}): start the newer one, or put back the copy from before the upgrade. {schema.cure}"
            )
        for step in schema.steps[version:]:
            for statement in step:
                connection.execute(statement)
        if version < known:
            connection.execute(f"PRAGMA application_id = {schema.application_id}")
            connection.execute(f"PRAGMA user_version = {known}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
