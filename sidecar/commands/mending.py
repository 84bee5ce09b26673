"""What commands put right beside the gate, while it does not run: a renamed person, and removals that are frozen.

Called by `cli_mending`. Each change is audited, and made with *apply* only.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from sidecar.adapters.clock import SystemClock
from sidecar.building.reaching import build_connectors
from sidecar.commands.beside import beside, intended
from sidecar.config.load import Loaded
from sidecar.core.breaker import Breaker
from sidecar.core.usernames import fold
from sidecar.domain.events import Code, Event
from sidecar.domain.ledger import Pin
from sidecar.flows.accounts import AccountError, Connector, PinConflictError


class MendingError(Exception):
    """It cannot be put right like this. The text says what must be done first."""


async def rename_account(loaded: Loaded, application: str, before: str, after: str, *, apply: bool) -> Pin:
    """Let a person's pin and all that is noted of the account follow a renaming in the application.

    Returns:
        The pin as it was; without *apply* the one that would change.

    Raises:
        MendingError: nobody is tied to the old name, or the application has not renamed that account.
        PinConflictError: the new name is another person's.
        StateError: the gate is running.
        AuditError: the audit trail must have it and does not take it.
    """
    async with beside(loaded, SystemClock()) as (state, log):
        pin = await state.ledger.pin_on(application, fold(before))
        if pin is None:
            raise MendingError(f"{before} is tied to nobody; `lychgate accounts link` ties an account to a person")
        holder = await state.ledger.pin_on(application, fold(after))
        if holder is not None and holder.person != pin.person:
            raise PinConflictError(holder)
        spelling = await _spelling(loaded, application, pin, after)
        if apply:
            await log.sure(intended("rename", application, pin.person, pin.spelling))
            await state.ledger.rename(application, pin.username, spelling)
            facts = {"cause": "command", "account": spelling, "before": pin.spelling}
            name = fold(spelling)
            log.tell(
                Event(code=Code.USER_RENAMED, person=pin.person, username=name, application=application, facts=facts)
            )
        return pin


async def resume_removals(loaded: Loaded, application: str, *, apply: bool) -> Breaker:
    """Let groups be left again before a freeze ends by itself.

    Returns:
        The breaker as it was.

    Raises:
        StateError: the gate is running.
        AuditError: the audit trail must have it and does not take it.
    """
    async with beside(loaded, SystemClock()) as (state, log):
        breaker = await state.ledger.breaker(application)
        if apply and breaker.frozen is not None:
            await log.sure(intended("resume", application))
            await state.ledger.keep_breaker(application, Breaker())
            log.tell(Event(code=Code.REMOVALS_RESUMED, application=application, facts={"cause": "command"}))
        return breaker


async def _spelling(loaded: Loaded, application: str, pin: Pin, after: str) -> str:
    """The new name as the application writes it, once it is the same account there. Without a connector nobody can
    look, and the administrator is believed."""
    async with AsyncExitStack() as stack:
        connectors = await build_connectors(loaded.config, loaded.policy, stack)
        connector: Connector | None = connectors.get(application)
        if connector is None:
            return after
        try:
            there = await connector.read(after)
            old = await connector.read(pin.spelling) if fold(after) != pin.username else None
        except AccountError as error:
            raise MendingError(f"{application} could not be asked for the account: {error.detail}") from error
    if there is None or old is not None:
        raise MendingError(
            f"{application} has not renamed {pin.spelling} to {after}; do that first, in its user management"
        )
    if pin.key not in {None, there.key}:
        raise MendingError(f"{after} is another account than {pin.spelling} was: its key is {there.key}, not {pin.key}")
    return there.username
