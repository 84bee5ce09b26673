"""A site whose gate lies in the product's pod: its configuration, as a file and as it was read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sidecar.config.load import Loaded, load
from tests.helm.rendering import merged

PORTS = {"jira": (8080, 8081), "confluence": (8090, 8092)}
IMAGE = "registry.example.com/lychgate@sha256:" + "0" * 64


def configuration(product: str) -> dict[str, Any]:
    """As an administrator would write it for the pod of *product*."""
    public, tomcat = PORTS[product]
    return {
        "version": 1,
        "listen": {"public": f"0.0.0.0:{public}", "operations": "0.0.0.0:9090", "drain": "10s"},
        "state": "file:///var/lib/lychgate",
        "cookie_keys": ["file:///run/secrets/gate/cookie-key"],
        "providers": {
            "okta": {
                "preset": "okta",
                "issuer": "https://id.example.com",
                "client_id": "0oa1b2c3d4",
                "client_secret": "file:///run/secrets/okta-client/secret",
                "usernames": "authoritative",
            }
        },
        "applications": {
            product: {
                "product": product,
                "url": f"https://{product}.example.com/{product}",
                "upstream": f"http://127.0.0.1:{tomcat}",
                "landing": {"header": "X-Lychgate-User", "proof": "assertion"},
            }
        },
        "portals": {"staff": {"application": product, "default": True, "provider": "okta"}},
    }


def written(folder: Path, product: str, changes: dict[str, Any] | None = None) -> Path:
    """The file, with *changes* key by key."""
    path = folder / "lychgate.yaml"
    path.write_text(yaml.safe_dump(merged(configuration(product), changes or {}), sort_keys=False), "utf-8")
    return path


def read(folder: Path, product: str, changes: dict[str, Any] | None = None) -> Loaded:
    """The file, read where its secrets are not."""
    return load(written(folder, product, changes), secrets=False)
