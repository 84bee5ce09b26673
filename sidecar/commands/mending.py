"""What commands put right beside the gate, while it does not run: a renamed person, and removals that are frozen.

Called by `cli_mending`. Each change is audited, and made with *apply* only.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

from sidecar.adapters.clock import SystemClock
from sidecar.building.reaching import build_connectors
from sidecar.commands.beside import beside, intended
from sidecar.config.load import Loaded
from sidecar.core.breaker import Breaker
from sidecar.core.usernames import fold, is_reserved
from sidecar.domain.account import Account
from sidecar.domain.events import Code, Event
from sidecar.domain.ledger import Pin
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Connector, PinConflictError, Renames
from sidecar.flows.telling import SureAudit


class MendingError(Exception):
    """It cannot be put right like this. The text says what must be done first."""


async def rename_account(
    loaded: Loaded, application: str, before: str, after: str, *, apply: bool, there: bool = False
) -> Pin:
    """Let a person's pin and all that is noted of the account follow a renaming in the application; *there*: rename it
    there too, where nobody has.

    Returns:
        The pin as it was; without *apply* the one that would change.

    Raises:
        MendingError: nobody is tied to the old name, or the application has not renamed that account, or will not.
        PinConflictError: the new name is another person's.
        StateError: the gate is running.
        AuditError: the audit trail must have it and does not take it.
    """
    async with beside(loaded, SystemClock()) as (state, log), AsyncExitStack() as stack:
        pin = await state.ledger.pin_on(application, fold(before))
        if pin is None:
            raise MendingError(f"{before} is tied to nobody; `lychgate accounts link` ties an account to a person")
        holder = await state.ledger.pin_on(application, fold(after))
        if holder is not None and holder.person != pin.person:
            raise PinConflictError(holder)
        connector = (await build_connectors(loaded.config, loaded.policy, stack)).get(application)
        spelling = await _spelling(application, connector, pin, after, there=there)
        if apply:
            await log.sure(intended("rename", application, pin.person, pin.spelling))
            spelling = spelling or await _renamed(log, connector, pin, after)
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


async def _spelling(application: str, connector: Connector | None, pin: Pin, after: str, *, there: bool) -> str:
    """The new name as the application writes it, once it is the same account there; "" where it is still to be renamed.
    Without a connector nobody can look, and the administrator is believed."""
    if connector is None:
        if there:
            raise MendingError(f"{application} has no accounts.token or accounts.crowd with which it could be renamed")
        return after
    try:
        found = await connector.read(after)
        old = await connector.read(pin.spelling) if fold(after) != pin.username else None
    except AccountError as error:
        raise MendingError(f"{application} could not be asked for the account: {error.detail}") from error
    if there and found is None and old is not None:
        _check_renamable(application, connector, pin, old, after)
        return ""
    if found is None or old is not None:
        raise MendingError(
            f"{application} has not renamed {pin.spelling} to {after}; do that first, in its user management"
        )
    if pin.key not in {None, found.key}:
        raise MendingError(f"{after} is another account than {pin.spelling} was: its key is {found.key}, not {pin.key}")
    return found.username


def _check_renamable(application: str, connector: Connector, pin: Pin, old: Account, after: str) -> None:
    if not isinstance(connector, Renames):
        raise MendingError(f"{application} cannot rename accounts from here; do that first, in its user management")
    if pin.key not in {None, old.key}:
        raise MendingError(
            f"{pin.spelling} is another account than the linked one: its key is {old.key}, not {pin.key}"
        )
    if old.own or is_reserved(after) or is_reserved(old.username):
        raise MendingError(f"{pin.spelling} is not renamed to {after} from here: one of them is reserved")


async def _renamed(log: SureAudit, connector: Connector | None, pin: Pin, after: str) -> str:
    """Rename the account there; its new name as the application writes it."""
    try:
        if isinstance(connector, Renames):
            await connector.rename(pin.spelling, after)
        found = await connector.read(after) if connector is not None else None
        if found is None or pin.key not in {None, found.key}:
            # The answer to a change is no proof.
            raise AccountError(Reason.ACCOUNT_STEP_FAILED, "the application does not show the account renamed")
    except AccountError as error:
        facts = {"cause": "command", "account": pin.spelling, "step": "rename", "detail": error.detail}
        about = partial(Event, person=pin.person, username=pin.username, application=pin.application)
        log.tell(about(code=Code.ACCOUNT_FAILED, outcome="failure", reason=error.reason, facts=facts))
        raise MendingError(f"{pin.application} did not rename {pin.spelling} to {after}: {error.detail}") from error
    return found.username
