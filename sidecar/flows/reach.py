"""How the accounts of one application are reached: its connector, its hooks, and the time they may take.

Made by the composition root; used by `flows.provisioning` and `flows.known`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sidecar.flows.accounts import Connector, Hook, Registry


class OnFailure(StrEnum):
    """What happens to the person when a hook fails."""

    DENY = "deny"
    SERVE = "serve"


@dataclass(frozen=True, slots=True)
class BoundHook:
    """A hook of an application and what its failure means."""

    hook: Hook
    on_failure: OnFailure = OnFailure.DENY


@dataclass(frozen=True, slots=True)
class Reach:
    """How one application's accounts are reached. No connector: its accounts are not managed.

    Attributes:
        budget: Seconds that one piece of work may take, the wait for another on the same account included.
        registry: Where the application tells of licences and keys; None: it does not.
    """

    connector: Connector | None
    hooks: Sequence[BoundHook] = ()
    budget: float = 15.0
    registry: Registry | None = None
