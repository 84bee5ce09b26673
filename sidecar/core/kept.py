"""What a process keeps in memory, by name and with its bound: for the metric, and for the tests that hold each to it.

Whoever keeps something that requests can make grow registers it here where it is made, and keeps the bound itself. The
register knows structures weakly; several of one name (one for each policy, application or gate) count together.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sized
from typing import TypeVar

S = TypeVar("S", bound=Sized)
K = TypeVar("K")
V = TypeVar("V")


class Kept(dict[K, V]):
    """A dictionary that can be registered: a plain one cannot be referred to weakly."""

    __slots__ = ("__weakref__",)


_KEPT: dict[str, list[tuple[weakref.ref[Sized], int]]] = {}


def kept(name: str, structure: S, most: int) -> S:
    """Register *structure*, in which its owner keeps *most* entries at most. Returns it."""
    living = [(known, bound) for known, bound in _KEPT.get(name, ()) if known() is not None]
    _KEPT[name] = [*living, (weakref.ref(structure), most)]
    return structure


def held() -> Mapping[str, tuple[int, int]]:
    """By name how many entries there are, and how many there can be."""
    found: dict[str, tuple[int, int]] = {}
    for name, known in _KEPT.items():
        living = [(structure, most) for reference, most in known if (structure := reference()) is not None]
        if living:
            found[name] = sum(len(structure) for structure, _ in living), sum(most for _, most in living)
    return found
