"""core.explain: every line is what the gate itself would find, in its order, and the first obstacle ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sidecar.core.explain import Question, explain
from sidecar.domain.policy import AccountPolicy, Answer, Condition, GroupMapping, GroupPolicy, Policy
from tests.core.worlds import ADMINS, NOW, OKTA, STAFF, Jira, rule

WORLD = Jira(rules=(rule("agents/secure", Answer.ALLOW, "/secure/**", condition=ADMINS, fresh=60),), require=STAFF)
CLAIMS = {"iss": OKTA, "sub": "1", "preferred_username": "Ada", "name": "Ada L", "groups": ["staff", "moon"]}


def answers(
    policy: Policy | None = None, portal: str = "agents", provider: str = "okta", target: str = "", **changes: Any
) -> dict[str, tuple[str, str]]:
    """What was found, and the reason word, by what it is about."""
    policy = policy or WORLD.policy
    application = policy.applications["jira"]
    door = application.portal(portal)
    assert door is not None
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    question = Question(
        application=application, portal=door, provider=provider, claims=claims, userinfo={}, target=target
    )
    return {line.what: (line.found, line.reason.value) for line in explain(question, policy, NOW)}


def test_somebody_who_gets_in() -> None:
    told = answers(target="/browse/A-1")
    assert ("1 of https://example.okta.com", "ok") == told["person"]
    assert (("moon, staff", "ok"), ("ada", "ok"), ("open", "ok")) == (
        told["groups"],
        told["username"],
        told["portal agents"],
    )
    assert ("passes as ada, by agents/default", "ok") == told["GET /browse/A-1 at portal agents"]
    assert ("allow: its condition does not hold", "ok") == told["rule agents/secure"]


@pytest.mark.parametrize(
    ("target", "groups", "expected"),
    [
        ("/secure/x", ["staff"], ("refused with 403, by agents/secure", "not_in_group")),
        ("/secure/x", ["staff", "admins"], ("leads to a sign-in (not older than 60 s), by agents/secure", "ok")),
        ("/browse/A-1", ["other"], ("refused with 403, by agents/default", "not_in_group")),
        ("/browse/A-1", None, ("refused with 403, by agents/default", "groups_unknown")),
        ("/images/x.png", ["staff"], ("passes as nobody, by product/static", "ok")),
        ("/WEB-INF/x", ["staff"], ("refused with 403, by product/closed", "closed_path")),
    ],
)
def test_the_decision_on_a_page(target: str, groups: list[str] | None, expected: tuple[str, str]) -> None:
    assert expected == answers(target=target, groups=groups)[f"GET {target} at portal agents"]


def test_a_path_that_nobody_serves() -> None:
    assert ("Deny", "bad_path") == answers(target="/a/../b")["GET /a/../b"]


@pytest.mark.parametrize(
    ("changes", "what", "reason"),
    [
        ({"sub": None}, "token", "token_invalid"),
        ({"sub": 7}, "token", "token_invalid"),
        ({"iss": "https://evil.example"}, "token", "token_invalid"),
        ({"preferred_username": None}, "username", "username_missing"),
        ({"preferred_username": "a/b"}, "username", "username_invalid"),
    ],
)
def test_what_keeps_somebody_out_early(changes: dict[str, Any], what: str, reason: str) -> None:
    assert reason == answers(**changes)[what][1]


def test_a_stranger_ends_at_the_fence() -> None:
    policy = WORLD.policy
    okta = replace(policy.providers["okta"], fence={"tid": frozenset({"ours"})})
    fenced = replace(policy, providers={**policy.providers, "okta": okta})
    assert {"fence": ("outside", "stranger")} == answers(fenced, tid="theirs")
    assert "username" in answers(fenced, tid="ours")


def test_a_provider_that_the_portal_does_not_use() -> None:
    told = answers(provider="auth0", iss="https://example.auth0.com/")
    assert "portal" in told or "token" in told


GROUPS = GroupPolicy(
    mapping=(
        GroupMapping(source="(staff|root|<x>)", target="jira-$1", line="map[0]"),
        GroupMapping(source="root", target="jira-administrators", line="map[1]"),
        GroupMapping(source="root", target="jira-administrators", exact=True, admin=True, line="admin[0]"),
    ),
    table={"6f": ("jira-six",)},
    always=("jira-users",),
    on_create=("newcomers",),
    if_empty=("guests",),
)


def test_every_group_is_told_with_its_line_or_with_why_not() -> None:
    policy = WORLD.policy
    jira = policy.applications["jira"]
    portals = tuple(replace(door, groups=GROUPS, require=Condition()) for door in jira.portals)
    accounts = AccountPolicy(enabled=True, create=True)
    changed = replace(policy, applications={"jira": replace(jira, portals=portals, accounts=accounts)})
    claims = {**CLAIMS, "groups": ["staff", "moon", "<x>", "root", "6f"]}
    question = Question(
        application=changed.applications["jira"], portal=portals[0], provider="okta", claims=claims, userinfo={}
    )
    told = [(line.what, line.found) for line in explain(question, changed, NOW) if line.what.startswith("group ")]
    assert [
        ("group 6f", "gives jira-six, by table"),
        ("group <x>", "gives nothing: what map[0] makes of it is no name of a group"),
        ("group moon", "gives nothing: no line names it"),
        ("group root", "gives jira-root, by map[0]"),
        (
            "group root",
            "gives nothing: jira-administrators of map[1] is protected, and only a line under admin gives it",
        ),
        ("group root", "gives jira-administrators, by admin[0]"),
        ("group staff", "gives jira-staff, by map[0]"),
        ("group jira-users", "given to everybody, by always"),
        ("group newcomers", "given with an account that is made now, by on_create"),
        ("group guests", "given to an account that would be in no group, by if_empty"),
    ] == told
