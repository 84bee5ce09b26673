"""Sessions in SQLite: records sealed under their own key, with the few columns that they are searched by.

Implements `flows.sessions.SessionStore`. The columns choose rows; what a session says is only ever read from the seal.
"""

from __future__ import annotations

from sqlite3 import Connection

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.database import Database, hashed
from sidecar.core.records import session_from_bytes, session_to_bytes
from sidecar.core.revocations import names_of
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.revocation import By, Name
from sidecar.domain.session import Session

PURPOSE = "session record"

_WHERE = {
    By.SID: "sid = ?",
    By.SUBJECT: "subject = ? OR (subject IS NULL AND person = ?)",
    By.EMAIL: "email = ?",
}

SWEEP_BATCH = 256
"""Sessions that one transaction of a sweep removes: requests get their turn in between."""


class SqliteSessions:
    """The sessions of all applications."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def add(self, session: Session) -> None:
        """Keep a new session; last seen at its `created_at`."""

        def work(connection: Connection) -> None:
            connection.execute(
                "INSERT INTO sessions"
                " (key, application, person, sid, subject, email, created, ends, seen, version, record)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    session.key,
                    session.application,
                    hashed(session.identity.person.issuer, session.identity.person.subject),
                    *columns_of(session),
                    session.created_at,
                    session.ends_at,
                    session.created_at,
                    session.version,
                    self._sealed(session),
                ),
            )

        await self._database.do(work)

    async def get(self, key: str) -> tuple[Session, UnixSeconds] | None:
        """The session and when it was last seen; None if there is none or it cannot be read any more."""

        def work(connection: Connection) -> tuple[Session, UnixSeconds] | None:
            row = connection.execute("SELECT CAST(record AS BLOB), seen FROM sessions WHERE key = ?", (key,)).fetchone()
            session = None if row is None else self._opened(key, row[0])
            return None if session is None else (session, UnixSeconds(row[1]))

        return await self._database.do(work)

    async def replace(self, session: Session) -> bool:
        """Write *session* if the stored one has version `session.version - 1`; False if it changed or is gone."""

        def work(connection: Connection) -> bool:
            changed = connection.execute(
                "UPDATE sessions SET sid = ?, subject = ?, email = ?, ends = ?, version = ?, record = ?"
                " WHERE key = ? AND version = ?",
                (
                    *columns_of(session),
                    session.ends_at,
                    session.version,
                    self._sealed(session),
                    session.key,
                    session.version - 1,
                ),
            )
            return changed.rowcount == 1

        return await self._database.do(work)

    async def touch(self, key: str, seen: UnixSeconds) -> None:
        """Note that the session was used; never moves back, never revives an ended one."""
        await self._database.change("UPDATE sessions SET seen = ? WHERE key = ? AND seen < ?", seen, key, seen)

    async def end(self, key: str) -> Session | None:
        """Remove it; the session that was removed, or None."""

        def work(connection: Connection) -> Session | None:
            row = connection.execute("SELECT CAST(record AS BLOB) FROM sessions WHERE key = ?", (key,)).fetchone()
            connection.execute("DELETE FROM sessions WHERE key = ?", (key,))
            return None if row is None else self._opened(key, row[0])

        return await self._database.do(work)

    async def of_person(self, application: str, person: Person) -> tuple[str, ...]:
        """Keys of a person's sessions at an application, the oldest first."""

        def work(connection: Connection) -> tuple[str, ...]:
            rows = connection.execute(
                "SELECT key FROM sessions WHERE application = ? AND person = ? ORDER BY created, rowid",
                (application, hashed(person.issuer, person.subject)),
            )
            return tuple(key for (key,) in rows)

        return await self._database.do(work)

    async def named(self, name: Name) -> tuple[str, ...]:
        """Keys of the sessions, at all applications, that can be revoked under *name*, the oldest first."""
        hash_ = hashed(name.issuer, name.value)
        where, values = _WHERE[name.by], (hash_, hash_) if name.by is By.SUBJECT else (hash_,)

        def work(connection: Connection) -> tuple[str, ...]:
            rows = connection.execute(f"SELECT key FROM sessions WHERE {where} ORDER BY created, rowid", values)  # noqa: S608 - fixed texts
            return tuple(key for (key,) in rows)

        return await self._database.do(work)

    async def count(self) -> int:
        """How many there are."""
        return await self._database.do(
            lambda connection: int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])
        )

    async def unused(self, many: int) -> tuple[str, ...]:
        """Keys of the *many* that were longest unused."""

        def work(connection: Connection) -> tuple[str, ...]:
            rows = connection.execute("SELECT key FROM sessions ORDER BY seen LIMIT ?", (many,))
            return tuple(key for (key,) in rows)

        return await self._database.do(work)

    async def page(self, after: str, limit: int) -> tuple[tuple[Session, UnixSeconds] | str, ...]:
        """See `SessionStore.page`."""

        def work(connection: Connection) -> tuple[tuple[Session, UnixSeconds] | str, ...]:
            rows = connection.execute(
                "SELECT key, CAST(record AS BLOB), seen FROM sessions WHERE key > ? ORDER BY key LIMIT ?",
                (after, limit),
            )
            return tuple(with_seen(key, self._opened(key, record), seen) for key, record, seen in rows)

        return await self._database.do(work)

    async def sweep(self, now: UnixSeconds, idle: int) -> tuple[Session, ...]:
        """Remove sessions that are dead at *now*; returns those that can be read, so that their end can be told.

        Spent states and revocation markers whose time is over go with them.
        """
        for table in ("spent", "markers"):
            await self._database.change(f"DELETE FROM {table} WHERE until <= ?", now)  # noqa: S608 - fixed texts
        swept: list[Session] = []
        while batch := await self._database.do(lambda connection: self._sweep(connection, now, idle)):
            swept += (session for session in batch if session is not None)
        return tuple(swept)

    def _sweep(self, connection: Connection, now: UnixSeconds, idle: int) -> list[Session | None]:
        rows = connection.execute(
            "SELECT key, CAST(record AS BLOB) FROM sessions WHERE ends <= ? OR seen <= ? LIMIT ?",
            (now, now - idle, SWEEP_BATCH),
        ).fetchall()
        connection.executemany("DELETE FROM sessions WHERE key = ?", [(key,) for key, _ in rows])
        return [self._opened(key, record) for key, record in rows]

    def _sealed(self, session: Session) -> bytes:
        return self._sealer.seal(PURPOSE, session.key.encode(), session_to_bytes(session))

    def _opened(self, key: str, record: bytes) -> Session | None:
        plain = self._sealer.open(PURPOSE, key.encode(), record)
        return None if plain is None else session_from_bytes(plain)


def with_seen(key: str, session: Session | None, seen: int) -> tuple[Session, UnixSeconds] | str:
    return key if session is None else (session, UnixSeconds(seen))


def columns_of(session: Session) -> tuple[bytes | None, bytes | None, bytes | None]:
    """What the columns `sid`, `subject` and `email` hold."""
    found = {name.by: hashed(name.issuer, name.value) for name in names_of(session.identity)}
    return found.get(By.SID), found.get(By.SUBJECT), found.get(By.EMAIL)
