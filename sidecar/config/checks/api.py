"""Checks of what programs may bring: whose access tokens, and for which audience."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from sidecar.adapters.oidc.settings import ProviderSettings
from sidecar.config.effective import portals_of
from sidecar.config.faults import Finding
from sidecar.config.model import Config
from sidecar.config.model_application import JwtSettings
from sidecar.config.shape import did_you_mean
from sidecar.domain.product import Product

_SHARED = frozenset(
    {"api://default", "00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com", "account"}
    | {"00000002-0000-0000-c000-000000000000", "https://graph.windows.net", "https://management.azure.com"}
)
"""Audiences that many programs of a company get without asking: Okta's default, Microsoft's own, Keycloak's."""
_SHARED_ENDS = ("/userinfo", "/api/v2")
"""Auth0: every token with `openid`, and its management."""

_OPAQUE = {
    "google": "Google's access tokens are opaque: nobody but Google can read them",
    "gitlab": "GitLab's access tokens are opaque: nobody but GitLab can read them",
    "cognito": "access tokens of Cognito name no audience, so any program's would be taken",
    "pingone": "access tokens of PingOne cannot be told from others yet",
    "adfs": "access tokens of AD FS cannot be told from others yet",
}
_CURE = "leave the provider out; programs use personal access tokens of the application"
_At = tuple[str, ...]


def between(config: Config, _products: Mapping[str, Product]) -> Iterator[Finding]:
    """Providers, and audiences that others share."""
    audiences = Counter(
        _bare(audience)
        for application in config.applications.values()
        for audience in (application.api.jwt.audience if application.api.jwt is not None else ())
    )
    for name, application in config.applications.items():
        settings = application.api.jwt
        if settings is None:
            continue
        at = ("applications", name, "api", "jwt")
        used = {provider for portal in portals_of(config, name).values() for provider in portal.provider}
        yield from _providers(at, settings, config, used)
        yield from _audiences(at, settings, config, audiences)


def _providers(at: _At, settings: JwtSettings, config: Config, used: set[str]) -> Iterator[Finding]:
    for name in settings.providers:
        where = (*at, "providers")
        provider = config.providers.get(name)
        if provider is None:
            yield Finding(where, f"names the unknown provider {name}", did_you_mean(name, list(config.providers)))
            continue
        if name not in used:
            yield Finding(
                where,
                f"names {name}, with which no portal of this application signs anybody in",
                "name it in a portal, or remove it here",
            )
        reason = _unreadable(provider)
        if reason:
            yield Finding(where, f"names {name}: {reason}", _CURE)


def _unreadable(provider: ProviderSettings) -> str:
    if provider.preset == "okta" and "/oauth2/" not in provider.issuer:
        return "access tokens of Okta's org server are for Okta alone; only a custom server's can be checked"
    return _OPAQUE.get(provider.preset, "")


def _audiences(at: _At, settings: JwtSettings, config: Config, audiences: Counter[str]) -> Iterator[Finding]:
    where = (*at, "audience")
    cure = "register an audience for this application alone, such as its own address with /api behind it"
    clients = {provider.client_id for provider in config.providers.values()}
    for audience in settings.audience:
        bare = _bare(audience)
        if bare in _SHARED or bare.endswith(_SHARED_ENDS):
            yield Finding(where, f"names {audience}, which tokens of many other programs have too", cure)
        elif audience in clients or audience.removeprefix("api://") in clients:
            yield Finding(where, "names the client of the sign-ins: ID tokens would look like access tokens", cure)
        elif audiences[bare] > 1:
            yield Finding(where, f"names {audience}, which another application or entry has too", cure)


def _bare(audience: str) -> str:
    return audience.rstrip("/").lower()
