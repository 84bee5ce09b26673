"""An account that cannot be looked at, because the application takes none of our tokens: who is served all the same.

Called by the account flow. Keeps the rule that nobody has more than when the account was last looked at, and nobody
keeps what was taken from them since.
"""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.core.accounts import pin_conflict
from sidecar.core.usernames import fold, folded
from sidecar.domain.account import AccountOrder, Removal
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin, Readiness
from sidecar.domain.policy import GroupPolicy


def why_not(
    order: AccountOrder,
    *,
    ready: Readiness | None,
    pin: Pin | None,
    pin_on_name: Pin | None,
    owned: Sequence[OwnedGroup],
    deactivation: Deactivation | None,
    groups: GroupPolicy,
    longest: int,
    now: UnixSeconds,
) -> str | None:
    """Why the person is not served with the account as it was; None if they are.

    Args:
        order: What is wanted now.
        ready: How the account was when it was last found ready for the order's portal.
        pin, pin_on_name, owned, deactivation: What the ledger has, as for `accounts.plan`.
        groups: Of the order's portal.
        longest: Seconds that the look may be ago.
        now: Wall-clock seconds.
    """
    conflict = pin_conflict(order.username, pin, pin_on_name)
    if conflict is not None:
        return conflict.detail
    if pin is None or ready is None:
        return "the account was never found ready"
    if ready.at < pin.at:
        # The account was somebody else's then: what was in order for them says nothing of this person.
        return "the account was found ready before it was linked to this person"
    if now - ready.at > longest:
        return "the account was found ready too long ago"
    if deactivation is not None:
        return "the account was deactivated"
    if order.groups is None:
        # Unknown groups change nothing at any time (D5).
        return None
    now_ordered = folded(order.groups)
    if groups.remove is not Removal.NEVER:
        ours = {entry.group for entry in owned if entry.portal == order.portal}
        if (ours | folded(ready.groups)) - now_ordered:
            return "the account would have to leave a group"
    if folded(order.needed) - folded(ready.needed):
        return "the account would have to join a group that is needed"
    return None


def gains(order: AccountOrder, ready: Readiness) -> tuple[str, ...]:
    """The ordered groups that wait until the account can be changed again."""
    had = folded(ready.groups)
    return tuple(group for group in order.groups or () if fold(group) not in had)
