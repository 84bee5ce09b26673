"""Directories that are synchronised late: an account was made ready, and the application does not show it yet.

Used by `flows.provisioning`. While it is waited for, nothing is tried again: it was done.
"""

from __future__ import annotations

from collections import OrderedDict

from sidecar.core.usernames import fold
from sidecar.domain.account import Account, AccountOrder
from sidecar.domain.reason import Reason
from sidecar.flows.account_steps import NotShownError, must_be_ready
from sidecar.flows.accounts import AccountError
from sidecar.flows.telling import Clock


class Late:
    """Remembers since when accounts are waited for."""

    def __init__(self, clock: Clock, entries: int) -> None:
        self._clock = clock
        self._entries = entries
        self._since: OrderedDict[tuple[str, str], float] = OrderedDict()

    def check(self, order: AccountOrder, account: Account | None, longest: int) -> None:
        """Look at an account that may be waited for.

        Raises:
            AccountError: `directory_sync_pending`, or after *longest* seconds what is missing.
        """
        if (order.application, fold(order.username)) not in self._since:
            return
        try:
            must_be_ready(account, frozenset(map(fold, order.needed)))
        except NotShownError as error:
            raise self.refusal(order, error, longest) from error
        del self._since[order.application, fold(order.username)]

    def refusal(self, order: AccountOrder, error: NotShownError, longest: int) -> AccountError:
        """What *error* means for the person: wait, or after *longest* seconds no more. Then all begins anew."""
        key = order.application, fold(order.username)
        now = self._clock.monotonic()
        since = self._since.setdefault(key, now)
        if now - since >= longest:
            del self._since[key]
            detail = f"{error.detail}; its directory was waited for {longest} seconds (accounts.sync_wait)"
            return AccountError(error.reason, detail, retry=False)
        while len(self._since) > self._entries:
            self._since.popitem(last=False)
        return AccountError(Reason.DIRECTORY_SYNC_PENDING, f"{error.detail}; its directory may be synchronised late")
