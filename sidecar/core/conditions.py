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
        if not any(_is_one_of(value, allowed) for value in _values(identity.claims[name])):
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
    return claim if isinstance(claim, tuple) else (claim,)


def _is_one_of(value: Claim, allowed: frozenset[Claim]) -> bool:
    # True == 1 in Python, not in JSON; and objects, which no rule can name, have no hash.
    return any(type(value) is type(one) and value == one for one in allowed)
