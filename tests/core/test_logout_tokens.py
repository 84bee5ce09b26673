"""Tokens that end sessions: each thing that can be wrong with one, by itself; and what a good one says."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.logout_tokens import (
    EVENT,
    OLDEST,
    Notice,
    NoticeTerms,
    check_logout_token,
    check_revocation_token,
    subject_of,
)
from sidecar.core.tokens import TokenFault
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.revocation import By

NOW = UnixSeconds(1_800_000_000)
ISSUER = "https://id.example.com"
TERMS = NoticeTerms(issuers=(ISSUER,), client_id="gate", algorithms=("RS256", "ES256"))
ADDRESS = "https://jira.example.com/.lychgate/global-token-revocation/okta"

LOGOUT: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "gate",
    "iat": NOW,
    "exp": NOW + 120,
    "jti": "t-1",
    "events": {EVENT: {}},
    "sub": "s-1",
    "sid": "sid-1",
}
GLOBAL: dict[str, Any] = {"iss": ISSUER, "sub": "gate", "aud": ADDRESS, "iat": NOW, "exp": NOW + 300, "jti": "t-2"}
GONE = object()

BAD_HEADERS: list[tuple[str, dict[str, Any]]] = [
    ("alg none", {"alg": "none"}),
    ("another algorithm", {"alg": "HS256"}),
    ("no algorithm", {"alg": GONE}),
    ("an access token", {"typ": "at+jwt"}),
    ("a security event", {"typ": "secevent+jwt"}),
    ("typ is no text", {"typ": 1}),
    ("critical extensions", {"crit": ["b64"]}),
    ("its own key", {"jwk": {}}),
    ("a key elsewhere", {"jku": "https://evil.example"}),
]
BAD_LOGOUTS: list[tuple[str, dict[str, Any]]] = [
    ("another issuer", {"iss": "https://evil.example"}),
    ("a list of issuers", {"iss": [ISSUER]}),
    ("no issuer", {"iss": GONE}),
    ("another audience", {"aud": "other"}),
    ("no audience", {"aud": GONE}),
    ("an empty audience", {"aud": []}),
    ("others too, without azp", {"aud": ["gate", "other"]}),
    ("another azp", {"azp": "other"}),
    ("no iat", {"iat": GONE}),
    ("iat is text", {"iat": str(NOW)}),
    ("iat of long ago", {"iat": NOW - OLDEST - 61}),
    ("iat of tomorrow", {"iat": NOW + 61}),
    ("expired", {"exp": NOW - 60}),
    ("exp is no time", {"exp": 1e300}),
    ("not yet valid", {"nbf": NOW + 61}),
    ("no events", {"events": GONE}),
    ("another event", {"events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}}}),
    ("events is a list", {"events": [EVENT]}),
    ("the event is no object", {"events": {EVENT: True}}),
    ("a nonce", {"nonce": "n"}),
    ("a nonce that is null", {"nonce": None}),
    ("no jti", {"jti": GONE}),
    ("an empty jti", {"jti": ""}),
    ("a jti without end", {"jti": "x" * 513}),
    ("neither sid nor sub", {"sid": GONE, "sub": GONE}),
    ("sid is no text", {"sid": 7}),
    ("an empty sid", {"sid": ""}),
    ("sub is no text", {"sub": ["s-1"]}),
]
GOOD: list[tuple[str, dict[str, Any], dict[str, Any], tuple[By, str]]] = [
    ("both names: the one sign-in", {}, {}, (By.SID, "sid-1")),
    ("sid alone", {}, {"sub": GONE}, (By.SID, "sid-1")),
    ("sub alone", {}, {"sid": GONE}, (By.SUBJECT, "s-1")),
    ("no exp, as older providers", {}, {"exp": GONE}, (By.SID, "sid-1")),
    ("an audience of one", {}, {"aud": ["gate"]}, (By.SID, "sid-1")),
    ("more events beside it", {}, {"events": {EVENT: {}, "x": {}}}, (By.SID, "sid-1")),
    ("typ JWT, as Keycloak", {"typ": "JWT"}, {}, (By.SID, "sid-1")),
    ("no typ", {"typ": GONE}, {}, (By.SID, "sid-1")),
    ("typ in full", {"typ": "application/logout+jwt"}, {}, (By.SID, "sid-1")),
    ("just within the clocks", {}, {"iat": NOW - OLDEST - 60}, (By.SID, "sid-1")),
]
BAD_GLOBALS: list[tuple[str, dict[str, Any]]] = [
    ("another issuer", {"iss": "https://evil.example"}),
    ("another client", {"sub": "other"}),
    ("a person", {"sub": "00u1"}),
    ("another address", {"aud": ADDRESS + "x"}),
    ("our client as audience", {"aud": "gate"}),
    ("no audience", {"aud": GONE}),
    ("no exp", {"exp": GONE}),
    ("expired", {"exp": NOW - 60}),
    ("no iat", {"iat": GONE}),
    ("old", {"iat": NOW - OLDEST - 61}),
    ("no jti", {"jti": GONE}),
]
BAD_SUBJECTS: list[tuple[str, object]] = [
    ("nothing", None),
    ("no object", "ada@example.com"),
    ("no format", {"email": "ada@example.com"}),
    ("opaque", {"format": "opaque", "id": "x"}),
    ("no address", {"format": "email", "email": "ada"}),
    ("two addresses", {"format": "email", "email": "a@b@c"}),
    ("an address that is none", {"format": "email", "email": ["a@b"]}),
    ("another issuer", {"format": "iss_sub", "iss": "https://evil.example", "sub": "s-1"}),
    ("no subject", {"format": "iss_sub", "iss": ISSUER}),
]


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (base | changes).items() if value is not GONE}


def header(changes: dict[str, Any], kind: str = "logout+jwt") -> dict[str, Any]:
    return changed({"alg": "RS256", "typ": kind, "kid": "one"}, changes)


@pytest.mark.parametrize("changes", [row[1] for row in BAD_HEADERS], ids=[row[0] for row in BAD_HEADERS])
def test_a_header_that_is_refused_everywhere(changes: dict[str, Any]) -> None:
    with pytest.raises(TokenFault):
        check_logout_token(header(changes), LOGOUT, TERMS, NOW)
    with pytest.raises(TokenFault):
        check_revocation_token(header(changes, "global-token-revocation+jwt"), GLOBAL, TERMS, ADDRESS, NOW)


@pytest.mark.parametrize("changes", [row[1] for row in BAD_LOGOUTS], ids=[row[0] for row in BAD_LOGOUTS])
def test_a_logout_token_that_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TokenFault):
        check_logout_token(header({}), changed(LOGOUT, changes), TERMS, NOW)


@pytest.mark.parametrize(("heads", "claims", "named"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_whom_a_good_one_names(heads: dict[str, Any], claims: dict[str, Any], named: tuple[By, str]) -> None:
    notice = check_logout_token(header(heads), changed(LOGOUT, claims), TERMS, NOW)
    assert (*named, "t-1") == (notice.by, notice.value, notice.token)
    assert claims.get("iat", NOW) == notice.issued_at


def test_for_many_tenants_it_is_the_tenant_s_own_issuer() -> None:
    tenant = "00000000-0000-4000-8000-000000000001"
    pattern, own = (f"https://login.example.com/{name}/v2.0" for name in ("{tenantid}", tenant))
    terms = replace(TERMS, issuers=(pattern,))
    claims = changed(LOGOUT, {"iss": own, "tid": tenant})
    assert own == check_logout_token(header({}), claims, terms, NOW).issuer
    with pytest.raises(TokenFault):
        check_logout_token(header({}), changed(claims, {"tid": tenant.replace("1", "2")}), terms, NOW)
    pair = {"sub_id": {"format": "iss_sub", "iss": own, "sub": "s-1"}}
    assert (By.SUBJECT, "s-1") == subject_of(pair, (pattern,), own)
    with pytest.raises(TokenFault):
        subject_of(pair, (pattern,), own.replace("1", "2"))


@pytest.mark.parametrize("changes", [row[1] for row in BAD_GLOBALS], ids=[row[0] for row in BAD_GLOBALS])
def test_a_revocation_token_that_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TokenFault):
        check_revocation_token(header({}, "global-token-revocation+jwt"), changed(GLOBAL, changes), TERMS, ADDRESS, NOW)


@pytest.mark.parametrize("kind", ["JWT", "logout+jwt", GONE])
def test_a_revocation_token_says_what_it_is(kind: Any) -> None:
    with pytest.raises(TokenFault):
        check_revocation_token(header({"typ": kind}), GLOBAL, TERMS, ADDRESS, NOW)


@pytest.mark.parametrize("audience", [ADDRESS, [ADDRESS], ["https://x", ADDRESS]])
def test_a_good_revocation_token(audience: Any) -> None:
    kind = header({}, "global-token-revocation+jwt")
    notice = check_revocation_token(kind, changed(GLOBAL, {"aud": audience}), TERMS, ADDRESS, NOW)
    assert Notice(issuer=ISSUER, by=None, value="", token="t-2", issued_at=NOW) == notice


@pytest.mark.parametrize("subject", [row[1] for row in BAD_SUBJECTS], ids=[row[0] for row in BAD_SUBJECTS])
def test_a_subject_that_nobody_could_be(subject: object) -> None:
    with pytest.raises(TokenFault):
        subject_of({"sub_id": subject}, (ISSUER,), ISSUER)


def test_the_subjects_that_are_known() -> None:
    email = {"sub_id": {"format": "email", "email": " Ada@Example.COM"}}
    pair = {"sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": "s-1"}}
    assert [(By.EMAIL, "ada@example.com"), (By.SUBJECT, "s-1")] == [
        subject_of(it, (ISSUER,), ISSUER) for it in (email, pair)
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(name=st.sampled_from(sorted({*LOGOUT, "nbf", "azp", "nonce"})), value=JSON, where=st.booleans())
def test_whatever_json_somebody_signs_nothing_else_is_raised(name: str, value: Any, where: bool) -> None:
    claims = {**LOGOUT, **({name: value} if where else {})}
    head = {**header({}), **({} if where else {"typ": value, name: value})}
    for check in (
        lambda: check_logout_token(head, claims, TERMS, NOW),
        lambda: check_revocation_token(head, {**GLOBAL, name: value}, TERMS, ADDRESS, NOW),
        lambda: subject_of({"sub_id": value}, (ISSUER,), ISSUER),
        lambda: subject_of({"sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": value}}, (ISSUER,), ISSUER),
    ):
        with contextlib.suppress(TokenFault):
            check()
