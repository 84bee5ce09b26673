"""How a site would stand if everybody signed in now: who meets which account, and what would be done. Pure.

Called by `sidecar.commands.migrating` with what the account flow foresees for each person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sidecar.core.accounts import Plan, Refusal
from sidecar.core.candidates import Candidate
from sidecar.core.usernames import fold, folded, is_reserved
from sidecar.domain.account import Account, Create, Join, Leave, Reactivate, Step, Update
from sidecar.domain.identity import Claim
from sidecar.domain.ledger import Pin
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason


class Status(StrEnum):
    """How somebody and the accounts fit together."""

    MATCHED = "matched"
    AMBIGUOUS = "ambiguous"
    INACTIVE = "inactive"
    RESERVED = "reserved"
    PROTECTED = "protected"
    UNMATCHED = "unmatched"
    NAMELESS = "nameless"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one person.

    Attributes:
        line: Of the list.
        subject, username: "" where the claims give none.
        account: In the application's spelling, or "".
        pin: The person's, or the one on the name.
        reason: Why the person would be kept out; `ok` where not.
        detail: A sentence for the administrator, or "".
        way: What the sign-in would do, or None without a username.
        shadowed: The directories that all have the name.
        read_only: Whether somebody said that the account's directory cannot be written.
    """

    line: int
    who: Candidate
    status: Status
    subject: str = ""
    username: str = ""
    account: Account | None = None
    pin: Pin | None = None
    reason: Reason = Reason.OK
    detail: str = ""
    way: Plan | Refusal | None = None
    shadowed: tuple[str, ...] = ()
    read_only: bool = False

    @property
    def is_linked(self) -> bool:
        """Whether the account is tied to this very person."""
        person = self.who.identity.person if self.who.identity is not None else None
        return self.pin is not None and self.pin.person == person and self.pin.username == fold(self.username)

    @property
    def plan(self) -> Plan | None:
        """What would be done; None for somebody who is kept out."""
        return self.way if isinstance(self.way, Plan) and self.reason is Reason.OK else None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of that."""
        return self.plan.steps if self.plan is not None else ()

    @property
    def fails_read_only(self) -> bool:
        """Whether a directory that cannot be written keeps the person out."""
        return self.read_only and any(isinstance(step, Reactivate) for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the application has, as far as findings need it. Names are in lower case, as the products tell them apart.

    Attributes:
        emails: Case-folded, to the accounts that have the address.
        linked: Case-folded names that are tied to a person.
        reserved, protected: Accounts that are linked by hand only.
    """

    accounts: Mapping[str, Account]
    emails: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shadowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    read_only: frozenset[str] = frozenset()
    linked: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()


def site_of(
    accounts: Mapping[str, Account],
    application: Application,
    *,
    shadowed: Mapping[str, tuple[str, ...]],
    read_only: frozenset[str],
    linked: frozenset[str],
) -> Site:
    """A site with these accounts."""
    emails: dict[str, list[str]] = {}
    reserved, protected = set(), set()
    policy, product = application.accounts, application.product
    names = policy.reserved | product.reserved_names
    guarded = folded(product.protected_groups)
    for name, one in accounts.items():
        if one.email:
            emails.setdefault(fold(one.email), []).append(one.username)
        if one.own or is_reserved(one.username, names):
            reserved.add(name)
        elif folded(one.groups) & guarded:
            protected.add(name)
    return Site(
        accounts=accounts,
        emails={email: tuple(sorted(users)) for email, users in emails.items()},
        shadowed=shadowed,
        read_only=read_only,
        linked=linked,
        reserved=frozenset(reserved),
        protected=frozenset(protected),
    )


def found(line: int, who: Candidate, way: Plan | Refusal | None, pin: Pin | None, site: Site) -> Finding:
    """What is found of somebody; whether two of them meet is looked at by `settled`."""
    subject = who.identity.person.subject if who.identity is not None else ""
    if who.order is None:
        return Finding(line=line, who=who, status=Status.NAMELESS, subject=subject, reason=who.refused, detail=who.cure)
    name = who.order.username.lower()
    account = site.accounts.get(name)
    email = who.identity.claims.get("email") if who.identity is not None else None
    status, detail = _status(email, account, way, pin, site)
    reason = who.refused
    if reason is Reason.OK and isinstance(way, Refusal):
        reason = way.reason
    return Finding(
        line=line,
        who=who,
        status=status,
        subject=subject,
        username=who.order.username,
        account=account,
        pin=pin,
        reason=reason,
        detail=detail or (way.detail if isinstance(way, Refusal) else ""),
        way=way,
        shadowed=site.shadowed.get(name, ()),
        read_only=account is not None and name in site.read_only,
    )


def _status(
    email: Claim, account: Account | None, way: Plan | Refusal | None, pin: Pin | None, site: Site
) -> tuple[Status, str]:
    reason = way.reason if isinstance(way, Refusal) else Reason.OK
    known = {
        Reason.PIN_CONFLICT: Status.AMBIGUOUS,
        Reason.ACCOUNT_RESERVED: Status.RESERVED,
        Reason.ACCOUNT_PROTECTED: Status.PROTECTED,
    }.get(reason)
    if known is not None:
        return known, ""
    if account is not None:
        return (Status.MATCHED if account.active else Status.INACTIVE), ""
    if isinstance(email, str) and pin is None:
        same = site.emails.get(fold(email), ())
        if same:
            return Status.AMBIGUOUS, f"no account has this name, but {', '.join(same)} has the e-mail address"
    return Status.UNMATCHED, ""


def settled(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, with those ambiguous whose name another line has too."""
    found = tuple(findings)
    lines: dict[str, list[int]] = {}
    for one in found:
        if one.username:
            lines.setdefault(fold(one.username), []).append(one.line)
    return tuple(_settled(one, lines.get(fold(one.username), [])) for one in found)


def _settled(finding: Finding, lines: Sequence[int]) -> Finding:
    if len(lines) < 2:
        return finding
    detail = f"lines {', '.join(map(str, lines))} make the same username; whoever comes first gets the account"
    return replace(finding, status=Status.AMBIGUOUS, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole.

    Attributes:
        steps: How many steps of each kind, `link` for accounts that would be tied to their person among them.
        joins, leaves: By group, case-folded.
        kept_out: By reason.
        skipped: People of whom groups are left alone, by reason.
        shadowed: Accounts whose name several directories have; None: the application does not tell.
        read_only: People whose account somebody said cannot be written.
        linked, reserved, protected: Accounts.
        unclaimed: Active accounts that nobody on the list has; without a list those that are tied to nobody.
        absent: Groups that would be joined and do not exist.
        unlisted: Groups that the application has and does not list.
        unread: Groups whose members cannot be asked for.
        untold: What the application does not tell, in sentences.
    """

    findings: tuple[Finding, ...]
    accounts: int
    active: int
    statuses: Mapping[str, int]
    steps: Mapping[str, int]
    joins: Mapping[str, int]
    leaves: Mapping[str, int]
    kept_out: Mapping[str, int]
    skipped: Mapping[str, int]
    shadowed: int | None
    read_only: int
    linked: int
    reserved: int
    protected: int
    unclaimed: tuple[str, ...]
    absent: tuple[str, ...]
    unlisted: int = 0
    unread: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def let_in(self) -> int:
        """How many people would be let in."""
        return len(self.findings) - sum(self.kept_out.values())


def summed(findings: Sequence[Finding], site: Site, absent: Iterable[str] = (), unlisted: int = 0) -> Report:
    """The report of all findings."""
    steps = [step for one in findings for step in one.steps]
    joins = Counter(fold(step.group) for step in steps if isinstance(step, Join))
    plans = [one.plan for one in findings if one.plan is not None]
    kinds = Counter(_word(step) for step in steps)
    kinds["link"] = sum(plan.pin is not None for plan in plans)
    claimed = {one.username.lower() for one in findings}
    linked = {name for name, one in site.accounts.items() if fold(one.username) in site.linked}
    return Report(
        findings=tuple(findings),
        accounts=len(site.accounts),
        active=sum(one.active for one in site.accounts.values()),
        statuses={status.value: sum(one.status is status for one in findings) for status in Status},
        steps={name: kinds[name] for name in ("link", "create", "reactivate", "update", "make_group", "join", "leave")},
        joins=dict(sorted(joins.items())),
        leaves=dict(sorted(Counter(fold(step.group) for step in steps if isinstance(step, Leave)).items())),
        kept_out=dict(Counter(one.reason.value for one in findings if one.reason is not Reason.OK)),
        skipped=dict(Counter(skipped.reason.value for plan in plans for skipped in plan.skipped)),
        shadowed=len(site.shadowed),
        read_only=sum(one.read_only for one in findings),
        linked=len(linked),
        reserved=len(site.reserved),
        protected=len(site.protected),
        unclaimed=tuple(
            sorted(
                one.username
                for name, one in site.accounts.items()
                if one.active and not one.own and name not in (claimed if findings else linked)
            )
        ),
        absent=tuple(sorted(set(absent) & joins.keys())),
        unlisted=unlisted,
    )


def _word(step: Step) -> str:
    match step:
        case Create():
            return "create"
        case Reactivate():
            return "reactivate"
        case Update():
            return "update"
        case Join():
            return "join"
        case Leave():
            return "leave"
        case _:
            return "make_group"
