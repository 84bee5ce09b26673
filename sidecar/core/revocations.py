"""Under which names somebody's sessions can be revoked, and whether an authentication came before that. Pure."""

from __future__ import annotations

import json

from sidecar.core.usernames import fold
from sidecar.domain.identity import Identity, UnixSeconds
from sidecar.domain.revocation import By, Name, Revocation


def names_of(identity: Identity) -> tuple[Name, ...]:
    """All names under which the sessions of *identity* can be revoked."""
    issuer = identity.person.issuer
    names = [Name(issuer, By.SUBJECT, identity.sub or identity.person.subject)]
    if identity.sid is not None:
        names.append(Name(issuer, By.SID, identity.sid))
    email = email_of(identity)
    if email is not None:
        names.append(Name(issuer, By.EMAIL, email))
    return tuple(names)


def email_of(identity: Identity) -> str | None:
    """The address that the session's claims hold, as it is compared. Verified or not: ending more is harmless."""
    email = identity.claims.get("email")
    return folded_email(email) if isinstance(email, str) and email else None


def folded_email(email: str) -> str:
    """An address as it is compared: letter case does not matter."""
    return fold(email.strip())


def is_named(identity: Identity, revocation: Revocation) -> bool:
    """Whether the revocation speaks of a session with that identity."""
    return revocation.name in names_of(identity)


def marker(name: Name) -> str:
    """The subject of the marker that is compared with our clock."""
    return json.dumps(["revoked", name.by.value, name.issuer, name.value])


def marker_there(name: Name) -> str:
    """The subject of the marker that is compared with the provider's clock."""
    return json.dumps(["revoked there", name.by.value, name.issuer, name.value])


def came_before(identity: Identity, began: UnixSeconds, at: UnixSeconds | None, issued_at: UnixSeconds | None) -> bool:
    """Whether an authentication came before its revocation, or at the same time.

    Two clocks, each compared with itself: the sign-in began before the revocation reached us (*began* and *at*), or the
    person authenticated at the provider before the provider revoked (`auth_time` and *issued_at*).
    """
    if at is not None and began <= at:
        return True
    return issued_at is not None and identity.auth_time is not None and identity.auth_time <= issued_at
