"""People whose account cannot be looked at, because the application takes none of our tokens.

Used by `flows.provisioning`: it tells here how it found accounts, and asks here when it cannot look.
`core.unseen` decides.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict

from sidecar.core.kept import kept
from sidecar.core.unseen import gains, why_not
from sidecar.core.usernames import fold
from sidecar.domain.account import AccountOrder
from sidecar.domain.events import Code, Fact
from sidecar.domain.ledger import Readiness
from sidecar.domain.policy import GroupPolicy
from sidecar.flows.account_events import Teller
from sidecar.flows.accounts import AccountError, CredentialRefusedError, Ledger
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Clock

AGAIN = 3600
"""Seconds after which the same is written, or told, again."""

_Key = tuple[str, str, str]


class Unseen:
    """Serves people with the account as it was when it was last found ready."""

    def __init__(self, ledger: Ledger, clock: Clock, entries: int) -> None:
        self._ledger = ledger
        self._clock = clock
        self._entries = entries
        self._noted: OrderedDict[_Key, Readiness] = kept("accounts_served", OrderedDict(), entries)
        self._told: OrderedDict[_Key, float] = kept("accounts_served_told", OrderedDict(), entries)

    async def note(self, order: AccountOrder, spelling: str) -> None:
        """The account was looked at and is ready. Where groups are unknown, the last known ones still hold."""
        if order.groups is None:
            return
        key, now = _key(order), self._clock.now()
        entry = Readiness(
            application=order.application,
            username=key[1],
            portal=order.portal,
            spelling=spelling,
            groups=order.groups,
            needed=order.needed,
            at=now,
        )
        last = self._noted.get(key)
        if last is not None and now - last.at < AGAIN and (last.groups, last.needed) == (entry.groups, entry.needed):
            return
        # Nobody is kept out because this could not be written.
        with contextlib.suppress(StateError):
            await self._ledger.note_ready(entry)
            self._noted[key] = entry
            while len(self._noted) > self._entries:
                self._noted.popitem(last=False)

    async def username(self, teller: Teller, groups: GroupPolicy, longest: int, error: CredentialRefusedError) -> str:
        """The username to land with, without a look.

        Raises:
            AccountError: *error* with the reason why this person has to wait for another token.
            StateError: the ledger did not answer.
        """
        order = teller.order
        key = _key(order)
        ready, pin, pin_on_name, owned, deactivation = await asyncio.gather(
            self._ledger.readiness(*key),
            self._ledger.pin_of(order.application, teller.identity.person),
            self._ledger.pin_on(*key[:2]),
            self._ledger.owned(*key[:2]),
            self._ledger.deactivation(*key[:2]),
        )
        cause = why_not(
            order,
            ready=ready,
            pin=pin,
            pin_on_name=pin_on_name,
            owned=owned,
            deactivation=deactivation,
            groups=groups,
            longest=longest,
            now=self._clock.now(),
        )
        if cause is not None or ready is None:
            raise AccountError(error.reason, f"{error.detail}; {cause}", retry=False) from error
        self._tell(teller, key, ready, error)
        return ready.spelling

    def _tell(self, teller: Teller, key: _Key, ready: Readiness, error: CredentialRefusedError) -> None:
        """Once an hour for each: while no token is taken, everybody is looked for every minute."""
        now = self._clock.monotonic()
        if now < self._told.get(key, 0.0):
            return
        self._told[key] = now + AGAIN
        while len(self._told) > self._entries:
            self._told.popitem(last=False)
        facts: dict[str, Fact] = {
            "step": "read",
            "detail": error.detail,
            "keeps_out": False,
            "account": ready.spelling,
            "waiting": gains(teller.order, ready),
        }
        teller.tell(Code.ACCOUNT_FAILED, outcome="failure", reason=error.reason, facts=facts)


def _key(order: AccountOrder) -> _Key:
    return order.application, fold(order.username), order.portal
