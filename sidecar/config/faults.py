"""Faults of a configuration file: each says where it is, what is wrong and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

Path = tuple[str | int, ...]
"""Keys and list positions from the outside in."""


class Severity(IntEnum):
    """Whether Lychgate starts all the same."""

    ERROR = 0
    WARNING = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, before it has a place in a file. Texts are for the operator and never hold secrets."""

    path: Path
    wrong: str
    cure: str
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """A fault with its place.

    Attributes:
        line: Counted from 1; 0 where the file itself is meant.
        path: Key path as an operator says it: `portals.agents.rules[0].paths`.
        wrong: What is the matter.
        cure: What would be right.
    """

    file: str
    line: int
    path: str
    severity: Severity
    wrong: str
    cure: str

    def render(self) -> str:
        """Two lines for the terminal; the first one is in the shape that editors jump to."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        path = f"{self.path}: " if self.path else ""
        return f"{place}: {self.severity.name.lower()}: {path}{self.wrong}\n    {self.cure}"


class ConfigError(Exception):
    """The file cannot be used.

    Attributes:
        faults: All of them, warnings too, by line.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__(render(self.faults))


def render(faults: Iterable[Fault]) -> str:
    """All faults, by line, for the terminal."""
    return "\n".join(fault.render() for fault in sorted(set(faults)))


def spell_path(path: Path) -> str:
    """A key path as an operator says it."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if text else key
    return text
