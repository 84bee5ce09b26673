"""What is refused until somebody takes it back: a person, an account, a provider, or one of our own keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sidecar.domain.identity import UnixSeconds


class Kind(StrEnum):
    """What a ban names."""

    PERSON = "person"
    ACCOUNT = "account"
    PROVIDER = "provider"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a ban is found by.

    Attributes:
        application: Where it holds; "" means everywhere.
        issuer: Of a person, else "".
        value: A person's subject, an account's name with its letter case folded, a provider's name in the
            configuration, or the id of a key.
    """

    kind: Kind
    application: str
    issuer: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """One of them. *reason* is the administrator's, *uid* the user who gave the command."""

    mark: Mark
    at: UnixSeconds
    reason: str
    uid: int
