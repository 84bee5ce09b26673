"""The decision: what becomes of a request, and why. Start reading here.

Refuses unless every step says yes; the last line of `_by_session` is the only one that lets a person in. The order is
part of the contract: whoever has no session learns nothing about rules or names.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs

from sidecar.core.credentials import credential_kind
from sidecar.core.passwords import query_has
from sidecar.core.redirects import safe_return
from sidecar.domain.decision import Decision, Deny, Forward, Kind, PassThrough, Place, RequestFacts, SignOut, StartLogin
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Answer, Mode, Policy, Rule
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.domain.standing import Admission, Standing

_PAGES = frozenset({Kind.NAVIGATION, Kind.FRAME, Kind.PREVIEW})


@dataclass(frozen=True, slots=True)
class Visitor:
    """A live session and how it stands. *renew*: its claims or its life should be renewed at the next navigation."""

    session: Session
    standing: Standing
    renew: bool = False


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
        visitor: The browser's live session for the place's application, or None.
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
    decision = _before_anybody(facts, place)
    if decision is not None:
        return decision
    if facts.upgrade is not None and facts.upgrade.lower() == "websocket":
        decision = _upgrade(facts, place)
        if decision is not None:
            return decision
    elif facts.authorization is not None:
        return _by_credential(facts, place, policy)
    decision = _at_log_in(facts, place, visitor)
    if decision is not None:
        return decision
    if place.shared == "static":
        return Forward(place=place, username=None, order=None, rule="product/static", extends_idle=False)
    return _by_rules(facts, place, visitor, policy, now)


def _readings(place: Place) -> tuple[str, ...]:
    return (place.below, *place.readings)


def _before_anybody(facts: RequestFacts, place: Place) -> Decision | None:
    """What is refused, or ours, whoever asks."""
    product = place.application.product
    if any(place.application.closed.holds_folded(path) for path in _readings(place)):
        return Deny(status=403, reason=Reason.CLOSED_PATH, place=place, rule="product/closed")
    if query_has(place.query, product.password_fields):
        return Deny(status=403, reason=Reason.PASSWORD_LOGIN, place=place, rule="product/password")
    if place.below in product.logout_paths:
        return SignOut(place=place)
    if facts.method not in {"GET", "HEAD", "DELETE"}:
        logins = product.path_sets["password_login"]
        if any(logins.holds_folded(path) for path in _readings(place)):
            return Deny(status=403, reason=Reason.PASSWORD_LOGIN, place=place, rule="product/password")
    return _closed_by_rule(facts, place)


def _closed_by_rule(facts: RequestFacts, place: Place) -> Decision | None:
    """A denial that asks nothing of the person holds for machines and strangers too."""
    for rule in place.portal.rules:
        if not _matches(rule, facts, place):
            continue
        if rule.answer is not Answer.DENY:
            return None
        if _is_unconditional(rule) or facts.authorization is not None:
            # A credential shows no claims: whom a ban is meant for cannot be told, so it holds.
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


def _by_credential(facts: RequestFacts, place: Place, policy: Policy) -> Decision:
    """D6: the session is not read; the credential alone goes on, and only where machines call."""
    kind = credential_kind(facts.authorization or "", {provider.issuer for provider in policy.providers.values()})
    if kind == "unknown":
        return Deny(status=401, reason=Reason.CREDENTIAL_UNKNOWN, place=place, rule="api")
    if kind == "jwt_of_provider":
        return Deny(status=401, reason=Reason.TOKEN_NOT_ACCEPTED, place=place, rule="api")
    if not all(path in place.application.api.paths for path in _readings(place)):
        return Deny(status=401, reason=Reason.CREDENTIAL_NOT_HERE, place=place, rule="api")
    if kind not in place.application.api.passes:
        return Deny(status=401, reason=Reason.CREDENTIAL_DENIED, place=place, rule=f"api/{kind}")
    return PassThrough(place=place, transparent=False, credential=kind, rule=f"api/{kind}")


def _at_log_in(facts: RequestFacts, place: Place, visitor: Visitor | None) -> Decision | None:
    """The product's own log-in page is turned into our sign-in (D12), and never into a circle (D14)."""
    product = place.application.product
    pages = product.path_sets["password_login"]
    if facts.method not in {"GET", "HEAD"} or place.below not in product.login_paths:
        if facts.method in {"GET", "HEAD"} and place.below in pages and facts.kind in _PAGES:
            return Deny(status=403, reason=Reason.PASSWORD_LOGIN, place=place, rule="product/password")
        return None
    if visitor is not None:
        return Deny(status=403, reason=Reason.LANDING_FAILED, place=place, rule="product/log-in")
    wanted = parse_qs(place.query, max_num_fields=50) if place.query.count("&") < 50 else {}
    target = next((wanted[name][0] for name in product.login_target if name in wanted), None)
    if target is not None and not target.startswith(place.application.context + "/"):
        target = place.application.context + target
    return _no_session(facts, place, "product/log-in", safe_return(target, place.application))


def _by_rules(facts: RequestFacts, place: Place, visitor: Visitor | None, policy: Policy, now: UnixSeconds) -> Decision:
    if _is_public_to_machines(place):
        return Forward(place=place, username=None, order=None, rule="machine/public", extends_idle=False)
    admission = visitor.standing.portals.get(place.portal.name) if visitor is not None else None
    number = _rule_for(facts, place, admission)
    rule = place.portal.rules[number] if number is not None else None
    rule_id = rule.id if rule is not None else f"{place.portal.name}/default"
    if rule is not None and rule.answer is Answer.PUBLIC and facts.upgrade is None:
        if visitor is not None:
            known = _by_session(facts, place, Visitor(visitor.session, visitor.standing), number, policy, now)
            if isinstance(known, Forward):
                return known
        return Forward(place=place, username=None, order=None, rule=rule_id, extends_idle=False)
    if visitor is None:
        return _no_session(facts, place, rule_id, _here(facts, place))
    return _by_session(facts, place, visitor, number, policy, now)


def _rule_for(facts: RequestFacts, place: Place, admission: Admission | None) -> int | None:
    """Number of the first rule that matches; a denial counts only for those whom its condition meets."""
    for number, rule in enumerate(place.portal.rules):
        if not _matches(rule, facts, place):
            continue
        if rule.answer is Answer.DENY and (admission is None or admission.rules[number] is not Reason.OK):
            continue
        return number
    return None


def _matches(rule: Rule, facts: RequestFacts, place: Place) -> bool:
    """A rule that opens must hold for every reading of the path; one that asks or denies, for any, in any case."""
    if rule.methods is not None and facts.method not in rule.methods:
        return False
    readings = _readings(place)
    if rule.answer is Answer.DENY:
        return any(rule.paths.holds_folded(path) for path in readings)
    if rule.answer is Answer.ALLOW:
        return any(path in rule.paths for path in readings)
    return all(path in rule.paths for path in readings)


def _by_session(
    facts: RequestFacts, place: Place, visitor: Visitor, number: int | None, policy: Policy, now: UnixSeconds
) -> Decision:
    standing, session = visitor.standing, visitor.session
    rule = place.portal.rules[number] if number is not None else None
    rule_id = rule.id if rule is not None else f"{place.portal.name}/default"
    if not _is_let_in(place, session):
        return Deny(status=403, reason=Reason.OTHER_PORTAL, place=place, rule=rule_id)
    reason = _admitted(place, visitor, number)
    if reason is not Reason.OK:
        return Deny(status=403, reason=reason, place=place, rule=rule_id)
    if standing.username is None or standing.order is None:
        return Deny(status=403, reason=standing.refused, place=place, rule=rule_id)
    if rule is not None and rule.fresh is not None and not _is_fresh(session, rule.fresh, now):
        return _step_up(facts, place, rule)
    if visitor.renew and facts.kind is Kind.NAVIGATION and facts.method == "GET":
        return _login(facts, place, rule_id, _here(facts, place), silent=True, provider=session.identity.provider)
    extends = not any(path in place.application.product.path_sets["polling"] for path in _readings(place))
    return Forward(place=place, username=standing.username, order=standing.order, rule=rule_id, extends_idle=extends)


def _is_let_in(place: Place, session: Session) -> bool:
    """R2 and R3: a shared customer path takes any session of the application; another portal only whom it accepts."""
    home = session.portal
    return place.shared == "customer" or home == place.portal.name or home in place.portal.accepts


def _admitted(place: Place, visitor: Visitor, number: int | None) -> Reason:
    session, portals = visitor.session, visitor.standing.portals
    own = portals.get(place.portal.name)
    judge = portals.get(session.portal) if place.shared == "customer" else own
    if own is None or judge is None:
        return Reason.INTERNAL
    if number is not None:
        answer, verdict = place.portal.rules[number].answer, own.rules[number]
        if answer is Answer.DENY:
            return Reason.RULE_DENIED
        if answer is not Answer.PUBLIC and verdict is not Reason.OK:
            return verdict
        if answer is Answer.LOGIN:
            return Reason.OK
    return judge.require


def _is_fresh(session: Session, limit: int, now: UnixSeconds) -> bool:
    at = session.identity.auth_time
    return at is not None and now - at <= limit


def _step_up(facts: RequestFacts, place: Place, rule: Rule) -> Decision:
    if facts.method != "GET" or facts.kind is not Kind.NAVIGATION:
        return Deny(status=401, reason=Reason.STEP_UP_NEEDED, place=place, rule=rule.id)
    return _login(facts, place, rule.id, _here(facts, place), max_age=rule.fresh)


def _no_session(facts: RequestFacts, place: Place, rule: str, back_to: str) -> Decision:
    """R4: a page leads to the provider; everything else gets 401, never a redirect."""
    if facts.method != "GET" or facts.kind not in _PAGES:
        return Deny(status=401, reason=Reason.NO_SESSION, place=place, rule=rule)
    return _login(facts, place, rule, back_to)


def _login(
    facts: RequestFacts,
    place: Place,
    rule: str,
    back_to: str,
    *,
    silent: bool = False,
    max_age: int | None = None,
    provider: str | None = None,
) -> StartLogin:
    return StartLogin(
        place=place,
        portal=place.portal,
        provider=provider or place.portal.providers[0],
        back_to=back_to,
        rule=rule,
        silent=silent,
        max_age=max_age,
        framed=facts.kind is Kind.FRAME,
        preview=facts.kind is Kind.PREVIEW,
    )


def _here(facts: RequestFacts, place: Place) -> str:
    return safe_return(facts.target, place.application)


def _is_unconditional(rule: Rule) -> bool:
    return not rule.condition.asks_groups and not rule.condition.claims


def _is_public_to_machines(place: Place) -> bool:
    """Application links ask some endpoints before they have a credential; only where the profile is declared."""
    application = place.application
    public, declared = application.product.machine_public, application.api.paths
    return place.portal.default and all(path in public and path in declared for path in _readings(place))
