"""Licences of an application: which groups take a seat of one, and how many seats are left."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """One licensed product of an application. Whoever is active and in one of its groups takes a seat.

    Attributes:
        key: The application's word for it, such as `jira-software`.
        groups: Case-folded.
        remaining: Seats left; None: not limited.
    """

    key: str
    groups: frozenset[str]
    remaining: int | None
