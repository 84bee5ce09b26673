"""Checks of providers: encryption, credentials, fences."""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.adapters.oidc.presets import PERSONAL_TENANT, fence_wanted, is_shared, issuer_pattern
from sidecar.adapters.oidc.settings import ProviderSettings
from sidecar.adapters.urls import is_plain_outside_loopback
from sidecar.config.faults import Finding, Severity
from sidecar.config.model import Config

_NO_FENCE = frozenset({"iss", "aud", "azp", "email_verified", "nonce", "ver"})


def within(config: Config) -> Iterator[Finding]:
    """Encryption, credentials, fences."""
    for name, provider in config.providers.items():
        at = ("providers", name)
        yield from _addresses(at, provider)
        yield from _credentials(at, provider)
        yield from _pushes(at, provider)
        yield from _fence(at, provider)
        yield from _tenants(at, provider)
        yield from _names(at, provider)


def between(config: Config) -> Iterator[Finding]:
    """Providers that nobody uses, and two that nobody can tell apart."""
    used = {provider for portal in config.portals.values() for provider in portal.provider}
    if used <= config.providers.keys():
        for name in config.providers.keys() - used:
            at = ("providers", name)
            yield Finding(at, "is used by no portal", "name it in a portal, or remove it", Severity.WARNING)
    yield from _issuers(config)


def _addresses(at: tuple[str, str], provider: ProviderSettings) -> Iterator[Finding]:
    if provider.allow_http:
        return
    cure = "write https://; for a test network only: allow_http: true"
    if is_plain_outside_loopback(provider.issuer):
        yield Finding((*at, "issuer"), "is plain http: sign-ins and secrets would cross the network in clear", cure)
    for key, address in provider.endpoints:
        if address is not None and is_plain_outside_loopback(address):
            yield Finding((*at, "endpoints", key), "is plain http", cure)


def _credentials(at: tuple[str, str], provider: ProviderSettings) -> Iterator[Finding]:
    way = provider.client_authentication
    wanted = {"basic": "client_secret", "post": "client_secret", "private_key_jwt": "client_key"}.get(way)
    for key, needs in (("client_secret", "basic"), ("client_key", "private_key_jwt")):
        value = getattr(provider, key)
        if value is not None and key != wanted:
            cure = f"remove it, or write client_authentication: {needs}"
            yield Finding((*at, key), f"is never used with client_authentication: {way}", cure)
        if value is None and key == wanted:
            cure = "add it as file:///absolute/path or env://NAME, or write client_authentication: none"
            yield Finding((*at, key), f"is missing for client_authentication: {way}", f"{cure} for a public client")
    for key in ("client_key_id", "client_key_thumbprint"):
        if getattr(provider, key) is not None and wanted != "client_key":
            yield Finding((*at, key), f"is never used with client_authentication: {way}", "remove it")


def _pushes(at: tuple[str, str], provider: ProviderSettings) -> Iterator[Finding]:
    """An address for pushed requests that nobody uses, and pushes without an address."""
    endpoints = provider.endpoints
    # Then discovery is not asked, and nobody says what the provider demands.
    alone = None not in (endpoints.authorization, endpoints.token, endpoints.jwks)
    if endpoints.push is not None and (provider.par == "never" or (provider.par == "auto" and alone)):
        cure = "write par: always, or remove the address"
        yield Finding((*at, "endpoints", "push"), f"is never used with par: {provider.par}", cure)
    if provider.par == "always" and alone and endpoints.push is None:
        cure = "add endpoints.push, or let discovery say where it is"
        yield Finding((*at, "par"), "has no address to push to: discovery is not asked", cure)


def _fence(at: tuple[str, str], provider: ProviderSettings) -> Iterator[Finding]:
    wanted = fence_wanted(provider.issuer)
    if wanted is not None and not any(claim not in _NO_FENCE for claim in provider.fence):
        yield Finding(
            (*at, "issuer"),
            "serves strangers: anybody in the world can have an account there, and nothing keeps them out",
            f"add a fence to the provider: {wanted}",
        )


def _tenants(at: tuple[str, str], provider: ProviderSettings) -> Iterator[Finding]:
    """What only Entra ID can do, and what it needs where many tenants sign in at one address."""
    if provider.preset != "entra":
        if provider.overage == "graph":
            yield Finding((*at, "overage"), "asks Microsoft Graph, which knows people of Entra ID only", "remove it")
        if is_shared(provider.issuer) and fence_wanted(provider.issuer):
            cure = "write preset: entra, or the issuer of your own tenant"
            yield Finding((*at, "preset"), "does not know that every tenant's tokens name another issuer", cure)
        return
    if not is_shared(provider.issuer):
        return
    if "/consumers" in provider.issuer.lower():
        cure = f"write the issuer with /{PERSONAL_TENANT}/ in the place of /consumers/"
        yield Finding((*at, "issuer"), "is an address whose tokens all name one tenant", cure)
    elif not provider.tenants and (provider.fence or fence_wanted(provider.issuer) is None):
        # Without any fence `_fence` says the same of Microsoft's own addresses.
        yield Finding((*at, "tenants"), "is missing, and many tenants sign in at one address", "add your tenant's id")


def _names(at: tuple[str, str], provider: ProviderSettings) -> Iterator[Finding]:
    if provider.preset == "entra" and is_shared(provider.issuer) and provider.usernames == "authoritative":
        yield Finding(
            (*at, "usernames"),
            "believes the administrators of every tenant that is let in",
            "remove the line, unless all these tenants are yours",
            Severity.WARNING,
        )


def _issuers(config: Config) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {}
    for name, provider in config.providers.items():
        first = seen.setdefault((issuer_pattern(provider.preset, provider.issuer), provider.client_id), name)
        if first != name:
            yield Finding(
                ("providers", name),
                f"has the issuer and the client_id of {first}: nobody could tell their tokens apart",
                f"use {first} in both portals, or register a client of its own",
            )
