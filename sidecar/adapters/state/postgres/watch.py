"""The part of the ledger in PostgreSQL that watches: groups read, groups taken, accounts that were ready."""

from __future__ import annotations

import json

from sidecar.adapters.state.postgres.database import Connection
from sidecar.adapters.state.postgres.journal import PostgresJournal
from sidecar.adapters.state.watch import breaker_of_row, readiness_of_row
from sidecar.core.breaker import Breaker
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.ledger import Readiness


class PostgresWatch(PostgresJournal):
    """It stands on the journal, and the ledger on it."""

    async def groups_read(self, application: str, person: Person, at: UnixSeconds) -> None:
        """Note that the provider told the person's groups completely."""
        _ = await self._database.change(
            "INSERT INTO readings (application, issuer, subject, at) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (application, issuer, subject) DO UPDATE SET at = excluded.at",
            *(application, person.issuer, person.subject, at),
        )

    async def groups_unread(self, application: str, person: Person, at: UnixSeconds) -> UnixSeconds:
        """When the person's groups were last told completely; if they never were, when that was first noticed."""
        whose = (application, person.issuer, person.subject)

        async def work(connection: Connection) -> UnixSeconds:
            _ = await connection.execute(
                "INSERT INTO readings (application, issuer, subject, at) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT DO NOTHING",
                *(*whose, at),
            )
            found = await connection.fetchval(
                "SELECT at FROM readings WHERE application = $1 AND issuer = $2 AND subject = $3", *whose
            )
            return UnixSeconds(found)

        return await self._database.do(work)

    async def breaker(self, application: str) -> Breaker:
        """What is remembered of the application's removals."""
        row = await self._database.row("SELECT taken, frozen, held FROM breakers WHERE application = $1", application)
        return Breaker() if row is None else breaker_of_row(row)

    async def keep_breaker(self, application: str, breaker: Breaker) -> None:
        """Remember it."""
        _ = await self._database.change(
            "INSERT INTO breakers (application, taken, frozen, held) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (application) DO UPDATE SET taken = excluded.taken, frozen = excluded.frozen,"
            " held = excluded.held",
            *(application, json.dumps(breaker.taken), breaker.frozen, breaker.held),
        )

    async def note_ready(self, entry: Readiness) -> None:
        """Note how the account was found ready for a portal, in place of the last time."""
        _ = await self._database.change(
            "INSERT INTO readiness (application, username, portal, spelling, ordered, needed, at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)"
            " ON CONFLICT (application, username, portal) DO UPDATE SET spelling = excluded.spelling,"
            " ordered = excluded.ordered, needed = excluded.needed, at = excluded.at",
            *(entry.application, entry.username, entry.portal, entry.spelling),
            *(json.dumps(entry.groups), json.dumps(entry.needed), entry.at),
        )

    async def readiness(self, application: str, username: str, portal: str) -> Readiness | None:
        """How the account was when it was last found ready for the portal, or None."""
        row = await self._database.row(
            "SELECT spelling, ordered, needed, at FROM readiness"
            " WHERE application = $1 AND username = $2 AND portal = $3",
            *(application, username, portal),
        )
        return None if row is None else readiness_of_row(application, username, portal, row)
