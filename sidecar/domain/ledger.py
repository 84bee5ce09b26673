"""What Lychgate did to an application's accounts and may therefore undo."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.domain.identity import Person, UnixSeconds

SCHEMA = 6
"""Number of the stored shape; migrations lead from smaller ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Ties an account to a person. Unique on (application, username), (application, person) and, where there is one, on
    (application, key) (D4).

    Attributes:
        username: Case-folded; the application's own spelling is read from the application.
        spelling: The name as the application writes it.
        created: Whether Lychgate made the account (False: adopted or linked).
        key: The application's immutable key for the account, which stays where a name passes to another account. None
            until Lychgate has seen the account, and where the application has no such keys.
    """

    application: str
    username: str
    spelling: str
    person: Person
    created: bool
    at: UnixSeconds
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedGroup:
    """A membership that Lychgate added, and for which portal.

    Attributes:
        username: Case-folded.
        group: Case-folded.
        pending: Written before the join was tried and not confirmed since: a crash lies between. If the person is in
            the group at the next look, the join had worked and the entry counts; if not, it is dropped.
        once: It came with the account that Lychgate made, and is left to whoever rules the application.
    """

    application: str
    username: str
    group: str
    portal: str
    at: UnixSeconds
    pending: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deactivation:
    """An account that Lychgate deactivated; absence of an entry means an administrator did it."""

    application: str
    username: str
    cause: str
    at: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How an account was when it was last found ready for a portal: what was ordered of it, and when.

    Attributes:
        username: Case-folded.
        spelling: As the application writes it.
        groups: The groups that were ordered, sorted; the `needed` ones among them were there.
    """

    application: str
    username: str
    portal: str
    spelling: str
    groups: tuple[str, ...]
    needed: tuple[str, ...]
    at: UnixSeconds
