"""What depends only on session and policy: computed at sign-in, at a claim refresh and when the policy changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.domain.account import AccountOrder
from sidecar.domain.reason import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """How a session stands at one portal.

    Attributes:
        require: `ok`, or why the portal's own demand is not met.
        rules: One entry per rule of the portal: `ok` where its condition holds, else why it does not.
    """

    require: Reason
    rules: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Remembered on the session's entry; per request nothing of this is computed again.

    Attributes:
        policy: Hash of the policy under which it was computed.
        username: The resolved name, or None.
        refused: Why there is no username; `ok` when there is one.
        order: What the account must look like, or None without a username.
        portals: By portal name, for every portal of the application.
    """

    policy: str
    username: str | None
    refused: Reason
    order: AccountOrder | None
    portals: Mapping[str, Admission]
