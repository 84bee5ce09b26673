"""Who is meant by what an administrator typed: a username, or issuer and subject with a blank between.

Used by the commands to the running gate. A username is an account of each application, and the person to whom the
ledger ties it there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from sidecar.core.usernames import fold
from sidecar.domain.identity import Person
from sidecar.domain.ledger import Pin
from sidecar.domain.session import Session


class Pins(Protocol):
    """Who is tied to which account. Every method may raise `flows.sessions.StateError`."""

    async def pin_on(self, application: str, username: str) -> Pin | None:
        """The pin on an account, by its folded name."""
        ...

    async def pin_of(self, application: str, person: Person) -> Pin | None:
        """The pin of a person."""
        ...


@dataclass(frozen=True, slots=True)
class Whom:
    """Those who are meant.

    Attributes:
        persons: By their keys.
        accounts: By application and folded name.
    """

    persons: frozenset[Person]
    accounts: frozenset[tuple[str, str]]

    def is_meant(self, session: Session, username: str | None) -> bool:
        """Whether a session is theirs; *username* is the one that it stands under."""
        account = (session.application, fold(username)) if username is not None else None
        return session.identity.person in self.persons or account in self.accounts


async def whom(pins: Pins, text: str, applications: Iterable[str]) -> Whom:
    """Who is meant by *text* at these applications.

    Raises:
        StateError: the ledger did not answer.
    """
    issuer, blank, subject = text.partition(" ")
    persons, accounts = set[Person](), set[tuple[str, str]]()
    named = Person(issuer, subject) if blank and issuer and subject else None
    if named is not None:
        persons.add(named)
    for application in applications:
        if named is None:
            accounts.add((application, fold(text)))
            pin = await pins.pin_on(application, fold(text))
            persons |= {pin.person} if pin is not None else set()
        else:
            pin = await pins.pin_of(application, named)
            accounts |= {(application, pin.username)} if pin is not None else set()
    return Whom(frozenset(persons), frozenset(accounts))
