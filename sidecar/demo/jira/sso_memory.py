"""What a node of a stand-in Jira remembers of sign-ins at its OpenID provider. Filled by `relying_party`."""

from __future__ import annotations

from dataclasses import dataclass, field

from sidecar.demo.jira.settings import SsoConfig


@dataclass(slots=True)
class Begun:
    """A sign-in on its way; `at` is seconds of the clock on the wall."""

    nonce: str
    target: str
    at: float
    verifier: str
    redirect_uri: str


@dataclass(slots=True)
class SsoMemory:
    """The states of one node, and what a test switched.

    `log` has `(number, reason)` of every refusal.
    So many of the next states as `lose` says are forgotten at once, as when another node gets the callback.
    `takes` is the account that everybody is taken for, in place of the claim.
    `fallback` brings the password form back for whoever writes `?auth_fallback`.
    `config` is the provider in force; `idps` are those that the REST interface has, by number.
    """

    config: SsoConfig | None = None
    skips_https: bool = True
    idps: dict[int, dict[str, object]] = field(default_factory=dict)

    begun: dict[str, Begun] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    lose: int = 0
    fallback: bool = False
    takes: str = ""

    def __post_init__(self) -> None:
        """What is in force at the start, the REST interface has too."""
        if self.config is not None and not self.idps:
            self.idps[1] = _entry(self.config)


def _entry(config: SsoConfig) -> dict[str, object]:
    return {
        "id": 1,
        "name": "Sign-on",
        "button-text": "Sign-on",
        "enabled": config.enabled,
        "sso-type": "OIDC",
        "include-customer-logins": config.customers,
        "enable-remember-me": config.remember_me,
        "issuer-url": config.issuer,
        "client-id": config.client_id,
        "client-secret": config.client_secret,
        "discovery-enabled": False,
        "authorization-endpoint": config.authorize_at or f"{config.issuer}/authorize",
        "token-endpoint": f"{config.issuer}/token",
        "userinfo-endpoint": f"{config.issuer}/userinfo",
        "additional-scopes": list(config.scopes),
        "username-claim": config.username,
        "jit-configuration": {"user-provisioning-enabled": False},
    }
