"""Who somebody is, as a provider vouched for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType

UnixSeconds = NewType("UnixSeconds", int)
"""Whole seconds since 1970-01-01T00:00:00Z. No local time, no floats."""

Claim = str | int | float | bool | None | tuple["Claim", ...] | Mapping[str, "Claim"]
"""A JSON value in its immutable shape: arrays are tuples."""

Groups = tuple[str, ...] | None
"""Sorted names without repetition; None = unknown (missing, truncated or malformed), which is never *empty* (D5)."""


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """The only key of a person (OIDC Core 1.0, section 5.7); never an e-mail.

    Attributes:
        issuer: `iss` of the ID token, compared byte for byte.
        subject: `sub` of the ID token (Entra ID: `oid`), at most 255 characters.
    """

    issuer: str
    subject: str

    def __post_init__(self) -> None:
        if not (self.issuer and self.subject):
            raise ValueError("a person without issuer and subject is nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """How somebody signed in at the provider, as the provider told it; for the audit trail.

    Attributes:
        sid: The provider's own name of its session, or None.
        acr: Kind of sign-in, or None.
        auth_time: When the person authenticated, or None.
    """

    sid: str | None = None
    acr: str | None = None
    auth_time: UnixSeconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Verified claims of one person, cut to what the policy reads.

    Attributes:
        person: The key.
        provider: Name of the provider in the configuration.
        claims: Only the claims that the policy names. Never logged.
        groups: The groups claim, or None where it is unknown.
        sid: `sid` of the ID token, or None.
        auth_time: When the person authenticated, or None if the provider does not say.
        acr: Authentication context class reference, or None.
        sub: `sub` of the ID token where the person's key is another claim (Entra ID), else None: providers name people
            by it when they end sessions.
    """

    person: Person
    provider: str
    claims: Mapping[str, Claim]
    groups: Groups
    sid: str | None = None
    auth_time: UnixSeconds | None = None
    acr: str | None = None
    sub: str | None = None

    @property
    def signed_in(self) -> SignedIn:
        """What the audit trail tells of the sign-in at the provider."""
        return SignedIn(sid=self.sid, acr=self.acr, auth_time=self.auth_time)
