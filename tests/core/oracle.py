"""The rule semantics of the design (sections 4 and 5), slow and plain: what `core.decide` is held against."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from sidecar.core.ages import ClaimsAge
from sidecar.core.credentials import credential_kind
from sidecar.domain.decision import Kind, Place, RequestFacts
from sidecar.domain.identity import Identity
from sidecar.domain.paths import PathSet
from sidecar.domain.policy import Answer, Condition, Mode, Rule
from sidecar.domain.session import Session
from tests.core.worlds import NOW, OKTA, ORIGIN, Jira

STRICTER = ("anonymous", "as", "renews", "steps", "signs", "401", "403")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request before one Jira."""

    jira: Jira
    request: RequestFacts
    who: Session | None
    renew: bool = False
    claims: ClaimsAge = ClaimsAge.CURRENT
    unconfirmed: bool = False


def oracle(case: Case, place: Place) -> str:
    """The decision, in the words of `worlds.told`."""
    request, who, app, ways = case.request, case.who, place.application, (place.below, *place.readings)
    product, door, reads = app.product, place.portal, request.method in {"GET", "HEAD"}
    page = reads and request.kind in {Kind.NAVIGATION, Kind.FRAME, Kind.PREVIEW}
    sign_in = f"signs in at {door.name} with {door.providers[0]}" if page and request.method == "GET" else ""
    early = "transparent" if case.jira.mode is not Mode.ENFORCE else for_nobody(case, place, ways)
    if early or request.authorization is not None:
        return early or by_credential(case, place, ways)
    if reads and any(holds(product.login_paths, way) for way in ways):
        known = who is not None and who.portal in {door.name, *door.accepts}
        return (sign_in or "401 no_session") if who is None else f"403 {'landing_failed' if known else 'other_portal'}"
    if page and any(holds(product.path_sets["password_login"], way, any_case=True) for way in ways):
        return "403 password_login"
    links = "applinks" in case.jira.machine and door.default and all(holds(product.machine_public, w) for w in ways)
    if request.upgrade != "websocket" and (place.shared == "static" or links):
        return "anonymous"
    answers = [one_reading(case, place, way, sign_in or "401 no_session") for way in ways]
    return max(answers, key=lambda answer: STRICTER.index(answer.split()[0]))


def for_nobody(case: Case, place: Place, ways: tuple[str, ...]) -> str:
    """D7, D12 and denials: what is the same whoever asks; "" for the rest."""
    request, app = case.request, place.application
    writes = request.method not in {"GET", "HEAD", "DELETE"}
    passwords = any(holds(app.product.path_sets["password_login"], way, any_case=True) for way in ways)
    if any(holds(app.closed, way, any_case=True) for way in ways):
        return "403 closed_path"
    if "os_password" in case.request.query:
        return "403 password_login"
    if any(holds(app.product.logout_paths, way) for way in ways):
        return "signs out"
    if writes and passwords:
        return "403 password_login"
    if Answer.DENY in {rule.answer for way in ways if (rule := rule_of(case, None, place, way)) is not None}:
        return "403 rule_denied"
    if request.upgrade != "websocket":
        return ""
    credential = "" if request.authorization is None else "401 credential_not_here"
    bad_origin = "" if request.origin == ORIGIN else "403 origin_mismatch"
    return (bad_origin or credential) if request.websocket else "400 upgrade_refused"


def by_credential(case: Case, place: Place, ways: tuple[str, ...]) -> str:
    """D6."""
    api, kind = place.application.api, credential_kind(case.request.authorization or "", {OKTA})
    if kind == "unknown" or not all(holds(api.paths, way) for way in ways):
        return "401 credential_unknown" if kind == "unknown" else "401 credential_not_here"
    return f"passes {kind}" if kind in api.passes else "401 credential_denied"


def one_reading(case: Case, place: Place, path: str, sign_in: str) -> str:
    """R2 to R4, and rules in order."""
    who, rule, request = case.who, rule_of(case, case.who, place, path), case.request
    public = rule is not None and rule.answer is Answer.PUBLIC and request.upgrade != "websocket"
    if who is None:
        return "anonymous" if public else sign_in
    answer, at = refusal(case, place, rule, who), f"at {who.portal} with {who.identity.provider}"
    name = f"as {'cust-' if who.portal == 'support' else ''}{who.identity.claims.get('preferred_username')}"
    if public:
        return "anonymous" if answer or case.claims is ClaimsAge.STALE else name
    navigation, signed_in = request.method == "GET" and request.kind is Kind.NAVIGATION, who.identity.auth_time
    old, refused = case.claims is not ClaimsAge.CURRENT, case.unconfirmed and navigation
    if navigation and case.renew and old and not case.unconfirmed:
        return f"renews {at}"
    if refused or case.claims is ClaimsAge.STALE:
        page = request.method == "GET" and request.kind in {Kind.NAVIGATION, Kind.FRAME, Kind.PREVIEW}
        return f"signs in {at}" if page else "401 claims_stale"
    if answer:
        return f"403 {answer}"
    if rule is not None and (rule.fresh or rule.acr):
        wanted = " ".join(map(str, (*((rule.fresh,) if rule.fresh else ()), *rule.acr)))
        late = bool(rule.fresh) and (signed_in is None or signed_in + (rule.fresh or 0) < NOW)
        weak = bool(rule.acr) and who.identity.acr not in rule.acr
        if old or late or weak:
            return f"steps up to {wanted} {at}" if navigation else "401 step_up_needed"
    return f"renews {at}" if navigation and case.renew else name


def refusal(case: Case, place: Place, rule: Rule | None, who: Session) -> str:
    """Why a session is not let in; "" if it is."""
    shared, answer = place.shared == "customer", rule.answer if rule is not None else None
    home = case.jira.policy.applications["jira"].portal(who.portal)
    if not shared and who.portal not in {place.portal.name, *place.portal.accepts}:
        return "other_portal"
    if answer is Answer.DENY:
        return "rule_denied"
    guest = who.identity.provider not in place.portal.providers
    demand = rule is not None and rule.condition != Condition()
    asked = "other_portal" if guest and demand else why_not(who.identity, rule.condition) if rule is not None else ""
    login, at_home = answer is Answer.LOGIN, who.portal == place.portal.name
    if home is not None and not (at_home and login):
        asked = asked or why_not(who.identity, home.require)
    if not shared and not login and not guest:
        asked = asked or why_not(who.identity, place.portal.require)
    return asked or ("" if "preferred_username" in who.identity.claims else "username_missing")


def rule_of(case: Case, who: Session | None, place: Place, path: str) -> Rule | None:
    """The first that matches; a ban with a condition, for those whom it describes or may describe."""
    method, machine = case.request.method, case.request.authorization is not None
    for rule in place.portal.rules:
        demand = rule.condition != Condition()
        asks = demand or rule.fresh is not None or bool(rule.acr)
        strict = rule.answer is Answer.DENY or (rule.answer is Answer.ALLOW and asks)
        methods = {method} if rule.methods is None else rule.methods | ({"HEAD"} if "GET" in rule.methods else set())
        guest = who is not None and who.identity.provider not in place.portal.providers
        meant = who is not None and (guest or why_not(who.identity, rule.condition) in {"", "groups_unknown"})
        idle = rule.answer is Answer.DENY and demand and not meant and not machine
        if holds(rule.paths, path, any_case=strict) and method in methods and not idle:
            return rule
    return None


def why_not(identity: Identity, asked: Condition) -> str:
    """D5: unknown groups meet nothing."""
    groups, every, none = identity.groups, asked.all_groups, asked.no_group
    if asked.any_group is not None or every or none:
        if groups is None:
            return "groups_unknown"
        some = asked.any_group is None or any(group in groups for group in asked.any_group)
        if not some or any(group not in groups for group in every) or any(group in groups for group in none):
            return "not_in_group"
    missing = [name for name in asked.claims if name not in identity.claims]
    wrong = [name for name, values in asked.claims.items() if identity.claims.get(name) not in values]
    return "claim_missing" if missing else "claim_mismatch" if wrong else ""


def holds(paths: PathSet, path: str, *, any_case: bool = False) -> bool:
    """Segment by segment; a pattern without a slash names the last one."""
    for pattern in paths.patterns:
        want, have = (pattern.lower(), path.lower()) if any_case else (pattern, path)
        wanted, segments = want.split("/"), have.split("/") if "/" in want else have.split("/")[-1:]
        if wanted[-1] == "**":
            wanted, segments = wanted[:-1], segments[: len(wanted) - 1]
        if len(wanted) == len(segments) and all(map(fnmatchcase, segments, wanted)):
            return True
    return False
