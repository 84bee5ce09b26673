"""Checks of a configuration beyond the shape of single values. One module per subject.

Checks look at a whole `Config` and yield findings; none stops at the first. Each module has `within`, which judges
entries (a provider, an application, a portal) by themselves, and `between`, which judges what they are to each other;
`config.load` trusts them differently where a part of the file was faulty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sidecar.config.checks import (
    api,
    applications,
    choices,
    emergency,
    general,
    groups,
    landings,
    portals,
    providers,
    rules,
    upstreams,
)
from sidecar.config.checks.loopback import loopback_issuers
from sidecar.config.faults import Finding
from sidecar.config.model import Config
from sidecar.domain.product import Product

__all__ = ["between_entries", "loopback_issuers", "within_entries"]


def within_entries(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    """What is wrong with single entries."""
    yield from general.within(config)
    yield from providers.within(config)
    for module in (applications, emergency, landings, upstreams, portals, groups, rules):
        yield from module.within(config, products)


def between_entries(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    """What is wrong between entries."""
    yield from general.between(config)
    yield from providers.between(config)
    for module in (applications, landings, api, portals, choices, groups, rules):
        yield from module.between(config, products)
