"""core.tokens: an ID token that is not wholly as expected raises TokenFault, and nothing else is ever raised."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.tokens import (
    Expected,
    ExpectedAgain,
    Terms,
    TokenFault,
    check_id_token,
    check_refreshed,
    check_userinfo_subject,
)
from sidecar.domain.identity import Person, UnixSeconds

NOW = UnixSeconds(1_800_000_000)
ISSUER = "https://id.example.com"
EXPECTED = Expected(issuers=(ISSUER,), client_id="gate", nonce="n-1", access_token="at-1")
HEADER: dict[str, Any] = {"alg": "RS256", "typ": "JWT", "kid": "k1"}
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "248289761001",
    "aud": "gate",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "n-1",
}
GONE = object()


def changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**base, **changes}.items() if value is not GONE}


def half_hash(text: str, name: str) -> str:
    digest = hashlib.new(name, text.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")


GOOD = [
    ({}, {}),
    ({"typ": GONE}, {}),
    ({"typ": "jwt"}, {}),
    ({"x5t": "abc", "something": 1}, {}),
    ({}, {"aud": ["gate"]}),
    ({}, {"aud": ["gate", "other"], "azp": "gate"}),
    ({}, {"azp": "gate"}),
    ({}, {"exp": NOW - 59}),
    ({}, {"iat": NOW + 60}),
    ({}, {"iat": NOW - 10_000_000}),
    ({}, {"iat": NOW + 0.5}),
    ({}, {"nbf": NOW + 60}),
    ({}, {"sub": "x" * 255}),
    ({}, {"token_use": "id"}),
    ({}, {"at_hash": half_hash("at-1", "sha256")}),
    ({"alg": "ES384"}, {"at_hash": half_hash("at-1", "sha384")}),
    ({"alg": "Ed25519"}, {"at_hash": half_hash("at-1", "sha512")}),
]


@pytest.mark.parametrize(("header", "claims"), GOOD)
def test_a_token_as_expected_passes(header: dict[str, Any], claims: dict[str, Any]) -> None:
    check_id_token(changed(HEADER, header), changed(CLAIMS, claims), EXPECTED, NOW)


FORGED_HEADERS: list[tuple[dict[str, Any], str]] = [
    ({"alg": "none"}, "alg"),
    ({"alg": "None"}, "alg"),
    ({"alg": GONE}, "alg"),
    ({"alg": ["RS256"]}, "alg"),
    ({"alg": "HS256"}, "alg"),
    ({"alg": "RSA1_5"}, "alg"),
    ({"alg": "rs256"}, "alg"),
    ({"typ": "at+jwt"}, "typ"),
    ({"typ": "logout+jwt"}, "typ"),
    ({"typ": "secevent+jwt"}, "typ"),
    ({"typ": None}, "typ"),
    ({"typ": ""}, "typ"),
    ({"crit": ["exp"], "exp": 1}, "extensions"),
    ({"crit": []}, "extensions"),
    ({"b64": False}, "extensions"),
    ({"jwk": {"kty": "RSA"}}, "own key"),
    ({"jku": "https://evil.example/keys"}, "own key"),
    ({"x5u": "https://evil.example/chain"}, "own key"),
    ({"x5c": ["MIIB"]}, "own key"),
]


@pytest.mark.parametrize(("header", "word"), FORGED_HEADERS)
def test_a_forged_header_is_refused(header: dict[str, Any], word: str) -> None:
    with pytest.raises(TokenFault, match=word):
        check_id_token(changed(HEADER, header), CLAIMS, EXPECTED, NOW)


FORGED_CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"iss": GONE}, "iss"),
    ({"iss": ISSUER + "/"}, "iss"),
    ({"iss": "https://ID.example.com"}, "iss"),
    ({"iss": [ISSUER]}, "iss"),
    ({"aud": GONE}, "aud"),
    ({"aud": []}, "aud"),
    ({"aud": "other"}, "aud"),
    ({"aud": "other", "azp": "gate"}, "aud"),
    ({"aud": ["other"], "azp": "gate"}, "aud"),
    ({"aud": "gate other"}, "aud"),
    ({"aud": {"gate": True}}, "aud"),
    ({"aud": ["gate", 1], "azp": "gate"}, "aud"),
    ({"aud": ["gate", "other"]}, "azp"),
    ({"azp": "other"}, "azp"),
    ({"azp": None}, "azp"),
    ({"exp": GONE}, "exp"),
    ({"exp": NOW - 60}, "expired"),
    ({"exp": str(NOW + 300)}, "exp"),
    ({"exp": True}, "exp"),
    ({"exp": 1e300}, "exp is not a time"),
    ({"exp": 10**400}, "exp is not a time"),
    ({"exp": float("inf")}, "exp is not a time"),
    ({"exp": float("nan")}, "exp is not a time"),
    ({"exp": -1}, "exp is not a time"),
    ({"iat": GONE}, "iat"),
    ({"iat": str(NOW)}, "iat"),
    ({"iat": False}, "iat"),
    ({"iat": NOW + 61}, "iat lies in the future"),
    ({"nbf": NOW + 61}, "nbf lies in the future"),
    ({"nbf": "0"}, "nbf"),
    ({"nbf": None}, "nbf"),
    ({"auth_time": NOW + 61}, "auth_time lies in the future"),
    ({"nonce": GONE}, "nonce"),
    ({"nonce": None}, "nonce"),
    ({"nonce": ""}, "nonce"),
    ({"nonce": "n-2"}, "nonce"),
    ({"nonce": "n-1 "}, "nonce"),
    ({"nonce": ["n-1"]}, "nonce"),
    ({"nonce": "\ud800"}, "nonce"),
    ({"sub": GONE}, "sub"),
    ({"sub": ""}, "sub"),
    ({"sub": 7}, "sub"),
    ({"sub": "x" * 256}, "sub"),
    ({"sub": "a\x00b"}, "sub"),
    ({"sub": "\ud800"}, "sub"),
    ({"at_hash": half_hash("another", "sha256")}, "at_hash"),
    ({"at_hash": half_hash("at-1", "sha512")}, "at_hash"),
    ({"at_hash": ""}, "at_hash"),
    ({"at_hash": None}, "at_hash"),
    ({"token_use": "access"}, "token_use"),
    ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, "logout"),
]


@pytest.mark.parametrize(("claims", "word"), FORGED_CLAIMS)
def test_forged_claims_are_refused(claims: dict[str, Any], word: str) -> None:
    with pytest.raises(TokenFault, match=word):
        check_id_token(HEADER, changed(CLAIMS, claims), EXPECTED, NOW)


def test_at_hash_without_an_access_token_is_refused() -> None:
    claims = changed(CLAIMS, {"at_hash": half_hash("at-1", "sha256")})
    with pytest.raises(TokenFault, match="at_hash"):
        check_id_token(HEADER, claims, replace(EXPECTED, access_token=None), NOW)


@pytest.mark.parametrize("auth_time", [GONE, NOW - 361, "0", True, 1e300])
def test_max_age_demands_a_recent_auth_time(auth_time: object) -> None:
    expected = replace(EXPECTED, max_age=300)
    check_id_token(HEADER, changed(CLAIMS, {"auth_time": NOW - 360}), expected, NOW)
    with pytest.raises(TokenFault, match="auth_time"):
        check_id_token(HEADER, changed(CLAIMS, {"auth_time": auth_time}), expected, NOW)


def test_the_skew_is_settable() -> None:
    strict = replace(EXPECTED, skew=0)
    check_id_token(HEADER, changed(CLAIMS, {"exp": NOW + 1}), strict, NOW)
    for claims in ({"exp": NOW}, {"iat": NOW + 1}):
        with pytest.raises(TokenFault):
            check_id_token(HEADER, changed(CLAIMS, claims), strict, NOW)


def test_another_spelling_of_the_issuer_passes_only_if_it_is_listed() -> None:
    claims = changed(CLAIMS, {"iss": "accounts.google.com"})
    with pytest.raises(TokenFault):
        check_id_token(HEADER, claims, EXPECTED, NOW)
    check_id_token(HEADER, claims, replace(EXPECTED, issuers=(ISSUER, "accounts.google.com")), NOW)


def test_no_detail_repeats_a_value_of_the_token() -> None:
    canary = "CANARY-5d1f"
    for name in CLAIMS:
        with pytest.raises(TokenFault) as caught:
            check_id_token(HEADER, changed(CLAIMS, {name: canary + "\x00"}), EXPECTED, NOW)
        assert canary not in caught.value.detail
        assert canary not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": ""},
        {"issuers": ()},
        {"issuers": ("",)},
        {"client_id": ""},
        {"algorithms": ()},
        {"algorithms": ("RS256", "none")},
        {"algorithms": ("HS256",)},
        {"skew": -1},
    ],
)
def test_a_caller_cannot_expect_nothing(wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {"issuers": (ISSUER,), "client_id": "gate", "nonce": "n-1"}
    Expected(**good)
    with pytest.raises(ValueError):
        Expected(**{**good, **wrong})


AGAIN = ExpectedAgain(
    issuers=(ISSUER,), client_id="gate", person=Person(issuer=ISSUER, subject=CLAIMS["sub"]), access_token="at-1"
)


@pytest.mark.parametrize("nonce", [GONE, "n-1", "whatever"])
def test_a_refreshed_token_may_keep_or_drop_the_nonce(nonce: object) -> None:
    check_refreshed(HEADER, changed(CLAIMS, {"nonce": nonce}), AGAIN, NOW)


@pytest.mark.parametrize(
    "claims", [{"sub": "other"}, {"sub": GONE}, {"iss": "https://other"}, {"aud": "other"}, {"exp": NOW - 60}]
)
def test_a_refreshed_token_about_somebody_else_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenFault):
        check_refreshed(HEADER, changed(CLAIMS, claims), AGAIN, NOW)


def test_a_refreshed_token_is_compared_in_the_claim_that_names_the_person() -> None:
    again = replace(AGAIN, subject_claim="oid", person=Person(issuer=ISSUER, subject="oid-1"))
    check_refreshed(HEADER, changed(CLAIMS, {"oid": "oid-1"}), again, NOW)
    for oid in ("oid-2", GONE):
        with pytest.raises(TokenFault, match="oid"):
            check_refreshed(HEADER, changed(CLAIMS, {"oid": oid}), again, NOW)


def test_a_person_of_another_issuer_is_not_refreshed() -> None:
    with pytest.raises(TokenFault, match="issuer"):
        check_refreshed(
            HEADER, CLAIMS, replace(AGAIN, person=Person(issuer="https://other", subject=CLAIMS["sub"])), NOW
        )


@pytest.mark.parametrize("userinfo", [{"sub": "2"}, {}, {"sub": None}, {"sub": ["1"]}, {"sub": "1 "}])
def test_userinfo_about_somebody_else_is_refused(userinfo: dict[str, Any]) -> None:
    check_userinfo_subject({"sub": "1"}, {"sub": "1"})
    with pytest.raises(TokenFault):
        check_userinfo_subject({"sub": "1"}, userinfo)


def test_two_missing_subjects_are_not_equal() -> None:
    for nobody in ({}, {"sub": ""}, {"sub": None}):
        with pytest.raises(TokenFault):
            check_userinfo_subject(nobody, nobody)


_text = st.text(st.characters(codec=None), max_size=8)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_names = st.sampled_from([*CLAIMS, "azp", "nbf", "auth_time", "at_hash", "token_use", "events", "x"])
_header_names = st.sampled_from([*HEADER, "crit", "b64", "jwk", "jku", "x5u", "x5c", "x"])
_good_claims = st.fixed_dictionaries({}, optional={name: st.just(value) for name, value in CLAIMS.items()})


@given(
    header=st.builds(lambda one, two: {**one, **two}, st.just(HEADER), st.dictionaries(_header_names, _json)),
    good=_good_claims,
    forged=st.dictionaries(_names, _json, max_size=3),
    max_age=st.none() | st.integers(0, 10_000),
)
def test_any_json_passes_or_is_a_token_fault(
    header: dict[str, Any], good: dict[str, Any], forged: dict[str, Any], max_age: int | None
) -> None:
    claims = {**good, **forged}
    try:
        check_id_token(header, claims, replace(EXPECTED, max_age=max_age), NOW)
    except TokenFault:
        pass
    else:
        assert (claims["iss"], claims["nonce"]) == (ISSUER, "n-1")
        assert header["alg"] in EXPECTED.algorithms
    try:
        check_refreshed(header, claims, AGAIN, NOW)
    except TokenFault:
        pass
    else:
        assert claims["sub"] == AGAIN.person.subject


def test_the_terms_alone_are_frozen() -> None:
    terms = Terms(issuers=(ISSUER,), client_id="gate")
    with pytest.raises(AttributeError):
        terms.client_id = "other"  # type: ignore[misc]
