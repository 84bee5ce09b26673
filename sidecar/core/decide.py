"""The decision: what becomes of a request, and why. Start reading here.

Refuses unless every step says yes; the last line of `_by_session` is the only one that lets a person in. The order is
part of the contract: whoever has no session learns nothing about names, nor about rules that ask for a person.
A path with several readings is judged once for each, and the strictest answer counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qs, quote

from sidecar.core.ages import ClaimsAge, is_stepped_up
from sidecar.core.credentials import credential_kind
from sidecar.core.departures import PAGES, again, back_to, no_session
from sidecar.core.issuers import issuers_of
from sidecar.core.passwords import query_has
from sidecar.core.routing import OWN_PREFIX
from sidecar.core.traits import is_unconditional, takes
from sidecar.domain.decision import Decision, Deny, Forward, Kind, PassThrough, Place, RequestFacts, SignOut, StartLogin
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Answer, Mode, Policy, Portal, Rule
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.domain.standing import Admission, Standing


@dataclass(frozen=True, slots=True)
class Visitor:
    """A live session and how it stands.

    Attributes:
        renew: Its claims or its life should be renewed silently at the next navigation.
        claims: How old its claims are.
        unconfirmed: The provider does not confirm it without asking the person.
        by_token: It is that of a verified access token: the person's claims count beside an `Authorization` field.
        vouched: Whether the state answered lately; else nobody knows whether the session was ended elsewhere.
    """

    session: Session
    standing: Standing
    renew: bool = False
    claims: ClaimsAge = ClaimsAge.CURRENT
    unconfirmed: bool = False
    by_token: bool = False
    vouched: bool = True


def decide(
    facts: RequestFacts,
    place: Place,
    visitor: Visitor | None,
    policy: Policy,
    now: UnixSeconds,
    *,
    trying: bool = False,
) -> Decision:
    """Say what becomes of a request.

    Args:
        facts: The request.
        place: Where `core.routing.locate` found it to belong.
        visitor: The browser's live session for the place's application; beside an `Authorization` field, the person
            for whom a verified access token speaks (`flows.callers`); or None.
        policy: The snapshot.
        now: Seconds.
        trying: The browser asked for enforcement of an observed portal (`/.lychgate/try`).
    """
    mode = place.portal.mode
    if mode is Mode.OFF:
        return PassThrough(place=place, transparent=True, credential="", rule="mode/off")
    decision = judge(facts, place, visitor, policy, now)
    if mode is Mode.OBSERVE and not trying:
        return PassThrough(place=place, transparent=True, credential="", rule="mode/observe", observed=decision)
    return decision


def judge(facts: RequestFacts, place: Place, visitor: Visitor | None, policy: Policy, now: UnixSeconds) -> Decision:
    """The decision of a portal in force."""
    decision = _before_anybody(facts, place, visitor)
    if decision is not None:
        return decision
    if _is_upgrade(facts):
        decision = _upgrade(facts, place)
        if decision is not None:
            return decision
    elif facts.authorization is not None:
        return _by_credential(facts, place, visitor, policy, now)
    decision = _at_log_in(facts, place, visitor)
    if decision is not None:
        return decision
    if place.shared == "static" and not _is_upgrade(facts):
        return Forward(place=place, username=None, order=None, rule="product/static", extends_idle=False)
    return _by_rules(facts, place, visitor, policy, now)


def _is_upgrade(facts: RequestFacts) -> bool:
    """Only this one is ever forwarded; to other values of `Upgrade` the request is an ordinary one (D7)."""
    return facts.upgrade is not None and facts.upgrade.lower() == "websocket"


def _before_anybody(facts: RequestFacts, place: Place, visitor: Visitor | None) -> Decision | None:
    """What is refused, or ours, whoever asks."""
    if place.traits.closed:
        return Deny(status=403, reason=Reason.CLOSED_PATH, place=place, rule="product/closed")
    if query_has(facts.query, place.application.product.password_fields):
        return Deny(status=403, reason=Reason.PASSWORD_LOGIN, place=place, rule="product/password")
    if place.traits.logout:
        return SignOut(place=place)
    if place.traits.password and facts.method not in {"GET", "HEAD", "DELETE"}:
        return Deny(status=403, reason=Reason.PASSWORD_LOGIN, place=place, rule="product/password")
    for matching in place.traits.matching:
        denial = _closed_by_rule(facts, place, visitor, matching)
        if denial is not None:
            return denial
    return None


def _closed_by_rule(
    facts: RequestFacts, place: Place, visitor: Visitor | None, matching: tuple[int, ...]
) -> Decision | None:
    """A denial that asks nothing of the person holds for machines and strangers too."""
    for number in matching:
        rule = place.portal.rules[number]
        if not takes(rule, facts.method):
            continue
        if rule.answer is not Answer.DENY:
            return None
        if is_unconditional(rule) or (facts.authorization is not None and not _speaks_for_somebody(visitor)):
            # Such a credential shows no claims: whom a ban is meant for cannot be told, so it holds.
            return Deny(status=403, reason=Reason.RULE_DENIED, place=place, rule=rule.id)
    return None


def _upgrade(facts: RequestFacts, place: Place) -> Decision | None:
    """RFC 6455, section 4.2.1, and rule 59. Other `Upgrade` values are removed, not judged."""
    if not facts.websocket:
        return Deny(status=400, reason=Reason.UPGRADE_REFUSED, place=place)
    if facts.origin is None or facts.origin.lower() != place.application.origin:
        return Deny(status=403, reason=Reason.ORIGIN_MISMATCH, place=place)
    if facts.authorization is not None:
        return Deny(status=401, reason=Reason.CREDENTIAL_NOT_HERE, place=place)
    return None


def _by_credential(
    facts: RequestFacts, place: Place, visitor: Visitor | None, policy: Policy, now: UnixSeconds
) -> Decision:
    """D6: the session is not read; the credential alone goes on, and only where machines call."""
    kind = credential_kind(facts.authorization or "", _issuers(policy))
    if kind == "unknown":
        return Deny(status=401, reason=Reason.CREDENTIAL_UNKNOWN, place=place, rule="api")
    if kind == "jwt_of_provider":
        return _by_token(facts, place, visitor, policy, now)
    if not place.traits.machine:
        return Deny(status=401, reason=Reason.CREDENTIAL_NOT_HERE, place=place, rule="api")
    if kind not in place.application.api.passes:
        return Deny(status=401, reason=Reason.CREDENTIAL_DENIED, place=place, rule=f"api/{kind}")
    return PassThrough(place=place, transparent=False, credential=kind, rule=f"api/{kind}")


def _by_token(facts: RequestFacts, place: Place, visitor: Visitor | None, policy: Policy, now: UnixSeconds) -> Decision:
    """An access token of a provider: judged as its person, only where machines call, and never sent to sign in."""
    if place.application.api.jwt is None:
        return Deny(status=401, reason=Reason.TOKEN_NOT_ACCEPTED, place=place, rule="api")
    if not place.traits.machine:
        return Deny(status=401, reason=Reason.CREDENTIAL_NOT_HERE, place=place, rule="api/jwt")
    if visitor is None or not visitor.by_token:
        return Deny(status=401, reason=Reason.TOKEN_NOT_ACCEPTED, place=place, rule="api/jwt")
    decision = _by_rules(facts, place, replace(visitor, renew=False), policy, now)
    if isinstance(decision, StartLogin):
        return Deny(status=401, reason=Reason.STEP_UP_NEEDED, place=place, rule=decision.rule)
    return decision


def _speaks_for_somebody(visitor: Visitor | None) -> bool:
    return visitor is not None and visitor.by_token


def _issuers(policy: Policy) -> set[str]:
    """Whose tokens are no keys to an application: the providers', and our own proofs of a landing (rule 44)."""
    ours = {f"{known.origin}{known.context}{OWN_PREFIX}" for known in policy.applications.values()}
    return ours.union(*(issuers_of(provider) for provider in policy.providers.values()))


def _at_log_in(facts: RequestFacts, place: Place, visitor: Visitor | None) -> Decision | None:
    """The product's own log-in page is turned into our sign-in (D12), and never into a circle (D14)."""
    traits = place.traits
    if not (traits.login or traits.password) or facts.method not in {"GET", "HEAD"}:
        return None
    if not traits.login:
        if facts.kind in PAGES:
            return Deny(status=403, reason=Reason.PASSWORD_LOGIN, place=place, rule="product/password")
        return None
    if visitor is None:
        return no_session(facts, place, "product/log-in", _wanted(facts, place))
    reason = Reason.LANDING_FAILED if _is_let_in(place, visitor.session) else Reason.OTHER_PORTAL
    return Deny(status=403, reason=reason, place=place, rule="product/log-in")


def _wanted(facts: RequestFacts, place: Place) -> str:
    """The page that the product's log-in page was to lead to."""
    application, portal = place.application, place.portal
    product, context = application.product, application.context
    fields = parse_qs(facts.query) if facts.query.count("&") < 50 else {}
    target = next((fields[name][0] for name in product.login_target if name in fields), "")
    if portal.prefixes and not target.startswith("/"):
        # The customers' log-in page names its targets from the portal's own root.
        target = f"{portal.prefixes[0]}/{target}" if target else portal.start
    if not target:
        return back_to(None, place)
    if not target.startswith(context + "/"):
        target = context + target
    # `parse_qs` has decoded it once; what a request line cannot carry is encoded again.
    return back_to(quote(target, safe="/?&=%:@!$'()*+,;~#[]"), place)


def _by_rules(facts: RequestFacts, place: Place, visitor: Visitor | None, policy: Policy, now: UnixSeconds) -> Decision:
    if place.traits.public and not _is_upgrade(facts):
        # Application links ask some endpoints before they have a credential; only where their profile is declared.
        return Forward(place=place, username=None, order=None, rule="machine/public", extends_idle=False)
    if visitor is not None and visitor.standing.policy != policy.hash:
        # The policy was replaced while the session was being found: its verdicts belong to other rules.
        return Deny(status=503, reason=Reason.INTERNAL, place=place)
    matching = place.traits.matching
    if len(matching) == 1:
        return _by_reading(facts, place, matching[0], visitor, now)
    return max((_by_reading(facts, place, numbers, visitor, now) for numbers in matching), key=_strictness)


def _strictness(decision: Decision) -> int:
    match decision:
        case Forward(username=None):
            return 0
        case Forward():
            return 1
        case StartLogin(silent=True):
            return 2
        case StartLogin() | Deny(status=401):
            return 3
        case _:
            return 4


def _by_reading(
    facts: RequestFacts, place: Place, matching: tuple[int, ...], visitor: Visitor | None, now: UnixSeconds
) -> Decision:
    """The answer to one reading of the path; *matching* are the rules whose paths it matches."""
    admission = visitor.standing.portals.get(place.portal.name) if visitor is not None else None
    number = _rule_for(facts, place.portal, matching, admission)
    rule = place.portal.rules[number] if number is not None else None
    rule_id = rule.id if rule is not None else f"{place.portal.name}/default"
    if rule is not None and rule.answer is Answer.PUBLIC and not _is_upgrade(facts):
        calm = replace(visitor, renew=False, unconfirmed=False) if visitor is not None else None
        known = _by_session(facts, place, calm, number, now) if calm is not None else None
        if isinstance(known, Forward):
            return known
        return Forward(place=place, username=None, order=None, rule=rule_id, extends_idle=False)
    if visitor is None:
        return no_session(facts, place, rule_id, back_to(facts.target, place))
    return _by_session(facts, place, visitor, number, now)


def _rule_for(
    facts: RequestFacts, portal: Portal, matching: tuple[int, ...], admission: Admission | None
) -> int | None:
    """Number of the first rule that matches; a denial counts only for those whom its condition meets."""
    for number in matching:
        rule = portal.rules[number]
        if not takes(rule, facts.method):
            continue
        if rule.answer is Answer.DENY and (admission is None or admission.rules[number] is not Reason.OK):
            continue
        return number
    return None


def _by_session(facts: RequestFacts, place: Place, visitor: Visitor, number: int | None, now: UnixSeconds) -> Decision:
    standing, session = visitor.standing, visitor.session
    rule = place.portal.rules[number] if number is not None else None
    rule_id = rule.id if rule is not None else f"{place.portal.name}/default"
    decision = _by_age(facts, place, rule_id, visitor)
    if decision is not None:
        return decision
    if not _is_let_in(place, session):
        return Deny(status=403, reason=Reason.OTHER_PORTAL, place=place, rule=rule_id)
    reason = _admitted(place, visitor, number)
    if reason is not Reason.OK:
        return Deny(status=403, reason=reason, place=place, rule=rule_id)
    if standing.username is None or standing.order is None:
        return Deny(status=403, reason=standing.refused, place=place, rule=rule_id)
    if not visitor.vouched and rule is not None and (rule.fresh is not None or rule.acr):
        return Deny(status=503, reason=Reason.STATE_UNAVAILABLE, place=place, rule=rule_id)
    if rule is not None and not is_stepped_up(session, rule, visitor.claims, now):
        return _step_up(facts, place, rule, session)
    if visitor.renew and _is_navigation(facts):
        return again(facts, place, rule_id, session, silent=True)
    return Forward(
        place=place,
        username=standing.username,
        order=standing.order,
        rule=rule_id,
        extends_idle=not place.traits.polling,
    )


def _is_let_in(place: Place, session: Session) -> bool:
    """R2 and R3: a shared customer path takes any session of the application; another portal only whom it accepts."""
    home = session.portal
    return place.shared == "customer" or home == place.portal.name or home in place.portal.accepts


def _admitted(place: Place, visitor: Visitor, number: int | None) -> Reason:
    """`ok`, or the first demand that is not met: the rule's, the home portal's, the portal's own.

    Whom the home portal keeps out is no guest elsewhere: acceptance is of its people, not of everybody who can sign in
    at its provider (R3).
    """
    session, portals = visitor.session, visitor.standing.portals
    own, home = portals.get(place.portal.name), portals.get(session.portal)
    if own is None or home is None:
        return Reason.INTERNAL
    answer = Answer.ALLOW
    if number is not None:
        answer, verdict = place.portal.rules[number].answer, own.rules[number]
        if answer is Answer.DENY:
            return Reason.RULE_DENIED
        if answer is not Answer.PUBLIC and verdict is not Reason.OK:
            return verdict
    at_home = session.portal == place.portal.name
    if not (at_home and answer is Answer.LOGIN) and home.require is not Reason.OK:
        return home.require
    return Reason.OK if place.shared == "customer" or answer is Answer.LOGIN else own.require


def _is_navigation(facts: RequestFacts) -> bool:
    return facts.kind is Kind.NAVIGATION and facts.method == "GET"


def _by_age(facts: RequestFacts, place: Place, rule: str, visitor: Visitor) -> Decision | None:
    """What old claims lead to, before anything is judged by them; None: they are good enough for this request.

    A page asks the provider, silently first. What cannot be sent there is served until the claims are stale.
    """
    if visitor.claims is ClaimsAge.CURRENT and not visitor.unconfirmed:
        return None
    session = visitor.session
    if visitor.renew and not visitor.unconfirmed and _is_navigation(facts):
        return again(facts, place, rule, session, silent=True)
    if visitor.claims is not ClaimsAge.STALE and not (visitor.unconfirmed and _is_navigation(facts)):
        return None
    if facts.method == "GET" and facts.kind in PAGES:
        return again(facts, place, rule, session)
    return Deny(status=401, reason=Reason.CLAIMS_STALE, place=place, rule=rule)


def _step_up(facts: RequestFacts, place: Place, rule: Rule, session: Session) -> Decision:
    if not _is_navigation(facts):
        return Deny(status=401, reason=Reason.STEP_UP_NEEDED, place=place, rule=rule.id)
    return again(facts, place, rule.id, session, rule=rule)
