"""Accounts of an application: what is there, what is wanted, and the steps between."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as the application shows it.

    Attributes:
        username: In the application's own spelling.
        display_name: As shown to people.
        email: May be empty.
        active: Whether it may sign in.
        groups: All its groups, in the application's spelling.
        key: The application's immutable key for it, or None.
        own: Whether it is the account with which the connector itself works.
    """

    username: str
    display_name: str
    email: str
    active: bool
    groups: frozenset[str]
    key: str | None = None
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOrder:
    """What an account must look like. Hashable: done work is remembered under it and the policy's hash.

    Attributes:
        application: Whose account.
        portal: The portal that asks; groups it adds are remembered as given by it.
        username: Wanted name, already resolved and normalised.
        display_name: Or None: not ordered.
        email: Or None: not ordered.
        groups: The groups that the person must be in, sorted; None = unknown: neither join nor leave (D5).
        needed: The ordered groups without which nobody is let in, sorted.
    """

    application: str
    portal: str
    username: str
    display_name: str | None
    email: str | None
    groups: tuple[str, ...] | None
    needed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Create:
    """Make the account. Its groups follow as `Join` steps."""

    username: str
    display_name: str
    email: str


@dataclass(frozen=True, slots=True)
class Reactivate:
    """Make an inactive account active again. Comes after all `Leave` steps."""

    username: str


@dataclass(frozen=True, slots=True)
class Update:
    """Change attributes; None leaves one as it is."""

    username: str
    display_name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Join:
    """Add to a group. *once*: it comes with a new account, and is never taken away again."""

    username: str
    group: str
    needed: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """Remove from a group."""

    username: str
    group: str


@dataclass(frozen=True, slots=True)
class Deactivate:
    """Make an active account inactive. Noted in the ledger before, so that it is ours to take back."""

    username: str


@dataclass(frozen=True, slots=True)
class MakeGroup:
    """Make a group that is missing, for the account of *username*. Its `Join` follows."""

    username: str
    group: str


Step = Create | Reactivate | Update | MakeGroup | Join | Leave | Deactivate


class StepResult(StrEnum):
    """What became of a step at the application."""

    DONE = "done"
    ALREADY = "already"


class Adopt(StrEnum):
    """Whether an account that Lychgate did not make may be taken over by its name (D4)."""

    NEVER = "never"
    BY_USERNAME = "by_username"


class Reactivation(StrEnum):
    """Which inactive accounts come back at a sign-in. `ours`: only those that Lychgate deactivated."""

    NEVER = "never"
    OURS = "ours"
    ANY = "any"


class Removal(StrEnum):
    """Which groups may be left (D5). `owned`: those that Lychgate added; `mapped`: all that a mapping can name."""

    NEVER = "never"
    OWNED = "owned"
    MAPPED = "mapped"
