"""core.decide: every decision is the one that a slow reading of the design gives, and some things never happen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sidecar.core.ages import ClaimsAge
from sidecar.core.routing import locate
from sidecar.domain.decision import Decision, Forward, Kind, PassThrough, Place, RequestFacts, StartLogin
from sidecar.domain.paths import PathSet
from sidecar.domain.policy import Answer, Condition, Mode, Rule
from sidecar.domain.session import Session
from tests.core.oracle import Case, oracle
from tests.core.worlds import HOST, ORIGIN, Jira, session, told, visitor_of

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
        acr=draw(st.sampled_from(((), (), ("mfa",), ("key", "mfa")))) if signs_in else (),
    )


@st.composite
def jiras(draw: st.DrawFn) -> Jira:
    return Jira(
        rules=tuple(draw(st.lists(rules(), max_size=4))),
        support_rules=tuple(draw(st.lists(rules(), max_size=2))),
        require=draw(conditions),
        support_require=draw(conditions),
        accepts=draw(st.sampled_from((frozenset({"agents"}), frozenset[str]()))),
        support_providers=draw(st.sampled_from((("auth0", "okta"), ("auth0",)))),
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
        acr=draw(st.sampled_from((None, "mfa", "pwd"))),
    )


@st.composite
def cases(draw: st.DrawFn, who: st.SearchStrategy[Session | None] | None = None) -> Case:
    somebody = st.none() | sessions() | sessions() if who is None else who
    return Case(
        jira=draw(jiras()),
        request=draw(requests()),
        who=draw(somebody),
        renew=draw(st.booleans()),
        claims=draw(st.sampled_from((ClaimsAge.CURRENT, *ClaimsAge))),
        unconfirmed=draw(st.sampled_from((False, False, True))),
    )


def place_of(case: Case) -> Place:
    place = locate(case.request, case.jira.policy)
    assume(isinstance(place, Place))
    assert isinstance(place, Place)
    return place


def decision_on(case: Case) -> Decision:
    return case.jira.ask(case.request, case.who, renew=case.renew, claims=case.claims, unconfirmed=case.unconfirmed)


# What holds.


@settings(max_examples=600, deadline=None)
@given(cases())
def test_every_decision_is_the_oracles(case: Case) -> None:
    place = place_of(case)
    assert oracle(case, place) == told(decision_on(case))


@settings(max_examples=200, deadline=None)
@given(cases(st.none()))
def test_without_a_session_nobody_is_forwarded_under_a_name(case: Case) -> None:
    decision = decision_on(case)
    assert not (isinstance(decision, Forward) and (decision.username is not None or decision.order is not None))


@settings(max_examples=300, deadline=None)
@given(cases(sessions()))
def test_whoever_is_forwarded_under_a_name_has_that_name_and_that_order(case: Case) -> None:
    decision = decision_on(case)
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
    before, after = told(decision_on(case)), told(decision_on(replace(case, jira=jira)))
    # Somebody whom the denial keeps from a public page may meet another refusal first, never an opening.
    assert after == before or after.startswith("403 ")


@settings(max_examples=300, deadline=None)
@given(cases(sessions().map(lambda who: replace(who, portal="support"))))
def test_a_customer_reaches_the_default_portal_by_shared_paths_only(case: Case) -> None:
    decision, place = decision_on(case), place_of(case)
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
    decision = decision_on(replace(case, request=request, jira=replace(case.jira, mode=Mode.ENFORCE)))
    assert not isinstance(decision, (PassThrough, StartLogin))
    if isinstance(decision, Forward):
        assert case.who is not None
        assert request.authorization is None
        assert decision.username is not None


@settings(max_examples=300, deadline=None)
@given(cases(), st.sampled_from([Kind.API, Kind.UPGRADE]))
def test_scripts_are_never_sent_to_a_provider(case: Case, kind: Kind) -> None:
    decision = decision_on(replace(case, request=replace(case.request, kind=kind)))
    assert not isinstance(decision, StartLogin)


@settings(max_examples=300, deadline=None)
@given(cases(), st.sampled_from(CREDENTIALS))
def test_a_credential_passes_on_machine_paths_only_and_never_beside_a_name(case: Case, credential: str) -> None:
    request = replace(case.request, authorization=credential)
    case = replace(case, request=request, jira=replace(case.jira, mode=Mode.ENFORCE))
    decision, place = decision_on(case), place_of(case)
    if isinstance(decision, PassThrough):
        machine = place.application.api.paths
        assert not decision.transparent
        assert decision.credential in place.application.api.passes
        assert all(path in machine for path in (place.below, *place.readings))
    else:
        assert not (isinstance(decision, Forward) and decision.username is not None)
        assert decision == decision_on(replace(case, who=None)) or not isinstance(decision, Forward)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_a_portal_that_is_observed_reports_what_it_would_decide_and_one_that_is_off_does_not_judge(case: Case) -> None:
    place_of(case)
    enforced, observed, off = (
        decision_on(replace(case, jira=replace(case.jira, mode=mode)))
        for mode in (Mode.ENFORCE, Mode.OBSERVE, Mode.OFF)
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
