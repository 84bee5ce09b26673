"""Many accounts linked or unlinked by hand: the lists behind `lychgate accounts link` and `unlink`, all or none."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sidecar.adapters.clock import SystemClock
from sidecar.commands.beside import beside, intended, must_be_initialised
from sidecar.commands.relinking import MOST, ListError
from sidecar.config.load import Loaded
from sidecar.core.usernames import fold
from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.identity import Person
from sidecar.domain.ledger import Pin
from sidecar.flows.account_steps import entry_of
from sidecar.flows.accounts import PinConflictError


@dataclass(frozen=True, slots=True)
class Links:
    """What a list does: the new pins, and how many were there before."""

    new: tuple[Pin, ...]
    already: int


def accounts_in(path: Path, issuer: str) -> Mapping[Person, str]:
    """From each person at *issuer* to their account, in the order of the file.

    The file is CSV (RFC 4180) with two columns and no heading: the account, the subject.

    Raises:
        ListError: a line is no such pair, or an account or a subject stands there twice.
    """
    found: dict[Person, str] = {}
    taken: set[str] = set()
    for number, (username, subject) in _rows(path, 2, "write two columns, account,subject"):
        person = Person(issuer, subject)
        if person in found or fold(username) in taken:
            raise ListError(f"{path}:{number}: the account or the subject stood in an earlier line already")
        found[person] = username
        taken.add(fold(username))
    if not found:
        raise ListError(f"{path} names nobody; write one line per person: account,subject")
    return found


def _rows(path: Path, columns: int, cure: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a list that are not empty, with their numbers.

    Raises:
        ListError: the file cannot be read, is too long, or a line has other columns; then with the *cure*.
    """
    lines_so_far = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for number, row in enumerate(csv.reader(lines, strict=True), 1):
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                if lines_so_far >= MOST:
                    raise ListError(f"{path} has more than {MOST} lines; cut it in pieces")
                if len(cells) != columns or not all(0 < len(cell) <= 255 and cell.isprintable() for cell in cells):
                    raise ListError(f"{path}:{number}: {cure}")
                lines_so_far += 1
                yield number, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ListError(f"{path} cannot be read as CSV: {error}") from None


async def link_accounts(loaded: Loaded, application: str, people: Mapping[Person, str], *, apply: bool) -> Links:
    """Pin accounts to people by hand (D4), all of them or none.

    Raises:
        PinConflictError: an account or a person is pinned otherwise.
        StateError: the gate is running, or the ledger was not initialised.
        AuditError: the audit trail must have it and does not take it.
    """
    clock = SystemClock()
    async with beside(loaded, clock) as (state, log):
        await must_be_initialised(state, application)
        pins = [
            Pin(
                application=application,
                username=fold(username),
                spelling=username,
                person=person,
                created=False,
                at=clock.now(),
            )
            for person, username in people.items()
        ]
        held = await state.ledger.pins(application)
        new = _new(pins, held)
        if apply:
            for pin in new:
                await log.sure(intended("link", application, pin.person, pin.spelling))
            await state.ledger.pin_all(new, [entry_of(pin) for pin in new])
            for pin in new:
                facts: dict[str, Fact] = {"cause": "command", "account": pin.spelling}
                about = partial(Event, person=pin.person, username=pin.username, application=application)
                log.tell(about(code=Code.USER_LINKED, facts=facts))
        return Links(tuple(new), len(pins) - len(new))


def names_in(path: Path) -> tuple[str, ...]:
    """The accounts of a file with one in each line, in its order; a CSV of one column without a heading.

    Raises:
        ListError: a line is no account, or one stands there twice.
    """
    found: dict[str, str] = {}
    for number, (name,) in _rows(path, 1, "write one account per line"):
        if fold(name) in found:
            raise ListError(f"{path}:{number}: the account stood in an earlier line already")
        found[fold(name)] = name
    if not found:
        raise ListError(f"{path} names no account; write one per line")
    return tuple(found.values())


async def unlink_accounts(
    loaded: Loaded, application: str, usernames: Sequence[str], *, apply: bool
) -> tuple[Sequence[Pin], Sequence[str]]:
    """Take the pins of accounts away by hand, if all of them have one.

    Returns:
        The pins, and the names without one; where there is such a name, nothing was done.

    Raises:
        StateError: the gate is running.
        AuditError: the audit trail must have it and does not take it.
    """
    async with beside(loaded, SystemClock()) as (state, log):
        held = {pin.username: pin for pin in await state.ledger.pins(application)}
        pins = [held[fold(name)] for name in usernames if fold(name) in held]
        untied = [name for name in usernames if fold(name) not in held]
        if apply and not untied:
            for pin in pins:
                await log.sure(intended("unlink", application, pin.person, pin.spelling))
                await state.ledger.unpin(application, pin.username)
                facts: dict[str, Fact] = {"cause": "command", "account": pin.spelling}
                about = partial(Event, person=pin.person, username=pin.username, application=application)
                log.tell(about(code=Code.USER_UNLINKED, facts=facts))
        return pins, untied


def _new(pins: Sequence[Pin], held: Sequence[Pin]) -> list[Pin]:
    """Those that are not there yet."""
    by_name, by_person = {pin.username: pin for pin in held}, {pin.person: pin for pin in held}
    new = []
    for pin in pins:
        holders = [one for one in (by_name.get(pin.username), by_person.get(pin.person)) if one is not None]
        for holder in holders:
            if (holder.username, holder.person) != (pin.username, pin.person):
                raise PinConflictError(holder)
        if not holders:
            new.append(pin)
    return new
