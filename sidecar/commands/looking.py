"""What commands look at, and with what they change it: the state, the application's accounts, and the account flow.

Looking goes on beside a running gate, in a copy of the state. Changing needs the state itself, and so a gate that does
not run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sidecar import __version__
from sidecar.adapters.accounts.directory import DirectoryConnector
from sidecar.adapters.clock import SystemChance, SystemClock
from sidecar.adapters.metrics import Metrics
from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.stores import State
from sidecar.building.reaching import build_connectors, build_looks
from sidecar.building.storing import state_to_look
from sidecar.commands.beside import beside
from sidecar.commands.doors import QuestionError
from sidecar.config.load import Loaded
from sidecar.config.outside import cookie_keys
from sidecar.domain.events import Event
from sidecar.domain.policy import Application
from sidecar.flows.accounts import Connector, Registry
from sidecar.flows.directory import Directory
from sidecar.flows.listing import Lists
from sidecar.flows.provisioning import Accounts
from sidecar.flows.reach import Reach
from sidecar.flows.telling import AuditError, Clock, SureAudit

_BUDGET = 60.0
"""Seconds for one person: nobody waits at a browser."""


class Deaf:
    """An audit trail for what only looks: it is told nothing, and lets nothing be done."""

    def tell(self, event: Event) -> None:
        """Nothing happens, so there is nothing to tell."""

    async def sure(self, event: Event) -> None:
        """Refuse.

        Raises:
            AuditError: always.
        """
        raise AuditError("this command only looks")


@dataclass(frozen=True, slots=True)
class Sight:
    """State, accounts and audit trail of one application.

    Attributes:
        itself: The application itself, where it is asked beside the user server.
    """

    loaded: Loaded
    application: Application
    state: State
    connector: Connector
    audit: SureAudit
    clock: Clock
    itself: Connector | None = None

    def accounts(self, connector: Connector | None = None) -> Accounts:
        """The account flow of the gate, with these parts."""
        policy, way = self.loaded.policy, connector or self.connector
        registry, lists = way if isinstance(way, Registry) else None, way if isinstance(way, Lists) else None
        # A roll stands for all that the application has.
        itself = self.itself if connector is None else None
        reach = Reach(way, budget=_BUDGET, registry=registry, lists=lists, application=itself)
        reaches = {self.application.name: reach}
        return Accounts(lambda: policy, reaches, self.state.ledger, self.audit, self.clock, Metrics(__version__))


@asynccontextmanager
async def sight(loaded: Loaded, application: Application, *, apply: bool) -> AsyncIterator[Sight]:
    """Look, or with *apply* change.

    Raises:
        QuestionError: the accounts of the application are not managed.
        StateError: with *apply*: the gate is running.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        connectors = await build_connectors(loaded.config, loaded.policy, stack)
        connector = connectors.get(application.name)
        if connector is None and not loaded.config.applications[application.name].accounts.directory:
            raise QuestionError(f"the accounts of {application.name} are not managed: it has no accounts.token")
        itself = (await build_looks(loaded.config, loaded.policy, stack)).get(application.name)
        if apply:
            state, log = await stack.enter_async_context(beside(loaded, clock))
            yield Sight(
                loaded, application, state, connector or _directory(state, application, clock), log, clock, itself
            )
            return
        sealer = Sealer([key.encode() for key in cookie_keys(loaded.config)])
        state = await stack.enter_async_context(state_to_look(loaded.config, sealer))
        yield Sight(
            loaded, application, state, connector or _directory(state, application, clock), Deaf(), clock, itself
        )


def _directory(state: State, application: Application, clock: Clock) -> Connector:
    """The accounts of an application that takes them from us."""
    return DirectoryConnector(Directory(state.directory, clock), application.name, SystemChance())
