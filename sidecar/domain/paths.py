"""Sets of paths, compiled once at load and asked on every request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PathSet:
    """Patterns over canonical paths below the context path.

    A pattern is `/exact/path`, `/everything/below/**` (the path itself and all below, at segment boundaries) or has
    `*` for any run of characters within one segment (`/browse/*`, `/secure/Setup*.jspa`). A pattern without a slash,
    `Setup*.jspa`, names a Webwork action: it matches the last segment wherever it stands (D1).

    Attributes:
        patterns: As written, for messages, `explain` and the policy's hash.
    """

    patterns: tuple[str, ...] = ()
    _exact: frozenset[str] = field(init=False, repr=False, compare=False, default=frozenset())
    _below: tuple[str, ...] = field(init=False, repr=False, compare=False, default=())
    _shapes: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)
    _actions: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)
    _folded: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)
    _folded_actions: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            check_pattern(pattern)
        rooted = [p for p in self.patterns if p.startswith("/")]
        actions = [p for p in self.patterns if not p.startswith("/")]
        exact = {p for p in rooted if "*" not in p}
        below = [p[:-3] for p in rooted if _is_plain_subtree(p)]
        shapes = [p for p in rooted if p not in exact and not _is_plain_subtree(p)]
        object.__setattr__(self, "_exact", frozenset(exact))
        object.__setattr__(self, "_below", tuple(below))
        object.__setattr__(self, "_shapes", _compile(shapes, 0))
        object.__setattr__(self, "_actions", _compile(actions, 0))
        object.__setattr__(self, "_folded", _compile(rooted, re.IGNORECASE))
        object.__setattr__(self, "_folded_actions", _compile(actions, re.IGNORECASE))

    def __contains__(self, path: object) -> bool:
        """Whether the canonical *path* (below the context path) is in the set; case-sensitive as the products are."""
        if not isinstance(path, str):
            return False
        if path in self._exact:
            return True
        for prefix in self._below:
            if path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/"):
                return True
        return _matches(self._shapes, path) or _matches(self._actions, path.rpartition("/")[2])

    def holds_folded(self, path: str) -> bool:
        """The same without regard to case: for rules that deny, so that `/ADMIN` is no way around."""
        return _matches(self._folded, path) or _matches(self._folded_actions, path.rpartition("/")[2])

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def __or__(self, other: PathSet) -> PathSet:
        return PathSet(tuple(dict.fromkeys((*self.patterns, *other.patterns))))


def path_set(*patterns: str) -> PathSet:
    """A set from patterns; shorthand for tables of product knowledge and tests."""
    return PathSet(patterns)


def check_pattern(pattern: str) -> None:
    """Refuse what could never match, or would match more than it says.

    Raises:
        ValueError: with a sentence for the operator.
    """
    if not pattern or any(ch in pattern for ch in "%?#\\ ") or not pattern.isprintable():
        raise ValueError(f"{pattern!r} is no path pattern: write it decoded, without query, blanks or %xx")
    if "//" in pattern or "/../" in f"{pattern}/" or "/./" in f"{pattern}/":
        raise ValueError(f"{pattern!r} can never match: a canonical path has no empty and no dot segments")
    if "**" in pattern and not (pattern.endswith("/**") and pattern.count("**") == 1):
        raise ValueError(f"{pattern!r}: ** stands only at the end, after a slash")
    if "/" in pattern and not pattern.startswith("/"):
        raise ValueError(f"{pattern!r} must begin with a slash")


def _is_plain_subtree(pattern: str) -> bool:
    return pattern.endswith("/**") and pattern.count("*") == 2


def _matches(expression: re.Pattern[str] | None, text: str) -> bool:
    return expression is not None and expression.fullmatch(text) is not None


def _compile(patterns: Iterable[str], flags: int) -> re.Pattern[str] | None:
    parts = [_expression(pattern) for pattern in patterns]
    return re.compile("|".join(parts), flags | re.DOTALL) if parts else None


def _expression(pattern: str) -> str:
    below = pattern.endswith("/**")
    body = pattern[:-3] if below else pattern
    return "/".join(_segment(part) for part in body.split("/")) + ("(?:/.*)?" if below else "")


def _segment(glob: str) -> str:
    """Each part between two `*` is found once, as far left as it stands, and not sought again: a path that almost
    matches costs no more than its length, whatever the operator writes."""
    first, *others = (re.escape(part) for part in glob.split("*"))
    if not others:
        return first
    return first + "".join(f"(?>[^/]*?{part})" for part in others[:-1]) + "[^/]*" + others[-1]


NO_PATHS = PathSet()
"""The set that holds nothing."""
