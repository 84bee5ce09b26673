"""The journal of the ledger in PostgreSQL. Part of `ledger.PostgresLedger`; implements `flows.journal.Journal`."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from sidecar.adapters.state.journal import COLUMNS, entry_of_row
from sidecar.adapters.state.postgres.database import Connection, Database
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Entry


class PostgresJournal:
    """The journals of all applications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, entries: Sequence[Entry]) -> tuple[int, ...]:
        """See `Journal.begin`."""
        return await self._database.do(lambda connection: insert_entries(connection, entries))

    async def settle(self, done: Collection[int], void: Collection[int]) -> None:
        """See `Journal.settle`."""

        async def work(connection: Connection) -> None:
            _ = await connection.execute(
                "UPDATE journal SET pending = false WHERE number = ANY($1::bigint[])", list(done)
            )
            _ = await connection.execute("DELETE FROM journal WHERE number = ANY($1::bigint[])", list(void))

        await self._database.do(work)

    async def journal_since(self, application: str, since: UnixSeconds) -> tuple[Entry, ...]:
        """See `Journal.journal_since`."""
        rows = await self._database.rows(
            f"SELECT number, {COLUMNS} FROM journal"  # noqa: S608 - a fixed text
            " WHERE application = $1 AND at >= $2 AND undone IS NULL ORDER BY number",
            *(application, since),
        )
        return tuple(entry_of_row(*row) for row in rows)

    async def undone(self, numbers: Collection[int], at: UnixSeconds) -> None:
        """See `Journal.undone`."""

        async def work(connection: Connection) -> None:
            _ = await connection.execute(
                "UPDATE journal SET undone = $1 WHERE number = ANY($2::bigint[])", at, list(numbers)
            )

        await self._database.do(work)

    async def prune(self, application: str, before: UnixSeconds) -> int:
        """See `Journal.prune`."""
        return await self._database.change(
            "DELETE FROM journal WHERE application = $1 AND at < $2", application, before
        )


async def insert_entries(connection: Connection, entries: Sequence[Entry]) -> tuple[int, ...]:
    """Write entries within a transaction; their numbers."""
    numbers = []
    for entry in entries:
        number = await connection.fetchval(
            f"INSERT INTO journal ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING number",  # noqa: S608
            *(entry.application, entry.username, entry.deed.value, entry.at, entry.group),
            *(json.dumps(dict(entry.before)), json.dumps(dict(entry.after)), entry.pending),
        )
        numbers.append(int(number))
    return tuple(numbers)
