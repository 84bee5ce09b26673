"""core.decide: every decision is the one that a slow reading of the design gives, and some things never happen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sidecar.core.credentials import credential_kind
from sidecar.core.routing import locate
from sidecar.domain.decision import Decision, Forward, Kind, PassThrough, Place, RequestFacts, StartLogin
from sidecar.domain.identity import Identity
from sidecar.domain.paths import PathSet
from sidecar.domain.policy import Answer, Condition, Mode, Portal, Rule
from sidecar.domain.session import Session
from tests.core.worlds import HOST, NOW, OKTA, ORIGIN, Jira, session, told, visitor_of

# The oracle: the rule semantics of the design (sections 4 and 5), slow and plain.


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request before one Jira."""

    jira: Jira
    request: RequestFacts
    who: Session | None
    renew: bool = False

    @property
    def shows_page(self) -> bool:
        kinds = {Kind.NAVIGATION, Kind.FRAME, Kind.PREVIEW}
        return self.request.kind in kinds and self.request.method in {"GET", "HEAD"}

    def decide(self) -> Decision:
        return self.jira.ask(self.request, self.who, renew=self.renew)


def holds(paths: PathSet, path: str, *, any_case: bool = False) -> bool:
    def one(pattern: str, path: str) -> bool:
        if "/" not in pattern:
            return fnmatchcase(path.split("/")[-1], pattern)
        want, have = pattern.split("/"), path.split("/")
        if want[-1] == "**":
            want, have = want[:-1], have[: len(want) - 1]
        return len(want) == len(have) and all(map(fnmatchcase, have, want))

    if any_case:
        return any(one(pattern.lower(), path.lower()) for pattern in paths.patterns)
    return any(one(pattern, path) for pattern in paths.patterns)


def why_not(identity: Identity, asked: Condition) -> str:
    """D5: unknown groups meet nothing."""
    groups = identity.groups
    if asked.any_group is not None or asked.all_groups or asked.no_group:
        if groups is None:
            return "groups_unknown"
        some = asked.any_group is None or any(group in groups for group in asked.any_group)
        if not some or any(g not in groups for g in asked.all_groups) or any(g in groups for g in asked.no_group):
            return "not_in_group"
    for name, values in asked.claims.items():
        if name not in identity.claims:
            return "claim_missing"
        if identity.claims[name] not in values:
            return "claim_mismatch"
    return ""


def rule_of(case: Case, portal: Portal, path: str) -> Rule | None:
    """The first rule that matches decides; a ban with a condition, only for those whom it describes (or may)."""
    method = case.request.method
    for rule in portal.rules:
        demand = rule.condition != Condition()
        strict = rule.answer is Answer.DENY or (rule.answer is Answer.ALLOW and (demand or rule.fresh is not None))
        methods = rule.methods or {method}
        if not holds(rule.paths, path, any_case=strict) or not methods & {method, "GET" if method == "HEAD" else ""}:
            continue
        who = case.who.identity if case.who is not None else None
        meant = who is not None and why_not(who, rule.condition) in {"", "groups_unknown"}
        if rule.answer is not Answer.DENY or not demand or meant or case.request.authorization is not None:
            return rule
    return None


def before_anybody(case: Case, place: Place, ways: tuple[str, ...]) -> str | None:
    """Closed whoever asks: D12, and rules that deny everybody."""
    app, sets = place.application, place.application.product.path_sets
    if any(holds(app.closed, way, any_case=True) for way in ways):
        return "403 closed_path"
    if "os_password" in place.query:
        return "403 password_login"
    if any(holds(app.product.logout_paths, way) for way in ways):
        return "signs out"
    writes = case.request.method not in {"GET", "HEAD", "DELETE"}
    if writes and any(holds(sets["password_login"], way, any_case=True) for way in ways):
        return "403 password_login"
    stranger = replace(case, who=None)
    rules = [rule_of(stranger, place.portal, way) for way in ways]
    return "403 rule_denied" if any(rule is not None and rule.answer is Answer.DENY for rule in rules) else None


def oracle(case: Case, place: Place) -> str:
    request, app, ways = case.request, place.application, (place.below, *place.readings)
    if case.jira.mode is not Mode.ENFORCE:
        return "transparent"
    refused = before_anybody(case, place, ways)
    if refused is not None:
        return refused
    socket = request.upgrade == "websocket"
    if socket and not (request.websocket and request.origin == ORIGIN and request.authorization is None):
        bad = "403 origin_mismatch" if request.origin != ORIGIN else "401 credential_not_here"
        return bad if request.websocket else "400 upgrade_refused"
    if request.authorization is not None:
        kind = credential_kind(request.authorization, {OKTA})
        named = {"unknown": "credential_unknown", "jwt_of_provider": "token_not_accepted"}
        if kind in named or not all(holds(app.api.paths, way) for way in ways):
            return "401 " + named.get(kind, "credential_not_here")
        return f"passes {kind}" if kind in app.api.passes else "401 credential_denied"
    pages = request.method == "GET" and case.shows_page
    sign_in = f"signs in at {place.portal.name} with {place.portal.providers[0]}" if pages else "401 no_session"
    if request.method in {"GET", "HEAD"} and any(holds(app.product.login_paths, way) for way in ways):
        home = case.who.portal if case.who is not None else ""
        reason = "landing_failed" if home in {place.portal.name, *place.portal.accepts} else "other_portal"
        return sign_in if case.who is None else f"403 {reason}"
    passwords = app.product.path_sets["password_login"]
    if case.shows_page and any(holds(passwords, way) for way in ways):
        return "403 password_login"
    if place.shared == "static" and not socket:
        return "anonymous"
    public = "applinks" in case.jira.machine and place.portal.default and not socket
    if public and all(holds(app.product.machine_public, way) for way in ways):
        return "anonymous"
    order = ("anonymous", "as", "renews", "steps", "signs", "401", "403")
    answers = [by_rules(case, place, way, sign_in, socket=socket) for way in ways]
    return max(answers, key=lambda answer: order.index(answer.split()[0]))


def by_rules(case: Case, place: Place, path: str, sign_in: str, *, socket: bool) -> str:
    """R2 to R4 for one reading of the path."""
    rule, who, portal = rule_of(case, place.portal, path), case.who, place.portal
    public = rule is not None and rule.answer is Answer.PUBLIC and not socket
    if who is None:
        return "anonymous" if public else sign_in
    answer = with_session(case, place, rule, who)
    if public:
        return answer if answer.startswith("as ") else "anonymous"
    navigation = case.request.method == "GET" and case.request.kind is Kind.NAVIGATION
    at = f"at {who.portal} with {who.identity.provider}"
    if answer.startswith("as ") and rule is not None and rule.fresh is not None:
        signed_in = who.identity.auth_time
        if signed_in is None or signed_in + rule.fresh < NOW:
            return f"steps up to {rule.fresh} {at}" if navigation else "401 step_up_needed"
    assert portal.application == who.application
    return f"renews {at}" if answer.startswith("as ") and case.renew and navigation else answer


def with_session(case: Case, place: Place, rule: Rule | None, who: Session) -> str:
    portal = place.portal
    home = case.jira.policy.applications["jira"].portal(who.portal)
    assert home is not None
    if place.shared != "customer" and who.portal != portal.name and who.portal not in portal.accepts:
        return "403 other_portal"
    if rule is not None and rule.answer is Answer.DENY:
        return "403 rule_denied"
    reasons = []
    if rule is not None and rule.answer is Answer.ALLOW:
        reasons.append(why_not(who.identity, rule.condition))
    if rule is None or rule.answer is not Answer.LOGIN:
        reasons.append(why_not(who.identity, (home if place.shared == "customer" else portal).require))
    reason = next(filter(None, reasons), "")
    name = who.identity.claims.get("preferred_username")
    if reason or name is None:
        return f"403 {reason or 'username_missing'}"
    return f"as {home.username.prefix}{name}"


# What is generated.

PATHS = (
    ("/**",), ("/browse/**",), ("/browse/*",), ("/Browse/**",), ("/rest/**",), ("/rest/api/2/**",),
    ("/rest/plugins/**",), ("ViewUser*.jspa",), ("/secure/**",), ("/servicedesk/customer/**",),
    ("/rest/servicedeskapi/**",), ("/images/**",),
)  # fmt: skip
TARGETS = (
    "/", "/browse/A-1", "/BROWSE/A-1", "/browse/A-1/x", "/rest/api/2/search?jql=x", "/rest/plugins/1.0/", "/secure/x",
    "/secure/ViewUser.jspa", "/x/ViewUser.jspa", "/s/1/_/browse/_/rest/plugins/1.0/", "/s/1/_/images/_/rest/api/2/x",
    "/s/1/_/rest/plugins/_/browse/A-1", "/s/1/_/images/x.png", "/images/x.png", "/rest/servicedeskapi/request",
    "/servicedesk/customer/portals", "/servicedesk/customer/user/login?destination=portal%2F1", "/login.jsp",
    "/Login.jsp", "/secure/Logout!default.jspa", "/s/1/_/a/_/logout", "/WEB-INF/web.xml", "/s/1/_/web-inf/web.xml",
    "/rest/auth/1/session", "/rest/applinks/1.0/manifest", "/plugins/servlet/oauth/consumer-info", "/status",
    "/secure/Signup!default.jspa", "/browse/A-1?os_password=x", "/rest/webResources/1.0/resources",
)  # fmt: skip
CREDENTIALS = ("Bearer MTIzNDU2OnNlY3JldA==", "Basic YTpi", "OAuth oauth_token=1", "Bearer opaque", "Negotiate YQ==")
CONDITIONS = (
    Condition(),
    Condition(any_group=frozenset({"staff", "owners"})),
    Condition(all_groups=frozenset({"staff", "admins"})),
    Condition(no_group=frozenset({"contractors"})),
    Condition(any_group=frozenset({"contractors"})),
    Condition(claims={"department": frozenset({"IT"})}),
)
conditions = st.sampled_from(CONDITIONS)


@st.composite
def rules(draw: st.DrawFn, answers: tuple[Answer, ...] = tuple(Answer)) -> Rule:
    """Only what the configuration lets through: no demand beside `public` and `login`, nothing fresh but a sign-in."""
    answer = draw(st.sampled_from(answers))
    asks, signs_in = answer in {Answer.ALLOW, Answer.DENY}, answer in {Answer.ALLOW, Answer.LOGIN}
    return Rule(
        id=f"r{draw(st.integers(0, 99))}",
        paths=PathSet(draw(st.sampled_from(PATHS))),
        answer=answer,
        methods=draw(
            st.sampled_from((None, None, frozenset({"GET"}), frozenset({"HEAD"}), frozenset({"POST", "PUT"})))
        ),
        condition=draw(conditions) if asks else Condition(),
        fresh=draw(st.sampled_from((None, None, 600))) if signs_in else None,
    )


@st.composite
def jiras(draw: st.DrawFn) -> Jira:
    return Jira(
        rules=tuple(draw(st.lists(rules(), max_size=4))),
        support_rules=tuple(draw(st.lists(rules(), max_size=2))),
        require=draw(conditions),
        support_require=draw(conditions),
        accepts=draw(st.sampled_from((frozenset({"agents"}), frozenset[str]()))),
        mode=draw(st.sampled_from((Mode.ENFORCE,) * 8 + (Mode.OFF, Mode.OBSERVE))),
        passes=draw(st.sampled_from((frozenset({"pat", "oauth1", "oauth2"}), frozenset({"basic"})))),
        machine=draw(st.sampled_from(((), ("applinks",), ("gadgets",)))),
    )


@st.composite
def requests(draw: st.DrawFn) -> RequestFacts:
    upgrade = draw(st.sampled_from((None, None, None, "h2c", "websocket")))
    socket = upgrade == "websocket"
    return RequestFacts(
        method=draw(st.sampled_from(("GET", "GET", "GET", "HEAD", "POST", "DELETE", "OPTIONS"))),
        host=HOST,
        target=draw(st.sampled_from(TARGETS)),
        kind=Kind.UPGRADE if socket else draw(st.sampled_from([kind for kind in Kind if kind is not Kind.UPGRADE])),
        authorization=draw(st.sampled_from((None, None, None, *CREDENTIALS))),
        origin=draw(st.sampled_from((ORIGIN, ORIGIN, "https://evil.example", None))),
        upgrade=upgrade,
        websocket=socket and draw(st.sampled_from((True, True, False))),
    )


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    return session(
        draw(st.sampled_from(("agents", "support"))),
        draw(st.sampled_from((None, (), ("staff",), ("admins", "staff"), ("contractors", "staff")))),
        username=draw(st.sampled_from(("ada", "ada", "ada", None))),
        claims=draw(st.sampled_from(({}, {"department": "IT"}, {"department": "HR"}))),
        auth_time=draw(st.sampled_from((None, -10, -600, -601))),
    )


@st.composite
def cases(draw: st.DrawFn, who: st.SearchStrategy[Session | None] | None = None) -> Case:
    somebody = st.none() | sessions() | sessions() if who is None else who
    return Case(jira=draw(jiras()), request=draw(requests()), who=draw(somebody), renew=draw(st.booleans()))


def place_of(case: Case) -> Place:
    place = locate(case.request, case.jira.policy)
    assume(isinstance(place, Place))
    assert isinstance(place, Place)
    return place


# What holds.


@settings(max_examples=6000, deadline=None)
@given(cases())
def test_every_decision_is_the_oracles(case: Case) -> None:
    place = place_of(case)
    assert oracle(case, place) == told(case.decide())


@settings(max_examples=200, deadline=None)
@given(cases(st.none()))
def test_without_a_session_nobody_is_forwarded_under_a_name(case: Case) -> None:
    decision = case.decide()
    assert not (isinstance(decision, Forward) and (decision.username is not None or decision.order is not None))


@settings(max_examples=300, deadline=None)
@given(cases(sessions()))
def test_whoever_is_forwarded_under_a_name_has_that_name_and_that_order(case: Case) -> None:
    decision = case.decide()
    if isinstance(decision, Forward) and decision.username is not None:
        visitor = visitor_of(case.who, case.jira.policy)
        assert visitor is not None
        assert (visitor.standing.username, visitor.standing.order) == (decision.username, decision.order)


@settings(max_examples=200, deadline=None)
@given(
    cases(),
    st.sampled_from(["/images/x.png", "/s/1/_/images/x.png", "/favicon.ico", "/download/batch/a.js"]),
    st.sampled_from(["GET", "HEAD"]),
)
def test_static_files_are_for_everybody_whom_no_denial_keeps_out(case: Case, target: str, method: str) -> None:
    request = replace(case.request, target=target, method=method, upgrade=None, authorization=None, kind=Kind.API)
    open_rules = tuple(rule for rule in case.jira.rules if rule.answer is not Answer.DENY)
    jira = replace(case.jira, rules=open_rules, mode=Mode.ENFORCE)
    assert told(jira.ask(request, case.who, renew=case.renew)) == "anonymous"


@settings(max_examples=300, deadline=None)
@given(cases(), rules(answers=(Answer.DENY,)), st.integers(0, 4), st.booleans())
def test_a_further_denial_opens_nothing(case: Case, denial: Rule, at: int, of_support: bool) -> None:
    old = case.jira.support_rules if of_support else case.jira.rules
    new = (*old[:at], denial, *old[at:])
    jira = replace(case.jira, support_rules=new) if of_support else replace(case.jira, rules=new)
    before, after = told(case.decide()), told(replace(case, jira=jira).decide())
    assert after in {before, "403 rule_denied"}


@settings(max_examples=300, deadline=None)
@given(cases(sessions().map(lambda who: replace(who, portal="support"))))
def test_a_customer_reaches_the_default_portal_by_shared_paths_only(case: Case) -> None:
    decision, place = case.decide(), place_of(case)
    if isinstance(decision, Forward) and decision.username is not None and place.portal.name == "agents":
        assert place.shared == "customer"
        assert decision.username.startswith("cust-")


@settings(max_examples=200, deadline=None)
@given(cases(sessions().map(lambda who: replace(who, identity=replace(who.identity, groups=None)))))
def test_unknown_groups_meet_no_demand_and_escape_no_ban(case: Case) -> None:
    everywhere = (Rule(id="x", paths=PathSet(("/**",)), answer=Answer.DENY, condition=CONDITIONS[4]),)
    banning = replace(case.jira, rules=everywhere, support_rules=everywhere, require=Condition(), mode=Mode.ENFORCE)
    demanding = replace(banning, rules=(), support_rules=(), require=CONDITIONS[1], support_require=CONDITIONS[1])
    for jira in (banning, demanding):
        decision = jira.ask(case.request, case.who)
        assert not (isinstance(decision, Forward) and decision.username is not None)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_a_tunnel_needs_a_session_and_no_credential(case: Case) -> None:
    request = replace(case.request, upgrade="websocket", websocket=True, kind=Kind.UPGRADE, method="GET", origin=ORIGIN)
    decision = replace(case, request=request, jira=replace(case.jira, mode=Mode.ENFORCE)).decide()
    assert not isinstance(decision, (PassThrough, StartLogin))
    if isinstance(decision, Forward):
        assert case.who is not None
        assert request.authorization is None
        assert decision.username is not None


@settings(max_examples=300, deadline=None)
@given(cases(), st.sampled_from([Kind.API, Kind.UPGRADE]))
def test_scripts_are_never_sent_to_a_provider(case: Case, kind: Kind) -> None:
    decision = replace(case, request=replace(case.request, kind=kind)).decide()
    assert not isinstance(decision, StartLogin)


@settings(max_examples=300, deadline=None)
@given(cases(), st.sampled_from(CREDENTIALS))
def test_a_credential_passes_on_machine_paths_only_and_never_beside_a_name(case: Case, credential: str) -> None:
    request = replace(case.request, authorization=credential)
    case = replace(case, request=request, jira=replace(case.jira, mode=Mode.ENFORCE))
    decision, place = case.decide(), place_of(case)
    if isinstance(decision, PassThrough):
        machine = place.application.api.paths
        assert not decision.transparent
        assert decision.credential in place.application.api.passes
        assert all(path in machine for path in (place.below, *place.readings))
    else:
        assert not (isinstance(decision, Forward) and decision.username is not None)
        assert decision == replace(case, who=None).decide() or not isinstance(decision, Forward)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_a_portal_that_is_observed_reports_what_it_would_decide_and_one_that_is_off_does_not_judge(case: Case) -> None:
    place_of(case)
    enforced, observed, off = (
        replace(case, jira=replace(case.jira, mode=mode)).decide() for mode in (Mode.ENFORCE, Mode.OBSERVE, Mode.OFF)
    )
    assert isinstance(observed, PassThrough)
    assert isinstance(off, PassThrough)
    assert (told(enforced), True) == (told(observed.observed) if observed.observed else "", observed.transparent)
    assert (None, True, "") == (off.observed, off.transparent, off.credential)


SITE = Jira(
    rules=(
        Rule(id="a", paths=PathSet(("/rest/plugins/**",)), answer=Answer.DENY),
        Rule(id="b", paths=PathSet(("/secure/**",)), answer=Answer.DENY, condition=CONDITIONS[4]),
        Rule(id="c", paths=PathSet(("ViewUser*.jspa",)), answer=Answer.DENY, methods=frozenset({"GET"})),
        Rule(id="d", paths=PathSet(("/browse/**",)), answer=Answer.DENY, condition=CONDITIONS[3]),
        Rule(id="e", paths=PathSet(("/images/**",)), answer=Answer.DENY),
    )
)


@pytest.mark.parametrize("line", range(len(SITE.rules)), ids=[rule.id for rule in SITE.rules])
def test_every_single_denial_of_a_site_is_needed(line: int) -> None:
    people = [None, session(groups=("staff",)), session(groups=("contractors", "staff"))]
    without = replace(SITE, rules=(*SITE.rules[:line], *SITE.rules[line + 1 :]))
    asked = [(RequestFacts(method="GET", host=HOST, target=t, kind=Kind.API), who) for t in TARGETS for who in people]
    changed = [(told(SITE.ask(*one)), told(without.ask(*one))) for one in asked]
    opened = [(before, after) for before, after in changed if before != after]
    assert opened
    assert {"403 rule_denied"} == {before for before, _ in opened}
