"""The directories that products take from us, in SQLite. Implements `flows.directory.DirectoryStore`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Connection

from sidecar.adapters.state.database import Database
from sidecar.core.crowd_entities import CrowdUser
from sidecar.core.usernames import fold
from sidecar.flows.directory import Kept, KeptGroup


class SqliteDirectory:
    """The directories of all applications, in the ledger's file: they can no more be made again than it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, application: str) -> int | None:
        """See `DirectoryStore.latest`: nobody else writes here."""
        return None

    async def load(self, application: str, since: int) -> tuple[Sequence[Kept], Sequence[KeptGroup]]:
        """See `DirectoryStore.load`."""

        def work(connection: Connection) -> tuple[Sequence[Kept], Sequence[KeptGroup]]:
            users = connection.execute(
                "SELECT record, made, changed FROM directory_users WHERE application = ? AND changed > ?",
                (application, since),
            )
            kept = tuple(Kept(user_of(record), made, changed) for record, made, changed in users)
            groups = connection.execute(
                "SELECT name, made FROM directory_groups WHERE application = ? AND made > ?", (application, since)
            )
            return kept, tuple(KeptGroup(name, made) for name, made in groups)

        return await self._database.do(work)

    async def put(self, application: str, kept: Kept, groups: Sequence[KeptGroup]) -> bool:
        """See `DirectoryStore.put`."""

        def work(connection: Connection) -> bool:
            known = connection.execute("SELECT max(changed) FROM directory_users WHERE application = ?", (application,))
            if (known.fetchone()[0] or 0) != kept.changed - 1:
                return False
            row = (application, fold(kept.user.name), record_of(kept.user), kept.made, kept.changed)
            connection.execute("INSERT OR REPLACE INTO directory_users VALUES (?, ?, ?, ?, ?)", row)
            rows = [(application, fold(group.name), group.name, group.made) for group in groups]
            connection.executemany("INSERT OR IGNORE INTO directory_groups VALUES (?, ?, ?, ?)", rows)
            return True

        return await self._database.do(work)


def record_of(user: CrowdUser) -> str:
    """How a user is kept."""
    return json.dumps(
        {
            "name": user.name,
            "display_name": user.display_name,
            "email": user.email,
            "active": user.active,
            "key": user.key,
            "groups": sorted(user.groups),
        }
    )


def user_of(record: str) -> CrowdUser:
    """The way back."""
    body = json.loads(record)
    return CrowdUser(**{**body, "groups": frozenset(body["groups"])})
