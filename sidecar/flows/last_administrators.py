"""The last administrator of an application keeps the group: somebody must be able to mend what went wrong (D5).

Used by `flows.provisioning` before a protected group is left. Asks the application itself who else is in it, and lets
one administrator after the other, so that two who leave at the same time do not both count on the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from sidecar.core.accounts import Plan, Skipped
from sidecar.core.usernames import fold, folded
from sidecar.domain.account import Account, Leave
from sidecar.domain.policy import GroupPolicy
from sidecar.domain.reason import Reason
from sidecar.flows.reach import Reach

MOST = 50
"""Members that are looked at. An administrators' group with more inactive ones than that has other troubles."""


class LastAdministrators:
    """Holds back the removals after which nobody could administer an application."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def turn(
        self, application: str, account: Account | None, groups: GroupPolicy
    ) -> AbstractAsyncContextManager[object]:
        """To be held from the look at the others until the group is left; only administrators wait."""
        if account is None or not folded(account.groups) & _guarded(groups):
            return contextlib.nullcontext()
        return self._turns[application]

    async def without(self, way: Plan, groups: GroupPolicy, reach: Reach) -> Plan:
        """The plan without the steps by which the last active member would leave a protected group.

        Raises:
            AccountError: the application did not tell who else there is; nothing was done.
        """
        leaves = [step for step in way.steps if isinstance(step, Leave) and fold(step.group) in _guarded(groups)]
        held = [step for step in leaves if not await _has_another(step, reach)]
        if not held:
            return way
        names = tuple(step.group for step in held)
        skipped = (*way.skipped, Skipped(Reason.LAST_ADMINISTRATOR, names))
        return replace(way.only(lambda step: step not in held), skipped=skipped)


def _guarded(groups: GroupPolicy) -> frozenset[str]:
    return folded(groups.protected | groups.admin)


async def _has_another(leave: Leave, reach: Reach) -> bool:
    """Whether somebody else in the group is active, the connector's own account not counted: no person signs in with
    it."""
    if reach.connector is None or reach.lists is None:
        return True
    members = await reach.lists.listing().members(leave.group)
    others = sorted(name for name in members or () if fold(name) != fold(leave.username))
    for name in others[:MOST]:
        account = await reach.connector.read(name)
        if account is not None and account.active and not account.own:
            return True
    return False
