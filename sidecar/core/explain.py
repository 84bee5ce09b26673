"""What would become of somebody with given claims, and why: every step that a sign-in and a request would take. Pure.

Called by the command `lychgate explain`. It asks the same functions as the gate; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sidecar.core.claims import freeze_claims, identity_from, is_stranger, with_userinfo
from sidecar.core.decide import Visitor, judge
from sidecar.core.groups import Fate, gifts
from sidecar.core.issuers import named_issuer
from sidecar.core.routing import locate
from sidecar.core.standing import needed_claims, standing_of
from sidecar.core.tokens import TokenFault
from sidecar.domain.decision import Decision, Deny, Forward, Kind, PassThrough, Place, RequestFacts, StartLogin
from sidecar.domain.identity import Identity, UnixSeconds
from sidecar.domain.policy import Application, Policy, Portal
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.domain.standing import Standing

_FATES = {
    Fate.GIVEN: "gives {target}, by {line}",
    Fate.PROTECTED: "gives nothing: {target} of {line} is protected, and only a line under admin gives it",
    Fate.UNSOUND: "gives nothing: what {line} makes of it is no name of a group",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was found. *reason* is why it keeps the person out; `ok` where it does not."""

    what: str
    found: str
    reason: Reason = Reason.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """About whom, and where.

    Attributes:
        claims, userinfo: As the provider gives them: JSON objects.
        target: Path and query of a page, or "" for none.
    """

    application: Application
    portal: Portal
    provider: str
    claims: Mapping[str, object]
    userinfo: Mapping[str, object]
    method: str = "GET"
    target: str = ""


def explain(question: Question, policy: Policy, now: UnixSeconds) -> Iterator[Line]:
    """The steps, in the order in which the gate takes them, up to the first that keeps the person out."""
    provider = policy.providers[question.provider]
    try:
        claims = freeze_claims(question.claims)
        if question.userinfo:
            claims = with_userinfo(claims, freeze_claims(question.userinfo), provider.groups)
        claims = {"iss": named_issuer(provider.issuer, claims) or provider.issuer, **claims}
        if is_stranger(claims, provider):
            yield Line("fence", "outside", Reason.STRANGER)
            return
        identity = identity_from(claims, provider, needed_claims(question.application))
    except TokenFault as fault:
        yield Line("token", fault.detail, Reason.TOKEN_INVALID)
        return
    yield Line("person", f"{identity.person.subject} of {identity.person.issuer}")
    yield Line("groups", "unknown" if identity.groups is None else ", ".join(identity.groups) or "none")
    session = _session(question, identity, now)
    standing = standing_of(session, policy)
    if standing is None:
        yield Line("portal", f"{question.portal.name} does not use {question.provider}", Reason.OTHER_PORTAL)
        return
    yield Line("username", standing.username or "none", standing.refused)
    yield from _portals(question, standing)
    yield from _account(question, identity, standing)
    if question.target:
        yield _request(question, session, standing, policy, now)


def _session(question: Question, identity: Identity, now: UnixSeconds) -> Session:
    return Session(
        key="0" * 64,
        application=question.application.name,
        portal=question.portal.name,
        identity=identity,
        created_at=now,
        ends_at=UnixSeconds(now + 1),
        checked_at=now,
        form_token="",
    )


def _portals(question: Question, standing: Standing) -> Iterator[Line]:
    for portal in question.application.portals:
        admission = standing.portals[portal.name]
        yield Line(f"portal {portal.name}", "open" if admission.require is Reason.OK else "closed", admission.require)
        for rule, reason in zip(portal.rules, admission.rules, strict=True):
            met = "its condition holds" if reason is Reason.OK else "its condition does not hold"
            yield Line(f"rule {rule.id}", f"{rule.answer.value}: {met}", Reason.OK)


def _account(question: Question, identity: Identity, standing: Standing) -> Iterator[Line]:
    order = standing.order
    if order is None or not question.application.accounts.enabled:
        return
    yield Line("display name", order.display_name or "left as it is")
    yield Line("e-mail", order.email or "left as it is")
    if order.groups is None:
        yield Line("application's groups", "left as they are: the provider's are unknown")
        return
    yield from _groups(identity.groups or (), question)


def _groups(known: tuple[str, ...], question: Question) -> Iterator[Line]:
    """Every group: by which line it is given, or why it is not."""
    policy, product = question.portal.groups, question.application.product
    said = list(gifts(known, policy, product.protected_groups))
    for group in known:
        mine = [gift for gift in said if gift.source == group]
        for gift in mine:
            yield Line(f"group {group}", _FATES[gift.fate].format(target=gift.target, line=gift.line))
        if not mine:
            yield Line(f"group {group}", "gives nothing: no line names it")
    for gift in (gift for gift in said if not gift.source):
        found = f"given to everybody, by {gift.line}" if gift.fate is Fate.GIVEN else _FATES[gift.fate]
        yield Line(f"group {gift.target}", found.format(target=gift.target, line=gift.line))
    for name in policy.on_create:
        yield Line(f"group {name}", "given with an account that is made now, by on_create")
    for name in policy.if_empty:
        yield Line(f"group {name}", "given to an account that would be in no group, by if_empty")


def _request(question: Question, session: Session, standing: Standing, policy: Policy, now: UnixSeconds) -> Line:
    host = question.application.host
    facts = RequestFacts(method=question.method, host=host, target=question.target, kind=Kind.NAVIGATION)
    what = f"{question.method} {question.target}"
    place = locate(facts, policy)
    if not isinstance(place, Place):
        reason = place.reason if isinstance(place, Deny) else Reason.OK
        return Line(what, type(place).__name__, reason)
    decision = judge(facts, place, Visitor(session, standing), policy, now)
    return Line(f"{what} at portal {place.portal.name}", *_told(decision))


def _told(decision: Decision) -> tuple[str, Reason]:
    match decision:
        case Forward(username=None, rule=rule):
            return f"passes as nobody, by {rule}", Reason.OK
        case Forward(username=name, rule=rule):
            return f"passes as {name}, by {rule}", Reason.OK
        case StartLogin(rule=rule, max_age=age, acr=acr):
            kinds = " or ".join(acr)
            wanted = " and ".join(text for text in (f"not older than {age} s" if age else "", kinds) if text)
            return f"leads to a sign-in{f' ({wanted})' if wanted else ''}, by {rule}", Reason.OK
        case Deny(reason=reason, rule=rule, status=status):
            return f"refused with {status}{f', by {rule}' if rule else ''}", reason
        case PassThrough():
            return "passes with its own credential", Reason.OK
        case _:
            return type(decision).__name__, Reason.OK
