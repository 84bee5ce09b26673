"""Whether somebody is refused by a ban, whatever else would let them in. Pure; asked by `flows.bans`."""

from __future__ import annotations

from collections.abc import Container, Iterator

from sidecar.core.usernames import fold
from sidecar.domain.ban import Kind, Mark
from sidecar.domain.identity import Identity, Person
from sidecar.domain.reason import Reason


def verdict(bans: Container[Mark], application: str, identity: Identity, username: str | None) -> Reason:
    """Why somebody is refused at an application under that account's name; `ok` where nothing says so."""
    if Mark(Kind.PROVIDER, "", "", identity.provider) in bans:
        return Reason.PROVIDER_REVOKED
    named = any(mark in bans for mark in person_marks(application, identity.person))
    return Reason.BLOCKED if named or is_blocked(bans, application, username) else Reason.OK


def is_blocked(bans: Container[Mark], application: str, username: str | None) -> bool:
    """Whether an account is."""
    return username is not None and any(mark in bans for mark in account_marks(application, username))


def person_marks(application: str, person: Person) -> Iterator[Mark]:
    """What would ban a person at an application."""
    for where in dict.fromkeys(("", application)):
        yield Mark(Kind.PERSON, where, person.issuer, person.subject)


def account_marks(application: str, username: str) -> Iterator[Mark]:
    """What would ban an account of an application."""
    for where in dict.fromkeys(("", application)):
        yield Mark(Kind.ACCOUNT, where, "", fold(username))
