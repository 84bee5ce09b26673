"""config.outside: what a preset and its settings become for the relying party."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.adapters.oidc.config import ProviderConfig, SignOutWay
from sidecar.config.load import Loaded
from sidecar.config.outside import provider_config
from tests.config.test_checks import CUSTOMERS

TENANT = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
BASE = "https://login.microsoftonline.com"
Load = Callable[..., Loaded]
Wire = Callable[..., ProviderConfig]


@pytest.fixture
def wire(loading: Load) -> Wire:
    def made(preset: str, issuer: str = "https://id.example.com", more: str = "") -> ProviderConfig:
        loaded = loading(
            ("preset: okta", f"preset: {preset}"),
            ("https://id.example.com", issuer),
            ("    client_id", "".join(f"    {line}\n" for line in more.splitlines()) + "    client_id"),
        )
        return provider_config("okta", loaded.config.providers["okta"], loaded.policy)

    return made


def test_the_way_out_and_the_hint_are_the_products(wire: Wire) -> None:
    assert [SignOutWay.COGNITO, SignOutWay.OIDC] == [wire(name).sign_out_way for name in ("cognito", "okta")]
    assert "more groups match" in wire("okta").hint
    assert "" == wire("keycloak").hint


def test_graph_is_asked_as_the_settings_say(wire: Wire) -> None:
    one = f"{BASE}/{TENANT}/v2.0"
    assert ("https://graph.microsoft.com", True) == ((entra := wire("entra", one)).graph, entra.graph_security)
    assert wire("entra", one, "overage: unknown").graph is None
    assert not wire("entra", one, "overage_groups: all").graph_security
    assert "https://g.example.com" == wire("entra", one, "endpoints: {graph: 'https://g.example.com'}").graph
    assert wire("okta").graph is None


def test_only_the_shared_address_has_a_pattern(wire: Wire) -> None:
    shared = wire("entra", f"{BASE}/organizations/v2.0", f"tenants: {TENANT}")
    assert (f"{BASE}/organizations/v2.0", (f"{BASE}/{{tenantid}}/v2.0",)) == (shared.issuer, shared.allowed_issuers)
    one = wire("entra", f"{BASE}/{TENANT}/v2.0")
    assert (None, (one.issuer,)) == (one.pattern, one.allowed_issuers)


def test_only_google_spells_its_issuer_in_two_ways(wire: Wire) -> None:
    google = wire("google", "https://accounts.google.com", "hd: example.com")
    assert ("https://accounts.google.com", "accounts.google.com") == google.allowed_issuers
    assert () == wire("okta").issuers


def test_groups_and_claims_are_read_alike_everywhere(loading: Load) -> None:
    loaded = loading(
        ("preset: okta", "preset: adfs\n    group_format: common_name\n    group_names: {a: b}"),
    )
    known = loaded.policy.providers["okta"]
    made = provider_config("okta", loaded.config.providers["okta"], loaded.policy)
    assert (known.groups, known.claims) == (made.groups, made.claims)
    assert ("common_name", True, {"a": "b"}) == (known.groups.format, known.groups.single, known.groups.names)


def test_userinfo_is_asked_for_what_the_providers_own_people_need(loading: Load) -> None:
    """Names of one provider's people are made from another claim: nobody else's token has to hold it."""
    loaded = loading(
        CUSTOMERS,
        (
            "    provider: okta\n",
            "    provider: [okta, customers]\n    usernames: {customers: {from: nick, prefix: c-}}\n",
        ),
        ("{preset: auth0,", "{preset: auth0, group_prefix: 'c:',"),
    )
    providers = loaded.config.providers
    needed = {name: provider_config(name, providers[name], loaded.policy).needed for name in providers}
    assert ("nick" in needed["customers"], "nick" in needed["okta"]) == (True, False)
