"""How old claims and sign-ins may be: every second at a bound, and what old claims lead to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.ages import GRACE, ClaimsAge, claims_age, is_stepped_up
from sidecar.core.routing import locate
from sidecar.core.steps import step_up_for
from sidecar.domain.decision import Kind, Place, RequestFacts
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Answer
from tests.core.worlds import ADMINS, NOW, Jira, call, get, handshake, rule, session, told

CURRENT, DUE, STALE = ClaimsAge
ADA = session(auth_time=-30, acr="mfa")
BROWSE = get("/browse/A-1")
FORM = replace(get("/secure/x"), method="POST")
FRAME, PREVIEW = get("/browse/A-1", Kind.FRAME), get("/browse/A-1", Kind.PREVIEW)
SIGNS_IN, RENEWS = "signs in at agents with okta", "renews at agents with okta"


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, CURRENT), (-5, CURRENT), (899, CURRENT), (900, DUE), (900 + GRACE - 1, DUE), (900 + GRACE, STALE)],
)
def test_how_old_claims_are(age: int, expected: ClaimsAge) -> None:
    assert expected is claims_age(UnixSeconds(NOW - age), NOW, 900)


@pytest.mark.parametrize(
    ("request_", "claims", "renew", "unconfirmed", "expected"),
    [
        (BROWSE, CURRENT, False, False, "as ada"),
        (BROWSE, CURRENT, True, False, RENEWS),
        (BROWSE, DUE, True, False, RENEWS),
        (BROWSE, DUE, False, False, "as ada"),
        (BROWSE, DUE, True, True, SIGNS_IN),
        (BROWSE, CURRENT, True, True, SIGNS_IN),
        (BROWSE, STALE, True, False, RENEWS),
        (BROWSE, STALE, False, False, SIGNS_IN),
        (FORM, DUE, True, True, "as ada"),
        (FORM, STALE, True, False, "401 claims_stale"),
        (call("/rest/api/2/x"), DUE, True, True, "as ada"),
        (call("/rest/api/2/x"), STALE, True, True, "401 claims_stale"),
        (handshake("/rest/live"), DUE, False, False, "as ada"),
        (handshake("/rest/live"), STALE, False, False, "401 claims_stale"),
        (FRAME, DUE, True, False, "as ada"),
        (FRAME, STALE, True, False, SIGNS_IN),
        (PREVIEW, STALE, True, False, SIGNS_IN),
        (get("/images/x.png"), STALE, True, True, "anonymous"),
        (get("/rest/plugins/1.0"), DUE, True, False, RENEWS),
        (get("/servicedesk/customer/portals"), STALE, True, False, RENEWS),
    ],
    ids=str,
)
def test_what_old_claims_lead_to(
    request_: RequestFacts, claims: ClaimsAge, renew: bool, unconfirmed: bool, expected: str
) -> None:
    jira = Jira(rules=(rule("agents/plugins", Answer.ALLOW, "/rest/plugins/**", condition=ADMINS),))
    assert expected == told(jira.ask(request_, ADA, renew=renew, claims=claims, unconfirmed=unconfirmed))


@pytest.mark.parametrize(
    ("fresh", "acr", "auth_time", "has", "claims", "expected"),
    [
        (None, (), None, None, STALE, True),
        (60, (), -60, None, CURRENT, True),
        (60, (), -61, None, CURRENT, False),
        (60, (), None, None, CURRENT, False),
        (60, (), -1, None, DUE, False),
        (None, ("mfa",), None, "mfa", CURRENT, True),
        (None, ("key", "mfa"), None, "mfa", CURRENT, True),
        (None, ("mfa",), None, "MFA", CURRENT, False),
        (None, ("mfa",), None, "mfa2", CURRENT, False),
        (None, ("mfa",), None, None, CURRENT, False),
        (None, ("mfa",), None, "mfa", DUE, False),
        (60, ("mfa",), -61, "mfa", CURRENT, False),
        (60, ("mfa",), -1, "pwd", CURRENT, False),
        (60, ("mfa",), -1, "mfa", CURRENT, True),
    ],
)
def test_whether_a_sign_in_is_what_a_rule_asks_for(
    fresh: int | None,
    acr: tuple[str, ...],
    auth_time: int | None,
    has: str | None,
    claims: ClaimsAge,
    expected: bool,
) -> None:
    asks = rule("r", Answer.ALLOW, "/**", fresh=fresh, acr=acr)
    assert expected is is_stepped_up(session(auth_time=auth_time, acr=has), asks, claims, NOW)


STEPS = Jira(
    rules=(
        rule("agents/ban", Answer.DENY, "/secure/**", condition=ADMINS),
        rule("agents/admin", Answer.ALLOW, "/secure/admin/**", fresh=600, acr=("mfa",)),
        rule("agents/posts", Answer.ALLOW, "/secure/**", methods=frozenset({"POST"}), acr=("key", "mfa")),
        rule("agents/rest", Answer.ALLOW, "/rest/**", fresh=60),
    )
)


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        ("/secure/admin/x", "POST", (600, ("mfa",), "agents/admin")),
        ("/secure/x", "POST", (None, ("key", "mfa"), "agents/posts")),
        ("/secure/x", "GET", None),
        ("/browse/A-1", "POST", None),
        ("/s/1/_/rest/_/secure/admin/x", "POST", (60, ("mfa",), "agents/rest")),
    ],
)
def test_the_step_up_that_is_begun_beside_a_form(
    path: str, method: str, expected: tuple[int | None, tuple[str, ...], str] | None
) -> None:
    place = locate(get(path), STEPS.policy)
    assert isinstance(place, Place)
    order = step_up_for(place, method, ADA, "/.lychgate/confirmed")
    if expected is None:
        assert order is None
        return
    assert order is not None
    assert expected[:2] == (order.max_age, order.acr)
    assert ("agents", "okta", "/.lychgate/confirmed", False) == (
        order.portal.name,
        order.provider,
        order.back_to,
        order.silent,
    )
