"""Whether claims meet a condition. Unknown groups meet none, neither a demand nor a ban (D5)."""

from __future__ import annotations

from sidecar.domain.identity import Claim, Identity
from sidecar.domain.policy import Condition
from sidecar.domain.reason import Reason


def meets(identity: Identity, condition: Condition) -> Reason:
    """`ok` if every part of the condition holds, else the first reason why not."""
    if condition.asks_groups:
        reason = _groups(identity, condition)
        if reason is not Reason.OK:
            return reason
    for name, allowed in condition.claims.items():
        if name not in identity.claims:
            return Reason.CLAIM_MISSING
        if not any(value in allowed for value in _values(identity.claims[name])):
            return Reason.CLAIM_MISMATCH
    return Reason.OK


def _groups(identity: Identity, condition: Condition) -> Reason:
    if identity.groups is None:
        return Reason.GROUPS_UNKNOWN
    groups = frozenset(identity.groups)
    if condition.any_group is not None and not groups & condition.any_group:
        return Reason.NOT_IN_GROUP
    if not condition.all_groups <= groups or groups & condition.no_group:
        return Reason.NOT_IN_GROUP
    return Reason.OK


def _values(claim: Claim) -> tuple[Claim, ...]:
    if isinstance(claim, tuple):
        return tuple(value for value in claim if not isinstance(value, (dict, tuple)))
    # True == 1 in Python, not in JSON.
    return () if isinstance(claim, dict) else (claim,)
