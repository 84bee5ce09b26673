"""Spent states and revocation markers in SQLite: small facts with an end, kept under hashes.

Implements `flows.login.SpentStates` and `flows.logout.Markers`. What is over is removed by the sweep of the sessions.
"""

from __future__ import annotations

from sqlite3 import Connection

from sidecar.adapters.state.database import Database, hashed
from sidecar.domain.identity import UnixSeconds


class SqliteSpentStates:
    """Each state is spent once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spend(self, state: str, until: UnixSeconds) -> bool:
        """Atomically mark *state* as spent; False if it was spent before. Forgotten after *until*."""
        added = await self._database.change(
            "INSERT OR IGNORE INTO spent (state, until) VALUES (?, ?)", hashed(state), until
        )
        return added == 1


class SqliteMarkers:
    """What was revoked, and until when it must be remembered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark(self, subject: str, at: UnixSeconds, until: UnixSeconds) -> None:
        """Note that everything of *subject* that began at *at* or before is revoked; forgotten at *until*."""
        await self._database.change(
            "INSERT INTO markers (subject, at, until) VALUES (?, ?, ?) ON CONFLICT (subject)"
            " DO UPDATE SET at = max(at, excluded.at), until = max(until, excluded.until)",
            *(hashed(subject), at, until),
        )

    async def marked_at(self, subject: str, now: UnixSeconds) -> UnixSeconds | None:
        """The latest `at` of a marker that is still kept at *now*, or None."""

        def work(connection: Connection) -> UnixSeconds | None:
            row = connection.execute(
                "SELECT at FROM markers WHERE subject = ? AND until > ?", (hashed(subject), now)
            ).fetchone()
            return None if row is None else UnixSeconds(row[0])

        return await self._database.do(work)
