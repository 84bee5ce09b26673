"""Spent states and revocation markers in PostgreSQL.

Implements `flows.login.SpentStates` and `flows.logout.Markers`.
"""

from __future__ import annotations

from sidecar.adapters.state.database import hashed
from sidecar.adapters.state.postgres.database import Database
from sidecar.domain.identity import UnixSeconds


class PostgresSpentStates:
    """Each state is spent once, by whichever instance."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spend(self, state: str, until: UnixSeconds) -> bool:
        """Atomically mark *state* as spent; False if it was spent before. Forgotten after *until*."""
        added = await self._database.change(
            "INSERT INTO spent (state, until) VALUES ($1, $2) ON CONFLICT DO NOTHING", hashed(state), until
        )
        return added == 1


class PostgresMarkers:
    """What was revoked, and until when it must be remembered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark(self, subject: str, at: UnixSeconds, until: UnixSeconds) -> None:
        """Note that everything of *subject* that began at *at* or before is revoked; forgotten at *until*."""
        _ = await self._database.change(
            "INSERT INTO markers (subject, at, until) VALUES ($1, $2, $3) ON CONFLICT (subject) DO UPDATE SET"
            " at = greatest(markers.at, excluded.at), until = greatest(markers.until, excluded.until)",
            *(hashed(subject), at, until),
        )

    async def marked_at(self, subject: str, now: UnixSeconds) -> UnixSeconds | None:
        """The latest `at` of a marker that is still kept at *now*, or None."""
        row = await self._database.row("SELECT at FROM markers WHERE subject = $1 AND until > $2", hashed(subject), now)
        return None if row is None else UnixSeconds(row[0])
