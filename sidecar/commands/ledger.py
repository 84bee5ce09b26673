"""What commands do beside the gate, while it does not run: initialise the ledger, link accounts. Each is audited."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sidecar.adapters.clock import SystemClock
from sidecar.commands.beside import beside, intended, must_be_initialised
from sidecar.config.load import Loaded
from sidecar.core.usernames import fold
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Person
from sidecar.domain.ledger import Pin
from sidecar.flows.accounts import PinConflictError


async def initialise_ledger(loaded: Loaded) -> Mapping[str, bool]:
    """Declare the ledger in the configured state to be the right one, for every application.

    Returns:
        By application: whether it was done just now.

    Raises:
        StateError: the gate is running, or the state cannot be opened.
        AuditError: the audit trail must have it and does not take it.
    """
    clock, done = SystemClock(), {}
    async with beside(loaded, clock) as (state, log):
        for name in loaded.policy.applications:
            await log.sure(intended("initialise", name))
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
    async with beside(loaded, clock) as (state, log):
        await must_be_initialised(state, application)
        await log.sure(intended("link", application, person, username))
        await state.ledger.pin(pin)
        facts = {"cause": "command", "account": username}
        log.tell(Event(code=Code.USER_LINKED, person=person, username=name, application=application, facts=facts))


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
    async with beside(loaded, clock) as (state, log):
        await must_be_initialised(state, application)
        found = [pin for old in persons if (pin := await state.ledger.pin_of(application, old)) is not None]
        for pin in found:
            holder = await state.ledger.pin_of(application, persons[pin.person])
            if holder is not None:
                raise PinConflictError(holder)
        if not apply:
            return tuple(found)
        for pin in found:
            await log.sure(intended("relink", application, persons[pin.person], pin.spelling))
        moved = await state.ledger.repin(application, persons)
        for pin in moved:
            facts = {"cause": "command", "account": pin.spelling}
            about = partial(Event, username=pin.username, application=application, facts=facts)
            log.tell(about(code=Code.USER_UNLINKED, person=pin.person))
            log.tell(about(code=Code.USER_LINKED, person=persons[pin.person]))
        return moved
