"""How a provider spells what it says of a person: where claims stand, and how groups are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ClaimSources = Mapping[str, tuple[tuple[str, ...], ...]]
"""Claim name to the paths of keys at which it is looked for, in order, in place of the name itself."""


class GroupFormat(StrEnum):
    """What of a value in the groups claim is the group's name, as the configuration spells it."""

    AS_IS = "as_is"
    LAST_SEGMENT = "last_segment"
    COMMON_NAME = "common_name"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReading:
    """How the groups claim is read.

    Attributes:
        path: Keys from the outside in; empty: there are no groups.
        format: What of a value is the name.
        single: Whether a plain string means one group.
        names: Names in place of ids; a value that is not here keeps its own.
        cut_at: A list of exactly so many may have been cut, and is unknown; 0: no list is.
        prefix: Put in front of every name, so that names from two providers of one portal never meet.
    """

    path: tuple[str, ...] = ("groups",)
    format: GroupFormat = GroupFormat.AS_IS
    single: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    cut_at: int = 0
    prefix: str = ""


PLAIN = GroupReading()
"""A list of names in `groups`."""
