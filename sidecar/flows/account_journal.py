"""The journal's entries for one plan: written before a stage is tried, settled when it is over.

Used by `flows.account_steps`. A stage is written in one piece, so that ten groups cost two writes and not twenty.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sidecar.core.usernames import fold
from sidecar.domain.account import (
    Account,
    AccountOrder,
    Create,
    Deactivate,
    Join,
    Leave,
    MakeGroup,
    Reactivate,
    Step,
    Update,
)
from sidecar.domain.journal import Deed, Detail, Entry
from sidecar.flows.accounts import Ledger
from sidecar.flows.telling import Clock

_DEEDS: Mapping[type[Step], Deed] = {
    Create: Deed.CREATE,
    Reactivate: Deed.REACTIVATE,
    Update: Deed.UPDATE,
    MakeGroup: Deed.MAKE_GROUP,
    Join: Deed.JOIN,
    Leave: Deed.LEAVE,
    Deactivate: Deed.DEACTIVATE,
}


@dataclass(frozen=True, slots=True)
class Notebook:
    """Writes what one piece of work does. *account* is what was there before it."""

    ledger: Ledger
    clock: Clock
    order: AccountOrder
    account: Account | None

    async def begin(self, stage: tuple[Step, ...]) -> Mapping[Step, int]:
        """Write the steps of a stage; their numbers.

        Raises:
            StateError: the ledger did not answer; nothing may be tried.
        """
        entries = [await self._entry(step) for step in stage]
        return dict(zip(stage, await self.ledger.begin(entries), strict=True))

    async def settle(self, numbers: Mapping[Step, int], done: Collection[Step], unsure: Collection[Step]) -> None:
        """Confirm what was done and forget what was not. What is *unsure* stays as it is.

        Raises:
            StateError: the ledger did not answer.
        """
        void = [number for step, number in numbers.items() if step not in done and step not in unsure]
        await self.ledger.settle([numbers[step] for step in done], void)

    async def _entry(self, step: Step) -> Entry:
        before, after = await self._details(step)
        return Entry(
            application=self.order.application,
            username=fold(self.order.username),
            deed=_DEEDS[type(step)],
            at=self.clock.now(),
            group=step.group if isinstance(step, Join | Leave | MakeGroup) else "",
            before=before,
            after=after,
            pending=True,
        )

    async def _details(self, step: Step) -> tuple[Mapping[str, Detail], Mapping[str, Detail]]:
        application, name = self.order.application, fold(step.username)
        match step:
            case Join():
                return {}, {"portal": self.order.portal}
            case Leave():
                owned = await self.ledger.owned(application, name)
                return {entry.portal: entry.at for entry in owned if entry.group == fold(step.group)}, {}
            case Reactivate():
                note = await self.ledger.deactivation(application, name)
                return ({"cause": note.cause, "at": note.at} if note is not None else {}), {}
            case Update():
                wanted = {"display_name": step.display_name, "email": step.email}
                after: dict[str, Detail] = {field: value for field, value in wanted.items() if value is not None}
                have = self.account
                return {field: getattr(have, field) for field in after} if have is not None else {}, after
            case _:
                return {}, {}
