"""Which of the application's groups follow from the provider's, line by line (D5).

Called by `core.orders` for what is ordered, by `core.accounts` for what a line can name, and by `core.explain`,
`core.preview` and `core.foresight` for the reasons. Keeps the rules that a protected group comes from a line under
`admin` only, and that what a provider sends becomes part of a name only where it consists of letters, digits and a few
harmless signs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sidecar.core.patterns import found, literal, matches
from sidecar.core.usernames import fold, folded
from sidecar.domain.policy import GroupMapping, GroupPolicy, Portal

PLACE = re.compile(r"\$([1-9])")
"""A place in the target of a line that what matched is put into."""

_SIGNS = r"[\pL\pM\pN ._@+()/:#',-]*"
"""What a provider may put into the name of a group."""


class Fate(StrEnum):
    """What became of one line's answer to one group."""

    GIVEN = "given"
    PROTECTED = "protected"
    UNSOUND = "unsound"


@dataclass(frozen=True, slots=True)
class Gift:
    """What one line makes of one of the provider's groups.

    Attributes:
        source: The provider's group; "" where the line gives to everybody.
        target: The application's group as it would be written.
        line: The line's place in the configuration: `map[0]`, `table`, `as_is[0]`, `admin[0]`, `always`.
        fate: Whether the group is given, and why not.
    """

    source: str
    target: str
    line: str
    fate: Fate


def gifts(known: Iterable[str], policy: GroupPolicy, built_in: frozenset[str]) -> Iterator[Gift]:
    """What all lines make of the provider's groups *known*, refused answers included. *built_in*: protected groups."""
    protected = folded(policy.protected | built_in)
    for group in known:
        for line in policy.mapping:
            target = _answer(line, group)
            if target is not None:
                yield _gift(group, target, line.line, protected - _opened(line))
        for name in policy.table.get(group, ()):
            yield _gift(group, name, "table", protected)
        for number, prefix in enumerate(policy.as_is):
            if fold(group).startswith(fold(prefix)):
                yield _gift(group, group if matches(_SIGNS, group) else "", f"as_is[{number}]", protected)
    for name in policy.always:
        yield _gift("", name, "always", protected)


def given(known: Iterable[str], policy: GroupPolicy, built_in: frozenset[str]) -> tuple[str, ...]:
    """The groups that the lines give, sorted."""
    return tuple(sorted({gift.target for gift in gifts(known, policy, built_in) if gift.fate is Fate.GIVEN}))


def givers(known: Iterable[str], policy: GroupPolicy, built_in: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    """The given groups, folded, to those of the provider that give them; what `always` gives has no giver."""
    found: dict[str, list[str]] = {}
    for gift in gifts(known, policy, built_in):
        if gift.source and gift.fate is Fate.GIVEN:
            found.setdefault(fold(gift.target), []).append(gift.source)
    return {target: tuple(sources) for target, sources in found.items()}


def plain(names: Iterable[str], policy: GroupPolicy) -> dict[str, str]:
    """Folded name to name, of the names that the configuration writes down and that are not protected."""
    sound = (name for entry in names if (name := group_name(entry)) is not None)
    protected = folded(policy.protected)
    return {fold(name): name for name in sound if fold(name) not in protected}


def nameable(have: Iterable[str], policy: GroupPolicy) -> frozenset[str]:
    """The folded groups among the folded *have* that a line can name. What `always` gives is never lost, and what
    `on_create` and `if_empty` give is no line's."""
    shapes = [_shape(line.target) for line in policy.mapping if not line.exact]
    listed = folded(line.target for line in policy.mapping if line.exact)
    listed |= folded(name for names in policy.table.values() for name in names)
    prefixes = tuple(map(fold, policy.as_is))
    return frozenset(
        group
        for group in have
        if group in listed
        or (prefixes and group.startswith(prefixes) and matches(_SIGNS, group))
        or any(matches(shape, group) for shape in shapes)
    )


def reads_groups(policy: GroupPolicy) -> bool:
    """Whether anything follows from the provider's groups."""
    return bool(policy.mapping or policy.table or policy.as_is)


def needs_groups(portal: Portal) -> bool:
    """Whether the rules or the lines of a portal ask for the provider's groups."""
    conditions = (portal.require, *(rule.condition for rule in portal.rules))
    return reads_groups(portal.groups) or any(condition.asks_groups for condition in conditions)


def group_name(name: str) -> str | None:
    """Lower case; None for a name that could be taken for another one."""
    lowered = name.lower()
    sound = (
        0 < len(name) <= 255
        and name == name.strip()
        and name.isprintable()
        and unicodedata.normalize("NFKC", name) == name
        and unicodedata.normalize("NFKC", lowered) == lowered
    )
    return lowered if sound else None


def _opened(line: GroupMapping) -> frozenset[str]:
    """The protected group that an exact line under `admin` speaks of."""
    return frozenset({fold(line.target)}) if line.admin and line.exact else frozenset()


def _answer(line: GroupMapping, group: str) -> str | None:
    """What a line makes of a group: None if it does not speak of it, "" if no name comes out."""
    if line.exact:
        return line.target if line.source == group else None
    parts = found(line.source, group)
    if parts is None:
        return None
    numbers = [int(place) for place in PLACE.findall(line.target)]
    used = [parts[number] for number in numbers if number < len(parts)]
    if not all(matches(_SIGNS, part) for part in used):
        return ""
    return PLACE.sub(lambda place: parts[int(place[1])] if int(place[1]) < len(parts) else "", line.target)


def _gift(source: str, target: str, line: str, protected: frozenset[str]) -> Gift:
    name = group_name(target)
    if name is None:
        return Gift(source, target, line, Fate.UNSOUND)
    return Gift(source, name, line, Fate.PROTECTED if fold(name) in protected else Fate.GIVEN)


def _shape(target: str) -> str:
    """The pattern of all folded names that a target can become."""
    literals = PLACE.split(target)[::2]
    return _SIGNS.join(literal(fold(part)) for part in literals)
