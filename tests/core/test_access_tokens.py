"""Access tokens of programs: what each provider's good one says, and each thing that can be wrong, by itself."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.access_tokens import LONGEST_LIFE, AccessTerms, Shape, check_access_token
from sidecar.core.logout_tokens import EVENT
from sidecar.core.tokens import TokenFault
from sidecar.domain.identity import UnixSeconds

NOW = UnixSeconds(1_800_000_000)
ISSUER = "https://id.example.com"
OURS = "https://jira.example.com/api"
GONE = object()

COMMON: dict[str, Any] = {"iss": ISSUER, "aud": OURS, "iat": NOW - 10, "exp": NOW + 300}
GOOD: dict[Shape, tuple[dict[str, Any], dict[str, Any]]] = {
    Shape.RFC9068: ({"typ": "at+jwt"}, {"sub": "ada-1", "client_id": "script", "jti": "t-1"}),
    Shape.OKTA: ({"typ": GONE}, {"ver": 1, "uid": "00u1", "sub": "ada@example.com", "cid": "0oa1", "scp": ["api"]}),
    Shape.ENTRA: (
        {},
        {"ver": "2.0", "oid": "o-1", "tid": "t-1", "sub": "pairwise", "azp": "script", "scp": "access_as_user"},
    ),
    Shape.KEYCLOAK: ({}, {"typ": "Bearer", "sub": "k-1", "azp": "script", "sid": "s-1", "preferred_username": "ada"}),
    Shape.AUTH0: (
        {},
        {"aud": [OURS, f"{ISSUER}/userinfo"], "sub": "auth0|1", "azp": "script", "scope": "openid", "gty": "password"},
    ),
}
PERSONS = {
    Shape.RFC9068: "ada-1",
    Shape.OKTA: "00u1",
    Shape.ENTRA: "pairwise",
    Shape.KEYCLOAK: "k-1",
    Shape.AUTH0: "auth0|1",
}

BAD_HEADERS: list[tuple[str, dict[str, Any]]] = [
    ("alg none", {"alg": "none"}),
    ("a shared secret", {"alg": "HS256"}),
    ("a logout token", {"typ": "logout+jwt"}),
    ("a security event", {"typ": "secevent+jwt"}),
    ("an assertion of a landing", {"typ": "lychgate-landing+jwt"}),
    ("typ is no text", {"typ": 1}),
    ("critical extensions", {"crit": ["b64"]}),
    ("its own key", {"jwk": {}}),
]
BAD_ALWAYS: list[tuple[str, dict[str, Any]]] = [
    ("another issuer", {"iss": "https://evil.example"}),
    ("the issuer with a slash", {"iss": ISSUER + "/"}),
    ("no issuer", {"iss": GONE}),
    ("another audience", {"aud": "api://default"}),
    ("an audience that begins like ours", {"aud": OURS + "2"}),
    ("no audience", {"aud": GONE}),
    ("an empty audience", {"aud": []}),
    ("an audience that is no text", {"aud": [OURS, 1]}),
    ("our client beside our audience", {"aud": [OURS, "gate"]}),
    ("expired", {"exp": NOW - 60, "iat": NOW - 600}),
    ("no expiry", {"exp": GONE}),
    ("an expiry far away", {"exp": NOW - 10 + LONGEST_LIFE + 1}),
    ("an expiry before its issue", {"iat": NOW + 10, "exp": NOW + 5}),
    ("an expiry that is true", {"exp": True}),
    ("no time of issue", {"iat": GONE}),
    ("issued in the future", {"iat": NOW + 61}),
    ("not yet valid", {"nbf": NOW + 61}),
    ("a sign-in in the future", {"auth_time": NOW + 61}),
    ("an ID token's nonce", {"nonce": "n"}),
    ("an ID token's at_hash", {"at_hash": "x"}),
    ("an ID token's c_hash", {"c_hash": "x"}),
    ("Cognito's ID token", {"token_use": "id"}),
    ("Keycloak's ID token", {"typ": "ID"}),
    ("Keycloak's refresh token", {"typ": "Refresh"}),
    ("a logout token", {"events": {EVENT: {}}}),
    ("a security event", {"sub_id": {"format": "email"}}),
    ("bound to a key", {"cnf": {"jkt": "x"}}),
    ("no subject", {"sub": GONE, "uid": GONE}),
    ("an empty subject", {"sub": "", "uid": ""}),
    ("an endless subject", {"sub": "x" * 256, "uid": "x" * 256}),
    ("no client", {"client_id": GONE, "azp": GONE, "cid": GONE}),
]
BAD_BY_SHAPE: list[tuple[str, Shape, dict[str, Any], dict[str, Any]]] = [
    ("RFC 9068 without typ", Shape.RFC9068, {"typ": GONE}, {}),
    ("RFC 9068 as a plain JWT", Shape.RFC9068, {"typ": "JWT"}, {}),
    ("RFC 9068 of a program", Shape.RFC9068, {}, {"sub": "script"}),
    ("Okta without uid", Shape.OKTA, {}, {"uid": GONE}),
    ("Okta of a program", Shape.OKTA, {}, {"sub": "0oa1"}),
    ("Okta with the program as uid", Shape.OKTA, {}, {"uid": "0oa1"}),
    ("Entra of version 1.0", Shape.ENTRA, {}, {"ver": "1.0"}),
    ("Entra without scp", Shape.ENTRA, {}, {"scp": GONE, "roles": ["api"]}),
    ("Entra with an empty scp", Shape.ENTRA, {}, {"scp": " "}),
    ("Entra with idtyp app", Shape.ENTRA, {}, {"idtyp": "app"}),
    ("Entra with an unknown idtyp", Shape.ENTRA, {}, {"idtyp": "device"}),
    ("Entra without oid", Shape.ENTRA, {}, {"oid": GONE}),
    ("Entra without tid", Shape.ENTRA, {}, {"tid": GONE}),
    ("Entra with at+jwt", Shape.ENTRA, {"typ": "at+jwt"}, {}),
    ("Keycloak without typ in the payload", Shape.KEYCLOAK, {}, {"typ": GONE}),
    ("Keycloak's service account by name", Shape.KEYCLOAK, {}, {"preferred_username": "service-account-script"}),
    ("Keycloak's service account by host", Shape.KEYCLOAK, {}, {"clientHost": "192.0.2.1"}),
    ("Keycloak's service account by session", Shape.KEYCLOAK, {}, {"sid": GONE}),
    ("Auth0 of a program by grant", Shape.AUTH0, {}, {"gty": "client-credentials"}),
    ("Auth0 of a program by subject", Shape.AUTH0, {}, {"sub": "script@clients", "gty": GONE}),
]


def _checked(shape: Shape, header: dict[str, Any], claims: dict[str, Any]) -> Any:
    good_header, good_claims = GOOD[shape]
    whole_header = {"alg": "RS256", "typ": "JWT", **good_header, **header}
    whole_claims = {**COMMON, **good_claims, **claims}
    terms = AccessTerms(
        issuers=(ISSUER,),
        client_id="gate",
        audiences=frozenset({OURS}),
        algorithms=("RS256", "ES256"),
        shape=shape,
    )
    return check_access_token(
        {name: value for name, value in whole_header.items() if value is not GONE},
        {name: value for name, value in whole_claims.items() if value is not GONE},
        terms,
        NOW,
    )


@pytest.mark.parametrize("shape", Shape)
def test_a_persons_token_is_taken_under_the_name_that_id_tokens_use(shape: Shape) -> None:
    access = _checked(shape, {}, {})
    assert (PERSONS[shape], NOW - 10, NOW + 300) == (access.claims["sub"], access.issued_at, access.expires_at)


def test_the_long_spelling_of_the_kind_is_the_same_kind() -> None:
    assert _checked(Shape.RFC9068, {"typ": "application/AT+JWT"}, {}).claims["sub"] == "ada-1"


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize(("name", "header"), BAD_HEADERS, ids=[name for name, _ in BAD_HEADERS])
def test_a_header_with_one_fault_is_refused(shape: Shape, name: str, header: dict[str, Any]) -> None:
    with pytest.raises(TokenFault):
        _checked(shape, header, {})


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize(("name", "claims"), BAD_ALWAYS, ids=[name for name, _ in BAD_ALWAYS])
def test_claims_with_one_fault_are_refused(shape: Shape, name: str, claims: dict[str, Any]) -> None:
    with pytest.raises(TokenFault):
        _checked(shape, {}, claims)


@pytest.mark.parametrize(("name", "shape", "header", "claims"), BAD_BY_SHAPE, ids=[row[0] for row in BAD_BY_SHAPE])
def test_what_is_no_persons_token_of_that_provider_is_refused(
    name: str, shape: Shape, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    with pytest.raises(TokenFault):
        _checked(shape, header, claims)


@pytest.mark.parametrize("shape", Shape)
def test_an_id_token_is_no_access_token(shape: Shape) -> None:
    claims = {"iss": ISSUER, "aud": "gate", "sub": "ada-1", "iat": NOW, "exp": NOW + 300, "nonce": "n"}
    terms = AccessTerms(
        issuers=(ISSUER,), client_id="gate", audiences=frozenset({OURS}), algorithms=("RS256",), shape=shape
    )
    for aud in ("gate", OURS):
        with pytest.raises(TokenFault):
            check_access_token({"alg": "RS256", "typ": "JWT"}, {**claims, "aud": aud}, terms, NOW)


@given(
    st.sampled_from(Shape),
    st.sampled_from(["iss", "aud", "exp", "iat", "sub", "uid", "oid", "azp", "cid", "typ", "scp", "sid"]),
    st.none()
    | st.booleans()
    | st.floats()
    | st.text()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.none()),
)
def test_whatever_somebody_signs_nothing_but_a_token_fault_is_raised(shape: Shape, name: str, value: Any) -> None:
    with contextlib.suppress(TokenFault):
        _checked(shape, {}, {name: value})
