"""What a provider takes back: the sessions of one sign-in, of a person, or of an e-mail address."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sidecar.domain.identity import UnixSeconds


class By(StrEnum):
    """What a revocation names."""

    SID = "sid"
    SUBJECT = "sub"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Name:
    """One of the names under which somebody's sessions can be revoked."""

    issuer: str
    by: By
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """All sessions of *issuer* that *by* and *value* name end, and none begins from an authentication before it.

    Attributes:
        value: `sid` or `sub` as the provider writes it; an e-mail address with its letter case folded.
        at: When it reached us, by our clock.
        issued_at: When the provider made it, by the provider's clock; None where nobody says.
    """

    issuer: str
    by: By
    value: str
    at: UnixSeconds
    issued_at: UnixSeconds | None = None

    @property
    def name(self) -> Name:
        """Whose sessions end."""
        return Name(self.issuer, self.by, self.value)
