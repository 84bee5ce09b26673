"""The introduction to a living site: a report over everybody, pins and memberships taken over from a list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from sidecar.commands.beside import intended, must_be_initialised
from sidecar.commands.doors import Door, QuestionError
from sidecar.commands.everybody import Row
from sidecar.commands.looking import Sight, sight
from sidecar.config.load import Loaded
from sidecar.core.accounts import Plan, Refusal
from sidecar.core.candidates import Candidate, candidate
from sidecar.core.patterns import matches
from sidecar.core.report import Finding, Report, Status, found, settled, site_of, summed
from sidecar.core.usernames import fold, folded
from sidecar.domain.account import Removal
from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.journal import Deed, Entry
from sidecar.domain.ledger import OwnedGroup, Pin
from sidecar.domain.reason import Reason
from sidecar.flows.account_steps import entry_of
from sidecar.flows.accounts import Registry
from sidecar.flows.listing import Lists, Roll, RollConnector, read_roll
from sidecar.flows.provisioning import Accounts

_AT_ONCE = 50
"""People who are looked at at the same time."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A line that is left alone, and why."""

    line: int
    subject: str
    why: str


@dataclass(frozen=True, slots=True)
class Linked:
    """What `migrate link` does."""

    pins: tuple[Pin, ...]
    already: int
    passed: tuple[Passed, ...]


@dataclass(frozen=True, slots=True)
class Adopted:
    """What `migrate adopt-groups` does."""

    owned: tuple[OwnedGroup, ...]
    passed: tuple[Passed, ...]


async def reported(loaded: Loaded, door: Door, rows: Sequence[Row], read_only: frozenset[str] = frozenset()) -> Report:
    """How the site would stand if everybody in *rows* signed in now. Nothing is changed.

    Raises:
        QuestionError: the application's accounts cannot be listed.
        AccountError, StateError: the application or the state did not answer.
    """
    async with sight(loaded, door.application, apply=False) as at:
        return await _report(at, door, rows, read_only)


async def link_everybody(loaded: Loaded, door: Door, rows: Sequence[Row], *, apply: bool) -> Linked:
    """Tie to everybody in *rows* the ordinary account that has their name. Each line by itself: what does not fit is
    passed over and told.

    Raises:
        QuestionError, AccountError, AuditError, StateError: nothing was changed.
    """
    async with sight(loaded, door.application, apply=apply) as at:
        await must_be_initialised(at.state, door.application.name)
        report = await _report(at, door, rows)
        held = {pin.key: pin for pin in await at.state.ledger.pins(door.application.name) if pin.key is not None}
        pins: list[Pin] = []
        passed: list[Passed] = []
        already = 0
        for one in report.findings:
            why = _why_not(one, held)
            if one.is_linked:
                already += 1
            elif why or one.account is None or one.who.identity is None:
                passed.append(Passed(one.line, one.subject, why))
            else:
                pin = Pin(
                    application=door.application.name,
                    username=fold(one.account.username),
                    spelling=one.account.username,
                    person=one.who.identity.person,
                    created=False,
                    at=at.clock.now(),
                    key=one.account.key,
                )
                pins.append(pin)
        if apply:
            await _link(at, pins)
        return Linked(tuple(pins), already, tuple(passed))


async def adopt_groups(loaded: Loaded, door: Door, rows: Sequence[Row], pattern: str, *, apply: bool) -> Adopted:
    """Make memberships that are there already Lychgate's own: those of linked people, in groups that their claims give
    them too, where *pattern* matches the whole name of the application's group.

    Raises:
        QuestionError, AccountError, AuditError, StateError: nothing was changed.
    """
    async with sight(loaded, door.application, apply=apply) as at:
        await must_be_initialised(at.state, door.application.name)
        report = await _report(at, door, rows)
        owned: list[OwnedGroup] = []
        passed: list[Passed] = []
        for one in report.findings:
            if not one.is_linked:
                passed.append(Passed(one.line, one.subject, "is not linked; run `lychgate migrate link` first"))
                continue
            owned += await _adoptable(at, door, one, pattern)
        if apply:
            await _own(at, owned)
        return Adopted(tuple(owned), tuple(passed))


def _why_not(one: Finding, held: dict[str, Pin]) -> str:
    """Why an account is not tied by a list; "" if it is."""
    if one.who.order is None:
        return f"no username: {one.reason.value}"
    if one.status in {Status.AMBIGUOUS, Status.RESERVED, Status.PROTECTED}:
        return f"{one.status.value}: {one.detail}"
    if one.account is None:
        return "no account has this name"
    key = one.account.key
    if key in held:
        return f"the account is linked already, as {held[key].spelling}"
    reason = one.way.reason if isinstance(one.way, Refusal) else Reason.OK
    if reason in {Reason.ACCOUNT_ABSENT, Reason.LEDGER_UNUSABLE}:
        return one.detail
    return ""


async def _adoptable(at: Sight, door: Door, one: Finding, pattern: str) -> list[OwnedGroup]:
    order, account = one.who.order, one.account
    if order is None or account is None or not order.groups or one.status is Status.AMBIGUOUS:
        return []
    name, portal = fold(account.username), door.portal
    known = {entry.group for entry in await at.state.ledger.owned(order.application, name)}
    guarded = folded(portal.groups.protected | door.application.product.protected_groups) - folded(portal.groups.admin)
    mine = (folded(account.groups) & folded(order.groups)) - known - guarded
    return [
        OwnedGroup(application=order.application, username=name, group=group, portal=portal.name, at=at.clock.now())
        for group in sorted(mine)
        if matches(f"(?i:{pattern})", group)
    ]


async def _report(at: Sight, door: Door, rows: Sequence[Row], read_only: frozenset[str] = frozenset()) -> Report:
    if not isinstance(at.connector, Lists):
        raise QuestionError(f"the accounts of {door.application.name} cannot be listed")
    application, now = door.application, at.clock.now()
    whos = [
        (row.line, candidate(row.claims, application, door.portal, door.provider, at.loaded.policy, now))
        for row in rows
    ]
    roll = await _roll(at, door, [who for _, who in whos])
    linked = frozenset(pin.username for pin in await at.state.ledger.pins(application.name))
    site = site_of(roll.accounts, application, shadowed=roll.shadowed or {}, read_only=read_only, linked=linked)
    registry = at.connector if isinstance(at.connector, Registry) else None
    accounts, gate = at.accounts(RollConnector(roll, registry)), asyncio.Semaphore(_AT_ONCE)

    async def one(line: int, who: Candidate) -> Finding:
        async with gate:
            way, pin = await _foreseen(accounts, at, who)
        return found(line, who, way, pin, site)

    findings = settled(await asyncio.gather(*(one(line, who) for line, who in whos)))
    report = summed(findings, site, roll.absent, roll.unlisted)
    shadowed = report.shadowed if roll.shadowed is not None else None
    return replace(report, shadowed=shadowed, unread=roll.unread, untold=roll.untold)


async def _foreseen(accounts: Accounts, at: Sight, who: Candidate) -> tuple[Plan | Refusal | None, Pin | None]:
    if who.order is None or who.identity is None:
        return None, None
    foreseen = await accounts.foresee(who.order, who.identity)
    seen = foreseen.seen
    return foreseen.way, (seen.pin or seen.pin_on_name) if seen is not None else None


async def _roll(at: Sight, door: Door, whos: Sequence[Candidate]) -> Roll:
    """The accounts, with their memberships in every group that a plan could ask for."""
    if not isinstance(at.connector, Lists):
        raise QuestionError(f"the accounts of {door.application.name} cannot be listed")
    policy, product = door.portal.groups, door.application.product
    named = set(await at.state.ledger.owned_groups(door.application.name))
    named |= product.protected_groups | policy.protected | policy.admin
    for who in whos:
        named.update(who.order.groups or () if who.order is not None else ())
    # With `mapped`, any group that a line can name may be left, whoever gave it.
    return await read_roll(at.connector.listing(), named, every=policy.remove is Removal.MAPPED)


async def _link(at: Sight, pins: Sequence[Pin]) -> None:
    for pin in pins:
        await at.audit.sure(intended("link", pin.application, pin.person, pin.spelling))
    await at.state.ledger.pin_all(pins, [entry_of(pin) for pin in pins])
    for pin in pins:
        about = partial(Event, person=pin.person, username=pin.username, application=pin.application)
        facts: dict[str, Fact] = {"cause": "command", "account": pin.spelling, "created": False}
        at.audit.tell(about(code=Code.USER_LINKED, facts=facts))


async def _own(at: Sight, owned: Sequence[OwnedGroup]) -> None:
    entries = [
        Entry(
            application=one.application,
            username=one.username,
            deed=Deed.ADOPT,
            at=one.at,
            group=one.group,
            after={"portal": one.portal},
        )
        for one in owned
    ]
    for one in owned:
        event = intended("adopt", one.application, None, one.username)
        await at.audit.sure(event)
    await at.state.ledger.own_all(owned, entries)
    for one in owned:
        facts = {"cause": "command", "account": one.username, "group": one.group}
        about = partial(Event, username=one.username, application=one.application, portal=one.portal)
        at.audit.tell(about(code=Code.GROUP_ADOPTED, facts=facts))
