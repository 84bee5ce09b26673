"""How long ago somebody's groups were last told completely; after too long nobody is served by old ones (D5).

Used by `flows.provisioning` for every piece of work. Unknown groups take nothing away, so whoever lost a group at the
provider keeps it as long as they are unknown: that must have an end.
"""

from __future__ import annotations

from collections import OrderedDict

from sidecar.core.groups import needs_groups
from sidecar.core.kept import kept
from sidecar.domain.account import AccountOrder
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.policy import Policy
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Ledger
from sidecar.flows.telling import Clock

_NOTED_EVERY = 3600
_MOST = 20_000


class GroupAges:
    """Notes complete readings of groups, and refuses people of whom there was none for too long."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._noted: OrderedDict[tuple[str, Person], UnixSeconds] = kept("group_ages", OrderedDict(), _MOST)

    async def check(self, order: AccountOrder, identity: Identity, policy: Policy) -> None:
        """Note that the groups are known, or look since when they are not.

        Raises:
            AccountError: `groups_stale`.
            StateError: the ledger did not answer.
        """
        application = policy.applications.get(order.application)
        portal = application.portal(order.portal) if application is not None else None
        if application is None or portal is None or not needs_groups(portal):
            return
        key, now = (order.application, identity.person), self._clock.now()
        if identity.groups is not None:
            if now - self._noted.get(key, 0) >= _NOTED_EVERY:
                await self._ledger.groups_read(*key, now)
                self._remember(key, now)
            return
        since = await self._ledger.groups_unread(*key, now)
        limit = application.accounts.groups_stale_after
        if now - since >= limit:
            detail = f"the provider has not told the person's groups completely for {(now - since) // 3600} hours"
            raise AccountError(Reason.GROUPS_STALE, detail, retry=False)

    def _remember(self, key: tuple[str, Person], now: UnixSeconds) -> None:
        self._noted[key] = now
        self._noted.move_to_end(key)
        if len(self._noted) > _MOST:
            self._noted.popitem(last=False)
