"""Why each step of a plan would be taken, and why each group that is there would stay. Pure.

Called by the commands that show a plan before anything is done. Nothing is decided here: the plan came of
`core.accounts`, the reasons are read off what it was made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sidecar.core.accounts import Plan, Refusal
from sidecar.core.groups import givers
from sidecar.core.usernames import fold, folded
from sidecar.domain.account import Account, AccountOrder, Create, Join, Leave, Reactivate, Step, Update
from sidecar.domain.identity import Identity
from sidecar.domain.ledger import Deactivation, OwnedGroup
from sidecar.domain.policy import Application, Portal
from sidecar.domain.reason import Reason


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a plan. *reason* is why it keeps the person out; `ok` where it does not."""

    what: str
    why: str
    reason: Reason = Reason.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a plan was made of."""

    application: Application
    portal: Portal
    identity: Identity
    order: AccountOrder
    account: Account | None
    owned: Sequence[OwnedGroup]
    note: Deactivation | None

    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        """Folded group to the provider's groups that give it."""
        return givers(self.identity.groups or (), self.portal.groups, self.application.product.protected_groups)


def told(way: Plan | Refusal, basis: Basis) -> Iterator[Told]:
    """The lines, in the order in which things would be done."""
    if isinstance(way, Refusal):
        yield Told("refused", way.detail, way.reason)
        return
    if way.pin is not None:
        why = "is made for this person" if way.pin.created else "has the person's name and is linked to nobody"
        yield Told(f"link {way.pin.spelling}", f"the account {why}")
    sources = basis.sources
    for step in way.steps:
        yield Told(_word(step), _why(step, basis, sources))
    for skipped in way.skipped:
        names = ", ".join(skipped.groups) or "all groups"
        yield Told(f"leave alone {names}", f"{skipped.reason.value}: nothing is taken away")
    for group in way.forget:
        yield Told(f"forget {group}", "the account is not in it any more, so it is not Lychgate's to take")
    yield from _staying(way, basis, sources)


def _word(step: Step) -> str:
    match step:
        case Join() | Leave():
            return f"{type(step).__name__.lower()} {step.group}"
        case Update():
            fields = {"display name": step.display_name, "e-mail": step.email}
            return "update " + " and ".join(name for name, value in fields.items() if value is not None)
        case Create() | Reactivate():
            return f"{type(step).__name__.lower()} {step.username}"
        case _:
            return f"{type(step).__name__.lower()} {getattr(step, 'group', step.username)}"


def _why(step: Step, basis: Basis, sources: Mapping[str, tuple[str, ...]]) -> str:
    match step:
        case Create():
            return "the application has no account of this name"
        case Reactivate():
            if basis.note is None:
                return "it is inactive, and `reactivate` is `any`"
            return f"Lychgate itself made it inactive on {_date(basis.note.at)} ({basis.note.cause})"
        case Update():
            return "the provider says otherwise, and `update` names it"
        case Join():
            needed = "; nobody is let in without it" if step.needed else ""
            return f"{_giver(fold(step.group), sources)}{needed}"
        case Leave():
            return f"{_owner(fold(step.group), basis)}, and nothing gives it any more"
        case _:
            return "a line of the configuration"


def _giver(group: str, sources: Mapping[str, tuple[str, ...]]) -> str:
    givers = sources.get(group)
    return f"{', '.join(givers)} gives it" if givers else "everybody at this portal gets it"


def _owner(group: str, basis: Basis) -> str:
    mine = [one for one in basis.owned if one.group == group]
    if not mine:
        return "a line of the configuration can name it, and `remove` is `mapped`"
    return "Lychgate added it " + " and ".join(f"for {one.portal} on {_date(one.at)}" for one in mine)


def _staying(way: Plan, basis: Basis, sources: Mapping[str, tuple[str, ...]]) -> Iterator[Told]:
    """Each group in which the account is and stays."""
    account = basis.account
    if account is None:
        return
    leaving = {fold(step.group) for step in way.steps if isinstance(step, Leave)}
    wanted = folded(basis.order.groups or ())
    for group in sorted(account.groups, key=fold):
        name = fold(group)
        if name in leaving:
            continue
        if name in wanted:
            why = _giver(name, sources)
        elif any(one.group == name for one in basis.owned):
            why = f"{_owner(name, basis)}; it stays for now"
        else:
            why = "Lychgate did not add it"
        yield Told(f"keep {group}", why)


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
