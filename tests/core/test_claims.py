"""core.claims: claims are frozen, cut to what the policy reads, and unknown groups are never empty groups."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.claims import (
    freeze,
    freeze_claims,
    groups_from,
    has_claim,
    identity_from,
    is_stranger,
    named_claims,
    read_claim,
    with_userinfo,
)
from sidecar.core.tokens import TokenFault
from sidecar.domain.identity import Claim, Person
from sidecar.domain.policy import ProviderPolicy
from sidecar.domain.shape import GroupReading

ISSUER = "https://id.example.com"
PROVIDER = ProviderPolicy(name="okta", label="Okta", issuer=ISSUER)
OVERAGE = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x"}}}


def test_freeze_makes_arrays_tuples_and_objects_read_only() -> None:
    source: dict[str, Any] = {"a": [1, {"b": ["c"]}], "n": None, "t": True, "f": 1.5}
    frozen = freeze(source)
    assert frozen == {"a": (1, {"b": ("c",)}), "n": None, "t": True, "f": 1.5}
    source["a"][1]["b"].append("d")
    assert frozen == {"a": (1, {"b": ("c",)}), "n": None, "t": True, "f": 1.5}
    with pytest.raises(TypeError):
        frozen["a"] = 1  # type: ignore[index]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"\ud800": 1}, {1: 2}, {1, 2}, b"x"])
def test_what_no_store_can_keep_is_refused(value: object) -> None:
    for nested in (value, [value], {"a": value}):
        with pytest.raises(TokenFault):
            freeze(nested)


def test_deep_nesting_is_refused_and_not_followed() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TokenFault, match="deeply"):
        freeze_claims({"deep": deep})


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=20))
def test_freeze_keeps_the_value(value: Any) -> None:
    assert json.loads(json.dumps(freeze(value))) == value


def test_a_claim_is_read_by_its_path_and_dots_are_part_of_names() -> None:
    claims: dict[str, Claim] = {
        "https://example.com/groups": ("a",),
        "realm_access": {"roles": ("b",)},
        "resource_access": {"my.client": {"roles": ("c",)}},
    }
    assert read_claim(claims, ("https://example.com/groups",)) == ("a",)
    assert read_claim(claims, ("realm_access", "roles")) == ("b",)
    assert read_claim(claims, ("resource_access", "my.client", "roles")) == ("c",)
    assert read_claim(claims, ("realm_access", "roles", "b")) is None
    assert read_claim(claims, ("realm_access.roles",)) is None


KNOWN: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"groups": []}, ()),
    ({"groups": ["b", "a", "b"]}, ("a", "b")),
    ({"groups": ["/parent/child"]}, ("/parent/child",)),
    ({"groups": ["a"], "hasgroups": False}, ("a",)),
    ({"groups": ["a"], "_claim_names": {"address": "src1"}}, ("a",)),
]


@pytest.mark.parametrize(("claims", "expected"), KNOWN)
def test_known_groups_are_sorted_and_single(claims: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert groups_from(freeze_claims(claims)) == expected


UNKNOWN: list[dict[str, Any]] = [
    {},
    {"groups": None},
    {"groups": "a"},
    {"groups": ""},
    {"groups": {"a": True}},
    {"groups": {}},
    {"groups": 0},
    {"groups": False},
    {"groups": ["a", 1]},
    {"groups": ["a", None]},
    {"groups": ["a", ["b"]]},
    {"groups": ["a", ""]},
    {"groups": "[SIZE_LIMIT_EXCEEDED]"},
    {"groups": ["[SIZE_LIMIT_EXCEEDED]"]},
    {"hasgroups": True},
    {"hasgroups": "true", "groups": []},
    {"hasgroups": True, "groups": ["a"]},
    OVERAGE,
    {**OVERAGE, "groups": []},
    {"_claim_names": "odd", "groups": ["a"]},
]


@pytest.mark.parametrize("claims", UNKNOWN)
def test_missing_cut_or_malformed_groups_are_unknown(claims: dict[str, Any]) -> None:
    assert groups_from(freeze_claims(claims)) is None


def test_a_single_string_is_one_group_only_where_the_site_says_so() -> None:
    claims = freeze_claims({"memberOf": "CN=staff,DC=example"})
    assert groups_from(claims, GroupReading(path=("memberOf",))) is None
    assert groups_from(claims, GroupReading(path=("memberOf",), single=True)) == ("CN=staff,DC=example",)
    for bad in ("", "[SIZE_LIMIT_EXCEEDED]"):
        assert groups_from({"memberOf": bad}, GroupReading(path=("memberOf",), single=True)) is None


def test_no_path_means_unknown() -> None:
    assert groups_from({"groups": ("a",)}, GroupReading(path=())) is None


def test_groups_share_their_strings() -> None:
    one = groups_from(freeze_claims(json.loads('{"groups": ["jira-users-x"]}')))
    two = groups_from(freeze_claims(json.loads('{"groups": ["jira-users-x"]}')))
    assert one is not None
    assert two is not None
    assert one[0] is two[0]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=6))
def test_groups_are_sorted_strings_or_unknown(value: Any) -> None:
    groups = groups_from(freeze_claims({"groups": value}))
    wellformed = isinstance(value, list) and all(isinstance(item, str) and item for item in value)
    assert groups == (tuple(sorted(set(value))) if wellformed else None)


def test_userinfo_fills_gaps_and_the_id_token_wins() -> None:
    merged = with_userinfo({"sub": "1", "email": "a@x"}, {"sub": "1", "email": "b@x", "name": "Ann"})
    assert merged == {"sub": "1", "email": "a@x", "name": "Ann"}


def test_userinfo_cannot_speak_of_the_token() -> None:
    userinfo: dict[str, Claim] = {
        "sub": "1",
        "acr": "phr",
        "amr": ("hwk",),
        "auth_time": 5,
        "sid": "s",
        "aud": "x",
        "iss": "y",
    }
    assert with_userinfo({"sub": "1"}, userinfo) == {"sub": "1"}


@pytest.mark.parametrize("cut", [OVERAGE, {"hasgroups": True}, {"groups": "[SIZE_LIMIT_EXCEEDED]"}, {}])
def test_groups_that_the_id_token_cuts_come_from_userinfo(cut: dict[str, Any]) -> None:
    merged = with_userinfo(freeze_claims(cut), {"groups": ("a",)})
    assert groups_from(merged) == ("a",)


def test_groups_that_both_cut_stay_unknown() -> None:
    merged = with_userinfo(freeze_claims(OVERAGE), {"groups": "[SIZE_LIMIT_EXCEEDED]"})
    assert groups_from(merged) is None


def test_known_groups_of_the_id_token_stay() -> None:
    merged = with_userinfo({"groups": ()}, {"groups": ("admins",)})
    assert groups_from(merged) == ()


def test_another_claim_that_ping_cut_comes_from_userinfo() -> None:
    merged = with_userinfo({"teams": "[SIZE_LIMIT_EXCEEDED]"}, {"teams": ("a",)})
    assert merged["teams"] == ("a",)


def test_an_identity_has_only_what_the_policy_reads() -> None:
    claims = freeze_claims(
        {"iss": ISSUER, "sub": "1", "groups": ["b", "a"], "email": "a@x", "phone": "0", "sid": "s", "acr": "phr"}
        | {"auth_time": 1_700_000_000.5}
    )
    identity = identity_from(claims, PROVIDER, frozenset({"email", "absent"}))
    assert identity.person == Person(ISSUER, "1")
    assert identity.provider == "okta"
    assert identity.claims == {"email": "a@x"}
    assert identity.groups == ("a", "b")
    assert (identity.sid, identity.acr, identity.auth_time) == ("s", "phr", 1_700_000_000)


def test_malformed_extras_count_as_absent() -> None:
    claims = freeze_claims({"iss": ISSUER, "sub": "1", "sid": 5, "acr": [], "auth_time": True})
    identity = identity_from(claims, PROVIDER, frozenset())
    assert (identity.sid, identity.acr, identity.auth_time, identity.groups) == (None, None, None, None)


@pytest.mark.parametrize("claims", [{"sub": "1"}, {"sub": "1", "oid": ""}, {"sub": "1", "oid": 5}])
def test_without_the_claim_that_names_the_person_there_is_no_identity(claims: dict[str, Any]) -> None:
    entra = ProviderPolicy(name="entra", label="Microsoft", issuer=ISSUER, subject_claim="oid")
    with pytest.raises(TokenFault, match="oid"):
        identity_from({"iss": ISSUER, **claims}, entra, frozenset())


def test_claims_of_another_issuer_make_no_identity() -> None:
    for issuer in ("https://other", None):
        with pytest.raises(TokenFault, match="iss"):
            identity_from({"iss": issuer, "sub": "1"}, PROVIDER, frozenset())


FENCE = ProviderPolicy(
    name="google", label="Google", issuer=ISSUER, fence={"hd": frozenset({"example.com", "example.org"})}
)


@pytest.mark.parametrize(
    ("claims", "stranger"),
    [
        ({"hd": "example.com"}, False),
        ({"hd": "example.org"}, False),
        ({"hd": ("other", "example.org")}, False),
        ({"hd": "evil-example.com"}, True),
        ({"hd": "EXAMPLE.COM"}, True),
        ({"hd": None}, True),
        ({"hd": {"example.com": True}}, True),
        ({"hd": ()}, True),
        ({}, True),
        ({"email": "a@example.com"}, True),
    ],
)
def test_the_fence_keeps_strangers_out(claims: dict[str, Any], stranger: bool) -> None:
    assert is_stranger(claims, FENCE) is stranger
    assert is_stranger(claims, PROVIDER) is False


def test_every_part_of_the_fence_must_hold_and_true_is_not_one() -> None:
    both = ProviderPolicy(
        name="x", label="X", issuer=ISSUER, fence={"tid": frozenset({"t1"}), "staff": frozenset({True})}
    )
    assert is_stranger({"tid": "t1", "staff": True}, both) is False
    assert is_stranger({"tid": "t1", "staff": 1}, both) is True
    assert is_stranger({"tid": "t2", "staff": True}, both) is True


SOURCES = {"preferred_username": (("upn",), ("unique_name",)), "department": (("https://example.com/app", "unit"),)}


def test_a_claim_that_stands_elsewhere_is_read_there_only() -> None:
    claims = freeze_claims({"preferred_username": "chosen", "unique_name": "ann", "name": "Ann"})
    assert {"preferred_username": "ann", "name": "Ann"} == named_claims(claims, SOURCES, {"preferred_username", "name"})
    assert {} == named_claims({"preferred_username": "chosen"}, SOURCES, {"preferred_username"})


def test_the_first_place_at_which_something_stands_counts() -> None:
    assert {"preferred_username": "a@x"} == named_claims(
        {"upn": "a@x", "unique_name": "b"}, SOURCES, {"preferred_username"}
    )
    assert {"preferred_username": ""} == named_claims({"upn": "", "unique_name": "b"}, SOURCES, {"preferred_username"})


def test_keys_lead_inwards_and_a_dot_is_part_of_a_name() -> None:
    claims = freeze_claims({"https://example.com/app": {"unit": "IT"}})
    assert {"department": "IT"} == named_claims(claims, SOURCES, {"department"})


def test_whether_a_claim_is_there() -> None:
    assert has_claim({"name": None}, {}, "name")
    assert not has_claim({}, {}, "name")
    assert has_claim({"unique_name": "b"}, SOURCES, "preferred_username")
    assert not has_claim({"preferred_username": "b"}, SOURCES, "preferred_username")


TENANT = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
SHARED = replace(PROVIDER, issuer="https://login.example/{tenantid}/v2.0", subject_claim="oid")


def test_the_person_belongs_to_the_issuer_of_the_own_tenant() -> None:
    issuer = f"https://login.example/{TENANT}/v2.0"
    identity = identity_from({"iss": issuer, "tid": TENANT, "sub": "pairwise", "oid": "o-1"}, SHARED, frozenset())
    assert Person(issuer, "o-1") == identity.person


@pytest.mark.parametrize("tid", [None, "common", TENANT.replace("3", "4")])
def test_another_tenant_than_the_issuers_names_nobody(tid: str | None) -> None:
    claims: dict[str, Claim] = {"iss": f"https://login.example/{TENANT}/v2.0", "tid": tid, "oid": "o-1"}
    with pytest.raises(TokenFault):
        identity_from(claims, SHARED, frozenset())
