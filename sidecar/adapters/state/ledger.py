"""The ledger in SQLite: pins, groups that we gave, accounts that we deactivated, last seen, readings, breakers.

Implements `flows.accounts.Ledger`. Usernames and groups come case-folded from the caller. Nothing here is sealed:
an administrator must be able to read what Lychgate did with any SQLite tool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import Any

from sidecar.adapters.state.journal import insert_entries
from sidecar.adapters.state.watch import SqliteWatch
from sidecar.core.usernames import fold
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.journal import Entry
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.flows.accounts import PinConflictError

_PIN = "SELECT application, username, spelling, issuer, subject, created, at, account_key FROM pins"
_RENAMES = tuple(
    (
        f"DELETE FROM {table} WHERE application = ? AND username = ?",  # noqa: S608 - fixed names
        f"UPDATE {table} SET username = ? WHERE application = ? AND username = ?",  # noqa: S608 - fixed names
    )
    for table in ("owned_groups", "deactivations", "last_seen", "readiness")
)


_OWN = (
    "INSERT INTO owned_groups (application, username, group_name, portal, at, pending, once)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (application, username, group_name, portal)"
    " DO UPDATE SET at = excluded.at, pending = excluded.pending, once = excluded.once"
)


class SqliteLedger(SqliteWatch):
    """The ledgers of all applications."""

    async def usable(self, application: str) -> bool:
        """Whether `init` was run for the application."""

        def work(connection: Connection) -> bool:
            found = connection.execute("SELECT 1 FROM meta WHERE application = ?", (application,))
            return found.fetchone() is not None

        return await self._database.do(work)

    async def init(self, application: str, at: UnixSeconds) -> bool:
        """Declare the (new, empty) ledger to be the right one; False if it was before."""
        added = await self._database.change(
            "INSERT OR IGNORE INTO meta (application, initialised_at) VALUES (?, ?)", application, at
        )
        return added == 1

    async def pin_of(self, application: str, person: Person) -> Pin | None:
        """The pin of a person."""
        return await self._database.do(lambda connection: _pin_of(connection, application, person))

    async def pin_on(self, application: str, username: str) -> Pin | None:
        """The pin on a (case-folded) username."""
        return await self._database.do(lambda connection: _pin_on(connection, application, username))

    async def pin_with(self, application: str, key: str) -> Pin | None:
        """The pin of the account with that immutable key, whatever the account is called now."""
        return await self._database.do(lambda connection: _pin_with(connection, application, key))

    async def pin(self, pin: Pin) -> None:
        """Add a pin; the same username for the same person again changes nothing.

        Raises:
            PinConflictError: username, person and key are each unique within the application.
            StateError: also if `init` was never run for the application.
        """

        def work(connection: Connection) -> None:
            holder = _pin_on(connection, pin.application, pin.username)
            holder = holder or _pin_of(connection, pin.application, pin.person)
            holder = holder or _pin_with(connection, pin.application, pin.key)
            if holder is None:
                _insert_pin(connection, pin)
            elif (holder.username, holder.person) != (pin.username, pin.person):
                raise PinConflictError(holder)

        await self._database.do(work)

    async def pins(self, application: str) -> tuple[Pin, ...]:
        """All pins, by username."""

        def work(connection: Connection) -> tuple[Pin, ...]:
            rows = connection.execute(f"{_PIN} WHERE application = ? ORDER BY username", (application,))
            return tuple(pin_of_row(row) for row in rows)

        return await self._database.do(work)

    async def pin_all(self, pins: Sequence[Pin], entries: Sequence[Entry]) -> None:
        """Add many pins with their entries in the journal, all or none.

        Raises:
            PinConflictError: something stands in the way of one of them.
        """

        def work(connection: Connection) -> None:
            for pin in pins:
                holder = _pin_on(connection, pin.application, pin.username)
                holder = holder or _pin_of(connection, pin.application, pin.person)
                holder = holder or _pin_with(connection, pin.application, pin.key)
                if holder is not None:
                    raise PinConflictError(holder)
                _insert_pin(connection, pin)
            insert_entries(connection, entries)

        await self._database.do(work)

    async def learn_key(self, application: str, username: str, key: str) -> None:
        """Note on a pin which account it means.

        Raises:
            PinConflictError: the account of that key is pinned under another name.
        """

        def work(connection: Connection) -> None:
            holder = _pin_with(connection, application, key)
            if holder is not None and holder.username != username:
                raise PinConflictError(holder)
            connection.execute(
                "UPDATE pins SET account_key = ? WHERE application = ? AND username = ?", (key, application, username)
            )

        await self._database.do(work)

    async def repin(self, application: str, persons: Mapping[Person, Person]) -> tuple[Pin, ...]:
        """Give the pins of the persons on the left to those on the right, all or none; the pins as they were.

        Whoever has no pin is passed over.

        Raises:
            PinConflictError: somebody on the right has a pin already.
        """

        def work(connection: Connection) -> tuple[Pin, ...]:
            found = [(pin, new) for old, new in persons.items() if (pin := _pin_of(connection, application, old))]
            for pin, new in found:
                holder = _pin_of(connection, application, new)
                if holder is not None:
                    raise PinConflictError(holder)
                connection.execute(
                    "UPDATE pins SET issuer = ?, subject = ? WHERE application = ? AND username = ?",
                    (new.issuer, new.subject, application, pin.username),
                )
            return tuple(pin for pin, _ in found)

        return await self._database.do(work)

    async def unpin(self, application: str, username: str) -> None:
        """Remove a pin, and how its person's account was found ready."""

        def work(connection: Connection) -> None:
            for table in ("pins", "readiness"):
                connection.execute(
                    f"DELETE FROM {table} WHERE application = ? AND username = ?",  # noqa: S608 - fixed names
                    (application, username),
                )

        await self._database.do(work)

    async def owned(self, application: str, username: str) -> tuple[OwnedGroup, ...]:
        """The memberships that Lychgate added, for whatever portal; by group and portal."""

        def work(connection: Connection) -> tuple[OwnedGroup, ...]:
            rows = connection.execute(
                "SELECT group_name, portal, at, pending, once FROM owned_groups"
                " WHERE application = ? AND username = ? ORDER BY group_name, portal",
                (application, username),
            )
            return tuple(
                OwnedGroup(
                    application=application,
                    username=username,
                    group=group,
                    portal=portal,
                    at=UnixSeconds(at),
                    pending=bool(pending),
                    once=bool(once),
                )
                for group, portal, at, pending, once in rows
            )

        return await self._database.do(work)

    async def owned_groups(self, application: str) -> tuple[str, ...]:
        """The groups in which any membership is ours."""

        def work(connection: Connection) -> tuple[str, ...]:
            query = "SELECT DISTINCT group_name FROM owned_groups WHERE application = ? ORDER BY group_name"
            return tuple(name for (name,) in connection.execute(query, (application,)))

        return await self._database.do(work)

    async def own_all(self, owned: Sequence[OwnedGroup], entries: Sequence[Entry]) -> None:
        """Note many memberships with their entries in the journal, all or none."""

        def work(connection: Connection) -> None:
            for one in owned:
                connection.execute(_OWN, values_of(one))
            insert_entries(connection, entries)

        await self._database.do(work)

    async def own(self, entry: OwnedGroup) -> None:
        """Note a membership, or overwrite the note of the same (application, username, group, portal)."""
        await self._database.change(_OWN, *values_of(entry))

    async def disown(self, application: str, username: str, group: str) -> None:
        """Forget a membership, for all portals."""
        await self._database.change(
            "DELETE FROM owned_groups WHERE application = ? AND username = ? AND group_name = ?",
            *(application, username, group),
        )

    async def deactivation(self, application: str, username: str) -> Deactivation | None:
        """The note that Lychgate deactivated the account, or None."""

        def work(connection: Connection) -> Deactivation | None:
            row = connection.execute(
                "SELECT cause, at FROM deactivations WHERE application = ? AND username = ?", (application, username)
            ).fetchone()
            if row is None:
                return None
            return Deactivation(application=application, username=username, cause=row[0], at=UnixSeconds(row[1]))

        return await self._database.do(work)

    async def note_deactivation(self, entry: Deactivation) -> None:
        """Note that Lychgate deactivates the account."""
        await self._database.change(
            "INSERT INTO deactivations (application, username, cause, at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (application, username) DO UPDATE SET cause = excluded.cause, at = excluded.at",
            *(entry.application, entry.username, entry.cause, entry.at),
        )

    async def clear_deactivation(self, application: str, username: str) -> None:
        """Forget it: the account was made active again."""
        await self._database.change(
            "DELETE FROM deactivations WHERE application = ? AND username = ?", application, username
        )

    async def last_seen(self, application: str, username: str) -> UnixSeconds | None:
        """When the account was last used, or None."""

        def work(connection: Connection) -> UnixSeconds | None:
            row = connection.execute(
                "SELECT at FROM last_seen WHERE application = ? AND username = ?", (application, username)
            ).fetchone()
            return None if row is None else UnixSeconds(row[0])

        return await self._database.do(work)

    async def seen(self, application: str, username: str, at: UnixSeconds) -> None:
        """Note when the account was last used; never moves back."""
        await self._database.change(
            "INSERT INTO last_seen (application, username, at) VALUES (?, ?, ?)"
            " ON CONFLICT (application, username) DO UPDATE SET at = max(at, excluded.at)",
            *(application, username, at),
        )

    async def rename(self, application: str, username: str, spelling: str) -> Pin | None:
        """Give all that is noted of the (case-folded) *username* to the account *spelling*; the pin as it was, or None.

        Raises:
            PinConflictError: the other name is pinned already.
        """
        new = fold(spelling)

        def work(connection: Connection) -> Pin | None:
            pin, holder = _pin_on(connection, application, username), _pin_on(connection, application, new)
            if pin is None:
                return None
            if holder is not None and new != username:
                raise PinConflictError(holder)
            connection.execute(
                "UPDATE pins SET username = ?, spelling = ? WHERE application = ? AND username = ?",
                (new, spelling, application, username),
            )
            if new != username:
                # What is noted under the new name was another account's.
                for forget, rename in _RENAMES:
                    connection.execute(forget, (application, new))
                    connection.execute(rename, (new, application, username))
                # What was done is told of the account under whatever name: nothing of it is forgotten.
                connection.execute(
                    "UPDATE journal SET username = ? WHERE application = ? AND username = ?",
                    (new, application, username),
                )
            return pin

        return await self._database.do(work)


def _pin_on(connection: Connection, application: str, username: str) -> Pin | None:
    return _first(connection, f"{_PIN} WHERE application = ? AND username = ?", (application, username))


def _pin_of(connection: Connection, application: str, person: Person) -> Pin | None:
    return _first(
        connection,
        f"{_PIN} WHERE application = ? AND issuer = ? AND subject = ?",
        (application, person.issuer, person.subject),
    )


def _pin_with(connection: Connection, application: str, key: str | None) -> Pin | None:
    if key is None:
        return None
    return _first(connection, f"{_PIN} WHERE application = ? AND account_key = ?", (application, key))


def _first(connection: Connection, query: str, values: tuple[str, ...]) -> Pin | None:
    row = connection.execute(query, values).fetchone()
    return None if row is None else pin_of_row(row)


def values_of(entry: OwnedGroup) -> tuple[str, str, str, str, int, bool, bool]:
    """A membership as its columns, in any database."""
    return entry.application, entry.username, entry.group, entry.portal, entry.at, entry.pending, entry.once


def pin_of_row(row: Iterable[Any]) -> Pin:
    """A pin from its columns as `_PIN` names them, in any database."""
    application, username, spelling, issuer, subject, created, at, key = row
    return Pin(
        application=application,
        username=username,
        spelling=spelling,
        person=Person(issuer, subject),
        created=bool(created),
        at=UnixSeconds(at),
        key=key,
    )


def _insert_pin(connection: Connection, pin: Pin) -> None:
    connection.execute(
        "INSERT INTO pins (application, username, spelling, issuer, subject, created, at, account_key)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(pin.application, pin.username, pin.spelling, pin.person.issuer, pin.person.subject),
            *(pin.created, pin.at, pin.key),
        ),
    )
