"""The history of people in PostgreSQL, sealed as in the embedded store. Implements `flows.history.HistoryStore`."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.history import account_of, person_of, sealed, touched, wanted, youngest
from sidecar.adapters.state.postgres.database import Connection, Database
from sidecar.domain.history import Happened
from sidecar.domain.identity import Person, UnixSeconds


class PostgresHistory:
    """The entries of everybody, from all instances."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def add(self, entries: Sequence[Happened], per_person: int) -> None:
        """See `HistoryStore.add`."""

        async def work(connection: Connection) -> None:
            rows = [(person_of(one), account_of(one), one.at, sealed(self._sealer, one)) for one in entries]
            await connection.executemany(
                "INSERT INTO history (person, account, at, record) VALUES ($1, $2, $3, $4)", rows
            )
            for column, value in touched(entries):
                _ = await connection.execute(
                    f"DELETE FROM history WHERE {column} = $1 AND number <= (SELECT number FROM history"  # noqa: S608
                    f" WHERE {column} = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)",
                    value,
                    per_person,
                )

        await self._database.do(work)

    async def of(
        self, persons: Sequence[Person], accounts: Sequence[tuple[str, str]], limit: int
    ) -> Sequence[Happened]:
        """See `HistoryStore.of`."""
        found: dict[int, bytes] = {}
        for column, value in wanted(persons, accounts):
            rows = await self._database.rows(
                f"SELECT number, record FROM history WHERE {column} = $1 ORDER BY number DESC LIMIT $2",  # noqa: S608
                value,
                limit,
            )
            found |= {row[0]: row[1] for row in rows}
        return youngest(self._sealer, found, limit)

    async def prune(self, before: UnixSeconds, most: int) -> None:
        """See `HistoryStore.prune`."""
        _ = await self._database.change("DELETE FROM history WHERE at < $1", before)
        _ = await self._database.change(
            "DELETE FROM history WHERE number <= (SELECT number FROM history ORDER BY number DESC LIMIT 1 OFFSET $1)",
            most,
        )
