"""Bans in PostgreSQL; every change is told to the other instances. Implements `flows.bans.BanStore`."""

from __future__ import annotations

from sidecar.adapters.state.bans import COLUMNS, ban_of_row, values_of, values_of_mark
from sidecar.adapters.state.postgres.database import Connection, Database, Values, changed
from sidecar.adapters.state.postgres.sessions import CHANNEL
from sidecar.domain.ban import Ban, Mark
from sidecar.flows.others import BANS

_TELL = f"SELECT pg_notify('{CHANNEL}', '0 {BANS}')"


class PostgresBans:
    """The bans of all applications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[Ban, ...]:
        """See `BanStore.all`."""
        rows = await self._database.rows(f"SELECT {COLUMNS} FROM bans ORDER BY number")  # noqa: S608 - a fixed text
        return tuple(map(ban_of_row, rows))

    async def add(self, ban: Ban) -> bool:
        """See `BanStore.add`."""
        return await self._told(
            f"INSERT INTO bans ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",  # noqa: S608
            *values_of(ban),
        )

    async def lift(self, mark: Mark) -> bool:
        """See `BanStore.lift`."""
        return await self._told(
            "DELETE FROM bans WHERE kind = $1 AND application = $2 AND issuer = $3 AND value = $4",
            *values_of_mark(mark),
        )

    async def _told(self, statement: str, *values: Values) -> bool:
        async def work(connection: Connection) -> bool:
            done = await changed(connection, statement, *values)
            if done:
                _ = await connection.execute(_TELL)
            return done == 1

        return await self._database.do(work)
