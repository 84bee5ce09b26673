"""Directories that are synchronised late: an account was made ready, and the application does not show it yet.

Used by `flows.provisioning`. While it is waited for, nothing is tried again: it was done.
"""

from __future__ import annotations

from collections import OrderedDict

from sidecar.core.kept import kept
from sidecar.core.usernames import fold
from sidecar.domain.account import Account, AccountOrder
from sidecar.domain.reason import Reason
from sidecar.flows.account_plan import NotShownError, must_be_ready
from sidecar.flows.accounts import AccountError
from sidecar.flows.telling import Clock


class Late:
    """Remembers since when accounts are waited for, and what does not show."""

    def __init__(self, clock: Clock, entries: int) -> None:
        self._clock = clock
        self._entries = entries
        self._missing: OrderedDict[tuple[str, str], tuple[Reason, float]] = kept(
            "accounts_late", OrderedDict(), entries
        )

    def check(self, order: AccountOrder, account: Account | None, longest: int) -> None:
        """Look at an account that may be waited for. Once it shows what was done, what is left to do goes on.

        Raises:
            AccountError: `directory_sync_pending`, or after *longest* seconds what is missing.
        """
        key = order.application, fold(order.username)
        known = self._missing.get(key)
        if known is None:
            return
        try:
            _ = must_be_ready(account, frozenset(map(fold, order.needed)))
        except NotShownError as error:
            if error.reason is known[0]:
                raise self.refusal(order, error, longest) from error
        del self._missing[key]

    def refusal(self, order: AccountOrder, error: NotShownError, longest: int) -> AccountError:
        """What *error* means for the person: wait, or after *longest* seconds no more. Then all begins anew."""
        key = order.application, fold(order.username)
        now = self._clock.monotonic()
        reason, since = self._missing.get(key, (error.reason, now))
        if reason is not error.reason:
            since = now
        if now - since >= longest:
            _ = self._missing.pop(key, None)
            detail = f"{error.detail}; its directory was waited for {longest} seconds (accounts.sync_wait)"
            return AccountError(error.reason, detail, retry=False)
        self._missing[key] = error.reason, since
        while len(self._missing) > self._entries:
            _ = self._missing.popitem(last=False)
        return AccountError(Reason.DIRECTORY_SYNC_PENDING, f"{error.detail}; its directory may be synchronised late")
