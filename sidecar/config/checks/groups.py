"""Checks of group lines: their patterns, protected groups, licensed groups for customers (D5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sidecar.adapters.accounts.settings import GroupLine, GroupSettings
from sidecar.adapters.settings import BACKTRACKS, HOW_NOT_TO, could_backtrack
from sidecar.config.effective import could_become, groups_at, is_for_customers
from sidecar.config.faults import Finding, Path, Severity
from sidecar.config.model import Config
from sidecar.domain.product import Product

LICENSED = frozenset({"jira-software-users", "jira-servicedesk-users", "jira-core-users"})
"""Groups of Jira whose members take a paid seat."""

_META = frozenset("*+?()[]{}|^$\\")
_LONGEST = 200


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
        if own is not None and owner.accounts.token is None and (own.map or own.default or own.admin):
            yield Finding(
                ("portals", name, "groups"),
                "needs a token with which to work at the application",
                f"add applications.{portal.application}.accounts.token",
            )
        if is_for_customers(portal, products[owner.product]):
            yield from _seats(name, groups_at(portal, owner))


def _lines(at: Path, groups: GroupSettings, product: Product) -> Iterator[Finding]:
    for number, line in enumerate(groups.map):
        yield from _pattern((*at, "map", number), line)
        if line.target.casefold() in product.protected_groups:
            yield _protected((*at, "map", number, "to"), line.target)
    for key in ("default", "needed"):
        for number, group in enumerate(getattr(groups, key)):
            if group.casefold() in product.protected_groups:
                yield _protected((*at, key, number), group)
    for number, line in enumerate(groups.admin):
        if _META & set(line.source) or "$" in line.target:
            yield Finding(
                (*at, "admin", number),
                "holds a pattern: protected groups are given by exact names only",
                "write the two names as they are, one line per group",
            )
    for number, pattern in enumerate(groups.create):
        yield from _creatable((*at, "create", number), pattern)
    yield from _needed(at, groups)


def _creatable(path: Path, pattern: str) -> Iterator[Finding]:
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError) as error:
        yield Finding(path, f"is no regular expression: {error}", "correct it, or put \\ before ( ) [ ] . + *")
        return
    if could_backtrack(pattern):
        yield Finding(path, BACKTRACKS, HOW_NOT_TO)
    elif compiled.fullmatch("x" * 200) and compiled.fullmatch("any name 7"):
        yield Finding(path, "matches every name", "begin it with what all these groups have in common, such as team-")


def _protected(path: Path, group: str) -> Finding:
    return Finding(
        path,
        f"{group} is a protected group: whoever is in it rules the application",
        f"remove it here; if you mean it, add an exact line under groups.admin: {{from: …, to: {group}}}",
    )


def _needed(at: Path, groups: GroupSettings) -> Iterator[Finding]:
    given = [line.target for line in (*groups.map, *groups.admin)] + list(groups.default)
    for number, group in enumerate(groups.needed):
        if not any(could_become(target, frozenset({group.casefold()})) for target in given):
            yield Finding(
                (*at, "needed", number),
                f"{group} is given by no line, so it is never waited for",
                "add a line that gives it, or remove it here",
                Severity.WARNING,
            )


def _pattern(at: Path, line: GroupLine) -> Iterator[Finding]:
    try:
        compiled = re.compile(line.source)
    except (re.error, OverflowError) as error:
        yield Finding((*at, "from"), f"is no regular expression: {error}", "correct it, or put \\ before ( ) [ ] . + *")
        return
    if len(line.source) > _LONGEST:
        yield Finding((*at, "from"), f"is longer than {_LONGEST} characters", "split it into several lines")
    if could_backtrack(line.source):
        yield Finding((*at, "from"), BACKTRACKS, HOW_NOT_TO)
    highest = max((int(number) for number in re.findall(r"\$([0-9])", line.target)), default=0)
    if highest > compiled.groups or "$0" in line.target:
        yield Finding(
            (*at, "to"),
            f"${highest} has no bracket: from has {compiled.groups}",
            "put ( ) around the part of from that is meant; the first bracket is $1",
        )


def _seats(portal: str, groups: GroupSettings) -> Iterator[Finding]:
    for key, lines in (("map", groups.map), ("admin", groups.admin)):
        for number, line in enumerate(lines):
            seat = could_become(line.target, LICENSED)
            if seat is not None:
                yield _seat(("portals", portal, "groups", key, number, "to"), seat)
    for number, group in enumerate(groups.default):
        if group.casefold() in LICENSED:
            yield _seat(("portals", portal, "groups", "default", number), group)


def _seat(path: Path, group: str) -> Finding:
    return Finding(
        path,
        f"customers would join {group}: each takes a paid seat and comes in among the agents",
        "remove the line; customers of Jira Service Management need no group",
    )
