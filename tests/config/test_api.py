"""Whose access tokens may be taken, and for which audience: what `check` refuses, with its cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.config.faults import ConfigError
from sidecar.config.load import load

ISSUERS = {
    "okta": "https://id.example.com/oauth2/default",
    "entra": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
    "google": "https://accounts.google.com",
}
OURS = "https://jira.example.com/api"
FENCES: dict[str, dict[str, Any]] = {
    "google": {"hd": "example.com"},
    "gitlab": {"only": {"groups_direct": "staff"}},
    "entra": {},
}


def faults(folder: Path, monkeypatch: pytest.MonkeyPatch, preset: str, jwt: dict[str, Any], issuer: str = "") -> str:
    """All that is wrong with an application that takes tokens of a provider with that preset."""
    for name in ("COOKIE_KEY", "SECRET"):
        monkeypatch.setenv(name, "c2VjcmV0LWVub3VnaC1mb3ItYS10ZXN0LW9mLXRoZS1jb25maWc")
    landing = {"header": "X-Lychgate-User", "proof": "assertion"}
    provider = {
        "preset": preset,
        "issuer": issuer or ISSUERS.get(preset, "https://id.example.com"),
        "client_id": "lychgate",
        "client_secret": "env://SECRET",
        **FENCES.get(preset, {}),
    }
    application = {"product": "jira", "upstream": "http://127.0.0.1:8081", "landing": landing}
    file = {
        "version": 1,
        "state": f"file://{folder}/state",
        "cookie_keys": ["env://COOKIE_KEY"],
        "providers": {"one": provider, "spare": {**provider, "preset": "generic", "issuer": "https://x.example.com"}},
        "applications": {
            "jira": {**application, "url": "https://jira.example.com", "api": {"jwt": {"providers": "one", **jwt}}},
            "other": {**application, "url": "https://other.example.com", "upstream": "http://127.0.0.1:8082",
                      "api": {"jwt": {"providers": "one", "audience": "https://other.example.com/api"}}},
        },
        "portals": {
            "agents": {"application": "jira", "default": True, "provider": "one"},
            "others": {"application": "other", "default": True, "provider": "one"},
        },
    }  # fmt: skip
    path = folder / "lychgate.yaml"
    path.write_text(yaml.safe_dump(file), encoding="utf-8")
    try:
        load(path)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("preset", ["generic", "okta", "entra", "keycloak", "auth0"])
def test_tokens_of_these_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str) -> None:
    assert "" == faults(tmp_path, monkeypatch, preset, {"audience": OURS})


@pytest.mark.parametrize("preset", ["google", "gitlab", "cognito", "pingone", "adfs"])
def test_tokens_of_those_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str) -> None:
    assert "personal access tokens of the application" in faults(tmp_path, monkeypatch, preset, {"audience": OURS})


def test_oktas_org_server_makes_tokens_for_okta_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = faults(tmp_path, monkeypatch, "okta", {"audience": OURS}, "https://id.example.com")
    assert "only a custom server's can be checked" in said


@pytest.mark.parametrize(
    ("audience", "said"),
    [
        ("api://default", "many other programs"),
        ("API://Default/", "many other programs"),
        ("00000003-0000-0000-c000-000000000000", "many other programs"),
        ("https://graph.microsoft.com", "many other programs"),
        ("account", "many other programs"),
        ("https://tenant.eu.auth0.com/userinfo", "many other programs"),
        ("https://tenant.eu.auth0.com/api/v2/", "many other programs"),
        ("lychgate", "ID tokens would look like access tokens"),
        ("api://lychgate", "ID tokens would look like access tokens"),
        ("https://other.example.com/api", "another application"),
    ],
)
def test_an_audience_that_others_have_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audience: str, said: str
) -> None:
    assert said in faults(tmp_path, monkeypatch, "generic", {"audience": audience})


@pytest.mark.parametrize(
    ("jwt", "said"),
    [
        ({"audience": []}, "is an empty list"),
        ({}, "is missing"),
        ({"audience": OURS, "providers": "nobody"}, "unknown provider"),
        ({"audience": OURS, "providers": "spare"}, "no portal of this application"),
        ({"audience": OURS, "addresses": "10.0.0.0/99"}, "no network"),
        ({"audience": OURS, "addresses": []}, "is an empty list"),
    ],
)
def test_what_cannot_be_meant_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jwt: dict[str, Any], said: str
) -> None:
    assert said in faults(tmp_path, monkeypatch, "generic", jwt)
