"""What a new session is made of, and what it is found by. Pure; used by `flows.sessions`."""

from __future__ import annotations

import hashlib

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import Session
from sidecar.flows.session_ports import Opening


def new_session(
    token: str, opening: Opening, now: UnixSeconds, absolute: int, form_token: str, source: str = ""
) -> Session:
    """The record of a session that begins *now*, asked for from the address *source*."""
    return Session(
        key=key_of(token),
        application=opening.application,
        portal=opening.portal,
        identity=opening.identity,
        created_at=now,
        ends_at=UnixSeconds(now + absolute),
        checked_at=now,
        form_token=form_token,
        refresh_token=opening.refresh_token,
        id_token=opening.id_token,
        source=source,
    )


def key_of(token: str) -> str:
    """The store knows a session by the hash of what its cookie says."""
    return hashlib.sha256(token.encode()).hexdigest()


def purpose_of(application: str) -> str:
    """What the cookie is signed for."""
    return f"session/{application}"


def is_same_seat(session: Session, opening: Opening) -> bool:
    """Whether the application's cookies may go on: the same person at the same door (R5)."""
    return session.portal == opening.portal and session.identity.person == opening.identity.person
