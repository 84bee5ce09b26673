"""The history of people in SQLite: sealed entries in the file of the sessions, found by hashes.

Implements `flows.history.HistoryStore`. Losing it costs explanations only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from sqlite3 import Connection

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.database import Database, hashed
from sidecar.core.usernames import fold
from sidecar.domain.history import Happened
from sidecar.domain.identity import Person, UnixSeconds

PURPOSE = "history of people"
_NAME = b"entry"


class SqliteHistory:
    """The entries of everybody."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def add(self, entries: Sequence[Happened], per_person: int) -> None:
        """See `HistoryStore.add`."""

        def work(connection: Connection) -> None:
            rows = [(person_of(one), account_of(one), one.at, sealed(self._sealer, one)) for one in entries]
            connection.executemany("INSERT INTO history (person, account, at, record) VALUES (?, ?, ?, ?)", rows)
            for column, value in touched(entries):
                connection.execute(
                    f"DELETE FROM history WHERE {column} = ? AND number <= (SELECT number FROM history"  # noqa: S608
                    f" WHERE {column} = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
                    (value, value, per_person),
                )

        await self._database.do(work)

    async def of(
        self, persons: Sequence[Person], accounts: Sequence[tuple[str, str]], limit: int
    ) -> Sequence[Happened]:
        """See `HistoryStore.of`."""

        def work(connection: Connection) -> Sequence[Happened]:
            found: dict[int, bytes] = {}
            for column, value in wanted(persons, accounts):
                found |= connection.execute(
                    f"SELECT number, CAST(record AS BLOB) FROM history WHERE {column} = ?"  # noqa: S608 - fixed texts
                    " ORDER BY number DESC LIMIT ?",
                    (value, limit),
                )
            return youngest(self._sealer, found, limit)

        return await self._database.do(work)

    async def prune(self, before: UnixSeconds, most: int) -> None:
        """See `HistoryStore.prune`."""

        def work(connection: Connection) -> None:
            connection.execute("DELETE FROM history WHERE at < ?", (before,))
            connection.execute(
                "DELETE FROM history WHERE number <="
                " (SELECT number FROM history ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (most,),
            )

        await self._database.do(work)


def person_of(entry: Happened) -> bytes | None:
    """What the column `person` holds."""
    return None if entry.person is None else hashed(entry.person.issuer, entry.person.subject)


def account_of(entry: Happened) -> bytes | None:
    """What the column `account` holds."""
    return hashed(entry.application, fold(entry.username)) if entry.username else None


def touched(entries: Sequence[Happened]) -> Iterator[tuple[str, bytes]]:
    """By which columns and values entries are counted: a person's together, an account's where nobody is known."""
    seen: set[tuple[str, bytes]] = set()
    for entry in entries:
        person, account = person_of(entry), account_of(entry)
        if person is not None:
            seen.add(("person", person))
        elif account is not None:
            seen.add(("account", account))
    yield from sorted(seen)


def wanted(persons: Sequence[Person], accounts: Sequence[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """By which columns and values entries are looked for."""
    for person in persons:
        yield "person", hashed(person.issuer, person.subject)
    for application, username in accounts:
        yield "account", hashed(application, fold(username))


def sealed(sealer: Sealer, entry: Happened) -> bytes:
    """An entry as it is kept."""
    return sealer.seal(PURPOSE, _NAME, json.dumps(asdict(entry)).encode())


def youngest(sealer: Sealer, found: dict[int, bytes], limit: int) -> Sequence[Happened]:
    """The youngest of what was found that can be read, the oldest first."""
    opened = (_opened(sealer, found[number]) for number in sorted(found)[-limit:])
    return tuple(entry for entry in opened if entry is not None)


def _opened(sealer: Sealer, record: bytes) -> Happened | None:
    plain = sealer.open(PURPOSE, _NAME, record)
    if plain is None:
        return None
    try:
        body = json.loads(plain)
        person = body.pop("person")
        return Happened(person=None if person is None else Person(**person), **body)
    except (ValueError, TypeError):
        # A newer Lychgate's.
        return None
