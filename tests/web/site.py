"""How the world of a test is set up, and the configuration file that comes of it. Used by `rig`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.adapters.clock import SystemClock
from sidecar.flows.telling import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """How a world is set up.

    Attributes:
        context: The application's context path.
        second: Whether a second application, `tools`, stands beside it on the same host below /tools.
        wiki: Keys to change in the configuration of that Confluence.
        confluence: Address of a Confluence that stands beside it on the same host below /confluence, as `wiki`.
        proof: Of the landing, `assertion` or `secret`; or `sso`: the stand-in's own OpenID sign-on lands people;
            or `crowd`: it asks the gate whose a token is. The
            second application always has a secret.
        walks: `landing.mode` of the proof `sso`.
        landing_port: Where the stand-in redeems codes, or asks whose a token is; found by the rig.
        balanced: Something stands in front of that, so the gate listens at another port and is told its address.
        sso: What to change in the stand-in's OpenID client.
        crowd: What to change in how the stand-in asks its Crowd server.
        listen: Keys to change in how the gate listens.
        trusted: Proxies in front.
        accounts, agents, support, jira: Keys to change in the configuration of accounts, portals and application.
        upstream: Address of another application than the stand-in; accounts are then left alone.
        sign_out: Whether a sign-out goes on to the provider.
        staff, buyers: Keys to change in the configuration of the agents' and of the customers' provider.
        audit: Where audit events go.
        state: Address of a database instead of a folder; its password is `tests.postgres.PASSWORD`.
        postgresql: Keys to change in how it is reached.
        more: Further keys of the configuration.
        clock: Of the gate and the providers; a stand-in Jira goes by the real time and then needs the proof `secret`.
    """

    context: str = ""
    second: bool = False
    confluence: str = ""
    wiki: Mapping[str, Any] = field(default_factory=dict)
    proof: str = "assertion"
    walks: str = "headless"
    landing_port: int = 0
    balanced: bool = False
    sso: Mapping[str, Any] = field(default_factory=dict)
    crowd: Mapping[str, Any] = field(default_factory=dict)
    listen: Mapping[str, Any] = field(default_factory=dict)
    trusted: Sequence[str] = ()
    accounts: Mapping[str, Any] = field(default_factory=dict)
    agents: Mapping[str, Any] = field(default_factory=dict)
    support: Mapping[str, Any] = field(default_factory=dict)
    jira: Mapping[str, Any] = field(default_factory=dict)
    upstream: str = ""
    sign_out: bool = False
    staff: Mapping[str, Any] = field(default_factory=dict)
    buyers: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=lambda: {"stdout": "json"})
    state: str = ""
    postgresql: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)


def configuration(site: Site, folder: Path, port: int, jira: str, tools: str, issuers: Sequence[str]) -> dict[str, Any]:
    """The configuration file of a world."""
    origin = f"http://localhost:{port}"
    at = {"client_id": "lychgate", "client_secret": f"file://{folder}/client-secret"}
    if site.sign_out:
        at["sign_out"] = "provider"
    own = {"directory": True} if site.accounts.get("directory") else {"token": f"file://{folder}/jira-token"}
    accounts = {
        **own,
        "adopt": "by_username",
        "create": True,
        "groups": {"map": [{"from": "okta-jira-users", "to": "jira-software-users"}]},
        **site.accounts,
    }
    landing: dict[str, Any] = {"header": "X-Lychgate-User", "proof": site.proof}
    if site.proof == "sso":
        landing = {"client_secret": f"file://{folder}/landing-secret", "mode": site.walks}
    if site.proof == "crowd":
        landing = {"type": "crowd", "client_secret": f"file://{folder}/landing-secret"}
    if site.proof == "secret":
        landing["secret"] = f"file://{folder}/shared"
    at_landing = {"landing": f"127.0.0.1:{site.landing_port}"} if site.landing_port else {}
    if site.balanced:
        landing["address"] = f"http://127.0.0.1:{site.landing_port}"
    file: dict[str, Any] = {
        "version": 1,
        "listen": {"public": f"127.0.0.1:{port}", "operations": "127.0.0.1:0", "drain": 0, **at_landing, **site.listen},
        "state": site.state or f"file://{folder}/state",
        "trusted_proxies": list(site.trusted),
        "cookie_keys": [f"file://{folder}/cookie-key"],
        "audit": dict(site.audit),
        "providers": {
            "staff": {"preset": "okta", "issuer": issuers[0], "usernames": "authoritative", **at, **site.staff},
            "customers": {"issuer": issuers[1], **at, **site.buyers},
        },
        "applications": {
            "jira": {
                "product": "jira",
                "url": origin + site.context,
                "upstream": site.upstream or jira,
                "landing": landing,
                "accounts": {} if site.upstream else accounts,
                **site.jira,
            },
        },
        "portals": _portals(site),
        **site.more,
    }
    if site.state:
        file["postgresql"] = {"password": f"file://{folder}/database", "tls": "off", **site.postgresql}
    if site.confluence:
        _add_confluence(file, f"{origin}/confluence", site, folder)
    if site.second:
        _add_tools(file, f"{origin}/tools", tools, folder)
    return file


def _portals(site: Site) -> dict[str, Any]:
    return {
        "agents": {
            "application": "jira",
            "default": True,
            "provider": "staff",
            "require": {"any_group": ["okta-jira-users"]},
            "rules": [
                {"paths": ["@admin"], "require": {"any_group": ["okta-jira-admins"]}},
                {"paths": ["/public/**"], "answer": "public"},
                {"paths": ["/forbidden/**"], "answer": "deny"},
            ],
            **site.agents,
        },
        "support": {
            "application": "jira",
            "paths": "@jsm",
            "provider": "customers",
            "accepts": ["agents"],
            "username": {"prefix": "cust-"},
            **site.support,
        },
    }


def _add_confluence(file: dict[str, Any], url: str, site: Site, folder: Path) -> None:
    landing = {"header": "X-Wiki-Person", "proof": "secret", "secret_header": "X-Wiki-Key"}
    file["applications"]["wiki"] = {
        "product": "confluence",
        "url": url,
        "upstream": site.confluence,
        "landing": {**landing, "secret": f"file://{folder}/shared"},
        **site.wiki,
    }
    rule = {"paths": ["@admin"], "require": {"any_group": ["okta-jira-admins"]}}
    file["portals"]["readers"] = {"application": "wiki", "default": True, "provider": "staff", "rules": [rule]}


def _add_tools(file: dict[str, Any], url: str, upstream: str, folder: Path) -> None:
    file["applications"]["tools"] = {
        "product": "jira",
        "url": url,
        "upstream": upstream,
        "landing": {
            "header": "X-Tools-Person",
            "proof": "secret",
            "secret_header": "X-Tools-Key",
            "secret": f"file://{folder}/shared",
            "strip": ["X-Old-Receiver"],
        },
        "username": {"from": ["preferred_username"]},
    }
    file["portals"]["workshop"] = {"application": "tools", "default": True, "provider": "staff"}
