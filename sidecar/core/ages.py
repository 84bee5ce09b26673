"""How old things may be: the claims of a session, and the act of signing in. Pure.

One bound for all: whatever does not answer, claims are used no longer than `recheck` and `GRACE` together.
"""

from __future__ import annotations

from enum import Enum, auto

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Rule
from sidecar.domain.session import Session

GRACE = 600
"""Seconds beyond `recheck` for which claims that could not be confirmed are still used. All forgiveness together."""


class ClaimsAge(Enum):
    """How old the claims of a session are.

    Attributes:
        CURRENT: Confirmed within `recheck`.
        DUE: Older, and to be confirmed; used meanwhile, but not where a rule asks for something fresh.
        STALE: Used no more.
    """

    CURRENT = auto()
    DUE = auto()
    STALE = auto()


def claims_age(checked_at: UnixSeconds, now: UnixSeconds, recheck: int) -> ClaimsAge:
    """How old claims are that were confirmed at *checked_at*."""
    age = now - checked_at
    if age < recheck:
        return ClaimsAge.CURRENT
    return ClaimsAge.DUE if age < recheck + GRACE else ClaimsAge.STALE


def is_stepped_up(session: Session, rule: Rule, claims: ClaimsAge, now: UnixSeconds) -> bool:
    """Whether the act of signing in is what the rule asks for: recent enough, and by one of the ways that it names.

    Nothing is forgiven here: while claims wait to be confirmed, such a rule is not met.
    """
    identity = session.identity
    if rule.fresh is None and not rule.acr:
        return True
    if claims is not ClaimsAge.CURRENT or (rule.acr and identity.acr not in rule.acr):
        return False
    at = identity.auth_time
    return rule.fresh is None or (at is not None and now - at <= rule.fresh)
