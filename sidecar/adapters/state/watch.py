"""The part of the ledger that watches: groups that were read, groups that were taken, accounts that were ready."""

from __future__ import annotations

import json
from collections.abc import Iterable
from sqlite3 import Connection
from typing import Any

from sidecar.adapters.state.journal import SqliteJournal
from sidecar.core.breaker import Breaker
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.ledger import Readiness


class SqliteWatch(SqliteJournal):
    """It stands on the journal, and the ledger on it: one database holds all three."""

    async def groups_read(self, application: str, person: Person, at: UnixSeconds) -> None:
        """Note that the provider told the person's groups completely."""
        await self._database.change(
            "INSERT INTO readings (application, issuer, subject, at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (application, issuer, subject) DO UPDATE SET at = excluded.at",
            *(application, person.issuer, person.subject, at),
        )

    async def groups_unread(self, application: str, person: Person, at: UnixSeconds) -> UnixSeconds:
        """When the person's groups were last told completely; if they never were, when that was first noticed."""
        whose = (application, person.issuer, person.subject)

        def work(connection: Connection) -> UnixSeconds:
            connection.execute("INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?)", (*whose, at))
            found = connection.execute(
                "SELECT at FROM readings WHERE application = ? AND issuer = ? AND subject = ?", whose
            )
            return UnixSeconds(found.fetchone()[0])

        return await self._database.do(work)

    async def breaker(self, application: str) -> Breaker:
        """What is remembered of the application's removals."""

        def work(connection: Connection) -> Breaker:
            row = connection.execute(
                "SELECT taken, frozen, held FROM breakers WHERE application = ?", (application,)
            ).fetchone()
            return Breaker() if row is None else breaker_of_row(row)

        return await self._database.do(work)

    async def keep_breaker(self, application: str, breaker: Breaker) -> None:
        """Remember it."""
        await self._database.change(
            "INSERT OR REPLACE INTO breakers (application, taken, frozen, held) VALUES (?, ?, ?, ?)",
            *(application, json.dumps(breaker.taken), breaker.frozen, breaker.held),
        )

    async def note_ready(self, entry: Readiness) -> None:
        """Note how the account was found ready for a portal, in place of the last time."""
        await self._database.change(
            "INSERT INTO readiness (application, username, portal, spelling, ordered, needed, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (application, username, portal) DO UPDATE SET spelling = excluded.spelling,"
            " ordered = excluded.ordered, needed = excluded.needed, at = excluded.at",
            *(entry.application, entry.username, entry.portal, entry.spelling),
            *(json.dumps(entry.groups), json.dumps(entry.needed), entry.at),
        )

    async def readiness(self, application: str, username: str, portal: str) -> Readiness | None:
        """How the account was when it was last found ready for the portal, or None."""

        def work(connection: Connection) -> Readiness | None:
            row = connection.execute(
                "SELECT spelling, ordered, needed, at FROM readiness"
                " WHERE application = ? AND username = ? AND portal = ?",
                (application, username, portal),
            ).fetchone()
            return None if row is None else readiness_of_row(application, username, portal, row)

        return await self._database.do(work)


def breaker_of_row(row: Iterable[Any]) -> Breaker:
    """A breaker from its columns `taken`, `frozen` and `held`, in any database."""
    taken, frozen, held = row
    return Breaker(
        taken=tuple((UnixSeconds(at), int(count)) for at, count in json.loads(taken)), frozen=frozen, held=held
    )


def readiness_of_row(application: str, username: str, portal: str, row: Iterable[Any]) -> Readiness:
    """How an account was ready, from the columns `spelling`, `ordered`, `needed` and `at`, in any database."""
    spelling, ordered, needed, at = row
    return Readiness(
        application=application,
        username=username,
        portal=portal,
        spelling=spelling,
        groups=tuple(json.loads(ordered)),
        needed=tuple(json.loads(needed)),
        at=UnixSeconds(at),
    )
