"""What only one instance does at a time: a name is held until it is given back, or until its holder is taken for dead.

Implements `flows.leases.Leases`. The database's clock counts, so that of no instance matters.
"""

from __future__ import annotations

from sidecar.adapters.state.postgres.database import Database


class PostgresLeases:
    """Leases of all instances on this database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, name: str, holder: str, seconds: int) -> bool:
        """See `Leases.take`."""
        taken = await self._database.change(
            "INSERT INTO leases (name, holder, until) VALUES ($1, $2, now() + $3::bigint * interval '1 second')"
            " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
            " WHERE leases.until <= now()",
            *(name, holder, seconds),
        )
        return taken == 1

    async def give_back(self, name: str, holder: str) -> None:
        """See `Leases.give_back`."""
        _ = await self._database.change("DELETE FROM leases WHERE name = $1 AND holder = $2", name, holder)
