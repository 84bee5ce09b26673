"""State and audit trail for a command that changes something while the gate does not run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sidecar import __version__
from sidecar.adapters.audit.log import AuditLog
from sidecar.adapters.metrics import Metrics
from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.stores import State
from sidecar.building.parts import audit_log
from sidecar.building.reloading import InForce
from sidecar.building.renewing import Renewals
from sidecar.building.storing import state_for_change
from sidecar.config.load import Loaded
from sidecar.config.outside import cookie_keys
from sidecar.core.usernames import fold
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Person
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Clock


def intended(step: str, application: str, person: Person | None = None, account: str = "") -> Event:
    """What a command is about to do."""
    facts = {"cause": "command", "step": step, **({"account": account} if account else {})}
    return Event(
        code=Code.CHANGE_INTENDED,
        outcome="intended",
        person=person,
        username=fold(account),
        application=application,
        facts=facts,
    )


@asynccontextmanager
async def beside(loaded: Loaded, clock: Clock) -> AsyncIterator[tuple[State, AuditLog]]:
    """State and audit trail for a command while the gate does not run."""
    sealer = Sealer([key.encode() for key in cookie_keys(loaded.config)])
    async with AsyncExitStack() as stack:
        # The state first: while the gate runs, nothing is begun.
        state = await stack.enter_async_context(state_for_change(loaded.config, sealer))
        yield state, audit_log(InForce(loaded), None, clock, Metrics(__version__), sealer, Renewals(clock), stack)


async def must_be_initialised(state: State, application: str) -> None:
    """Nothing is tied to anybody in a ledger that may be the wrong one.

    Raises:
        StateError: it was never declared to be the right one.
    """
    if not await state.ledger.usable(application):
        raise StateError("the ledger was not initialised; run `lychgate ledger init` first")
