"""The directories that products take from us, in PostgreSQL. Implements `flows.directory.DirectoryStore`.

Several instances write: a change has the number behind the last one, or it is not written.
"""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.adapters.state.directory import record_of, user_of
from sidecar.adapters.state.postgres.database import Connection, Database
from sidecar.core.usernames import fold
from sidecar.flows.directory import Kept, KeptGroup

_TURN = 0x4C59
"""First half of the lock under which one instance at a time changes an application's directory."""


class PostgresDirectory:
    """The directories of all applications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, application: str) -> int | None:
        """See `DirectoryStore.latest`."""
        return await self._database.do(lambda connection: _latest(connection, application))

    async def load(self, application: str, since: int) -> tuple[Sequence[Kept], Sequence[KeptGroup]]:
        """See `DirectoryStore.load`."""

        async def work(connection: Connection) -> tuple[Sequence[Kept], Sequence[KeptGroup]]:
            users = await connection.fetch(
                "SELECT record, made, changed FROM directory_users WHERE application = $1 AND changed > $2",
                *(application, since),
            )
            groups = await connection.fetch(
                "SELECT name, made FROM directory_groups WHERE application = $1 AND made > $2", application, since
            )
            kept = tuple(Kept(user_of(row[0]), row[1], row[2]) for row in users)
            return kept, tuple(KeptGroup(row[0], row[1]) for row in groups)

        return await self._database.do(work)

    async def put(self, application: str, kept: Kept, groups: Sequence[KeptGroup]) -> bool:
        """See `DirectoryStore.put`."""

        async def work(connection: Connection) -> bool:
            _ = await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _TURN, application)
            if await _latest(connection, application) != kept.changed - 1:
                return False
            _ = await connection.execute(
                "INSERT INTO directory_users (application, username, record, made, changed) VALUES ($1, $2, $3, $4, $5)"
                " ON CONFLICT (application, username) DO UPDATE"
                " SET record = excluded.record, changed = excluded.changed",
                *(application, fold(kept.user.name), record_of(kept.user), kept.made, kept.changed),
            )
            for group in groups:
                _ = await connection.execute(
                    "INSERT INTO directory_groups (application, folded, name, made) VALUES ($1, $2, $3, $4)"
                    " ON CONFLICT DO NOTHING",
                    *(application, fold(group.name), group.name, group.made),
                )
            return True

        return await self._database.do(work)


async def _latest(connection: Connection, application: str) -> int:
    found = await connection.fetchval("SELECT max(changed) FROM directory_users WHERE application = $1", application)
    return int(found or 0)
