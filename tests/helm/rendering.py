"""Rendering the chart with Helm's own engine, and a site's values to render it with."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "helm" / "lychgate"
DOCS = ROOT / "docs" / "kubernetes.md"

Objects = dict[tuple[str, str], dict[str, Any]]

SITE: dict[str, Any] = {
    "secrets": ["jira-gate"],
    "config": {
        "cookie_keys": ["file:///run/secrets/jira-gate/cookie-key"],
        "providers": {
            "okta": {
                "preset": "okta",
                "issuer": "https://id.example.com",
                "client_id": "0oa1b2c3d4",
                "client_secret": "file:///run/secrets/jira-gate/okta",
                "usernames": "authoritative",
            }
        },
        "applications": {
            "jira": {
                "product": "jira",
                "url": "https://jira.example.com",
                "upstream": "https://jira.jira.svc:8443",
                "landing": {"header": "X-Lychgate-User", "proof": "assertion"},
            }
        },
        "portals": {"staff": {"application": "jira", "default": True, "provider": "okta"}},
    },
}


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """*values* with *changes*, key by key, as `helm -f` does."""
    found = copy.deepcopy(dict(values))
    for key, change in changes.items():
        both = isinstance(change, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], change) if both else change
    return found


def texts(changes: Mapping[str, Any], *, name: str = "gate", chart: Path = CHART) -> dict[str, str]:
    """What the templates give, by their names."""
    with Chart.load(chart) as loaded:
        rendered: dict[str, str] = loaded.render(values=merged(SITE, changes), name=name, namespace="lychgate")
    return rendered


def objects(changes: Mapping[str, Any], *, name: str = "gate", chart: Path = CHART) -> Objects:
    """The objects of a release by kind and name."""
    found: Objects = {}
    for path, text in texts(changes, name=name, chart=chart).items():
        for item in yaml.safe_load_all(text) if path.endswith(".yaml") else ():
            if item is not None:
                key = item["kind"], item["metadata"]["name"]
                assert key not in found, key
                found[key] = item
    return found


def pod(found: Objects, name: str = "gate-lychgate") -> dict[str, Any]:
    """The specification of the gate's pod."""
    spec: dict[str, Any] = found["Deployment", name]["spec"]["template"]["spec"]
    return spec
