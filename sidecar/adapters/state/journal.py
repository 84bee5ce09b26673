"""The journal of the ledger in SQLite. Part of `ledger.SqliteLedger`; implements `flows.journal.Journal`."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from sqlite3 import Connection

from sidecar.adapters.state.database import Database
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Deed, Entry

COLUMNS = "application, username, deed, at, group_name, before, after, pending"
"""Of an entry that is written; the number is the database's."""


class SqliteJournal:
    """The journals of all applications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, entries: Sequence[Entry]) -> tuple[int, ...]:
        """See `Journal.begin`."""
        return await self._database.do(lambda connection: insert_entries(connection, entries))

    async def settle(self, done: Collection[int], void: Collection[int]) -> None:
        """See `Journal.settle`."""

        def work(connection: Connection) -> None:
            connection.executemany("UPDATE journal SET pending = 0 WHERE number = ?", [(number,) for number in done])
            connection.executemany("DELETE FROM journal WHERE number = ?", [(number,) for number in void])

        await self._database.do(work)

    async def journal_since(self, application: str, since: UnixSeconds) -> tuple[Entry, ...]:
        """See `Journal.journal_since`."""

        def work(connection: Connection) -> tuple[Entry, ...]:
            rows = connection.execute(
                f"SELECT number, {COLUMNS} FROM journal"  # noqa: S608 - a fixed text
                " WHERE application = ? AND at >= ? AND undone IS NULL ORDER BY number",
                (application, since),
            )
            return tuple(entry_of_row(*row) for row in rows)

        return await self._database.do(work)

    async def undone(self, numbers: Collection[int], at: UnixSeconds) -> None:
        """See `Journal.undone`."""

        def work(connection: Connection) -> None:
            connection.executemany(
                "UPDATE journal SET undone = ? WHERE number = ?", [(at, number) for number in numbers]
            )

        await self._database.do(work)

    async def prune(self, application: str, before: UnixSeconds) -> int:
        """See `Journal.prune`."""
        return await self._database.change("DELETE FROM journal WHERE application = ? AND at < ?", application, before)


def insert_entries(connection: Connection, entries: Sequence[Entry]) -> tuple[int, ...]:
    """Write entries within a transaction; their numbers."""
    numbers = []
    for entry in entries:
        found = connection.execute(
            f"INSERT INTO journal ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",  # noqa: S608
            (
                *(entry.application, entry.username, entry.deed.value, entry.at, entry.group),
                *(json.dumps(dict(entry.before)), json.dumps(dict(entry.after)), entry.pending),
            ),
        )
        numbers.append(int(found.fetchone()[0]))
    return tuple(numbers)


def entry_of_row(
    number: int,
    application: str,
    username: str,
    deed: str,
    at: int,
    group: str,
    before: str,
    after: str,
    pending: int,
) -> Entry:
    """An entry from its columns, its number first, in any database."""
    return Entry(
        application=application,
        username=username,
        deed=Deed(deed),
        at=UnixSeconds(at),
        group=group,
        before=json.loads(before),
        after=json.loads(after),
        pending=bool(pending),
        number=number,
    )
