"""A site in good health for the tests of `lychgate doctor`: a provider, a stand-in Jira, a state, and the file that
names them. A test breaks one thing of it and sees one finding."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sidecar.adapters.seal import Sealer
from sidecar.adapters.secrets import Secret
from sidecar.adapters.state.sqlite import open_state
from sidecar.building.examining import Request
from sidecar.commands.doctor import examined
from sidecar.config.load import load
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, SharedSecret, serve_jira
from sidecar.demo.provider import Provider, RunningProvider, serve_provider
from sidecar.domain.finding import Finding, Severity
from sidecar.domain.identity import UnixSeconds

URL = "https://jira.example.com"
SHARED = "what-only-two-of-us-know-0123456789"


@dataclass(slots=True)
class Surroundings:
    """Everything that runs, and the configuration as plain data."""

    folder: Path
    jira: RunningJira
    provider: RunningProvider
    file: dict[str, Any]
    admin: Path = field(default_factory=Path)

    @property
    def jira_settings(self) -> dict[str, Any]:
        found: dict[str, Any] = self.file["applications"]["jira"]
        return found

    @property
    def path(self) -> Path:
        """The configuration, written as it is now."""
        path = self.folder / "lychgate.yaml"
        path.write_text(json.dumps(self.file), encoding="utf-8")
        return path

    def put(self, name: str, value: str) -> str:
        """A secret in a file; gives its reference."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(value, encoding="ascii")
        return f"file://{path}"

    async def found(self, request: Request | None = None) -> tuple[Finding, ...]:
        """One examination, with a system administrator's token unless *request* says otherwise."""
        admin = Secret.parse(f"file://{self.admin}")
        return await examined(load(self.path), request if request is not None else Request(token=admin))

    async def codes(self, request: Request | None = None) -> list[str]:
        """What is not well, without what could not be asked."""
        return codes(await self.found(request))


def codes(found: tuple[Finding, ...]) -> list[str]:
    return sorted(one.kind.code for one in found if one.kind.severity not in {Severity.OK, Severity.UNKNOWN})


def unknowns(found: tuple[Finding, ...]) -> list[str]:
    return sorted(one.kind.check for one in found if one.kind.severity is Severity.UNKNOWN)


def a_jira() -> JiraState:
    """The sample company with a connector's account that is an administrator and no more."""
    state = JiraState.sample()
    state.administering.add("gate-administrators")
    state.add_user("gate", "The gate", groups=("gate-administrators",))
    return state


@asynccontextmanager
async def surroundings(
    folder: Path, provider: RunningProvider | None = None, **shape: Any
) -> AsyncIterator[Surroundings]:
    """Start it, with a provider that runs already or one of its own. *shape* changes the stand-in's configuration."""
    state = a_jira()
    config = replace(JiraConfig(base_url=URL, proof=SharedSecret(SHARED), basic_auth=False), **shape)
    async with AsyncExitStack() as stack:
        if provider is None:
            provider = await stack.enter_async_context(serve_provider(Provider([], [])))
        jira = await stack.enter_async_context(serve_jira(state, config))
        site = Surroundings(folder, jira, provider, {})
        kept = {
            "cookie-key": secrets.token_urlsafe(48),
            "client": secrets.token_urlsafe(32),
            "landing": secrets.token_urlsafe(32),
            "shared": SHARED,
            "token": state.add_token("gate"),
            "admin": state.add_token("admin"),
        }
        place = {name: site.put(name, value) for name, value in kept.items()}
        site.admin = folder / "admin"
        header = {"header": "X-Lychgate-User", "proof": "secret", "secret": place["shared"]}
        site.file = {
            "version": 1,
            "state": f"file://{folder}/state",
            "cookie_keys": [place["cookie-key"]],
            "providers": {
                "staff": {
                    "issuer": provider.issuer,
                    "client_id": "jira",
                    "client_secret": place["client"],
                    "client_secret_ends": "2999-01-01",
                    "usernames": "authoritative",
                }
            },
            "applications": {
                "jira": {
                    "product": "jira",
                    "url": URL,
                    "upstream": jira.origin,
                    "landing": header,
                    "accounts": {"token": place["token"], "on_revoke": "deactivate"},
                    "api": {"pat_owner": "resolve"},
                }
            },
            "portals": {
                "all": {"application": "jira", "default": True, "provider": "staff", "require": {"any_group": ["x"]}}
            },
        }
        async with open_state(folder / "state", Sealer([kept["cookie-key"].encode()])) as opened:
            _ = await opened.ledger.init("jira", UnixSeconds(1))
        yield site


def by_sign_on(site: Surroundings) -> None:
    """Land people by the product's own sign-on, which does not know us yet."""
    site.jira_settings["landing"] = {"client_secret": f"file://{site.folder}/landing"}
