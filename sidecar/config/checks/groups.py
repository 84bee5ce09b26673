"""Checks of group lines: their patterns, protected groups, licensed groups for customers (D5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sidecar.adapters.accounts.settings import GroupLine, GroupSettings
from sidecar.adapters.settings import pattern_fault
from sidecar.config.effective import could_become, groups_at, is_for_customers, targets_of
from sidecar.config.faults import Finding, Path, Severity
from sidecar.config.model import Config
from sidecar.core.patterns import brackets, matches
from sidecar.domain.product import Product

LICENSED = frozenset({"jira-software-users", "jira-servicedesk-users", "jira-core-users"})
"""Groups of Jira whose members take a paid seat."""

_META = frozenset("*+?()[]{}|^$\\")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def within(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    """The lines of applications and of portals."""
    for name, application in config.applications.items():
        at = ("applications", name, "accounts", "groups")
        yield from _lines(at, application.accounts.groups, products[application.product])
    for name, portal in config.portals.items():
        owner = config.applications.get(portal.application)
        if owner is not None and portal.groups is not None:
            yield from _lines(("portals", name, "groups"), portal.groups, products[owner.product])


def between(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    """Portals' lines that need the application's token, or give customers a seat."""
    for name, portal in config.portals.items():
        owner = config.applications.get(portal.application)
        if owner is None:
            continue
        own = portal.groups
        if own is not None and not owner.accounts.managed and any(targets_of(own)):
            yield Finding(
                ("portals", name, "groups"),
                "needs a token with which to work at the application",
                f"add applications.{portal.application}.accounts.token",
            )
        if is_for_customers(portal, products[owner.product]):
            yield from _seats(name, groups_at(portal, owner))
        if own is not None:
            yield from _firsts(("portals", name, "groups"), own, create=owner.accounts.create)
    for name, application in config.applications.items():
        accounts = application.accounts
        yield from _firsts(("applications", name, "accounts", "groups"), accounts.groups, create=accounts.create)


def _firsts(at: Path, groups: GroupSettings, *, create: bool) -> Iterator[Finding]:
    if groups.on_create and not create:
        wrong = "is never given: no account is made without create: true"
        yield Finding((*at, "on_create"), wrong, "write create: true under accounts, or remove it", Severity.WARNING)


def _lines(at: Path, groups: GroupSettings, product: Product) -> Iterator[Finding]:
    for number, line in enumerate(groups.map):
        yield from _line((*at, "map", number), line)
    named = [(path, target) for path, target in targets_of(groups) if path[0] not in {"admin", "as_is"}]
    named += [(("needed", number), group) for number, group in enumerate(groups.needed)]
    for path, target in named:
        if target.casefold() in product.protected_groups:
            yield _protected((*at, *path), target)
    for number, admin in enumerate(groups.admin):
        if _META & set(admin.source) or "$" in admin.target:
            yield Finding(
                (*at, "admin", number),
                "holds a pattern: protected groups are given by exact names only",
                "write the two names as they are, one line per group",
            )
    for source in groups.table:
        if _GUID.fullmatch(source) and source != source.lower():
            yield Finding(
                (*at, "table", source),
                "is an id in capitals, and Entra ID writes ids in lower case: it would match nobody",
                f"write {source.lower()}",
            )
    for number, pattern in enumerate(groups.create):
        yield from _creatable((*at, "create", number), pattern)
    yield from _needed(at, groups)


def _creatable(path: Path, pattern: str) -> Iterator[Finding]:
    wrong = pattern_fault(pattern)
    if wrong is not None:
        yield Finding(path, *wrong)
    elif all(matches(f"(?i:{pattern})", name) for name in ("x" * 200, "any name 7")):
        yield Finding(path, "matches every name", "begin it with what all these groups have in common, such as team-")


def _protected(path: Path, group: str) -> Finding:
    return Finding(
        path,
        f"{group} is a protected group: whoever is in it rules the application",
        f"remove it here; if you mean it, add an exact line under groups.admin: {{from: …, to: {group}}}",
    )


def _needed(at: Path, groups: GroupSettings) -> Iterator[Finding]:
    given = [target for _, target in targets_of(groups)]
    for number, group in enumerate(groups.needed):
        if not any(could_become(target, {group.casefold()}) for target in given):
            yield Finding(
                (*at, "needed", number),
                f"{group} is given by no line, so it is never waited for",
                "add a line that gives it, or remove it here",
                Severity.WARNING,
            )


def _line(at: Path, line: GroupLine) -> Iterator[Finding]:
    if (line.source is None) == (line.exact is None):
        yield Finding(at, "needs one of from and exact", "write from for a pattern, or exact for a name as it is")
        return
    if line.source is None:
        if "$" in line.target:
            yield Finding((*at, "to"), "speaks of brackets, and exact has none", "write the name, or use from")
        return
    wrong = pattern_fault(line.source)
    if wrong is not None:
        yield Finding((*at, "from"), *wrong)
        return
    highest = max((int(number) for number in re.findall(r"\$([0-9])", line.target)), default=0)
    if highest > brackets(line.source) or "$0" in line.target:
        yield Finding(
            (*at, "to"),
            f"${highest} has no bracket: from has {brackets(line.source)}",
            "put ( ) around the part of from that is meant; the first bracket is $1",
        )


def _seats(portal: str, groups: GroupSettings) -> Iterator[Finding]:
    for path, target in targets_of(groups):
        seat = could_become(target, LICENSED)
        if seat is not None:
            yield Finding(
                ("portals", portal, "groups", *path),
                f"customers would join {seat}: each takes a paid seat and comes in among the agents",
                "remove the line; customers of Jira Service Management need no group",
            )
