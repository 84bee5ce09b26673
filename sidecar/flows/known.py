"""Whether somebody's account is there already: looked up, never changed (`api.jwt` without `provision`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping

from cachetools import TTLCache

from sidecar.core.accounts import pin_conflict
from sidecar.core.kept import kept
from sidecar.core.usernames import fold
from sidecar.domain.account import Account, AccountOrder
from sidecar.domain.identity import Identity, Person
from sidecar.domain.ledger import Pin
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Ledger
from sidecar.flows.reach import Reach, within
from sidecar.flows.telling import Clock

REMEMBERED = 60
"""Seconds for which an account that was found counts: one that was deactivated is served no longer than that."""
MOST = 5000

_Key = tuple[str, AccountOrder, Person]


class KnownAccounts:
    """Looks for accounts that are linked and active."""

    def __init__(self, policy: Callable[[], Policy], reach: Mapping[str, Reach], ledger: Ledger, clock: Clock) -> None:
        self._policy = policy
        self._reach = reach
        self._ledger = ledger
        self._found: MutableMapping[_Key, str] = kept(
            "accounts_known", TTLCache(MOST, REMEMBERED, timer=clock.monotonic), MOST
        )

    async def look(self, order: AccountOrder, identity: Identity) -> str:
        """The username to land with, in the application's own spelling.

        Raises:
            AccountError: nobody linked the person, or the account cannot be used as it is.
        """
        key = (self._policy().hash, order, identity.person)
        known = self._found.get(key)
        if known is None:
            reach = self._reach.get(order.application, Reach(None))
            async with within(reach.budget):
                known = await self._look(order, identity.person, reach)
            self._found[key] = known
        return known

    async def _look(self, order: AccountOrder, person: Person, reach: Reach) -> str:
        pin = await self._ledger.pin_of(order.application, person)
        conflict = pin_conflict(order.username, pin, await self._ledger.pin_on(order.application, fold(order.username)))
        if conflict is not None:
            raise AccountError(conflict.reason, conflict.detail, retry=False)
        if pin is None:
            detail = "nobody is linked yet: the person must sign in with a browser once"
            raise AccountError(Reason.ACCOUNT_NOT_ADOPTED, detail, retry=False)
        if reach.connector is None:
            return pin.spelling
        return _usable(order, pin, await reach.connector.read(order.username))


def _usable(order: AccountOrder, pin: Pin, account: Account | None) -> str:
    if account is None or fold(account.username) != fold(order.username):
        raise AccountError(Reason.ACCOUNT_ABSENT, "the application has no such account", retry=False)
    if pin.key not in {None, account.key}:
        raise AccountError(Reason.PIN_CONFLICT, "the account is not the linked one: its key is another", retry=False)
    if not account.active:
        raise AccountError(Reason.ACCOUNT_INACTIVE, "the account is inactive", retry=False)
    have = {fold(group) for group in account.groups}
    if not all(fold(group) in have for group in order.needed):
        raise AccountError(Reason.ACCOUNT_STEP_FAILED, "the account lacks a group that is needed", retry=False)
    return account.username
