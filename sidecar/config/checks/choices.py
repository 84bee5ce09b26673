"""Checks of portals with several providers: people can tell them apart, and no provider speaks for another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sidecar.config.effective import groups_at
from sidecar.config.faults import Finding, Path, Severity
from sidecar.config.model import Config
from sidecar.config.model_portal import ConditionSettings, PortalSettings
from sidecar.domain.product import Product

_CURE = "give the provider where others choose the groups and claims a portal of its own"


def between(config: Config, _products: Mapping[str, Product]) -> Iterator[Finding]:
    """Labels that are the same, and groups that any of the providers can name."""
    for name, portal in config.portals.items():
        yield from _labels(config, name, portal)
        if len(portal.provider) > 1:
            yield from _mixed(config, name, portal)


def _labels(config: Config, name: str, portal: PortalSettings) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for provider in portal.provider:
        settings = config.providers.get(provider)
        if settings is None:
            continue
        label = settings.label or provider
        other = seen.setdefault(" ".join(label.split()).casefold(), provider)
        if other != provider:
            yield Finding(
                ("portals", name, "provider"),
                f"{other} and {provider} have the same label, {label}: people cannot tell them apart",
                f"write a label of its own at providers.{provider}",
            )


def _mixed(config: Config, name: str, portal: PortalSettings) -> Iterator[Finding]:
    """Conditions and lines speak of names, whichever provider of the portal sent them."""
    providers = " and ".join(portal.provider)
    demands: list[tuple[Path, ConditionSettings | None]] = [(("require",), portal.require)]
    demands += [(("rules", number, "require"), rule.require) for number, rule in enumerate(portal.rules)]
    for at, demand in demands:
        if demand is not None:
            yield Finding(
                ("portals", name, *at),
                f"is judged by what {providers} say alike: whoever names groups at one meets what is meant for the "
                "other",
                _CURE,
                Severity.WARNING,
            )
    owner = config.applications.get(portal.application)
    if owner is None:
        return
    groups = groups_at(portal, owner)
    if groups.map or groups.admin:
        yield Finding(
            ("portals", name, "provider"),
            f"group lines take names from {providers} alike: whoever names groups at one gives those of the other",
            _CURE,
            Severity.WARNING,
        )
