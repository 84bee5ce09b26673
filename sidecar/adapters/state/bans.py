"""Bans in SQLite, in the ledger's file: they hold though the sessions are thrown away.

Implements `flows.bans.BanStore`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sidecar.adapters.state.database import Database
from sidecar.domain.ban import Ban, Kind, Mark
from sidecar.domain.identity import UnixSeconds

COLUMNS = "kind, application, issuer, value, at, reason, uid"


class SqliteBans:
    """The bans of all applications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[Ban, ...]:
        """See `BanStore.all`."""
        return await self._database.do(
            lambda connection: tuple(
                map(ban_of_row, connection.execute(f"SELECT {COLUMNS} FROM bans ORDER BY number"))  # noqa: S608 - a fixed text
            )
        )

    async def add(self, ban: Ban) -> bool:
        """See `BanStore.add`."""
        added = await self._database.change(
            f"INSERT OR IGNORE INTO bans ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a fixed text
            *values_of(ban),
        )
        return added == 1

    async def lift(self, mark: Mark) -> bool:
        """See `BanStore.lift`."""
        lifted = await self._database.change(
            "DELETE FROM bans WHERE kind = ? AND application = ? AND issuer = ? AND value = ?", *values_of_mark(mark)
        )
        return lifted == 1


def values_of_mark(mark: Mark) -> tuple[str, str, str, str]:
    """The first columns."""
    return mark.kind.value, mark.application, mark.issuer, mark.value


def values_of(ban: Ban) -> tuple[str | int, ...]:
    """All columns."""
    return (*values_of_mark(ban.mark), ban.at, ban.reason, ban.uid)


def ban_of_row(row: Iterable[Any]) -> Ban:
    """A ban from its columns, in any database."""
    kind, application, issuer, value, at, reason, uid = row
    return Ban(mark=Mark(Kind(kind), application, issuer, value), at=UnixSeconds(at), reason=reason, uid=uid)
