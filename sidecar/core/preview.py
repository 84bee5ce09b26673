"""What somebody would see of their own sign-in, line by line with the reason: claims, username, groups, account, plan.

Called for the test page. Pure, and nothing is decided here: it tells what `core.standing` and `core.accounts` found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from sidecar.core.accounts import Plan, Refusal
from sidecar.core.groups import Fate, Gift, gifts, givers
from sidecar.core.usernames import fold
from sidecar.domain.account import (
    Account,
    AccountOrder,
    Create,
    Deactivate,
    Join,
    Leave,
    MakeGroup,
    Reactivate,
    Step,
    Update,
)
from sidecar.domain.identity import Claim, Identity
from sidecar.domain.ledger import Deactivation
from sidecar.domain.policy import Application, Portal
from sidecar.domain.reason import Reason
from sidecar.domain.standing import Standing

LONGEST = 500
"""Characters that are shown of one claim."""


@dataclass(frozen=True, slots=True)
class Told:
    """One line. *why* is a sentence, or ""; *reason*: `ok`, or the word of what stands in the way."""

    what: str
    found: str
    why: str = ""
    reason: Reason = Reason.OK


@dataclass(frozen=True, slots=True)
class Chapter:
    """Lines under one heading. *none* is said where there are none."""

    title: str
    lines: tuple[Told, ...]
    none: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found at the application. *fault*: why there was no look, with *detail*."""

    way: Plan | Refusal | None = None
    managed: bool = True
    account: Account | None = None
    deactivation: Deactivation | None = None
    fault: Reason = Reason.OK
    detail: str = ""


def chapters(
    identity: Identity, standing: Standing, application: Application, portal: Portal, look: Look | None
) -> tuple[Chapter, ...]:
    """All of it, in the order in which a sign-in takes its steps. *look*: None without a username."""
    given = givers(identity.groups or (), portal.groups, application.product.protected_groups)
    found = [
        Chapter("What the sign-in service says", tuple(_claims(identity))),
        Chapter("Your user name", (_username(identity, standing, portal),)),
        Chapter("Your groups there, and what they give here", tuple(_groups(identity, application, portal))),
    ]
    if standing.order is not None and look is not None:
        if application.accounts.enabled:
            found.append(Chapter("The account as it should be", tuple(_wanted(standing.order, given))))
            found.append(Chapter("The account as it is", tuple(_actual(look)), "there is no account of this name"))
        none = "nothing: all is as it should be" if look.managed else "nothing: accounts are not managed here"
        found.append(Chapter("What a sign-in would do now", tuple(_plan(look, given)), none))
    return tuple(found)


def _claims(identity: Identity) -> Iterator[Told]:
    yield Told("issuer", identity.person.issuer)
    yield Told("subject", identity.person.subject, "issuer and subject are who you are; names may change")
    for name, value in sorted(identity.claims.items()):
        yield Told(name, _text(value))
    if identity.acr is not None:
        yield Told("acr", identity.acr)


def _text(value: Claim) -> str:
    text = value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _plain(value: Claim) -> object:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return {name: _plain(part) for name, part in value.items()} if isinstance(value, Mapping) else value


def _username(identity: Identity, standing: Standing, portal: Portal) -> Told:
    mapping = portal.names_of(identity.provider)
    source = next((name for name in mapping.claims if name in identity.claims), None)
    if source is None:
        asked = ", ".join(mapping.claims)
        return Told("user name", "none", f"none of the claims is there that are asked for: {asked}", standing.refused)
    changes = [f"{source} is the first of {', '.join(mapping.claims)} that is there"]
    if mapping.strip_domain:
        changes.append(f"the domain is cut off ({', '.join(mapping.strip_domain)})")
    if mapping.prefix:
        changes.append(f"{mapping.prefix} is put in front")
    return Told("user name", standing.username or "none", "; ".join(changes), standing.refused)


def _groups(identity: Identity, application: Application, portal: Portal) -> Iterator[Told]:
    if identity.groups is None:
        why = "the claim is missing, cut short or malformed; unknown groups change nothing"
        yield Told("groups", "unknown", why, Reason.GROUPS_UNKNOWN)
        return
    all_gifts = gifts(identity.groups, portal.groups, application.product.protected_groups)
    found = tuple(gift for gift in all_gifts if gift.source)
    for group in identity.groups:
        mine = [gift for gift in found if gift.source == group]
        given = [gift.target for gift in mine if gift.fate is Fate.GIVEN]
        gives = f"gives {', '.join(given)}" if given else "ignored"
        why = "; ".join(map(_kept_back, (gift for gift in mine if gift.fate is not Fate.GIVEN)))
        yield Told(group, gives, why if mine else "no line of the configuration names it")


def _kept_back(gift: Gift) -> str:
    if gift.fate is Fate.PROTECTED:
        return f"{gift.target}: protected, so only an exact line under admin gives it"
    return f"what {gift.line} makes of it is no name of a group"


def _wanted(order: AccountOrder, given: Mapping[str, tuple[str, ...]]) -> Iterator[Told]:
    yield Told("name", order.display_name or "left as it is")
    yield Told("e-mail", order.email or "left as it is")
    if order.groups is None:
        yield Told("groups", "left as they are", "the provider's are unknown", Reason.GROUPS_UNKNOWN)
        return
    for group in order.groups:
        needed = "; without it nobody is let in" if group in order.needed else ""
        yield Told("group", group, _given_by(group, given) + needed)


def _given_by(group: str, given: Mapping[str, tuple[str, ...]]) -> str:
    sources = given.get(fold(group))
    return f"given by {', '.join(sources)}" if sources else "given by the configuration"


def _actual(look: Look) -> Iterator[Told]:
    account = look.account
    if account is None:
        if look.fault is not Reason.OK:
            yield Told("account", "unknown", look.detail, look.fault)
        return
    yield Told("user name", account.username)
    yield Told("name", account.display_name)
    yield Told("e-mail", account.email)
    ours = "Lychgate made it inactive" if look.deactivation is not None else "somebody else made it inactive"
    yield Told("active", "yes" if account.active else "no", "" if account.active else ours)
    for group in sorted(account.groups):
        yield Told("group", group)


def _plan(look: Look, given: Mapping[str, tuple[str, ...]]) -> Iterator[Told]:
    way = look.way
    if way is None:
        yield Told("plan", "none", look.detail, look.fault)
        return
    if isinstance(way, Refusal):
        yield Told("refused", "you would not be let in", way.detail, way.reason)
        return
    if way.pin is not None:
        why = (
            "it is there already, and the provider's names are believed" if way.adopted else "it is yours from then on"
        )
        yield Told("link", way.pin.spelling, why)
    for step in way.steps:
        yield _step(step, look, given)
    for skipped in way.skipped:
        found = f"left alone: {', '.join(skipped.groups)}" if skipped.groups else "left alone"
        yield Told("groups", found, "they are not taken away now", skipped.reason)


def _step(step: Step, look: Look, given: Mapping[str, tuple[str, ...]]) -> Told:
    match step:
        case Create():
            return Told("create", step.username, "there is no account of this name")
        case Reactivate():
            ours = "Lychgate made it inactive" if look.deactivation is not None else "the site wakes every account"
            return Told("reactivate", step.username, ours)
        case Update():
            values = {"name": step.display_name, "e-mail": step.email}
            changed = ", ".join(f"{name}: {value}" for name, value in values.items() if value is not None)
            return Told("update", changed, "the provider says otherwise")
        case MakeGroup():
            return Told("make group", step.group, "it is missing")
        case Join():
            return Told("join", step.group, _given_by(step.group, given))
        case Leave():
            return Told("leave", step.group, "nothing gives it any more, and it may be taken away")
        case Deactivate():
            return Told("deactivate", step.username)
        case _:
            assert_never(step)
