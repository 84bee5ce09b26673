"""Checks of portals with several providers: people can tell them apart, and no provider speaks for another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations

from sidecar.adapters.oidc.settings import ProviderSettings
from sidecar.config.effective import groups_at
from sidecar.config.faults import Finding, Path, Severity
from sidecar.config.model import Config
from sidecar.config.model_portal import ConditionSettings, PortalSettings
from sidecar.domain.product import Product

_PLAIN = re.compile(r"(?:[^\\.^$*+?{}\[\]|()]|\\[^0-9A-Za-z])*")
_OWN_PORTAL = "give the provider where others choose the claims a portal of its own"


def between(config: Config, _products: Mapping[str, Product]) -> Iterator[Finding]:
    """Labels and domains that are the same, changes for nobody, groups and claims that any of the providers can name.

    What names a provider that is not there is another check's to tell.
    """
    for name, portal in config.portals.items():
        at = ("portals", name)
        known = {provider: config.providers[provider] for provider in portal.provider if provider in config.providers}
        for provider in portal.usernames.keys() - set(portal.provider):
            cure = f"name one of {', '.join(portal.provider)}, or remove it"
            yield Finding((*at, "usernames", provider), "is for nobody: the portal does not use this provider", cure)
        if len(known) > 1:
            yield from _labels(at, known)
            yield from _domains(at, known)
            yield from _groups(at, known, config, portal)
            yield from _lines(at, known, config, portal)
            yield from _claims(at, known, portal)


def _labels(at: Path, known: Mapping[str, ProviderSettings]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for provider, settings in known.items():
        label = settings.label or provider
        other = seen.setdefault(" ".join(label.split()).casefold(), provider)
        if other != provider:
            yield Finding(
                (*at, "provider"),
                f"{other} and {provider} have the same label, {label}: people cannot tell them apart",
                f"write a label of its own at providers.{provider}",
            )


def _domains(at: Path, known: Mapping[str, ProviderSettings]) -> Iterator[Finding]:
    for (one, first), (two, second) in combinations(known.items(), 2):
        for domain in sorted(set(first.domains) & set(second.domains)):
            yield Finding(
                (*at, "provider"),
                f"{one} and {two} both have the domain {domain}: nobody could be sent to the right one",
                f"leave it at one of providers.{one} and providers.{two}",
            )


def _groups(
    at: Path, known: Mapping[str, ProviderSettings], config: Config, portal: PortalSettings
) -> Iterator[Finding]:
    """Whoever names groups at one provider must not meet what is meant for another's people."""
    owner = config.applications.get(portal.application)
    lines = groups_at(portal, owner) if owner is not None else None
    asked = [path for path, demand in _demands(portal) if demand.any_group or demand.all_groups or demand.no_group]
    if lines is not None and (lines.map or lines.table or lines.as_is or lines.admin):
        asked.append(("provider",))
    for one, two in combinations(known, 2) if asked else ():
        if _may_meet(known[one], known[two]):
            yield Finding(
                (*at, *asked[0]),
                f"speaks of groups that {one} and {two} can name alike: whoever names groups at one could meet what is "
                "meant for the other",
                "write group_prefix at both, such as partner: and staff:, or only at the one that is not authoritative",
            )


def _lines(
    at: Path, known: Mapping[str, ProviderSettings], config: Config, portal: PortalSettings
) -> Iterator[Finding]:
    """Patterns that begin before a prefix does: `(.+)-users` takes in `partner:all-users` too."""
    owner = config.applications.get(portal.application)
    lines = groups_at(portal, owner) if owner is not None else None
    prefixes = [settings.group_prefix for settings in known.values() if settings.group_prefix]
    patterns = [line.source for line in lines.map if line.source is not None] if lines is not None else []
    patterns += [f"{re.escape(prefix)}.*" for prefix in lines.as_is] if lines is not None else []
    for pattern in patterns:
        head = _head(pattern)
        if head is None or any(head.startswith(prefix) for prefix in prefixes):
            continue
        for provider, settings in known.items():
            if settings.group_prefix and settings.group_prefix.startswith(head):
                yield Finding(
                    (*at, "provider"),
                    f"has a group line from {pattern}, which may match groups of {provider} too: "
                    f"{settings.group_prefix} does not keep them out",
                    "begin the pattern with letters with which only the groups begin that it means",
                    Severity.WARNING,
                )


def _head(pattern: str) -> str | None:
    """With what every name begins that *pattern* matches, as far as that is easily seen; None: it is one name."""
    if _PLAIN.fullmatch(pattern):
        return None
    if any(mark in pattern for mark in ("|", "(?", ")?", ")*", "){")):
        return ""
    inner = pattern.lstrip("(^")
    text = _PLAIN.match(inner)
    head = text[0] if text is not None else ""
    # The character before a quantifier may be missing.
    return (head[:-1] if inner[len(head) :][:1] in {"*", "?", "{"} else head).replace("\\", "")


def _claims(at: Path, known: Mapping[str, ProviderSettings], portal: PortalSettings) -> Iterator[Finding]:
    providers = " and ".join(known)
    for path, demand in _demands(portal):
        if demand.claims:
            wrong = f"is judged by claims that {providers} send alike: whoever sets them at one meets it"
            yield Finding((*at, *path, "claims"), wrong, _OWN_PORTAL, Severity.WARNING)


def _demands(portal: PortalSettings) -> Iterator[tuple[Path, ConditionSettings]]:
    if portal.require is not None:
        yield ("require",), portal.require
    if portal.test_page is not None:
        yield ("test_page", "require"), portal.test_page.require
    for number, rule in enumerate(portal.rules):
        if rule.require is not None:
            yield ("rules", number, "require"), rule.require


def _may_meet(one: ProviderSettings, two: ProviderSettings) -> bool:
    """Of two prefixes neither begins with the other; only a provider whose names are believed goes without one."""
    for bare, other in ((one, two), (two, one)):
        if not bare.group_prefix:
            return bare.usernames != "authoritative" or not other.group_prefix
    return one.group_prefix.startswith(two.group_prefix) or two.group_prefix.startswith(one.group_prefix)
