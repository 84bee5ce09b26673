"""Checks of portals: where they lead, whom they accept, whose names may meet (design, section 5 and D4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from sidecar.config.effective import is_for_customers, portals_of, prefixes_at, username_at
from sidecar.config.faults import Finding, Severity
from sidecar.config.model import Config
from sidecar.config.model_portal import PortalSettings
from sidecar.config.shape import did_you_mean
from sidecar.domain.policy import Mode
from sidecar.domain.product import Product


def within(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    """Paths and mode."""
    for name, portal in config.portals.items():
        application = config.applications.get(portal.application)
        if application is not None:
            yield from _paths(name, portal, products[application.product])
        if portal.mode is not Mode.ENFORCE:
            yield Finding(
                ("portals", name, "mode"),
                f"{portal.mode} protects nothing: every request passes",
                "write mode: enforce when the trial is over",
                Severity.WARNING,
            )


def between(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    """References, defaults, overlaps, whom portals accept, names that may meet."""
    for name, portal in config.portals.items():
        yield from _references(config, name, portal)
    for application_name, application in config.applications.items():
        portals = portals_of(config, application_name)
        product = products[application.product]
        if all(portal.application in config.applications for portal in config.portals.values()):
            yield from _defaults(application_name, portals)
        yield from _overlaps(portals, product)
        yield from _accepting(portals, product)
        yield from _names(config, application_name, portals)


def _references(config: Config, name: str, portal: PortalSettings) -> Iterator[Finding]:
    if portal.application not in config.applications:
        yield Finding(
            ("portals", name, "application"),
            f"there is no application {portal.application}",
            did_you_mean(portal.application, list(config.applications)),
        )
    for provider in portal.provider:
        if provider not in config.providers:
            yield Finding(
                ("portals", name, "provider"),
                f"there is no provider {provider}",
                did_you_mean(provider, list(config.providers)),
            )
    siblings = [other for other in portals_of(config, portal.application) if other != name]
    for number, other in enumerate(portal.accepts):
        at = ("portals", name, "accepts", number)
        if other == name:
            yield Finding(at, "a portal always accepts its own sessions", "remove the entry")
        elif other in config.portals and other not in siblings:
            yield Finding(
                at, f"{other} leads to another application; sessions never cross applications", "remove the entry"
            )
        elif other not in siblings:
            yield Finding(at, f"there is no portal {other}", did_you_mean(other, siblings))


def _paths(name: str, portal: PortalSettings, product: Product) -> Iterator[Finding]:
    at = ("portals", name, "paths")
    if portal.default and portal.paths is not None:
        yield Finding(
            at, "the default portal owns every path that no other portal owns", "remove paths, or default: true"
        )
    if not portal.default and portal.paths is None:
        yield Finding(at, "is missing: the portal owns no path", "add path prefixes or @jsm, or write default: true")
    for path in portal.paths or ():
        if path.startswith("@") and path[1:] not in product.presets:
            presets = [f"@{preset}" for preset in product.presets]
            yield Finding(at, f"{path} is no preset for portals of {product.title}", did_you_mean(path, presets))


def _defaults(application: str, portals: dict[str, PortalSettings]) -> Iterator[Finding]:
    defaults = [name for name, portal in portals.items() if portal.default]
    if not defaults:
        yield Finding(
            ("applications", application),
            "has no default portal: nothing says who may reach most of its paths",
            "write default: true at one of its portals" if portals else "add a portal with default: true",
        )
    for name in defaults[1:]:
        yield Finding(
            ("portals", name, "default"),
            f"{application} has a default portal already: {defaults[0]}",
            "leave one default; give the other portal paths",
        )


def _overlaps(portals: dict[str, PortalSettings], product: Product) -> Iterator[Finding]:
    for (first, one), (second, two) in combinations(portals.items(), 2):
        shared = set(prefixes_at(one, product)) & set(prefixes_at(two, product))
        if shared:
            yield Finding(
                ("portals", second, "paths"),
                f"{min(shared)} belongs to {first} already",
                "give each portal its own prefixes; a longer prefix wins over a shorter one",
            )


def _accepting(portals: dict[str, PortalSettings], product: Product) -> Iterator[Finding]:
    for name, portal in portals.items():
        if name in portal.accepts:
            continue
        if name in _reachable(name, portals):
            yield Finding(
                ("portals", name, "accepts"),
                "goes round in a circle: portals would accept each other's sessions",
                "let the customers' portal accept the agents', never the reverse",
            )
        elif not is_for_customers(portal, product):
            for number, other in enumerate(portal.accepts):
                if other in portals and is_for_customers(portals[other], product):
                    yield Finding(
                        ("portals", name, "accepts", number),
                        f"{other} is a customers' portal: customers would come in among the agents",
                        f"remove it; {other} may accept {name}",
                    )


def _reachable(name: str, portals: dict[str, PortalSettings]) -> set[str]:
    seen: set[str] = set()
    waiting = list(portals[name].accepts)
    while waiting:
        other = waiting.pop()
        if other not in seen and other in portals:
            seen.add(other)
            waiting.extend(portals[other].accepts)
    return seen


def _names(config: Config, application: str, portals: dict[str, PortalSettings]) -> Iterator[Finding]:
    """Names from two providers must never meet, and only one provider is believed."""
    settings = config.applications[application]
    seen: list[tuple[str, str, str]] = []
    authoritative: set[str] = set()
    for name, portal in portals.items():
        for provider in portal.provider:
            prefix = username_at(portal, settings, provider).prefix
            if any(other != provider and _may_meet(prefix, theirs) for other, theirs, _ in seen):
                other = next(o for o, theirs, _ in seen if o != provider and _may_meet(prefix, theirs))
                yield Finding(
                    ("portals", name, "provider"),
                    f"names from {provider} and from {other} may meet: two people would share an account",
                    _prefix_for(provider, portal),
                )
            seen.append((provider, prefix, name))
            if provider in config.providers and config.providers[provider].usernames == "authoritative":
                authoritative.add(provider)
                if len(authoritative) > 1:
                    yield Finding(
                        ("portals", name, "provider"),
                        f"{application} has more than one authoritative provider: {', '.join(sorted(authoritative))}",
                        "leave usernames: authoritative at the one where people cannot choose their names",
                    )


def _prefix_for(provider: str, portal: PortalSettings) -> str:
    if len(portal.provider) == 1:
        return "give one of them a portal of its own with a prefix, such as username: {prefix: cust-}"
    return f"give one of them a prefix, such as usernames: {{{provider}: {{prefix: cust-}}}}"


def _may_meet(one: str, two: str) -> bool:
    """At most one provider goes without a prefix; of two prefixes neither begins with the other."""
    if not one or not two:
        return one == two
    return one.startswith(two) or two.startswith(one)
