"""Checks of rules: names of path sets, contradictions, and rules that are never reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sidecar.config.faults import Finding, Path, Severity
from sidecar.config.model import Config
from sidecar.config.model_portal import ConditionSettings, PortalSettings, RuleSettings
from sidecar.config.shape import did_you_mean
from sidecar.domain.paths import PathSet
from sidecar.domain.policy import Answer
from sidecar.domain.product import Product


def within(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    """Names, path sets, contradictions, reach."""
    for name, portal in config.portals.items():
        yield from _names(name, portal)
        application = config.applications.get(portal.application)
        if application is None:
            continue
        product = products[application.product]
        for number, rule in enumerate(portal.rules):
            at = ("portals", name, "rules", number)
            yield from unknown_sets(at, rule.paths, product)
            yield from _contradictions(at, rule)
            yield from _reach(at, number, portal, product)


def between(config: Config, _products: Mapping[str, Product]) -> Iterator[Finding]:
    """Groups asked of providers that send none."""
    for name, portal in config.portals.items():
        yield from _restricted_groups(config, name, portal)


def patterns_of(paths: tuple[str, ...], product: Product) -> tuple[str, ...]:
    """Patterns with named sets spelled out; unknown names are left out (a check names them)."""
    patterns: list[str] = []
    for path in paths:
        if path.startswith("@"):
            named = product.path_sets.get(path[1:])
            patterns.extend(named.patterns if named is not None else ())
        else:
            patterns.append(path)
    return tuple(dict.fromkeys(patterns))


def unknown_sets(at: Path, paths: tuple[str, ...], product: Product) -> Iterator[Finding]:
    """Names of path sets that the product does not have."""
    for path in paths:
        if path.startswith("@") and path[1:] not in product.path_sets:
            known = [f"@{name}" for name in product.path_sets]
            yield Finding((*at, "paths"), f"{product.title} has no path set {path}", did_you_mean(path, known))


def _names(name: str, portal: PortalSettings) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for number, rule in enumerate(portal.rules):
        if rule.name is not None and seen.setdefault(rule.name, number) != number:
            yield Finding(
                ("portals", name, "rules", number, "name"),
                f"is the name of rule {seen[rule.name]} as well",
                "give each rule of a portal its own name",
            )


def _contradictions(at: Path, rule: RuleSettings) -> Iterator[Finding]:
    if rule.answer in (Answer.PUBLIC, Answer.LOGIN) and rule.require is not None:
        yield Finding(
            (*at, "require"),
            f"does nothing beside answer: {rule.answer}",
            "write answer: allow, or remove require",
        )
    for key, value in (("fresh", rule.fresh), ("acr", rule.acr)):
        if rule.answer in (Answer.PUBLIC, Answer.DENY) and value is not None:
            yield Finding((*at, key), f"does nothing beside answer: {rule.answer}", f"remove {key}")
    if rule.answer is Answer.PUBLIC and "/**" in rule.paths:
        yield Finding((*at, "answer"), "opens the whole application to everybody", "name the paths that are public")


def _reach(at: Path, number: int, portal: PortalSettings, product: Product) -> Iterator[Finding]:
    rule = portal.rules[number]
    patterns = patterns_of(rule.paths, product)
    for before, earlier in enumerate(portal.rules[:number]):
        if _hides(earlier, rule) and patterns and _covers(patterns_of(earlier.paths, product), patterns):
            yield Finding(
                at,
                f"is never reached: rule {earlier.name or before} before it decides for all its paths and methods",
                f"put it before rule {earlier.name or before}, or remove it",
            )
            return


def _hides(earlier: RuleSettings, rule: RuleSettings) -> bool:
    """The first rule that matches decides; only a denial with a condition lets others go on."""
    if earlier.answer is Answer.DENY and earlier.require is not None:
        return False
    return earlier.methods is None or (rule.methods is not None and set(rule.methods) <= set(earlier.methods))


def _covers(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    paths = PathSet(wide)
    return all(_holds(paths, pattern) for pattern in narrow)


def _holds(paths: PathSet, pattern: str) -> bool:
    if pattern in paths.patterns or "/**" in paths.patterns:
        return True
    if "*" not in pattern:
        return pattern.startswith("/") and pattern in paths
    fixed = pattern.partition("*")[0]
    return any(wide.endswith("/**") and "*" not in wide[:-3] and fixed.startswith(wide[:-2]) for wide in paths.patterns)


def _restricted_groups(config: Config, name: str, portal: PortalSettings) -> Iterator[Finding]:
    page = portal.test_page
    demands = [portal.require, *(rule.require for rule in portal.rules), page.require if page is not None else None]
    if not any(demand is not None and _asks_groups(demand) for demand in demands):
        return
    for provider in portal.provider:
        settings = config.providers.get(provider)
        if settings is not None and settings.preset in ("auth0", "google") and settings.groups_claim == ("groups",):
            yield Finding(
                ("providers", provider, "groups_claim"),
                f"portal {name} asks for groups, but {settings.label} never sends a claim called groups",
                'name the claim that it sends, such as "https://example.com/groups", or ask for other claims',
                Severity.WARNING,
            )


def _asks_groups(demand: ConditionSettings) -> bool:
    return bool(demand.any_group or demand.all_groups or demand.no_group)
