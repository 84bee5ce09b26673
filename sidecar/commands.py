"""What commands do beside the gate, while it does not run: initialise the ledger, link accounts. Each is audited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from sidecar import __version__
from sidecar.adapters.audit.log import AuditLog
from sidecar.adapters.clock import SystemClock
from sidecar.adapters.metrics import Metrics
from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.sqlite import State, open_state
from sidecar.building import audit_log
from sidecar.config.load import Loaded
from sidecar.config.outside import cookie_keys
from sidecar.core.usernames import fold
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Person
from sidecar.domain.ledger import Pin
from sidecar.flows.accounts import PinConflictError
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Clock
from sidecar.reloading import InForce


async def initialise_ledger(loaded: Loaded) -> Mapping[str, bool]:
    """Declare the ledger in the configured state to be the right one, for every application.

    Returns:
        By application: whether it was done just now.

    Raises:
        StateError: the gate is running, or the state cannot be opened.
        AuditError: the audit trail must have it and does not take it.
    """
    clock, done = SystemClock(), {}
    async with _beside(loaded, clock) as (state, log):
        for name in loaded.policy.applications:
            await log.sure(_intended("initialise", name))
            done[name] = await state.ledger.init(name, clock.now())
            if done[name]:
                log.tell(Event(code=Code.LEDGER_INITIALISED, application=name, facts={"cause": "command"}))
    return done


async def link_account(loaded: Loaded, application: str, username: str, person: Person) -> None:
    """Pin an account to a person by hand (D4).

    Raises:
        PinConflictError: the account or the person is pinned otherwise.
        StateError: the gate is running, or the ledger was not initialised.
        AuditError: the audit trail must have it and does not take it.
    """
    clock = SystemClock()
    name = fold(username)
    pin = Pin(application=application, username=name, spelling=username, person=person, created=False, at=clock.now())
    async with _beside(loaded, clock) as (state, log):
        if not await state.ledger.usable(application):
            raise StateError("the ledger was not initialised; run `lychgate ledger init` first")
        await log.sure(_intended("link", application, person, username))
        await state.ledger.pin(pin)
        facts = {"cause": "command", "account": username}
        log.tell(Event(code=Code.USER_LINKED, person=person, username=name, application=application, facts=facts))


async def unlink_account(loaded: Loaded, application: str, username: str) -> Person | None:
    """Take a pin away by hand; the person whose it was, or None.

    Raises:
        StateError: the gate is running.
        AuditError: the audit trail must have it and does not take it.
    """
    clock, name = SystemClock(), fold(username)
    async with _beside(loaded, clock) as (state, log):
        pin = await state.ledger.pin_on(application, name)
        if pin is None:
            return None
        await log.sure(_intended("unlink", application, pin.person, pin.spelling))
        await state.ledger.unpin(application, name)
        facts = {"cause": "command", "account": pin.spelling}
        log.tell(Event(code=Code.USER_UNLINKED, person=pin.person, username=name, application=application, facts=facts))
        return pin.person


async def relink_accounts(
    loaded: Loaded, application: str, persons: Mapping[Person, Person], *, apply: bool
) -> tuple[Pin, ...]:
    """Give the accounts of people at one provider to the same people at another: all of them, or none.

    Returns:
        The pins as they were; without *apply* those that would change.

    Raises:
        PinConflictError: somebody at the new provider has an account already.
        StateError: the gate is running, or the ledger was not initialised.
        AuditError: the audit trail must have it and does not take it.
    """
    clock = SystemClock()
    async with _beside(loaded, clock) as (state, log):
        if not await state.ledger.usable(application):
            raise StateError("the ledger was not initialised; run `lychgate ledger init` first")
        found = [pin for old in persons if (pin := await state.ledger.pin_of(application, old)) is not None]
        for pin in found:
            holder = await state.ledger.pin_of(application, persons[pin.person])
            if holder is not None:
                raise PinConflictError(holder)
        if not apply:
            return tuple(found)
        for pin in found:
            await log.sure(_intended("relink", application, persons[pin.person], pin.spelling))
        moved = await state.ledger.repin(application, persons)
        for pin in moved:
            facts = {"cause": "command", "account": pin.spelling}
            about = partial(Event, username=pin.username, application=application, facts=facts)
            log.tell(about(code=Code.USER_UNLINKED, person=pin.person))
            log.tell(about(code=Code.USER_LINKED, person=persons[pin.person]))
        return moved


def _intended(step: str, application: str, person: Person | None = None, account: str = "") -> Event:
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
async def _beside(loaded: Loaded, clock: Clock) -> AsyncIterator[tuple[State, AuditLog]]:
    """State and audit trail for a command while the gate does not run."""
    sealer = Sealer([key.encode() for key in cookie_keys(loaded.config)])
    async with AsyncExitStack() as stack:
        # The state first: while the gate runs, nothing is begun.
        state = await stack.enter_async_context(open_state(loaded.config.state.directory, sealer))
        yield state, audit_log(InForce(loaded), None, clock, Metrics(__version__), sealer, stack)
