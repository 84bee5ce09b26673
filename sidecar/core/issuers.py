"""Issuers that stand for many tenants: Entra ID's `https://…/{tenantid}/v2.0`.

Whoever compares an issuer asks here. An issuer without the placeholder is compared byte for byte. With it, it means
the issuer of the token's own tenant, and a person belongs to that tenant's issuer. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sidecar.domain.policy import ProviderPolicy

TENANT = "{tenantid}"
"""How Entra ID's shared discovery documents and keys write the place of the tenant's id."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def named_issuer(pattern: str, claims: Mapping[str, object]) -> str | None:
    """The issuer that *pattern* means for a token with *claims*; None if it needs a tenant and they name none."""
    if TENANT not in pattern:
        return pattern
    tenant = claims.get("tid")
    return pattern.replace(TENANT, tenant) if isinstance(tenant, str) and _ID.fullmatch(tenant) else None


def named_issuers(patterns: Iterable[str], claims: Mapping[str, object]) -> tuple[str, ...]:
    """`named_issuer` for every pattern, without those that mean nothing here."""
    return tuple(name for pattern in patterns if (name := named_issuer(pattern, claims)) is not None)


def fits(pattern: str, issuer: str) -> bool:
    """Whether *issuer* can be meant by *pattern*, for an issuer that comes without claims."""
    if TENANT not in pattern:
        return issuer == pattern
    before, _, after = pattern.partition(TENANT)
    middle = issuer[len(before) : len(issuer) - len(after)]
    return issuer == before + middle + after and _ID.fullmatch(middle) is not None


def issuers_of(provider: ProviderPolicy) -> frozenset[str]:
    """Every issuer whose persons *provider* may vouch for: its own, or those of the tenants in its fence."""
    if TENANT not in provider.issuer:
        return frozenset({provider.issuer})
    tenants = provider.fence.get("tid", frozenset())
    return frozenset(name for tenant in tenants if (name := named_issuer(provider.issuer, {"tid": tenant})) is not None)
