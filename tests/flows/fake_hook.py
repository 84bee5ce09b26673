"""A hook for the tests of the account flow."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.domain.account import AccountOrder, Step
from sidecar.domain.identity import Identity
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError


class FakeHook:
    """A hook that notes its orders, and fails while `failing`."""

    def __init__(self, name: str, *, failing: bool = False) -> None:
        self.name = name
        self.failing = failing
        self.orders: list[AccountOrder] = []
        self.plans: list[tuple[Step, ...]] = []

    async def run(self, order: AccountOrder, identity: Identity, steps: Sequence[Step]) -> None:
        self.orders.append(order)
        self.plans.append(tuple(steps))
        if self.failing:
            raise AccountError(Reason.HOOK_FAILED, "no")
