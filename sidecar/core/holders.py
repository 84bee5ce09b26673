"""For whom a product was given a code or a token: enough for any instance to find out whether that still counts.

Sealed into what the product carries (`flows.landing_codes`, `flows.crowd_tokens`). Of a session its key is enough: all
instances have the same store. A caller is stored nowhere, so what its access token said goes along.
"""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """What is known of a caller's access token.

    Attributes:
        identity: Whose it is; of the claims only what a revocation may name.
        issued_at: By the provider's clock.
        ends_at: The first second at which it is dead.
    """

    identity: Identity
    issued_at: UnixSeconds
    ends_at: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A session by its key, or a caller.

    Attributes:
        application: Of the session; it is good nowhere else.
        session: The session's key.
        lent: Of a caller; None: the session is stored.
    """

    application: str
    session: str
    lent: Lent | None = None


def holder_of(session: Session) -> Holder:
    """Of a session, or of the caller that has the shape of one."""
    if session.stored:
        return Holder(application=session.application, session=session.key)
    identity = session.identity
    email = identity.claims.get("email")
    named = Identity(
        person=identity.person,
        provider=identity.provider,
        claims={"email": email} if isinstance(email, str) else {},
        groups=None,
        sid=identity.sid,
        auth_time=identity.auth_time,
        sub=identity.sub,
    )
    lent = Lent(identity=named, issued_at=session.created_at, ends_at=session.ends_at)
    return Holder(application=session.application, session=session.key, lent=lent)


def holder_to_plain(holder: Holder) -> list[object]:
    """As JSON holds it."""
    lent = holder.lent
    if lent is None:
        return [holder.application, holder.session]
    one = lent.identity
    whose = [one.person.issuer, one.person.subject, one.provider, one.sid, one.auth_time, one.sub]
    return [holder.application, holder.session, *whose, one.claims.get("email"), lent.issued_at, lent.ends_at]


def holder_from_plain(found: list[object]) -> Holder:
    """The way back, for what was under our own seal.

    Raises:
        ValueError, TypeError: it is of another version of the program.
    """
    application, session, *more = found
    if not isinstance(application, str) or not isinstance(session, str):
        raise TypeError("a session is an application and a key")
    if not more:
        return Holder(application=application, session=session)
    issuer, subject, provider, sid, auth_time, sub, email, issued_at, ends_at = more
    if not isinstance(issuer, str) or not isinstance(subject, str) or not isinstance(provider, str):
        raise TypeError("a person is two texts")
    identity = Identity(
        person=Person(issuer, subject),
        provider=provider,
        claims={"email": email} if isinstance(email, str) else {},
        groups=None,
        sid=sid if isinstance(sid, str) else None,
        auth_time=UnixSeconds(auth_time) if isinstance(auth_time, int) else None,
        sub=sub if isinstance(sub, str) else None,
    )
    if not isinstance(issued_at, int) or not isinstance(ends_at, int):
        raise TypeError("seconds expected")
    lent = Lent(identity=identity, issued_at=UnixSeconds(issued_at), ends_at=UnixSeconds(ends_at))
    return Holder(application=application, session=session, lent=lent)
