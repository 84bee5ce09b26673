"""Who gets where with an access token: judged as the person, only where machines call, and never sent to sign in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.decide import decide
from sidecar.core.routing import locate
from sidecar.domain.decision import Kind, Place, RequestFacts
from sidecar.domain.policy import JwtPolicy
from sidecar.domain.session import Session
from tests.core.test_decide import ADA, ADMIN, CONTRACTOR, JIRA, OUR_JWT, OUTSIDER, PAT, TIRED_ADMIN, UNKNOWN
from tests.core.worlds import NOW, call, get, handshake, told, visitor_of


def asked(request: RequestFacts, who: Session | None, *, by_token: bool = True, on: bool = True) -> str:
    policy = JIRA.policy
    jira = policy.applications["jira"]
    jwt = JwtPolicy(shapes={"okta": "okta"}, audiences=frozenset({"api"}))
    jira = replace(jira, api=replace(jira.api, jwt=jwt if on else None))
    policy = replace(policy, applications={"jira": jira}, sites={jira.host: (jira,)})
    place = locate(request, policy)
    assert isinstance(place, Place)
    visitor = visitor_of(who, policy, renew=True)
    return told(decide(request, place, replace(visitor, by_token=by_token) if visitor else None, policy, NOW))


@pytest.mark.parametrize(
    ("who", "request_", "expected"),
    [
        (ADA, call("/rest/api/2/search", authorization=OUR_JWT), "as ada"),
        (ADA, get("/rest/api/2/search", authorization=OUR_JWT), "as ada"),
        (None, call("/rest/api/2/search", authorization=OUR_JWT), "401 token_not_accepted"),
        (ADA, get("/browse/A-1", authorization=OUR_JWT), "401 credential_not_here"),
        (ADA, call("/s/1/_/rest/_/secure/x", authorization=OUR_JWT), "401 credential_not_here"),
        (ADA, handshake("/rest/live", authorization=OUR_JWT), "401 credential_not_here"),
        (OUTSIDER, call("/rest/api/2/search", authorization=OUR_JWT), "403 not_in_group"),
        (UNKNOWN, call("/rest/api/2/search", authorization=OUR_JWT), "403 groups_unknown"),
        (ADA, call("/rest/secret/x", authorization=OUR_JWT), "as ada"),
        (CONTRACTOR, call("/rest/secret/x", authorization=OUR_JWT), "403 rule_denied"),
        (UNKNOWN, call("/rest/secret/x", authorization=OUR_JWT), "403 rule_denied"),
        (ADMIN, call("/rest/pat/1", authorization=OUR_JWT), "403 rule_denied"),
        (ADMIN, call("/rest/plugins/1.0", authorization=OUR_JWT), "as ada"),
        (ADA, call("/rest/plugins/1.0", authorization=OUR_JWT), "403 not_in_group"),
        (TIRED_ADMIN, call("/rest/plugins/1.0", authorization=OUR_JWT), "401 step_up_needed"),
        (TIRED_ADMIN, get("/rest/plugins/1.0", authorization=OUR_JWT), "401 step_up_needed"),
        (TIRED_ADMIN, get("/rest/plugins/1.0", Kind.FRAME, OUR_JWT), "401 step_up_needed"),
    ],
)
def test_a_verified_token_is_judged_as_its_person(who: Session | None, request_: RequestFacts, expected: str) -> None:
    assert expected == asked(request_, who)


def test_a_session_beside_a_token_that_nobody_verified_opens_nothing() -> None:
    assert "401 token_not_accepted" == asked(call("/rest/x", authorization=OUR_JWT), ADA, by_token=False)


def test_without_the_setting_no_token_counts() -> None:
    assert "401 token_not_accepted" == asked(call("/rest/x", authorization=OUR_JWT), ADA, on=False)


def test_a_ban_on_some_holds_for_other_credentials_beside_a_session() -> None:
    assert "403 rule_denied" == asked(call("/rest/secret/x", authorization=PAT), ADA, by_token=False)
