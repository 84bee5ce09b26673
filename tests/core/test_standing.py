"""core.standing: what a session is worth under a policy; nothing, if what it came from is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.orders import order_for
from sidecar.core.standing import needed_claims, standing_of
from sidecar.domain.account import AccountOrder
from sidecar.domain.identity import Claim, Groups
from sidecar.domain.policy import Answer, Condition, Policy, UsernameMapping
from sidecar.domain.reason import Reason
from tests.core.worlds import ADMINS, PROVIDERS, STAFF, Jira, rule, session

CONTRACTORS = Condition(any_group=frozenset({"contractors"}))
IN_IT = Condition(claims={"department": frozenset({"IT"})})
JIRA = Jira(
    require=STAFF,
    support_require=IN_IT,
    rules=(
        rule("agents/0", Answer.ALLOW, "/a/**", condition=ADMINS),
        rule("agents/1", Answer.DENY, "/b/**", condition=CONTRACTORS),
        rule("agents/2", Answer.DENY, "/c/**"),
        rule("agents/3", Answer.DENY, "/d/**", condition=IN_IT),
    ),
)


def without_portal(policy: Policy, name: str) -> Policy:
    jira = policy.applications["jira"]
    left = tuple(portal for portal in jira.portals if portal.name != name)
    return replace(policy, applications={"jira": replace(jira, portals=left)})


@pytest.mark.parametrize(
    ("groups", "require", "rules"),
    [
        (("staff",), Reason.OK, (Reason.NOT_IN_GROUP, Reason.NOT_IN_GROUP, Reason.OK, Reason.CLAIM_MISSING)),
        (("admins",), Reason.NOT_IN_GROUP, (Reason.OK, Reason.NOT_IN_GROUP, Reason.OK, Reason.CLAIM_MISSING)),
        (("contractors",), Reason.NOT_IN_GROUP, (Reason.NOT_IN_GROUP, Reason.OK, Reason.OK, Reason.CLAIM_MISSING)),
        (None, Reason.GROUPS_UNKNOWN, (Reason.GROUPS_UNKNOWN, Reason.OK, Reason.OK, Reason.CLAIM_MISSING)),
    ],
)
def test_verdicts(groups: Groups, require: Reason, rules: tuple[Reason, ...]) -> None:
    """A ban on groups that cannot be read holds; a demand on them is not met (D5)."""
    standing = standing_of(session("agents", groups), JIRA.policy)
    assert standing is not None
    assert (require, rules) == (standing.portals["agents"].require, standing.portals["agents"].rules)


def test_every_portal_of_the_application_is_judged() -> None:
    standing = standing_of(session(claims={"department": "IT"}), JIRA.policy)
    assert standing is not None
    assert {"agents", "support"} == set(standing.portals)
    assert (Reason.OK, ()) == (standing.portals["support"].require, standing.portals["support"].rules)


@pytest.mark.parametrize("groups", [("admins", "staff"), None, ()])
def test_a_name_that_another_provider_gives_out_means_nothing_here(groups: Groups) -> None:
    """The customers' provider can call a group as it likes: no demand is met by it, and every ban may mean it."""
    customer = standing_of(session("support", groups, claims={"department": "IT"}), JIRA.policy)
    assert customer is not None
    agents = customer.portals["agents"]
    assert (Reason.OTHER_PORTAL, Reason.OK, Reason.OK, Reason.OK) == agents.rules
    assert Reason.OTHER_PORTAL == agents.require


@pytest.mark.parametrize(("accepts", "require"), [({"agents"}, Reason.OK), (set(), Reason.OTHER_PORTAL)])
def test_acceptance_stands_for_what_a_portal_requires_of_its_own_people(accepts: set[str], require: Reason) -> None:
    apart = replace(JIRA, support_providers=("auth0",), accepts=frozenset(accepts))
    agent = standing_of(session("agents", ("staff",)), apart.policy)
    assert agent is not None
    assert require is agent.portals["support"].require


@pytest.mark.parametrize(("home", "name"), [("agents", "ada"), ("support", "cust-ada")])
def test_name_and_order_come_from_the_home_portal(home: str, name: str) -> None:
    who, policy = session(home), JIRA.policy
    standing, jira = standing_of(who, policy), policy.applications["jira"]
    portal = jira.portal(home)
    assert standing is not None
    assert portal is not None
    assert ("policy-1", name, Reason.OK) == (standing.policy, standing.username, standing.refused)
    assert order_for(who.identity, portal, jira, name, trusted=home == "agents") == standing.order


def test_without_a_name_there_is_a_reason_and_no_order() -> None:
    standing = standing_of(session(username=None), JIRA.policy)
    assert standing is not None
    assert (None, Reason.USERNAME_MISSING, None) == (standing.username, standing.refused, standing.order)


@pytest.mark.parametrize(
    ("home", "told", "expected"),
    [
        ("agents", {}, ("ada@example.com", Reason.OK)),
        ("agents", {"email_verified": True}, ("ada@example.com", Reason.OK)),
        ("agents", {"email_verified": False}, (None, Reason.USERNAME_INVALID)),
        ("support", {}, (None, Reason.USERNAME_INVALID)),
        ("support", {"email_verified": "true"}, (None, Reason.USERNAME_INVALID)),
        ("support", {"email_verified": True}, ("ada@example.com", Reason.OK)),
    ],
)
def test_an_unverified_address_is_no_name_and_a_believed_provider_need_not_speak_of_it(
    home: str, told: dict[str, Claim], expected: tuple[str | None, Reason]
) -> None:
    policy = JIRA.policy
    jira = policy.applications["jira"]
    portals = tuple(replace(portal, username=UsernameMapping(claims=("email",))) for portal in jira.portals)
    who = session(home, username=None, claims={"email": "ada@example.com", **told})
    found = standing_of(who, replace(policy, applications={"jira": replace(jira, portals=portals)}))
    assert found is not None
    assert expected == (found.username, found.refused)


def test_a_session_whose_origin_is_gone_stands_nowhere() -> None:
    policy, agent, customer = JIRA.policy, session("agents"), session("support")
    assert standing_of(agent, policy) is not None
    assert standing_of(agent, replace(policy, applications={})) is None
    assert standing_of(agent, without_portal(policy, "agents")) is None
    assert standing_of(agent, without_portal(policy, "support")) is not None
    assert standing_of(customer, without_portal(policy, "support")) is None
    assert standing_of(replace(agent, application="wiki"), policy) is None
    assert standing_of(replace(agent, portal="elsewhere"), policy) is None
    assert standing_of(session("agents", provider="auth0"), policy) is None
    assert standing_of(session("support", provider="okta"), policy) is not None
    assert standing_of(agent, replace(policy, providers={"auth0": PROVIDERS["auth0"]})) is None


def test_a_session_of_another_issuer_under_the_same_name_stands_nowhere() -> None:
    moved = {**PROVIDERS, "okta": replace(PROVIDERS["okta"], issuer="https://other.okta.com")}
    assert standing_of(session("agents"), replace(JIRA.policy, providers=moved)) is None


def test_the_order_of_somebody_at_another_portal_does_not_depend_on_that_portal() -> None:
    orders: set[AccountOrder | None] = set()
    for require in (STAFF, ADMINS):
        standing = standing_of(session(), replace(JIRA, support_require=require).policy)
        assert standing is not None
        orders.add(standing.order)
    assert 1 == len(orders)


def test_needed_claims_are_those_that_anything_reads() -> None:
    base = {"name", "email", "email_verified", "preferred_username"}
    assert base == needed_claims(Jira().policy.applications["jira"])
    by_rule = Jira(
        support_rules=(rule("x", Answer.DENY, "/x", condition=Condition(claims={"cost_center": frozenset({"1"})})),)
    )
    assert base | {"cost_center"} == needed_claims(by_rule.policy.applications["jira"])
    assert base | {"department"} == needed_claims(JIRA.policy.applications["jira"])
    jira = Jira().policy.applications["jira"]
    portals = tuple(replace(portal, username=UsernameMapping(claims=("upn",))) for portal in jira.portals)
    assert base | {"upn"} == needed_claims(replace(jira, portals=portals))


def test_a_session_of_a_tenant_that_is_no_longer_let_in_stands_nowhere() -> None:
    one, two = "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"
    who = session("agents")
    person = replace(who.identity.person, issuer=f"https://login.example/{one}/v2.0")
    who = replace(who, identity=replace(who.identity, person=person))

    def under(*tenants: str) -> Policy:
        shared = replace(
            PROVIDERS["okta"], issuer="https://login.example/{tenantid}/v2.0", fence={"tid": frozenset(tenants)}
        )
        return replace(JIRA.policy, providers={**PROVIDERS, "okta": shared})

    assert standing_of(who, under(one, two)) is not None
    assert standing_of(who, under(two)) is None
    assert standing_of(who, under()) is None
    assert standing_of(who, JIRA.policy) is None


def test_each_provider_has_its_own_way_to_names() -> None:
    """One portal, two providers: a name that both give out means two accounts."""
    policy = JIRA.policy
    jira = policy.applications["jira"]
    own = {"auth0": UsernameMapping(claims=("nickname",), prefix="x-")}
    agents = replace(jira.default_portal, providers=("okta", "auth0"), usernames=own)
    jira = replace(jira, portals=(agents, *jira.portals[1:]))
    policy = replace(policy, applications={"jira": jira})
    standings = [
        standing_of(session("agents", (), provider=provider, claims={"nickname": "ada"}), policy)
        for provider in ("okta", "auth0")
    ]
    assert ["ada", "x-ada"] == [standing.username for standing in standings if standing is not None]
    assert {"nickname", "preferred_username"} <= needed_claims(jira)
