"""Whatever can be wanted, be there, be noted and be allowed: for the properties of plans. And an application with a
ledger that carries plans out as documented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from sidecar.core.accounts import Plan, Refusal
from sidecar.domain.account import (
    Account,
    AccountOrder,
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
from sidecar.domain.policy import AccountPolicy, GroupMapping, GroupPolicy
from tests.core.plans import ACCOUNT, ALL, ORDER, OURS, PIN, THEN, planned

PORTALS = ("agents", "support")
POOL = ("a", "b", "by-hand", "jira-x", "jira-y", "new", "guests", "vault", "jira-administrators")
PROTECTED = frozenset({"Vault", "jira-administrators"})

NAMES = st.sampled_from(POOL)
SETS = st.frozensets(NAMES)
SPELT = st.builds(lambda name, loud: name.upper() if loud else name, NAMES, st.booleans())


def often(usual: object, *rare: object) -> st.SearchStrategy[Any]:
    """Mostly the usual, now and then one of the rare."""
    return st.sampled_from([usual] * (3 * len(rare)) + list(rare))


@dataclass(frozen=True)
class Line:
    """A line of a policy in words that need no engine: a head and a tail with anything between, or one name."""

    head: str
    tail: str | None

    def mapping(self) -> GroupMapping:
        if self.tail is None:
            return GroupMapping(source="whoever", target=self.head, exact=True)
        return GroupMapping(source="(.*)", target=f"{self.head}$1{self.tail}")

    def names(self, group: str) -> bool:
        """Whether it can name a lower-case group."""
        if self.tail is None:
            return group == self.head.lower()
        room = len(group) >= len(self.head) + len(self.tail)
        return room and group.startswith(self.head.lower()) and group.endswith(self.tail.lower())


LINES = st.one_of(
    st.builds(Line, SPELT, st.none()),
    st.builds(Line, st.sampled_from(["jira-", "J", "by-", ""]), st.sampled_from(["", "x", "-hand"])),
)


@dataclass(frozen=True)
class Rules:
    """A group policy, and what it is in plain words."""

    policy: GroupPolicy
    lines: tuple[Line, ...]
    listed: frozenset[str]
    prefixes: tuple[str, ...]
    admin: frozenset[str]

    def names(self, group: str) -> bool:
        """Whether any line can name a lower-case group."""
        known = {name.lower() for name in self.listed | self.admin}
        by_line = any(line.names(group) for line in self.lines)
        return group in known or by_line or any(group.startswith(prefix) for prefix in self.prefixes)

    def untouchable(self, group: str) -> bool:
        """Whether a lower-case group is neither joined nor left."""
        return group in {name.lower() for name in PROTECTED - self.admin}


def _distinct(names: frozenset[str]) -> tuple[str, ...]:
    """As a check demands: no group twice."""
    return tuple(sorted({name.lower(): name for name in sorted(names)}.values()))


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    """Any lines, any caps."""
    lines = tuple(draw(st.lists(LINES, max_size=2)))
    listed = draw(st.frozensets(SPELT, max_size=2))
    prefixes = tuple(draw(st.sets(st.sampled_from(["jira-", "by"]), max_size=1)))
    admin = draw(st.sampled_from([frozenset[str](), frozenset({"jira-administrators"}), PROTECTED]))
    mapping = [line.mapping() for line in lines]
    mapping += [GroupMapping(source="root", target=name, exact=True, admin=True) for name in sorted(admin)]
    policy = GroupPolicy(
        mapping=tuple(mapping),
        table={"6f": tuple(sorted(listed))} if listed else {},
        as_is=prefixes,
        on_create=_distinct(draw(st.frozensets(SPELT, max_size=2))),
        if_empty=_distinct(draw(st.frozensets(SPELT, max_size=2))),
        needed=draw(SETS),
        admin=admin,
        protected=PROTECTED,
        remove=draw(often(Removal.OWNED, Removal.MAPPED, Removal.MAPPED, Removal.NEVER)),
        max_removals=draw(often(10, 0, 1, 2)),
    )
    return Rules(policy, lines, listed, prefixes, admin)


ORDERS = st.builds(
    lambda groups, known, portal, name: replace(
        ORDER,
        portal=portal,
        groups=tuple(sorted(groups)) if known else None,
        needed=tuple(sorted(groups))[:1] if known else (),
        display_name=name,
    ),
    st.frozensets(NAMES, max_size=4),
    often(True, False),
    often("agents", "support"),
    st.sampled_from(["Alice", "Alice Archer", None]),
)
PINS = often(PIN, replace(PIN, created=False), None)
POLICIES = st.builds(
    lambda reactivate, update: replace(ALL, reactivate=reactivate, update=frozenset(update)),
    often(Reactivation.ANY, Reactivation.OURS, Reactivation.NEVER),
    st.sets(st.sampled_from(["display_name", "email"])),
)


@dataclass(frozen=True)
class Site:
    """An application with one account, and the ledger beside it."""

    account: Account | None
    pin: Pin | None
    owned: tuple[OwnedGroup, ...]
    deactivation: Deactivation | None
    policy: AccountPolicy

    def plan(self, order: AccountOrder, groups: GroupPolicy) -> Plan | Refusal:
        """What is to be done for *order*."""
        return planned(
            order, self.account, self.pin, owned=self.owned, deactivation=self.deactivation,
            policy=self.policy, groups=groups,
        )  # fmt: skip

    def carried_out(self, plan: Plan, order: AccountOrder, steps: int | None = None) -> Site:
        """With the first *steps* done, or all. What is noted before anything is tried is noted in any case."""
        noted = {(entry.group, entry.portal): entry for entry in self.owned if entry.group not in plan.forget}
        noted |= {(entry.group, entry.portal): replace(entry, pending=False) for entry in plan.confirm}
        for step in plan.steps:
            if isinstance(step, Join) and step.once:
                noted |= _noted(step, order, pending=True)
        account, deactivation = self.account, self.deactivation
        for step in plan.steps[:steps]:
            if isinstance(step, Join):
                noted |= _noted(step, order, pending=False)
            elif isinstance(step, Leave):
                noted = {key: entry for key, entry in noted.items() if entry.group != step.group.lower()}
            elif isinstance(step, Reactivate):
                deactivation = None
            account = _after(account, step)
        pin = self.pin
        if plan.pin is not None:
            pin = replace(PIN, created=plan.pin.created)
        return replace(self, account=account, pin=pin, owned=tuple(noted.values()), deactivation=deactivation)

    @property
    def groups(self) -> frozenset[str]:
        """The groups of the account, in lower case."""
        return frozenset(group.lower() for group in (self.account.groups if self.account else ()))


def _entry(group: str, portal: str, *, pending: bool, once: bool) -> OwnedGroup:
    return OwnedGroup(
        application="jira", username="alice", group=group, portal=portal, at=THEN, pending=pending, once=once
    )


NOTES = often((("agents", False, False),), (("support", False, False),), (("agents", False, True),))
NOTES_TOO = st.sampled_from([(), (("agents", True, False),), (("agents", False, False), ("support", False, False))])


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """An account in some groups, each of them noted or not; notes of groups in which it is no more, or not yet."""
    spelt = draw(st.frozensets(SPELT, max_size=5))
    groups = {name.lower(): name for name in spelt}
    if draw(often(True, False)):
        groups = {group: name for group, name in groups.items() if group not in lower(tuple(PROTECTED))}
    notes = {group: draw(st.one_of(NOTES, NOTES_TOO)) for group in sorted(groups)}
    notes |= {name: (("agents", True, True),) for name in draw(st.sets(NAMES, max_size=2)) if name not in groups}
    entries = tuple(
        OwnedGroup(
            application="jira", username="alice", group=group, portal=portal, at=THEN, pending=pending, once=once
        )
        for group, noted in sorted(notes.items())
        for portal, pending, once in noted
    )
    account = replace(
        ACCOUNT,
        username=draw(st.sampled_from(["alice", "Alice"])),
        active=draw(often(True, False)),
        groups=frozenset(groups.values()),
    )
    there = draw(often(True, False))
    return Site(account if there else None, draw(PINS), entries, draw(st.sampled_from([None, OURS])), draw(POLICIES))


SITES = sites()


def _noted(step: Join, order: AccountOrder, *, pending: bool) -> dict[tuple[str, str], OwnedGroup]:
    entry = _entry(step.group.lower(), order.portal, pending=pending, once=step.once)
    return {(entry.group, entry.portal): entry}


def _after(account: Account | None, step: Step) -> Account:
    if isinstance(step, Create):
        assert account is None
        return replace(ACCOUNT, display_name=step.display_name, email=step.email, groups=frozenset())
    assert account is not None
    match step:
        case Reactivate():
            return replace(account, active=True)
        case Update():
            name, email = step.display_name or account.display_name, step.email or account.email
            return replace(account, display_name=name, email=email)
        case Join():
            assert step.group.lower() not in {group.lower() for group in account.groups}
            return replace(account, groups=account.groups | {step.group})
        case Leave():
            assert step.group in account.groups
            return replace(account, groups=account.groups - {step.group})
        case _:
            raise AssertionError(step)


def joined(plan: Plan) -> list[str]:
    """Lower-case groups that are joined."""
    return [step.group.lower() for step in plan.steps if isinstance(step, Join)]


def left(plan: Plan) -> list[str]:
    """Lower-case groups that are left."""
    return [step.group.lower() for step in plan.steps if isinstance(step, Leave)]


def lower(names: Sequence[str]) -> frozenset[str]:
    """All of them in lower case."""
    return frozenset(name.lower() for name in names)
