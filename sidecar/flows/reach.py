"""How the accounts of one application are reached: its connector, its hooks, and the time they may take.

Made by the composition root; used by `flows.provisioning`, `flows.known` and `flows.foreseeing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Connector, Hook, Registry
from sidecar.flows.listing import Lists
from sidecar.flows.sessions import StateError


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
        application: The application itself, where it is asked beside the connector what it shows; None: the connector
            asks it already, or nobody can.
        registry: Where the application tells of licences and keys; None: it does not.
        lists: Where it tells who is in a group; None: it does not.
    """

    connector: Connector | None
    hooks: Sequence[BoundHook] = ()
    budget: float = 15.0
    registry: Registry | None = None
    lists: Lists | None = None
    application: Connector | None = None


@asynccontextmanager
async def within(budget: float, missed: str = "no answer") -> AsyncIterator[None]:
    """Gives the failures of the outside their reason, and an end after *budget* seconds.

    Raises:
        AccountError: `connector_unreachable`, with what was *missed*, or `state_unavailable`.
    """
    try:
        async with asyncio.timeout(budget):
            yield
    except TimeoutError:
        raise AccountError(Reason.CONNECTOR_UNREACHABLE, f"{missed} after {budget:g} seconds") from None
    except StateError as error:
        raise AccountError(Reason.STATE_UNAVAILABLE, "the ledger did not answer") from error
