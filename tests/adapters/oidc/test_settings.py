"""Presets fill what the site leaves out and nothing else; fences and issuers are read strictly."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sidecar.adapters.oidc.presets import PERSONAL_TENANT, PRESETS, fence_wanted, graph_of, issuer_pattern
from sidecar.adapters.oidc.settings import ProviderSettings

TENANT = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


def provider(**values: Any) -> ProviderSettings:
    given = {"issuer": "https://id.example.com", "client_id": "x", "client_secret": "env://X"}
    return ProviderSettings.model_validate({**given, **values})


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_whole(preset: str) -> None:
    assert "openid" in provider(preset=preset).scopes


def test_presets_fill() -> None:
    assert ("oid", "post", "never") == (
        (entra := provider(preset="entra")).subject_claim, entra.client_authentication, entra.userinfo,
    )  # fmt: skip
    assert ("cognito:groups",) == provider(preset="cognito").groups_claim
    google = ProviderSettings.model_validate({"preset": "google", "client_id": "x"})
    assert "https://accounts.google.com" == google.issuer
    assert "offline_access" not in google.scopes


def test_the_groups_scope_is_for_oktas_org_server_only() -> None:
    assert "groups" in provider(preset="okta").scopes
    assert "groups" not in provider(preset="okta", issuer="https://id.example.com/oauth2/default").scopes


def test_what_the_site_writes_wins() -> None:
    assert ("openid",) == provider(preset="okta", scopes=["openid"]).scopes
    assert "Staff" == provider(preset="okta", label="Staff").label


def test_the_given_values_are_not_changed() -> None:
    values = {"preset": "okta", "issuer": "https://id.example.com", "client_id": "x"}
    ProviderSettings.model_validate(values)
    assert {"preset", "issuer", "client_id"} == values.keys()


def test_the_sites_claims_join_those_of_the_preset() -> None:
    adfs = provider(preset="adfs", claims={"email": "mail", "department": ["https://example.com/app", "unit"]}).claims
    assert {
        "preferred_username": (("upn",), ("unique_name",)),
        "email": (("mail",),),
        "department": (("https://example.com/app", "unit"),),
    } == adfs
    again = provider(preset="adfs", claims={"preferred_username": [["sam"], ["a", "b"]]}).claims
    assert {"preferred_username": (("sam",), ("a", "b"))} == again


def test_presets_read_groups_as_their_products_send_them() -> None:
    assert [True, True, False] == [provider(preset=name).single_group for name in ("adfs", "pingfederate", "okta")]
    custom = provider(preset="okta", issuer="https://id.example.com/oauth2/default")
    assert (100, 0) == (custom.groups_cut_at, provider(preset="okta").groups_cut_at)
    assert ("graph", "unknown") == (provider(preset="entra").overage, provider(preset="okta").overage)
    assert "User.Read" in provider(preset="entra").scopes


ENTRA = "https://login.microsoftonline.com"


@pytest.mark.parametrize(
    ("preset", "issuer", "expected"),
    [
        ("entra", f"{ENTRA}/organizations/v2.0", f"{ENTRA}/{{tenantid}}/v2.0"),
        ("entra", f"{ENTRA}/Common/v2.0", f"{ENTRA}/{{tenantid}}/v2.0"),
        ("entra", f"{ENTRA}/{TENANT}/v2.0", f"{ENTRA}/{TENANT}/v2.0"),
        ("entra", "https://id.example.com", "https://id.example.com"),
        ("generic", f"{ENTRA}/common/v2.0", f"{ENTRA}/common/v2.0"),
        ("keycloak", "https://id.example.com/common", "https://id.example.com/common"),
    ],
)
def test_only_entras_shared_addresses_stand_for_many_issuers(preset: str, issuer: str, expected: str) -> None:
    assert expected == issuer_pattern(preset, issuer)


def test_graph_is_that_of_the_cloud_unless_the_site_says_otherwise() -> None:
    assert "https://graph.microsoft.com" == graph_of(f"{ENTRA}/{TENANT}/v2.0", None)
    assert "https://graph.microsoft.us" == graph_of(f"https://login.microsoftonline.us/{TENANT}/v2.0", None)
    assert "https://g.example.com" == graph_of(f"{ENTRA}/{TENANT}/v2.0", "https://g.example.com")


def test_fence_joins_all_kinds() -> None:
    fence = provider(tenants=[TENANT], hd="example.com", only={"team": ["a", 1]}).fence
    assert {"tid": (TENANT,), "hd": ("example.com",), "team": ("a", 1)} == fence


@pytest.mark.parametrize(
    "values",
    [
        {"issuer": "https://id.example.com/.well-known/openid-configuration"},
        {"issuer": "id.example.com"},
        {"issuer": "https://id.example.com?x"},
        {"scopes": ["profile"]},
        {"scopes": ["openid", "a b"]},
        {"tenants": ["common"]},
        {"tenants": [PERSONAL_TENANT]},
        {"tenants": []},
        {"hd": [""]},
        {"only": {}},
        {"groups_claim": []},
        {"endpoint_hosts": ["https://x"]},
        {"clock_skew": "10m"},
        {"client_secret": "hunter2-hunter2-hunter2"},
        {"endpoints": {"token": "ftp://x"}},
        {"preset": "octa"},
        {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"},
        {"claims": {"sub": "upn"}},
        {"claims": {"tid": "x"}},
        {"claims": {"preferred_username": "email"}},
        {"claims": {"preferred_username": [["upn"], ["email"]]}},
        {"claims": {"email": []}},
        {"claims": {"email": [[]]}},
        {"claims": {"email": [["a", ""]]}},
        {"claims": {"email": 7}},
        {"claims": ["email"]},
        {"group_format": "leaf"},
        {"group_names": {"id": ""}},
        {"groups_cut_at": -1},
        {"overage": "azure"},
        {"endpoints": {"graph": "graph.microsoft.com"}},
        {"nonsense": 1},
    ],
    ids=str,
)
def test_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        provider(**values)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "issuer",
    ["https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/Organizations/v2.0",
     "https://login.microsoftonline.com/consumers/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0",
     f"https://login.microsoftonline.com/{PERSONAL_TENANT}/v2.0", "https://accounts.google.com", "https://gitlab.com",
     "https://gitlab.com/", "https://GitLab.com.", "https://github.com/login/oauth"],
)  # fmt: skip
def test_serves_strangers(issuer: str) -> None:
    assert fence_wanted(issuer)


@pytest.mark.parametrize(
    "issuer",
    [f"https://login.microsoftonline.com/{TENANT}/v2.0", "https://gitlab.example.com", "https://example.okta.com",
     "https://accounts.google.com.example.com"],
)  # fmt: skip
def test_serves_one_company(issuer: str) -> None:
    assert fence_wanted(issuer) is None
