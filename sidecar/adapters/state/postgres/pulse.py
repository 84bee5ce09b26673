"""The pulse of a database, by which instances notice that it was put back or that a copy took over.

Implements `flows.lineage.Pulses`.
"""

from __future__ import annotations

from sidecar.adapters.state.postgres.database import Connection, Database
from sidecar.flows.lineage import Pulse


class PostgresPulse:
    """One row."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Pulse:
        """See `Pulses.read`."""
        row = await self._database.row(
            "SELECT number, greatest(0, extract(epoch FROM clock_timestamp() - at))::bigint FROM pulse"
        )
        # Without the row nothing is known of the time before.
        return Pulse(0, 0) if row is None else Pulse(int(row[0]), int(row[1]))

    async def beat(self) -> int:
        """See `Pulses.beat`."""

        async def work(connection: Connection) -> int:
            return int(
                await connection.fetchval(
                    "INSERT INTO pulse (number, at) VALUES (1, clock_timestamp()) ON CONFLICT (one)"
                    " DO UPDATE SET number = pulse.number + 1, at = clock_timestamp() RETURNING number"
                )
            )

        return await self._database.do(work)
