"""The ledger in PostgreSQL. Implements `flows.accounts.Ledger`; says the same as `sidecar.adapters.state.ledger`.

What touches pins takes the application's row in `meta` first: of two instances that would pin the same name, person or
account, the second one sees what the first one did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sidecar.adapters.state.ledger import pin_of_row, values_of
from sidecar.adapters.state.postgres.database import Connection
from sidecar.adapters.state.postgres.journal import insert_entries
from sidecar.adapters.state.postgres.watch import PostgresWatch
from sidecar.core.usernames import fold
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.journal import Entry
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.flows.accounts import PinConflictError
from sidecar.flows.sessions import StateError

_PIN = "SELECT application, username, spelling, issuer, subject, created, at, account_key FROM pins"
_RENAMES = tuple(
    (
        f"DELETE FROM {table} WHERE application = $1 AND username = $2",  # noqa: S608 - fixed names
        f"UPDATE {table} SET username = $3 WHERE application = $1 AND username = $2",  # noqa: S608 - fixed names
    )
    for table in ("owned_groups", "deactivations", "last_seen", "readiness")
)
_OWN = (
    "INSERT INTO owned_groups (application, username, group_name, portal, at, pending, once)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
    " ON CONFLICT (application, username, group_name, portal)"
    " DO UPDATE SET at = excluded.at, pending = excluded.pending, once = excluded.once"
)


class PostgresLedger(PostgresWatch):
    """The ledgers of all applications."""

    async def usable(self, application: str) -> bool:
        """Whether `init` was run for the application."""
        return await self._database.row("SELECT 1 FROM meta WHERE application = $1", application) is not None

    async def init(self, application: str, at: UnixSeconds) -> bool:
        """Declare the (new, empty) ledger to be the right one; False if it was before."""
        added = await self._database.change(
            "INSERT INTO meta (application, initialised_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", application, at
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

        async def work(connection: Connection) -> None:
            await _alone(connection, pin.application)
            holder = await _in_the_way(connection, pin)
            if holder is None:
                await _insert_pin(connection, pin)
            elif (holder.username, holder.person) != (pin.username, pin.person):
                raise PinConflictError(holder)

        await self._database.do(work)

    async def pins(self, application: str) -> tuple[Pin, ...]:
        """All pins, by username."""
        rows = await self._database.rows(f"{_PIN} WHERE application = $1 ORDER BY username", application)
        return tuple(pin_of_row(row) for row in rows)

    async def pin_all(self, pins: Sequence[Pin], entries: Sequence[Entry]) -> None:
        """Add many pins with their entries in the journal, all or none.

        Raises:
            PinConflictError: something stands in the way of one of them.
        """

        async def work(connection: Connection) -> None:
            for application in sorted({pin.application for pin in pins}):
                await _alone(connection, application)
            for pin in pins:
                holder = await _in_the_way(connection, pin)
                if holder is not None:
                    raise PinConflictError(holder)
                await _insert_pin(connection, pin)
            _ = await insert_entries(connection, entries)

        await self._database.do(work)

    async def learn_key(self, application: str, username: str, key: str) -> None:
        """Note on a pin which account it means.

        Raises:
            PinConflictError: the account of that key is pinned under another name.
        """

        async def work(connection: Connection) -> None:
            await _alone(connection, application)
            holder = await _pin_with(connection, application, key)
            if holder is not None and holder.username != username:
                raise PinConflictError(holder)
            _ = await connection.execute(
                "UPDATE pins SET account_key = $1 WHERE application = $2 AND username = $3", key, application, username
            )

        await self._database.do(work)

    async def repin(self, application: str, persons: Mapping[Person, Person]) -> tuple[Pin, ...]:
        """Give the pins of the persons on the left to those on the right, all or none; the pins as they were.

        Whoever has no pin is passed over.

        Raises:
            PinConflictError: somebody on the right has a pin already.
        """

        async def work(connection: Connection) -> tuple[Pin, ...]:
            await _alone(connection, application)
            pins = [(await _pin_of(connection, application, old), new) for old, new in persons.items()]
            found = [(pin, new) for pin, new in pins if pin is not None]
            for pin, new in found:
                holder = await _pin_of(connection, application, new)
                if holder is not None:
                    raise PinConflictError(holder)
                _ = await connection.execute(
                    "UPDATE pins SET issuer = $1, subject = $2 WHERE application = $3 AND username = $4",
                    *(new.issuer, new.subject, application, pin.username),
                )
            return tuple(pin for pin, _ in found)

        return await self._database.do(work)

    async def unpin(self, application: str, username: str) -> None:
        """Remove a pin."""
        _ = await self._database.change(
            "DELETE FROM pins WHERE application = $1 AND username = $2", application, username
        )

    async def owned(self, application: str, username: str) -> tuple[OwnedGroup, ...]:
        """The memberships that Lychgate added, for whatever portal; by group and portal."""
        rows = await self._database.rows(
            "SELECT group_name, portal, at, pending, once FROM owned_groups"
            " WHERE application = $1 AND username = $2 ORDER BY group_name, portal",
            *(application, username),
        )
        return tuple(
            OwnedGroup(
                application=application,
                username=username,
                group=row["group_name"],
                portal=row["portal"],
                at=UnixSeconds(row["at"]),
                pending=row["pending"],
                once=row["once"],
            )
            for row in rows
        )

    async def owned_groups(self, application: str) -> tuple[str, ...]:
        """The groups in which any membership is ours."""
        rows = await self._database.rows(
            "SELECT DISTINCT group_name FROM owned_groups WHERE application = $1 ORDER BY group_name", application
        )
        return tuple(row[0] for row in rows)

    async def own_all(self, owned: Sequence[OwnedGroup], entries: Sequence[Entry]) -> None:
        """Note many memberships with their entries in the journal, all or none."""

        async def work(connection: Connection) -> None:
            await connection.executemany(_OWN, [values_of(one) for one in owned])
            _ = await insert_entries(connection, entries)

        await self._database.do(work)

    async def own(self, entry: OwnedGroup) -> None:
        """Note a membership, or overwrite the note of the same (application, username, group, portal)."""
        _ = await self._database.change(_OWN, *values_of(entry))

    async def disown(self, application: str, username: str, group: str) -> None:
        """Forget a membership, for all portals."""
        _ = await self._database.change(
            "DELETE FROM owned_groups WHERE application = $1 AND username = $2 AND group_name = $3",
            *(application, username, group),
        )

    async def deactivation(self, application: str, username: str) -> Deactivation | None:
        """The note that Lychgate deactivated the account, or None."""
        row = await self._database.row(
            "SELECT cause, at FROM deactivations WHERE application = $1 AND username = $2", application, username
        )
        if row is None:
            return None
        return Deactivation(application=application, username=username, cause=row[0], at=UnixSeconds(row[1]))

    async def note_deactivation(self, entry: Deactivation) -> None:
        """Note that Lychgate deactivates the account."""
        _ = await self._database.change(
            "INSERT INTO deactivations (application, username, cause, at) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (application, username) DO UPDATE SET cause = excluded.cause, at = excluded.at",
            *(entry.application, entry.username, entry.cause, entry.at),
        )

    async def clear_deactivation(self, application: str, username: str) -> None:
        """Forget it: the account was made active again."""
        _ = await self._database.change(
            "DELETE FROM deactivations WHERE application = $1 AND username = $2", application, username
        )

    async def last_seen(self, application: str, username: str) -> UnixSeconds | None:
        """When the account was last used, or None."""
        row = await self._database.row(
            "SELECT at FROM last_seen WHERE application = $1 AND username = $2", application, username
        )
        return None if row is None else UnixSeconds(row[0])

    async def seen(self, application: str, username: str, at: UnixSeconds) -> None:
        """Note when the account was last used; never moves back."""
        _ = await self._database.change(
            "INSERT INTO last_seen (application, username, at) VALUES ($1, $2, $3)"
            " ON CONFLICT (application, username) DO UPDATE SET at = greatest(last_seen.at, excluded.at)",
            *(application, username, at),
        )

    async def rename(self, application: str, username: str, spelling: str) -> Pin | None:
        """Give all that is noted of the (case-folded) *username* to the account *spelling*; the pin as it was, or None.

        Raises:
            PinConflictError: the other name is pinned already.
        """
        new = fold(spelling)

        async def work(connection: Connection) -> Pin | None:
            await _alone(connection, application)
            pin, holder = await _pin_on(connection, application, username), await _pin_on(connection, application, new)
            if pin is None:
                return None
            if holder is not None and new != username:
                raise PinConflictError(holder)
            _ = await connection.execute(
                "UPDATE pins SET username = $1, spelling = $2 WHERE application = $3 AND username = $4",
                *(new, spelling, application, username),
            )
            if new != username:
                # What is noted under the new name was another account's.
                for forget, rename in _RENAMES:
                    _ = await connection.execute(forget, application, new)
                    _ = await connection.execute(rename, application, username, new)
                # What was done is told of the account under whatever name: nothing of it is forgotten.
                _ = await connection.execute(
                    "UPDATE journal SET username = $1 WHERE application = $2 AND username = $3",
                    *(new, application, username),
                )
            return pin

        return await self._database.do(work)


async def _alone(connection: Connection, application: str) -> None:
    """Until the end of the transaction nobody else touches the application's pins.

    Raises:
        StateError: `init` was never run for the application.
    """
    if await connection.fetchval("SELECT 1 FROM meta WHERE application = $1 FOR UPDATE", application) is None:
        raise StateError(f"the ledger of {application} was not initialised; run `lychgate ledger init` first")


async def _in_the_way(connection: Connection, pin: Pin) -> Pin | None:
    return (
        await _pin_on(connection, pin.application, pin.username)
        or await _pin_of(connection, pin.application, pin.person)
        or await _pin_with(connection, pin.application, pin.key)
    )


async def _pin_on(connection: Connection, application: str, username: str) -> Pin | None:
    return await _first(connection, f"{_PIN} WHERE application = $1 AND username = $2", application, username)


async def _pin_of(connection: Connection, application: str, person: Person) -> Pin | None:
    return await _first(
        connection,
        f"{_PIN} WHERE application = $1 AND issuer = $2 AND subject = $3",
        *(application, person.issuer, person.subject),
    )


async def _pin_with(connection: Connection, application: str, key: str | None) -> Pin | None:
    if key is None:
        return None
    return await _first(connection, f"{_PIN} WHERE application = $1 AND account_key = $2", application, key)


async def _first(connection: Connection, query: str, *values: str) -> Pin | None:
    row = await connection.fetchrow(query, *values)
    return None if row is None else pin_of_row(row)


async def _insert_pin(connection: Connection, pin: Pin) -> None:
    _ = await connection.execute(
        "INSERT INTO pins (application, username, spelling, issuer, subject, created, at, account_key)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(pin.application, pin.username, pin.spelling, pin.person.issuer, pin.person.subject),
        *(pin.created, pin.at, pin.key),
    )
