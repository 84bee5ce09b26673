"""Sessions in PostgreSQL, sealed as in the embedded store; every change is told to the other instances.

Implements `flows.sessions.SessionStore` and `flows.others.Confirms`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.database import hashed
from sidecar.adapters.state.postgres.database import Connection, Database, changed
from sidecar.adapters.state.sessions import PURPOSE, SWEEP_BATCH, columns_of, with_seen
from sidecar.core.records import session_from_bytes, session_to_bytes
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.revocation import By, Name
from sidecar.domain.session import Session
from sidecar.flows.session_ports import Stored

CHANNEL = "lychgate_sessions"

_WHERE = {
    By.SID: "sid = $1",
    By.SUBJECT: "subject = $1 OR (subject IS NULL AND person = $1)",
    By.EMAIL: "email = $1",
}
_TELL = f"SELECT pg_notify('{CHANNEL}', $1)"
_TELL_ENDED = f"SELECT pg_notify('{CHANNEL}', '0 ' || key) FROM unnest($1::text[]) AS key"  # noqa: S608 - fixed texts

OVER_BATCH = 4096
"""Spent states, or markers, that one transaction of a sweep removes."""
_OVER = tuple(
    f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE until <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"  # noqa: S608 - fixed texts
    for table, key in (("spent", "state"), ("markers", "subject"))
)


class PostgresSessions:
    """The sessions of all applications."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def add(self, session: Session) -> None:
        """Keep a new session; last seen at its `created_at`."""
        _ = await self._database.change(
            "INSERT INTO sessions (key, application, person, sid, subject, email, created, ends, seen, version, record)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            session.key,
            session.application,
            hashed(session.identity.person.issuer, session.identity.person.subject),
            *columns_of(session),
            session.created_at,
            session.ends_at,
            session.created_at,
            session.version,
            self._sealed(session),
        )

    async def get(self, key: str) -> tuple[Session, UnixSeconds] | None:
        """The session and when it was last seen; None if there is none or it cannot be read any more."""
        row = await self._database.row("SELECT record, seen FROM sessions WHERE key = $1", key)
        session = None if row is None else self._opened(key, row[0])
        return None if row is None or session is None else (session, UnixSeconds(row[1]))

    async def replace(self, session: Session) -> bool:
        """Write *session* if the stored one has version `session.version - 1`; False if it changed or is gone."""

        async def work(connection: Connection) -> bool:
            written = await changed(
                connection,
                "UPDATE sessions SET sid = $1, subject = $2, email = $3, ends = $4, version = $5, record = $6"
                " WHERE key = $7 AND version = $8",
                *columns_of(session),
                session.ends_at,
                session.version,
                self._sealed(session),
                session.key,
                session.version - 1,
            )
            if written:
                _ = await connection.execute(_TELL, f"{session.version} {session.key}")
            return written == 1

        return await self._database.do(work)

    async def touch(self, key: str, seen: UnixSeconds) -> None:
        """Note that the session was used; never moves back, never revives an ended one."""
        _ = await self._database.change("UPDATE sessions SET seen = $1 WHERE key = $2 AND seen < $1", seen, key)

    async def end(self, key: str) -> Session | None:
        """Remove it; the session that was removed, or None."""

        async def work(connection: Connection) -> Session | None:
            record = await connection.fetchval("DELETE FROM sessions WHERE key = $1 RETURNING record", key)
            if record is None:
                return None
            _ = await connection.execute(_TELL, f"0 {key}")
            return self._opened(key, record)

        return await self._database.do(work)

    async def of_person(self, application: str, person: Person) -> tuple[str, ...]:
        """Keys of a person's sessions at an application, the oldest first."""
        rows = await self._database.rows(
            "SELECT key FROM sessions WHERE application = $1 AND person = $2 ORDER BY created, number",
            application,
            hashed(person.issuer, person.subject),
        )
        return tuple(row[0] for row in rows)

    async def named(self, name: Name) -> tuple[str, ...]:
        """Keys of the sessions, at all applications, that can be revoked under *name*, the oldest first."""
        rows = await self._database.rows(
            f"SELECT key FROM sessions WHERE {_WHERE[name.by]} ORDER BY created, number",  # noqa: S608 - fixed texts
            hashed(name.issuer, name.value),
        )
        return tuple(row[0] for row in rows)

    async def stored(self, keys: Sequence[str]) -> Mapping[str, Stored]:
        """See `Confirms.stored`."""
        rows = await self._database.rows(
            "SELECT key, version, seen FROM sessions WHERE key = ANY($1::text[])", list(keys)
        )
        return {row[0]: Stored(row[1], UnixSeconds(row[2])) for row in rows}

    async def page(self, after: str, limit: int) -> tuple[tuple[Session, UnixSeconds] | str, ...]:
        """See `SessionStore.page`."""
        rows = await self._database.rows(
            "SELECT key, record, seen FROM sessions WHERE key > $1 ORDER BY key LIMIT $2", after, limit
        )
        return tuple(with_seen(row[0], self._opened(row[0], row[1]), row[2]) for row in rows)

    async def sweep(self, now: UnixSeconds, idle: int) -> tuple[Session, ...]:
        """Remove sessions that are dead at *now*; returns those that can be read, so that their end can be told.

        Spent states, revocation markers and leases whose time is over go with them.
        """
        for statement in _OVER:
            # Once a sweep, and little by little: none of it is in a transaction with sessions that somebody waits for.
            while await self._database.change(statement, now, OVER_BATCH) == OVER_BATCH:
                pass
        _ = await self._database.change("DELETE FROM leases WHERE until <= now()")
        swept: list[Session] = []
        while batch := await self._database.do(lambda connection: self._sweep(connection, now, idle)):
            swept += (session for session in batch if session is not None)
        return tuple(swept)

    async def count(self) -> int:
        """How many there are."""
        rows = await self._database.rows("SELECT count(*) FROM sessions")
        return int(rows[0][0])

    async def unused(self, many: int) -> tuple[str, ...]:
        """Keys of the *many* that were longest unused."""
        rows = await self._database.rows("SELECT key FROM sessions ORDER BY seen LIMIT $1", many)
        return tuple(row[0] for row in rows)

    async def clear(self) -> int:
        """See `Forgetful.clear`."""
        # Nobody is told one by one: who remembers sessions asks for all of them when a line begins.
        return await self._database.change("DELETE FROM sessions")

    async def _sweep(self, connection: Connection, now: UnixSeconds, idle: int) -> list[Session | None]:
        # What another instance removes at this moment is told by that one.
        rows = await connection.fetch(
            "DELETE FROM sessions WHERE key IN (SELECT key FROM sessions WHERE ends <= $1 OR seen <= $2"
            " LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING key, record",
            *(now, now - idle, SWEEP_BATCH),
        )
        _ = await connection.execute(_TELL_ENDED, [row[0] for row in rows])
        return [self._opened(row[0], row[1]) for row in rows]

    def _sealed(self, session: Session) -> bytes:
        return self._sealer.seal(PURPOSE, session.key.encode(), session_to_bytes(session))

    def _opened(self, key: str, record: bytes) -> Session | None:
        plain = self._sealer.open(PURPOSE, key.encode(), record)
        return None if plain is None else session_from_bytes(plain)
