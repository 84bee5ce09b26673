"""Seats: which licences a plan takes a seat of, and what becomes of it where none is left.

Called by the account flow. Beyond its licence Jira refuses changes to everybody, so nobody is let in on a seat that is
not there.
"""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.core.accounts import Plan, Refusal, without_joins
from sidecar.core.usernames import fold, folded
from sidecar.domain.account import Account, Join, Leave
from sidecar.domain.licence import Licence
from sidecar.domain.reason import Reason


def taken_by(way: Plan, account: Account | None, licences: Sequence[Licence]) -> frozenset[str]:
    """The keys of the limited licences of which the account has a seat after the plan, and not before.

    After a plan every account is active: one that stays inactive has none.
    """
    after = _kept(way, account) | folded(step.group for step in way.steps if isinstance(step, Join))
    return frozenset(one.key for one in licences if one.remaining is not None and after & one.groups) - _had(
        account, licences
    )


def fitted(way: Plan, account: Account | None, licences: Sequence[Licence], full: frozenset[str]) -> Plan | Refusal:
    """The plan without the seats of the *full* licences, which are among `taken_by`."""
    kept = _kept(way, account)
    groups = {group: one.key for one in licences if one.key in full for group in one.groups}
    # Who becomes active takes the seats of the groups that stay, whatever is joined.
    seat = next((groups[group] for group in sorted(kept) if group in groups), None)
    if seat is not None:
        return Refusal(Reason.NO_SEAT_LEFT, f"the account would take a seat of {seat}, and none is left")
    joins = [step for step in way.steps if isinstance(step, Join) and fold(step.group) in groups]
    needed = next((join.group for join in joins if join.needed), None)
    if needed is not None:
        detail = f"the group {needed} takes a seat of {groups[fold(needed)]}, and none is left"
        return Refusal(Reason.NO_SEAT_LEFT, detail)
    return without_joins(way, joins, Reason.NO_SEAT_LEFT) if joins else way


def _had(account: Account | None, licences: Sequence[Licence]) -> frozenset[str]:
    if account is None or not account.active:
        return frozenset()
    have = folded(account.groups)
    return frozenset(one.key for one in licences if have & one.groups)


def _kept(way: Plan, account: Account | None) -> frozenset[str]:
    have = folded(account.groups) if account is not None else frozenset()
    return have - folded(step.group for step in way.steps if isinstance(step, Leave))
