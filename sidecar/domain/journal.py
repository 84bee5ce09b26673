"""What was done to an account, and how it was before: enough to take it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sidecar.domain.identity import UnixSeconds

Detail = str | int | bool
"""A plain JSON value."""


class Deed(StrEnum):
    """What was done. The words of steps (`flows.account_steps.kind_of`), and two that change the ledger only."""

    LINK = "link"
    ADOPT = "adopt"
    CREATE = "create"
    REACTIVATE = "reactivate"
    UPDATE = "update"
    MAKE_GROUP = "make_group"
    JOIN = "join"
    LEAVE = "leave"
    DEACTIVATE = "deactivate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One deed.

    Attributes:
        username: Case-folded.
        group: In the application's spelling, or "".
        before: `update`: the attributes as they were; `leave`: for which portals the membership was ours, and since
            when; `reactivate`: cause and time of our note, empty if it was not ours.
        after: `update`: the attributes as they became; `join` and `adopt`: the `portal`; `link`: `issuer`, `subject`
            and `created`.
        pending: Written before the deed was tried and not confirmed since: nobody knows whether it was done.
        number: Of the entry, in the order of time; 0 before it is kept.
    """

    application: str
    username: str
    deed: Deed
    at: UnixSeconds
    group: str = ""
    before: Mapping[str, Detail] = field(default_factory=dict)
    after: Mapping[str, Detail] = field(default_factory=dict)
    pending: bool = False
    number: int = 0
