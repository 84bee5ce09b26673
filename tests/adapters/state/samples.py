"""Sessions and keys for the tests of the state stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sidecar.adapters.seal import Sealer
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.session import Session

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
SEALER = Sealer([KEY])

ANNA = Person("https://example.okta.com", "00u1anna")
BERT = Person("https://example.okta.com", "00u2bert")


def at(seconds: int) -> UnixSeconds:
    """*seconds* after some day in 2023."""
    return UnixSeconds(1_700_000_000 + seconds)


def a_session(key: str = "a1", *, person: Person = ANNA, sid: str | None = None, **changes: Any) -> Session:
    """A live session; *changes* are fields of `Session`."""
    identity = Identity(
        person=person,
        provider="okta",
        claims={"preferred_username": "anna", "roles": ("a", "b")},
        groups=("jira-admins", "jira-users"),
        sid=sid,
        auth_time=at(-5),
    )
    session = Session(
        key=key,
        application="jira",
        portal="agents",
        identity=identity,
        created_at=at(0),
        ends_at=at(86_400),
        checked_at=at(0),
        form_token="form-token",
        refresh_token="refresh-token",
        id_token="e30.e30.c2ln",
        jars={"": (("JSESSIONID", "ABC"),)},
    )
    return replace(session, **changes)


def next_of(session: Session, **changes: Any) -> Session:
    """The same session as the next write would have it."""
    return replace(session, version=session.version + 1, **changes)
