"""The steps from the account that is there to the one that is wanted (D4, D5).

Called by the account flow. Keeps the rules that membership is
taken away only where it is ours, that unknown groups change nothing, and that an account is enabled last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sidecar.core.groups import nameable, plain
from sidecar.core.patterns import matches
from sidecar.core.usernames import fold, folded, is_reserved
from sidecar.domain.account import (
    Account,
    AccountOrder,
    Adopt,
    Create,
    Join,
    Leave,
    Reactivate,
    Reactivation,
    Removal,
    Step,
    Update,
)
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.policy import AccountPolicy, GroupPolicy
from sidecar.domain.reason import Reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """The account is not made ready. *detail* is a sentence for the administrator."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class NewPin:
    """The pin that must stand before the first step. *username* is folded, *spelling* and *key* the application's."""

    username: str
    spelling: str
    created: bool
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Groups that were left alone, and why."""

    reason: Reason
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """From the account that is there to the one that is wanted.

    Attributes:
        username: In the application's spelling, or as it will be created.
        stages: Steps of one stage may be done at the same time; a stage begins when the one before is done.
        pin: To be added before anything else, or None if it stands.
        key: The account's own key, if the pin that stands has to learn it.
        adopted: Whether an account that Lychgate did not make is taken over now.
        active_again: Whether the note of our deactivation is out of date: the account is active.
        skipped: What was left alone.
        confirm: Ledger entries whose join turned out to have worked.
        forget: Folded groups in the ledger in which the account is no more.
    """

    username: str
    stages: tuple[tuple[Step, ...], ...] = ()
    pin: NewPin | None = None
    key: str | None = None
    adopted: bool = False
    active_again: bool = False
    skipped: tuple[Skipped, ...] = ()
    confirm: tuple[OwnedGroup, ...] = ()
    forget: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in a safe order."""
        return tuple(step for stage in self.stages for step in stage)

    def only(self, wanted: Callable[[Step], bool]) -> Plan:
        """The plan with those of its steps that are *wanted*."""
        return replace(self, stages=_stages(*(filter(wanted, stage) for stage in self.stages)))


@dataclass(frozen=True, slots=True)
class _Moves:
    """The changes of membership. *stale*: folded groups that should be left and are not; *open*: those that came with
    the account and whose join is not certain yet."""

    joins: tuple[Join, ...] = ()
    leaves: tuple[Leave, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    stale: frozenset[str] = field(default_factory=frozenset)
    open: frozenset[str] = field(default_factory=frozenset)


def plan(
    order: AccountOrder,
    *,
    account: Account | None,
    pin: Pin | None,
    pin_on_name: Pin | None,
    owned: Sequence[OwnedGroup],
    deactivation: Deactivation | None,
    policy: AccountPolicy,
    groups: GroupPolicy,
    authoritative: bool,
    creatable: bool,
    licensed: frozenset[str] | None = frozenset(),
) -> Plan | Refusal:
    """The steps from *account* to *order*, or why there is no way.

    Args:
        order: What is wanted.
        account: What the application has under the name, or None.
        pin: The person's pin at the application.
        pin_on_name: The pin on the username.
        owned: What Lychgate added to the account, for whatever portal.
        deactivation: The note that Lychgate deactivated the account.
        policy: Of the application.
        groups: Of the order's portal.
        authoritative: Whether the provider's usernames may be believed for existing accounts.
        creatable: Whether an account of this name may be made (`usernames.may_be_created`).
        licensed: Folded groups that take a seat; None: not known.
    """
    conflict = pin_conflict(order.username, pin, pin_on_name)
    if conflict is not None:
        return conflict
    if account is None:
        return _barred(_plan_new(order, pin, owned, policy, groups, creatable=creatable), groups, licensed)
    if fold(account.username) != fold(order.username):
        return Refusal(Reason.ACCOUNT_ABSENT, "the application answered with an account of another name")
    if pin is not None and pin.key not in {None, account.key}:
        detail = f"the account {account.username} is not the linked one: its key is {account.key}, not {pin.key}"
        return Refusal(Reason.PIN_CONFLICT, detail)
    delicate = delicacy(account, policy, groups)
    if pin is None:
        if delicate is not None:
            return delicate
        if policy.adopt is not Adopt.BY_USERNAME or not authoritative:
            return Refusal(Reason.ACCOUNT_NOT_ADOPTED, "the account exists and is not linked to this person")
    found = _plan_existing(order, account, pin, owned, deactivation, policy, groups, delicate)
    return _barred(found, groups, licensed)


def pin_conflict(username: str, pin: Pin | None, pin_on_name: Pin | None) -> Refusal | None:
    """A refusal if the username is another person's or the person has another username (D4)."""
    if pin is not None and pin.username != fold(username):
        cure = f"if it was renamed, `lychgate accounts rename --from {pin.spelling} --to {username}`"
        return Refusal(Reason.PIN_CONFLICT, f"the person is linked to the account {pin.spelling}; {cure}")
    if pin_on_name is not None and (pin is None or pin_on_name.person != pin.person):
        return Refusal(Reason.PIN_CONFLICT, f"the account {pin_on_name.spelling} is linked to another person")
    return None


def pin_way(
    order: AccountOrder, pin: Pin | None, pin_on_name: Pin | None, policy: AccountPolicy, *, authoritative: bool
) -> Plan | Refusal:
    """The plan where no account is managed: pins hold all the same, so that a name used again is noticed.

    Nobody can look whose account it is. So a new pin needs a provider whose usernames are authoritative, and a
    reserved name needs a link made by an administrator.
    """
    conflict = pin_conflict(order.username, pin, pin_on_name)
    if conflict is not None:
        return conflict
    if pin is not None:
        return Plan(username=pin.spelling)
    if is_reserved(order.username, policy.reserved):
        return Refusal(Reason.ACCOUNT_RESERVED, "the account name is reserved")
    if not authoritative:
        detail = "accounts are not managed, and this provider's usernames are not authoritative"
        return Refusal(Reason.ACCOUNT_NOT_ADOPTED, detail)
    return Plan(username=order.username, pin=NewPin(fold(order.username), order.username, False))


def delicacy(account: Account, policy: AccountPolicy, groups: GroupPolicy) -> Refusal | None:
    """Why an account is never adopted, updated or reactivated by itself; None if it is an ordinary one (D4)."""
    if account.own:
        return Refusal(Reason.ACCOUNT_RESERVED, "the account is the one with which the connector works")
    if is_reserved(account.username, policy.reserved):
        return Refusal(Reason.ACCOUNT_RESERVED, "the account name is reserved")
    if folded(account.groups) & folded(groups.protected | groups.admin):
        return Refusal(Reason.ACCOUNT_PROTECTED, "the account is in a protected group")
    return None


def may_be_made(group: str, groups: GroupPolicy) -> bool:
    """Whether a group that is missing may be made: a pattern names it whole, and it is no protected one."""
    if fold(group) in folded(groups.protected | groups.admin):
        return False
    return any(matches(f"(?i:{pattern})", group) for pattern in groups.create)


def without_joins(way: Plan, joins: Collection[Join], reason: Reason) -> Plan:
    """The plan with *joins* left out, and with the word why."""
    names = tuple(sorted(join.group for join in joins))
    return replace(way.only(lambda step: step not in joins), skipped=(*way.skipped, Skipped(reason, names)))


def _barred(found: Plan | Refusal, groups: GroupPolicy, licensed: frozenset[str] | None) -> Plan | Refusal:
    """Without the joins that would take a seat where the portal gives none."""
    if isinstance(found, Refusal) or groups.licences:
        return found
    joins = [
        step for step in found.steps if isinstance(step, Join) and (licensed is None or fold(step.group) in licensed)
    ]
    needed = next((join.group for join in joins if join.needed), None)
    if needed is not None:
        known = "takes a seat" if licensed is not None else "may take a seat: the application did not tell"
        return Refusal(Reason.GROUP_LICENSED, f"the group {needed} {known}, and this portal gives no seats")
    return without_joins(found, joins, Reason.GROUP_LICENSED) if joins else found


def _plan_new(
    order: AccountOrder,
    pin: Pin | None,
    owned: Sequence[OwnedGroup],
    policy: AccountPolicy,
    groups: GroupPolicy,
    *,
    creatable: bool,
) -> Plan | Refusal:
    if is_reserved(order.username, policy.reserved):
        return Refusal(Reason.ACCOUNT_RESERVED, "an account of a reserved name is not made by itself")
    if not policy.create:
        return Refusal(Reason.ACCOUNT_ABSENT, "there is no such account and none may be made")
    if not creatable:
        return Refusal(Reason.USERNAME_INVALID, "an account of this name may not be made: it does not fit the pattern")
    if pin is not None and not pin.created:
        return Refusal(Reason.ACCOUNT_ABSENT, "the linked account is gone from the application")
    if order.email is None:
        return Refusal(Reason.EMAIL_MISSING, "no account is made without an address that the provider has verified")
    if order.groups is None and groups.on_create:
        # They come once: an account that is made without them would never get them.
        return Refusal(Reason.GROUPS_UNKNOWN, "an account whose first groups cannot all be given is not made")
    name = order.username
    wanted = _lines_give(order, groups)
    once = _once(groups, wanted) if order.groups is not None else {}
    last = plain(groups.if_empty, groups) if order.groups is not None and not wanted and not once else {}
    joins = _joins(name, {**wanted, **last}, frozenset(), order, groups) + _joins(
        name, once, frozenset(), order, groups, once=True
    )
    return Plan(
        username=name,
        stages=_stages((Create(name, order.display_name or name, order.email),), joins),
        pin=None if pin else NewPin(fold(name), name, created=True),
        skipped=() if order.groups is not None else (Skipped(Reason.GROUPS_UNKNOWN, ()),),
        forget=tuple(sorted({entry.group for entry in owned})),
    )


def _plan_existing(
    order: AccountOrder,
    account: Account,
    pin: Pin | None,
    owned: Sequence[OwnedGroup],
    deactivation: Deactivation | None,
    policy: AccountPolicy,
    groups: GroupPolicy,
    delicate: Refusal | None,
) -> Plan | Refusal:
    name = account.username
    # The connector's own account is nobody's to change, even where somebody linked it.
    made = pin is not None and pin.created
    moves = _Moves() if account.own else _moves(order, account, owned, groups, made=made)
    update = None if delicate else _update(order, account, policy)
    changes: tuple[Step, ...] = (*moves.joins, *((update,) if update else ()))
    if account.active:
        stages = _stages(changes, moves.leaves)
    else:
        refusal = delicate or _stays_inactive(deactivation, policy, moves)
        if refusal is not None:
            return refusal
        # Protected groups come after it: an account that was put into one and not switched on would be delicate, and
        # no later sign-in could go on.
        guarded = folded(groups.protected | groups.admin)
        late = [step for step in moves.joins if fold(step.group) in guarded]
        stages = _stages(moves.leaves, [one for one in changes if one not in late], (Reactivate(name),), late)
    have = folded(account.groups)
    return Plan(
        username=name,
        stages=stages,
        pin=None if pin else NewPin(fold(name), name, created=False, key=account.key),
        key=account.key if pin and pin.key is None else None,
        adopted=pin is None,
        active_again=account.active and deactivation is not None,
        skipped=moves.skipped,
        confirm=tuple(entry for entry in owned if entry.pending and entry.group in have),
        forget=tuple(sorted({entry.group for entry in owned if entry.group not in have | moves.open})),
    )


def _stays_inactive(deactivation: Deactivation | None, policy: AccountPolicy, moves: _Moves) -> Refusal | None:
    """Why an inactive account is not enabled; None if it is."""
    ours = policy.reactivate is Reactivation.OURS and deactivation is not None
    if not ours and policy.reactivate is not Reactivation.ANY:
        return Refusal(Reason.ACCOUNT_INACTIVE, "the account is inactive and may not be made active again")
    # What is stale must be gone before the account is enabled; where it cannot go, it is not enabled.
    if moves.stale:
        reason = moves.skipped[0].reason if moves.skipped else Reason.ACCOUNT_INACTIVE
        return Refusal(reason, "groups of the inactive account would have to be left before it is made active")
    return None


def _moves(
    order: AccountOrder, account: Account, owned: Sequence[OwnedGroup], groups: GroupPolicy, *, made: bool
) -> _Moves:
    spelling = {fold(group): group for group in account.groups}
    have, name = frozenset(spelling), account.username
    may_leave = _may_leave(order, have, owned, groups)
    begun = [entry for entry in owned if entry.once and entry.pending and made and entry.group not in have]
    if order.groups is None:
        skipped = Skipped(Reason.GROUPS_UNKNOWN, ())
        return _Moves(skipped=(skipped,), stale=may_leave, open=frozenset(entry.group for entry in begun))
    wanted = _lines_give(order, groups)
    mine = {entry.group for entry in begun if entry.portal == order.portal}
    once = {group: spelt for group, spelt in _once(groups, wanted).items() if group in mine}
    last = plain(groups.if_empty, groups)
    final = wanted if have - may_leave or wanted or once else last
    # What came with the account for another portal is that one's to go on with.
    still = frozenset(once) | ({entry.group for entry in begun if entry.portal != order.portal} - final.keys())
    gone = sorted(may_leave - final.keys())
    late = _joins(name, once, have, order, groups, once=True)
    if len(gone) > groups.max_removals:
        skipped = Skipped(Reason.REMOVALS_CAPPED, tuple(spelling[group] for group in gone))
        # Whoever keeps the groups is in some: nothing else is needed.
        joins = _joins(name, wanted, have, order, groups) + late
        return _Moves(joins=joins, skipped=(skipped,), stale=frozenset(gone), open=still)
    return _Moves(
        joins=_joins(name, final, have, order, groups) + late,
        leaves=tuple(Leave(name, spelling[group]) for group in gone),
        open=still,
    )


def _lines_give(order: AccountOrder, groups: GroupPolicy) -> dict[str, str]:
    """Folded name to name of the groups that are ordered and may be joined."""
    forbidden = _forbidden(groups)
    return {fold(group): group for group in order.groups or () if fold(group) not in forbidden}


def _once(groups: GroupPolicy, wanted: Mapping[str, str]) -> dict[str, str]:
    """Those that come with a new account and with nothing else."""
    return {group: name for group, name in plain(groups.on_create, groups).items() if group not in wanted}


def _joins(
    name: str,
    wanted: Mapping[str, str],
    have: frozenset[str],
    order: AccountOrder,
    groups: GroupPolicy,
    *,
    once: bool = False,
) -> tuple[Join, ...]:
    needed = folded(order.needed) | folded(groups.needed)
    return tuple(Join(name, wanted[group], group in needed, once) for group in sorted(wanted.keys() - have))


def _forbidden(groups: GroupPolicy) -> frozenset[str]:
    """The folded groups that are neither joined nor left, whatever was ordered."""
    return folded(groups.protected) - folded(groups.admin)


def _may_leave(
    order: AccountOrder, have: frozenset[str], owned: Sequence[OwnedGroup], groups: GroupPolicy
) -> frozenset[str]:
    """The folded groups among *have* that this portal's order may take away."""
    if groups.remove is Removal.NEVER:
        return frozenset()
    mine = {entry.group for entry in owned if entry.portal == order.portal}
    if groups.remove is Removal.MAPPED:
        mine |= nameable(have, groups)
    kept = {entry.group for entry in owned if entry.portal != order.portal or entry.once}
    return (have & mine) - kept - _forbidden(groups)


def _update(order: AccountOrder, account: Account, policy: AccountPolicy) -> Update | None:
    name = order.display_name if "display_name" in policy.update else None
    email = order.email if "email" in policy.update else None
    name = None if name == account.display_name else name
    email = None if email is None or fold(email) == fold(account.email) else email
    return Update(account.username, name, email) if name is not None or email is not None else None


def _stages(*stages: Iterable[Step]) -> tuple[tuple[Step, ...], ...]:
    return tuple(steps for stage in stages if (steps := tuple(stage)))
