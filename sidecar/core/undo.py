"""How a deed of the journal is taken back, and when it is not: what somebody else changed since stays as it is. Pure.

Called by `flows.undoing`, youngest entry first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sidecar.core.usernames import fold, folded
from sidecar.domain.account import Account, Deactivate, Join, Leave, Reactivate, Step, Update
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Deed, Entry
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin

CAUSE = "undo"
"""Of deactivations that take a creation back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """How an account stands at the moment, at the application and in the ledger."""

    account: Account | None
    pin: Pin | None = None
    owned: tuple[OwnedGroup, ...] = ()
    note: Deactivation | None = None


@dataclass(frozen=True, slots=True)
class Back:
    """The way back. *after* is how the account stands then; the flow makes the ledger say the same."""

    step: Step | None
    after: Now


@dataclass(frozen=True, slots=True)
class Passed:
    """The deed stays. *why* is a sentence for the administrator."""

    why: str


def reverse(entry: Entry, now: Now, at: UnixSeconds, *, leavers: bool = False) -> Back | Passed:
    """How *entry* is taken back at the time *at*. *leavers*: accounts of people who are gone are switched on again too.

    An account is deactivated only because a provider said that its person is gone. That word still stands when our
    own doing is taken back, so it needs to be meant.
    """
    match entry.deed:
        case Deed.LINK:
            return _unlink(entry, now)
        case Deed.ADOPT:
            return _disown(entry, now)
        case Deed.MAKE_GROUP:
            return Passed(f"the group {entry.group} stays; others may use it")
        case _:
            pass
    account = now.account
    if account is None:
        return Passed("the application has no such account any more")
    if now.pin is not None and now.pin.key not in {None, account.key}:
        return Passed("another account has this name now")
    match entry.deed:
        case Deed.CREATE:
            return _uncreate(entry, now, account, at)
        case Deed.REACTIVATE:
            return _deactivate_again(entry, now, account)
        case Deed.UPDATE:
            return _restore(entry, now, account)
        case Deed.JOIN:
            return _leave(entry, now, account)
        case Deed.LEAVE:
            return _rejoin(entry, now, account)
        case _:
            return _activate_again(now, account, leavers=leavers)


def _unlink(entry: Entry, now: Now) -> Back | Passed:
    if entry.after.get("created"):
        return Passed("the account was made for this person and stays theirs")
    person = now.pin.person if now.pin is not None else None
    if person is None or (person.issuer, person.subject) != (entry.after.get("issuer"), entry.after.get("subject")):
        return Passed("the account was unlinked or linked anew since")
    return Back(None, replace(now, pin=None))


def _disown(entry: Entry, now: Now) -> Back | Passed:
    left = _without(entry, now)
    return Passed("the membership is not ours any more") if left == now.owned else Back(None, replace(now, owned=left))


def _without(entry: Entry, now: Now) -> tuple[OwnedGroup, ...]:
    gone = (fold(entry.group), entry.after.get("portal"))
    return tuple(one for one in now.owned if (one.group, one.portal) != gone)


def _uncreate(entry: Entry, now: Now, account: Account, at: UnixSeconds) -> Back | Passed:
    if now.pin is None or not now.pin.created:
        return Passed("the account is not known to be one that Lychgate made")
    if not account.active:
        return Passed("the account is inactive already; it is never deleted")
    note = Deactivation(application=entry.application, username=entry.username, cause=CAUSE, at=at)
    return Back(Deactivate(account.username), replace(now, account=replace(account, active=False), note=note))


def _deactivate_again(entry: Entry, now: Now, account: Account) -> Back | Passed:
    if not account.active:
        return Passed("somebody made the account inactive since")
    cause, at = entry.before.get("cause"), entry.before.get("at")
    note = None
    if isinstance(cause, str) and isinstance(at, int):
        note = Deactivation(application=entry.application, username=entry.username, cause=cause, at=UnixSeconds(at))
    return Back(Deactivate(account.username), replace(now, account=replace(account, active=False), note=note))


def _activate_again(now: Now, account: Account, *, leavers: bool) -> Back | Passed:
    if account.active or now.note is None:
        return Passed("the account is active again, or somebody else made it inactive since")
    if not leavers:
        return Passed("the provider said that the person is gone; --leavers switches the account on again")
    return Back(Reactivate(account.username), replace(now, account=replace(account, active=True), note=None))


def _restore(entry: Entry, now: Now, account: Account) -> Back | Passed:
    have = {"display_name": account.display_name, "email": account.email}
    old = {
        field: value
        for field, value in entry.before.items()
        if isinstance(value, str) and value and have.get(field) == entry.after.get(field)
    }
    if not old:
        return Passed("it was changed since, or was empty before")
    step = Update(account.username, old.get("display_name"), old.get("email"))
    after = {**have, **old}
    restored = replace(account, display_name=after["display_name"], email=after["email"])
    return Back(step, replace(now, account=restored))


def _leave(entry: Entry, now: Now, account: Account) -> Back | Passed:
    group = fold(entry.group)
    left = _without(entry, now)
    if group not in folded(account.groups):
        return Passed(f"the account is not in {entry.group} any more")
    if left == now.owned:
        return Passed(f"the membership in {entry.group} is not ours any more")
    if any(one.group == group for one in left):
        # Another portal gave the same group: it keeps it.
        return Back(None, replace(now, owned=left))
    spelling = next(one for one in account.groups if fold(one) == group)
    rest = frozenset(one for one in account.groups if fold(one) != group)
    return Back(Leave(account.username, spelling), replace(now, account=replace(account, groups=rest), owned=left))


def _rejoin(entry: Entry, now: Now, account: Account) -> Back | Passed:
    if fold(entry.group) in folded(account.groups):
        return Passed(f"the account is in {entry.group} again")
    again = tuple(
        OwnedGroup(
            application=entry.application,
            username=entry.username,
            group=fold(entry.group),
            portal=portal,
            at=UnixSeconds(at),
        )
        for portal, at in entry.before.items()
        if isinstance(at, int)
    )
    account = replace(account, groups=account.groups | {entry.group})
    return Back(Join(account.username, entry.group), replace(now, account=account, owned=(*now.owned, *again)))
