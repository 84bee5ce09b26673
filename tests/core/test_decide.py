"""core.decide: who gets where. Each line is a sentence of the design (D5 to D7, D12 to D14, R1 to R4)."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from sidecar.core.decide import Visitor, decide
from sidecar.core.routing import locate
from sidecar.core.traits import traits_of
from sidecar.domain.decision import Deny, Forward, Kind, PassThrough, Place, RequestFacts, StartLogin
from sidecar.domain.policy import Answer, Condition, Mode, ProviderPolicy
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from tests.core.worlds import ADMINS, NOW, STAFF, Jira, call, get, handshake, rule, session, told, visitor_of

CONTRACTORS = Condition(any_group=frozenset({"contractors"}))
JIRA = Jira(
    require=STAFF,
    rules=(
        rule("agents/no-tokens", Answer.DENY, "/rest/pat/**"),
        rule("agents/not-for-contractors", Answer.DENY, "/rest/secret/**", condition=CONTRACTORS),
        rule("agents/no-export", Answer.DENY, "/rest/export/**", methods=frozenset({"GET"})),
        rule("agents/browse", Answer.ALLOW, "/browse/**"),
        rule("agents/admin", Answer.ALLOW, "/rest/plugins/**", condition=ADMINS, fresh=1800),
        rule("agents/health", Answer.PUBLIC, "/rest/health/**"),
        rule("agents/hello", Answer.LOGIN, "/secure/Hello.jspa"),
    ),
    support_rules=(rule("support/vip", Answer.DENY, "/servicedesk/customer/portal/9", condition=STAFF),),
)
ADA = session("agents", ("staff",))
ADMIN = session("agents", ("admins", "staff"), auth_time=-1800)
TIRED_ADMIN = session("agents", ("admins", "staff"), auth_time=-1801)
CONTRACTOR = session("agents", ("contractors", "staff"))
OUTSIDER = session("agents", ())
UNKNOWN = session("agents", None)
NAMELESS = session("agents", username=None)
CUSTOMER = session("support", ("clients",), username="bob")
PAT = "Bearer MTIzNDU2OnNlY3JldA=="
# {"iss":"https://example.okta.com"}
OUR_JWT = "Bearer e30.eyJpc3MiOiJodHRwczovL2V4YW1wbGUub2t0YS5jb20ifQ.c2ln"
# {"iss":"https://jira.example.com/.lychgate"}
OUR_PROOF = "Bearer e30.eyJpc3MiOiJodHRwczovL2ppcmEuZXhhbXBsZS5jb20vLmx5Y2hnYXRlIn0.c2ln"
HOME = "signs in at agents with okta"
CHOICE = "signs in at support with a provider of choice"


def case(who: Session | None, request: RequestFacts, expected: str, name: str) -> object:
    return pytest.param(who, request, expected, id=name)


@pytest.mark.parametrize(
    ("who", "request_", "expected"),
    [
        # R4: no session.
        case(None, get("/browse/A-1"), HOME, "a stranger's page leads to the provider"),
        case(None, get("/browse/A-1", Kind.FRAME), HOME, "a stranger's frame too"),
        case(None, get("/browse/A-1", Kind.PREVIEW), HOME, "a link preview too"),
        case(None, call("/browse/A-1"), "401 no_session", "a stranger's call is told 401"),
        case(None, replace(get("/secure/x"), method="POST"), "401 no_session", "a stranger's form is told 401"),
        case(None, replace(get("/secure/x"), method="HEAD"), "401 no_session", "a stranger's HEAD is told 401"),
        case(None, get("/servicedesk/customer/portals"), CHOICE, "customers choose where they sign in"),
        case(None, get("/rest/servicedeskapi/x"), HOME, "shared paths sign in at the default portal"),
        case(None, get("/images/x.png"), "anonymous", "static files are for everybody"),
        case(None, call("/s/1/_/images/x.png", "HEAD"), "anonymous", "through the internal forward too"),
        case(None, call("/images/x.png", "POST"), "401 no_session", "but for GET and HEAD only"),
        case(None, get("/rest/plugins/1.0"), HOME, "a stranger does not learn of the rule for administrators"),
        case(None, get("/rest/secret/x"), HOME, "nor of a ban on others"),
        # Rules.
        case(ADA, get("/browse/A-1"), "as ada", "staff come in"),
        case(OUTSIDER, get("/browse/A-1"), "403 not_in_group", "a rule that allows does not lift the portal's demand"),
        case(OUTSIDER, get("/secure/Hello.jspa"), "as ada", "a rule that says login does"),
        case(UNKNOWN, get("/browse/A-1"), "403 groups_unknown", "unknown groups meet no demand"),
        case(UNKNOWN, call("/rest/secret/x"), "403 rule_denied", "unknown groups escape no ban"),
        case(CONTRACTOR, call("/rest/secret/x"), "403 rule_denied", "a ban holds for those whom it describes"),
        case(ADA, call("/rest/secret/x"), "as ada", "and for nobody else"),
        case(ADMIN, call("/rest/pat/1"), "403 rule_denied", "a denial without a condition holds for everybody"),
        case(None, call("/rest/pat/1"), "403 rule_denied", "for strangers too"),
        case(ADA, call("/REST/Pat/1"), "403 rule_denied", "in any letter case"),
        case(ADA, call("/s/1/_/rest/pat/1"), "403 rule_denied", "through the internal forward"),
        case(ADA, call("/s/1/_/browse/_/rest/pat/1"), "403 rule_denied", "behind a path that an earlier rule allows"),
        case(ADA, call("/rest/export/x"), "403 rule_denied", "a rule for GET"),
        case(ADA, call("/rest/export/x", "HEAD"), "403 rule_denied", "holds for HEAD as well"),
        case(ADA, call("/rest/export/x", "PUT"), "as ada", "and not for PUT"),
        case(ADA, call("/rest/plugins/1.0"), "403 not_in_group", "administrators only"),
        case(ADA, call("/Rest/Plugins/1.0"), "403 not_in_group", "in any letter case, administrators only"),
        case(ADA, call("/s/1/_/browse/_/rest/plugins/x"), "403 not_in_group", "whatever the reading"),
        case(ADMIN, call("/rest/plugins/1.0"), "as ada", "an administrator"),
        case(NAMELESS, get("/browse/A-1"), "403 username_missing", "nobody without a name"),
        case(None, call("/rest/health/x"), "anonymous", "a public path"),
        case(OUTSIDER, call("/rest/health/x"), "anonymous", "whoever is not let in is a stranger on a public path"),
        case(ADA, call("/rest/health/x"), "as ada", "whoever is let in is known there"),
        case(None, call("/rest/Health/x"), "401 no_session", "what opens is exact in case"),
        case(None, call("/s/1/_/rest/health/_/rest/x"), "401 no_session", "what opens must open every reading"),
        # Fresh.
        case(TIRED_ADMIN, get("/rest/plugins/1.0"), "steps up to 1800 at agents with okta", "an old sign-in steps up"),
        case(TIRED_ADMIN, call("/rest/plugins/1.0"), "401 step_up_needed", "a call with an old sign-in is told 401"),
        case(TIRED_ADMIN, replace(get("/rest/plugins/1.0"), method="POST"), "401 step_up_needed", "a form too"),
        case(TIRED_ADMIN, get("/rest/plugins/1.0", Kind.FRAME), "401 step_up_needed", "a frame too"),
        # R2 and R3.
        case(CUSTOMER, get("/servicedesk/customer/portals"), "as cust-bob", "a customer at home"),
        case(CUSTOMER, get("/browse/A-1"), "403 other_portal", "a customer at the agents' door"),
        case(CUSTOMER, get("/rest/health/x"), "anonymous", "a customer on an agents' public path is nobody"),
        case(CUSTOMER, call("/rest/servicedeskapi/x"), "as cust-bob", "a customer on a shared path"),
        case(OUTSIDER, call("/rest/servicedeskapi/x"), "403 not_in_group", "the home portal's demand holds there"),
        case(OUTSIDER, get("/servicedesk/customer/portals"), "403 not_in_group", "whom home keeps out is no guest"),
        case(ADA, get("/servicedesk/customer/portals"), "as ada", "an accepted person keeps the name"),
        case(ADA, get("/servicedesk/customer/portal/9"), "403 rule_denied", "by that portal's rules too"),
        # D12 and D14: log-in, log-out, passwords, closed paths.
        case(None, get("/login.jsp"), HOME, "the product's log-in page is our sign-in"),
        case(None, call("/login.jsp"), "401 no_session", "for pages only"),
        case(ADA, get("/login.jsp"), "403 landing_failed", "never a circle"),
        case(ADA, get("/s/1/_/login.jsp"), "403 landing_failed", "whatever the reading"),
        case(CUSTOMER, get("/login.jsp"), "403 other_portal", "a customer at the agents' log-in page may switch"),
        case(ADA, replace(get("/login.jsp"), method="POST"), "403 password_login", "a password form"),
        case(ADA, call("/rest/Auth/1/session", "POST"), "403 password_login", "a password call in any letter case"),
        case(ADA, call("/rest/auth/1/session"), "as ada", "to ask who is there is no log-in"),
        case(None, get("/secure/Signup!default.jspa"), "403 password_login", "the product's own registration"),
        case(None, get("/browse/A-1?os%5Fusername=x"), "403 password_login", "a password in the query"),
        case(ADA, get("/secure/Logout!default.jspa"), "signs out", "the product's log-out"),
        case(None, get("/s/1/_/a/_/logout"), "signs out", "whatever the reading"),
        case(ADMIN, get("/WEB-INF/web.xml"), "403 closed_path", "closed paths"),
        case(ADMIN, get("/Web-Inf/web.xml"), "403 closed_path", "in any letter case"),
        case(ADMIN, get("/s/1/_/web-inf/web.xml"), "403 closed_path", "through the internal forward"),
        case(ADMIN, call("/s/1/_/browse/_/rpc/soap", "POST"), "403 closed_path", "whatever the reading"),
        # D6: credentials.
        case(None, call("/rest/api/2/search", authorization=PAT), "passes pat", "a personal access token"),
        case(ADA, call("/rest/api/2/search", authorization=PAT), "passes pat", "beside a session too"),
        case(None, call("/rest/api/2/search", authorization="OAuth a=b"), "passes oauth1", "OAuth 1"),
        case(None, call("/rest/api/2/search", authorization="Bearer x"), "passes oauth2", "OAuth 2"),
        case(None, call("/rest/x", authorization="Basic YTpi"), "401 credential_denied", "a password is refused"),
        case(ADA, call("/rest/x", authorization="Digest a=b"), "401 credential_unknown", "unknown schemes are refused"),
        case(ADA, call("/rest/x", authorization=""), "401 credential_unknown", "an empty one too"),
        case(ADA, call("/rest/x", authorization=OUR_JWT), "401 token_not_accepted", "a token of our provider"),
        case(ADA, call("/rest/x", authorization=OUR_PROOF), "401 token_not_accepted", "a proof of a landing"),
        case(ADA, get("/browse/A-1", authorization=PAT), "401 credential_not_here", "no credential on a page"),
        case(ADA, call("/s/1/_/rest/_/secure/x", authorization=PAT), "401 credential_not_here", "on no reading"),
        case(None, call("/rest/pat/1", authorization=PAT), "403 rule_denied", "a denial holds for machines"),
        case(None, call("/rest/secret/x", authorization=PAT), "403 rule_denied", "a ban on some holds for machines"),
        case(None, call("/s/1/_/browse/_/rest/pat/1", authorization=PAT), "403 rule_denied", "whatever the reading"),
        # D7: upgrades.
        case(ADA, handshake("/rest/live"), "as ada", "a tunnel with a session"),
        case(None, handshake("/rest/live"), "401 no_session", "none without"),
        case(None, handshake("/images/live"), "401 no_session", "not on a static path"),
        case(None, handshake("/rest/health/live"), "401 no_session", "not on a public path"),
        case(CUSTOMER, handshake("/images/live"), "403 other_portal", "not of another portal"),
        case(ADA, handshake("/rest/live", sound=False), "400 upgrade_refused", "not half a handshake"),
        case(ADA, handshake("/rest/live", origin="https://evil.example"), "403 origin_mismatch", "not of another site"),
        case(ADA, handshake("/rest/live", origin=None), "403 origin_mismatch", "not of no site"),
        case(ADA, handshake("/rest/live", authorization=PAT), "401 credential_not_here", "not with a credential"),
        case(ADA, handshake("/rest/live", upgrade="WebSocket", origin=None), "403 origin_mismatch", "in any case"),
        case(None, replace(call("/rest/health/x"), upgrade="h2c"), "anonymous", "h2c is removed, the request served"),
    ],
)  # fmt: skip
def test_who_gets_where(who: Session | None, request_: RequestFacts, expected: str) -> None:
    assert expected == told(JIRA.ask(request_, who))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (get("/browse/A-1"), "renews at agents with okta"),
        (get("/servicedesk/customer/portals"), "renews at agents with okta"),
        (call("/browse/A-1"), "as ada"),
        (get("/browse/A-1", Kind.FRAME), "as ada"),
        (replace(get("/secure/x"), method="POST"), "as ada"),
        (handshake("/rest/live"), "as ada"),
        (get("/rest/health/x"), "as ada"),
        (get("/images/x.png"), "anonymous"),
        (get("/rest/plugins/1.0"), "403 not_in_group"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.method} {value.target} {value.kind}",
)
def test_a_silent_renewal_happens_on_pages_only_and_at_home(request_: RequestFacts, expected: str) -> None:
    assert expected == told(JIRA.ask(request_, ADA, renew=True))


def test_a_customers_renewal_on_a_shared_path_does_not_make_an_agent_of_him() -> None:
    bob = session("support", ("staff",), username="bob", provider="okta")
    assert "renews at support with okta" == told(JIRA.ask(get("/rest/servicedeskapi/x"), bob, renew=True))


def test_an_accepted_person_steps_up_at_home_and_keeps_name_and_order() -> None:
    fresh = replace(JIRA, support_rules=(rule("support/all", Answer.ALLOW, "/**", fresh=60),))
    page = get("/servicedesk/customer/portals")
    assert "steps up to 60 at agents with okta" == told(fresh.ask(page, ADA))
    there, here = JIRA.ask(page, ADA), JIRA.ask(get("/browse/A-1"), ADA)
    assert isinstance(there, Forward)
    assert isinstance(here, Forward)
    assert ("ada", here.order) == (there.username, there.order)


def test_a_group_of_the_customers_provider_opens_no_rule_of_the_agents() -> None:
    """A shared path is judged by the default portal's rules, which speak of its own provider's groups."""
    inner = rule("agents/inner", Answer.ALLOW, "/rest/servicedeskapi/inner/**", condition=ADMINS)
    jira = replace(JIRA, rules=(inner, *JIRA.rules))
    customer = session("support", ("admins", "staff"), username="bob")
    assert "403 other_portal" == told(jira.ask(call("/rest/servicedeskapi/inner/x"), customer))
    assert "as cust-bob" == told(jira.ask(call("/rest/servicedeskapi/x"), customer))
    assert "as ada" == told(jira.ask(call("/rest/servicedeskapi/inner/x"), session("agents", ("admins", "staff"))))


def test_an_accepted_agent_of_another_provider_is_judged_by_the_portals_rules_and_meets_no_condition() -> None:
    """R3: what the portal requires of its own people, acceptance stands for; rules that ask ask in vain; bans hold."""
    apart = replace(
        JIRA,
        support_providers=("auth0",),
        support_require=Condition(any_group=frozenset({"clients"})),
        support_rules=(
            rule("support/gone", Answer.DENY, "/servicedesk/customer/portal/1"),
            rule("support/ban", Answer.DENY, "/servicedesk/customer/portal/2", condition=ADMINS),
            rule("support/vip", Answer.ALLOW, "/servicedesk/customer/portal/3", condition=STAFF),
        ),
    )
    answers = {
        "portals": "as ada",
        "portal/1": "403 rule_denied",
        "portal/2": "403 rule_denied",
        "portal/3": "403 other_portal",
    }
    for page, answer in answers.items():
        assert (page, answer) == (page, told(apart.ask(get(f"/servicedesk/customer/{page}"), ADA)))
    # Whom the agents' portal keeps out is no guest.
    assert "403 not_in_group" == told(apart.ask(get("/servicedesk/customer/portals"), OUTSIDER))
    assert "403 not_in_group" == told(apart.ask(get("/servicedesk/customer/portals"), session("support", ())))


def test_a_portal_that_accepts_nobody_lets_no_other_session_in() -> None:
    closed = replace(JIRA, accepts=frozenset())
    assert "403 other_portal" == told(closed.ask(get("/servicedesk/customer/portals"), ADA))


def test_the_strictest_reading_counts() -> None:
    jira = Jira(rules=(rule("open", Answer.PUBLIC, "/browse/**"), rule("x", Answer.ALLOW, "/rest/**", fresh=60)))
    target = "/s/1/_/browse/_/rest/x"
    assert "401 no_session" == told(jira.ask(call(target)))
    assert "401 step_up_needed" == told(jira.ask(call(target), ADA))
    assert "as ada" == told(jira.ask(call(target), session(auth_time=-60)))


@pytest.mark.parametrize(
    ("method", "one", "other", "expected"),
    [
        ("GET", "/browse/A-1", "/WEB-INF/x", "403 closed_path"),
        ("GET", "/browse/A-1", "/rest/pat/1", "403 rule_denied"),
        ("GET", "/browse/A-1", "/rest/plugins/x", "403 not_in_group"),
        ("GET", "/browse/A-1", "/logout", "signs out"),
        ("GET", "/browse/A-1", "/login.jsp", "403 landing_failed"),
        ("POST", "/browse/A-1", "/login.jsp", "403 password_login"),
        ("GET", "/rest/health/x", "/rest/x", "as ada"),
    ],
)
def test_no_reading_hides_another(method: str, one: str, other: str, expected: str) -> None:
    """Whichever the product serves, its rule was asked."""
    policy, request = JIRA.policy, call("/browse/A-1", method)
    place, ada = locate(request, policy), visitor_of(ADA, policy)
    assert isinstance(place, Place)
    for below, reading in ((one, other), (other, one)):
        ways = (below, reading)
        traits = traits_of(place.application, place.portal, ways)
        there = replace(place, below=below, readings=ways[1:], traits=traits)
        assert expected == told(decide(request, there, ada, policy, NOW))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/login.jsp?os_destination=%2Fbrowse%2FA-1%3Fx%3D1", "/browse/A-1?x=1"),
        ("/login.jsp?permissionViolation=true&os_destination=/browse/A-1", "/browse/A-1"),
        ("/login.jsp", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=https://evil.example/", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=//evil.example/", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=/%5Cevil.example/", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=@evil.example", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=/login.jsp", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=/logout", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=/.lychgate/logout", "/secure/Dashboard.jspa"),
        ("/login.jsp?" + "a=b&" * 50 + "os_destination=/browse/A-1", "/secure/Dashboard.jspa"),
        ("/servicedesk/customer/user/login?destination=portal%2F1", "/servicedesk/customer/portal/1"),
        ("/servicedesk/customer/user/login", "/servicedesk/customer/portals"),
        ("/servicedesk/customer/user/login?destination=//evil.example/", "/servicedesk/customer/portals"),
        ("/servicedesk/customer/portals?" + "x" * 2048, "/servicedesk/customer/portals"),
    ],
)
@pytest.mark.parametrize("context", ["", "/jira"])
def test_where_a_sign_in_leads_back_to(context: str, target: str, expected: str) -> None:
    decision = replace(JIRA, context=context).ask(get(context + target))
    assert isinstance(decision, StartLogin)
    assert context + expected == decision.back_to


def test_a_destination_may_name_the_context_path_or_leave_it_out() -> None:
    jira = replace(JIRA, context="/jira")
    for named in ("/browse/A-1", "/jira/browse/A-1"):
        decision = jira.ask(get(f"/jira/login.jsp?os_destination={named}"))
        assert isinstance(decision, StartLogin)
        assert "/jira/browse/A-1" == decision.back_to


@pytest.mark.parametrize("target", ["/plugins/servlet/oauth/consumer-info", "/rest/applinks/1.0/manifest"])
def test_application_links_are_public_only_where_their_profile_is_declared(target: str) -> None:
    assert "401 no_session" == told(JIRA.ask(call(target)))
    assert "401 no_session" == told(replace(JIRA, machine=("gadgets",)).ask(call(target)))
    declared = replace(JIRA, machine=("applinks",))
    assert "anonymous" == told(declared.ask(call(target)))
    assert "401 no_session" == told(declared.ask(handshake(target)))
    assert "401 no_session" == told(declared.ask(call(f"/s/1/_/rest/x/_{target}")))


@pytest.mark.parametrize("who", [None, ADA, CUSTOMER], ids=["nobody", "ada", "customer"])
@pytest.mark.parametrize(
    "request_", [get("/browse/A-1"), get("/WEB-INF/web.xml"), call("/rest/x", authorization="Basic YTpi")]
)
def test_modes(request_: RequestFacts, who: Session | None) -> None:
    enforced = told(JIRA.ask(request_, who))
    observing = replace(JIRA, mode=Mode.OBSERVE)
    observed, off = observing.ask(request_, who), replace(JIRA, mode=Mode.OFF).ask(request_, who, trying=True)
    assert isinstance(observed, PassThrough)
    assert isinstance(off, PassThrough)
    assert observed.observed is not None
    assert (True, enforced) == (observed.transparent, told(observed.observed))
    assert enforced == told(observing.ask(request_, who, trying=True))
    assert (True, None, "mode/off") == (off.transparent, off.observed, off.rule)


@pytest.mark.parametrize(("target", "extends"), [("/browse/A-1", True), ("/rest/menu/1.0", False)])
def test_polling_does_not_keep_a_session_alive(target: str, extends: bool) -> None:
    decision = JIRA.ask(call(target), ADA)
    assert isinstance(decision, Forward)
    assert extends is decision.extends_idle


def test_verdicts_of_another_policy_let_nobody_in() -> None:
    policy, request = JIRA.policy, call("/browse/A-1")
    known, place = visitor_of(ADA, policy), locate(request, policy)
    assert known is not None
    assert isinstance(place, Place)
    old = Visitor(known.session, replace(known.standing, policy="older"))
    assert "503 internal" == told(decide(request, place, old, policy, NOW))


@pytest.mark.parametrize(
    ("request_", "who", "rule_id"),
    [
        (call("/rest/plugins/x"), ADA, "agents/admin"),
        (call("/rest/pat/x"), None, "agents/no-tokens"),
        (call("/secure/x"), ADA, "agents/default"),
        (get("/WEB-INF/x"), None, "product/closed"),
        (call("/s/1/_/browse/_/rest/plugins/x"), ADA, "agents/admin"),
    ],
)
def test_a_decision_names_its_rule(request_: RequestFacts, who: Session | None, rule_id: str) -> None:
    decision = JIRA.ask(request_, who)
    assert isinstance(decision, (Deny, Forward))
    assert rule_id == decision.rule


def test_a_token_of_a_tenant_that_is_let_in_is_one_of_our_providers() -> None:
    tenant = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    shared = ProviderPolicy(
        name="okta", label="", issuer="https://login.example/{tenantid}/v2.0", fence={"tid": frozenset({tenant})}
    )
    world = Jira()
    policy = replace(world.policy, providers={"okta": shared})
    claims = json.dumps({"iss": f"https://login.example/{tenant}/v2.0"}).encode()
    token = f"Bearer e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"
    request = call("/rest/api/2/search", authorization=token)
    place = locate(request, policy)
    assert isinstance(place, Place)
    made = decide(request, place, None, policy, NOW)
    assert isinstance(made, Deny)
    assert Reason.TOKEN_NOT_ACCEPTED == made.reason
