"""One plan carried out at the application, step by step, with the ledger written around each (D5, D11).

Called by `flows.provisioning` inside its worker task. Keeps two rules: the ledger knows of a join before it is tried,
and a step that may not fail quietly refuses the person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import assert_never

from sidecar.core.accounts import NewPin, Plan, Refusal, delicacy
from sidecar.core.usernames import fold
from sidecar.domain.account import (
    Account,
    Create,
    Deactivate,
    Join,
    Leave,
    MakeGroup,
    Reactivate,
    Step,
    StepResult,
    Update,
)
from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Deed, Entry
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.policy import AccountPolicy, GroupPolicy
from sidecar.domain.reason import Reason
from sidecar.flows.account_events import CODES, AccountMeter, Teller, facts_of, kind_of
from sidecar.flows.account_journal import Notebook
from sidecar.flows.accounts import AccountError, Connector, Ledger, PinConflictError
from sidecar.flows.telling import Clock

_SKIPPED: Mapping[Reason, Code] = {
    Reason.GROUPS_UNKNOWN: Code.GROUPS_INCOMPLETE,
    Reason.GROUP_LICENSED: Code.JOIN_SKIPPED,
    Reason.NO_SEAT_LEFT: Code.JOIN_SKIPPED,
}

_UNKNOWN_OUTCOME = frozenset({Reason.CONNECTOR_UNREACHABLE})
"""After these nobody knows whether the step was done."""


class Carrying:
    """Carries out one plan. Made per piece of work and thrown away.

    The ledger is told of the account under the name that is ordered; a leaver's may have another one by now.

    Attributes:
        complete: False once a step failed that does not keep the person out and may work soon.
        results: What became of the steps that were done.
        failures: What became of those that were not.
    """

    def __init__(
        self,
        connector: Connector,
        ledger: Ledger,
        clock: Clock,
        meter: AccountMeter,
        teller: Teller,
        account: Account | None,
        parallel: int,
        may_make: Callable[[str], bool] = lambda group: False,
    ) -> None:
        """*account* is as it was found; *parallel* steps at most go on at the same time; *may_make* says whether a
        missing group may be made."""
        self._connector = connector
        self._ledger = ledger
        self._clock = clock
        self._meter = meter
        self._teller = teller
        self._order = teller.order
        self._groups = set(account.groups if account is not None else ())
        self._notebook = Notebook(ledger, clock, teller.order, account)
        self._gate = asyncio.Semaphore(parallel)
        self.complete = True
        self.results: dict[Step, StepResult] = {}
        self.failures: dict[Step, AccountError] = {}
        self._may_make = may_make

    async def prepare(self, plan: Plan) -> None:
        """Bring the ledger up to date: what the last look left open, and the new pin."""
        for entry in plan.confirm:
            await self._ledger.own(replace(entry, pending=False))
        for group in plan.forget:
            await self._ledger.disown(self._order.application, fold(plan.username), group)
        for step in plan.steps:
            if isinstance(step, Join) and step.once:
                # Known before the account is made: a plan that stops half-way is gone on with.
                await self._ledger.own(self._entry(step, self._clock.now(), pending=True))
        if plan.pin is not None:
            await add_pin(self._ledger, self._teller, plan.pin, self._clock.now())
        if plan.key is not None:
            await self.learn_key(plan.key)
        if plan.active_again:
            # Our reactivation worked although its answer was lost, or somebody did it by hand. Whoever makes the
            # account inactive from now on, it was not us.
            await self._ledger.clear_deactivation(self._order.application, fold(plan.username))
        for skipped in plan.skipped:
            code = _SKIPPED.get(skipped.reason, Code.REMOVAL_SKIPPED)
            self._meter.step(self._order.application, code.value, skipped.reason.value)
            facts = {"groups": skipped.groups} if code is Code.JOIN_SKIPPED else {}
            before = None if facts else skipped.groups
            self._teller.tell(code, outcome="skipped", reason=skipped.reason, before=before, facts=facts)

    async def learn_key(self, key: str) -> None:
        """Let the pin hold which account it means.

        Raises:
            AccountError: `pin_conflict`, where that account is linked under another name.
            StateError: the ledger did not answer.
        """
        try:
            await self._ledger.learn_key(self._order.application, fold(self._order.username), key)
        except PinConflictError as error:
            raise _linked_already(error) from error

    async def run_stage(self, stage: tuple[Step, ...], pin: NewPin | None) -> None:
        """Do the steps of one stage side by side; all are tried before one of them refuses the person.

        Raises:
            AccountError: of the first step, in the plan's order, whose failure keeps the person out.
            StateError: the ledger did not answer.
        """
        numbers = await self._notebook.begin(stage) if stage else {}
        outcomes = await asyncio.gather(*(self._run(step, pin) for step in stage), return_exceptions=True)
        if numbers:
            done = [step for step in stage if self.results.get(step) is StepResult.DONE]
            unsure = [step for step, outcome in zip(stage, outcomes, strict=True) if self._is_unsure(step, outcome)]
            await self._notebook.settle(numbers, done, unsure)
        for step, outcome in zip(stage, outcomes, strict=True):
            if isinstance(outcome, AccountError) and not keeps_out(step):
                self.complete = self.complete and not outcome.retry
            elif outcome is not None:
                raise outcome

    def _is_unsure(self, step: Step, outcome: BaseException | None) -> bool:
        """Whether nobody knows if the step was done."""
        if outcome is None or step in self.results:
            return False
        return not isinstance(outcome, AccountError) or outcome.reason in _UNKNOWN_OUTCOME

    @property
    def needed(self) -> frozenset[str]:
        """The folded groups without which the person is not let in."""
        return frozenset(map(fold, self._order.needed))

    async def check_found(
        self, account: Account, create: Create, pin: NewPin | None, policy: AccountPolicy, groups: GroupPolicy
    ) -> None:
        """Look at an account that was there although the first look did not show it, before anything is done to it.

        It may be ours: an answer got lost, or another instance was quicker. Then it is just as it was asked for.

        Raises:
            AccountError: it is not ours to take over (D4); the new pin is gone again.
        """
        asked = (create.display_name, fold(create.email), True)
        refusal = delicacy(account, policy, groups)
        if refusal is None and asked != (account.display_name, fold(account.email), account.active):
            refusal = Refusal(Reason.ACCOUNT_NOT_ADOPTED, "an account of that name appeared while one was made")
        if refusal is None:
            return
        if pin is not None:
            await self._ledger.unpin(self._order.application, pin.username)
        raise AccountError(refusal.reason, refusal.detail, retry=False)

    async def _run(self, step: Step, pin: NewPin | None) -> None:
        async with self._gate:
            await self._do(step, pin)

    async def _do(self, step: Step, pin: NewPin | None) -> None:
        await self._intend(step, pin)
        try:
            await self._note_before(step)
            result = await self._apply(step)
        except AccountError as error:
            self.failures[step] = error
            self._tell_failure(step, error)
            if error.reason not in _UNKNOWN_OUTCOME:
                await self._take_back(step, pin)
            raise
        self.results[step] = result
        self._tell_done(step, result)
        await self._note_after(step, result)

    async def _apply(self, step: Step) -> StepResult:
        """At the application. A missing group is made first where that is allowed: only a join tells that it is."""
        try:
            return await self._connector.apply(step)
        except AccountError as error:
            absent = error.reason is Reason.GROUP_ABSENT
            if not isinstance(step, Join) or not absent or not self._may_make(step.group):
                raise
        await self._do(MakeGroup(step.username, step.group), None)
        return await self._connector.apply(step)

    async def _intend(self, step: Step, pin: NewPin | None) -> None:
        """Nothing was asked of the application yet: only a pin that came with the step is taken back."""
        try:
            await self._teller.intend({"step": kind_of(step), **facts_of(step)})
        except AccountError as error:
            self._tell_failure(step, error)
            if isinstance(step, Create):
                await self._take_back(step, pin)
            raise

    async def _note_before(self, step: Step) -> None:
        if isinstance(step, Join):
            await self._ledger.own(self._entry(step, self._clock.now(), pending=True))
        elif isinstance(step, Deactivate):
            now, name = self._clock.now(), fold(self._order.username)
            await self._ledger.note_deactivation(
                Deactivation(application=self._order.application, username=name, cause="revoked", at=now)
            )

    async def _note_after(self, step: Step, result: StepResult) -> None:
        if isinstance(step, Reactivate):
            await self._ledger.clear_deactivation(self._order.application, fold(step.username))
        elif isinstance(step, Join) and result is StepResult.DONE:
            await self._ledger.own(self._entry(step, self._clock.now(), pending=False))
        elif isinstance(step, Join | Leave):
            # Whoever was in the group before us put them there; whoever is out of it is not ours any more.
            await self._ledger.disown(self._order.application, fold(step.username), fold(step.group))

    async def _take_back(self, step: Step, pin: NewPin | None) -> None:
        """Undo what was noted for a step that the application refused for certain."""
        if isinstance(step, Join):
            await self._ledger.disown(self._order.application, fold(step.username), fold(step.group))
        elif isinstance(step, Deactivate):
            await self._ledger.clear_deactivation(self._order.application, fold(self._order.username))
        elif isinstance(step, Create) and pin is not None:
            await self._ledger.unpin(self._order.application, pin.username)

    def _entry(self, step: Join, now: UnixSeconds, *, pending: bool) -> OwnedGroup:
        return OwnedGroup(
            application=self._order.application,
            username=fold(step.username),
            group=fold(step.group),
            portal=self._order.portal,
            at=now,
            pending=pending,
            once=step.once,
        )

    def _tell_done(self, step: Step, result: StepResult) -> None:
        before = tuple(sorted(self._groups))
        if isinstance(step, Join):
            self._groups.add(step.group)
        elif isinstance(step, Leave):
            self._groups.discard(step.group)
        self._meter.step(self._order.application, kind_of(step), result.value)
        self._teller.tell(
            CODES[type(step)],
            outcome="success" if result is StepResult.DONE else "already",
            before=before,
            after=tuple(sorted(self._groups)),
            facts=facts_of(step),
        )

    def _tell_failure(self, step: Step, error: AccountError) -> None:
        self._meter.step(self._order.application, kind_of(step), error.reason.value)
        groups = tuple(sorted(self._groups))
        facts = {"step": kind_of(step), "detail": error.detail, "keeps_out": keeps_out(step), **facts_of(step)}
        self._teller.tell(
            Code.ACCOUNT_FAILED, outcome="failure", reason=error.reason, before=groups, after=groups, facts=facts
        )


async def add_pin(ledger: Ledger, teller: Teller, new: NewPin, now: UnixSeconds) -> None:
    """Tie the account to the person.

    Raises:
        AccountError: `pin_conflict`, where another instance was quicker, or the account is linked under another name;
            `audit_unavailable`.
    """
    await teller.intend({"step": "link", "account": new.spelling})
    pin = Pin(
        application=teller.order.application,
        username=new.username,
        spelling=new.spelling,
        person=teller.identity.person,
        created=new.created,
        at=now,
        key=new.key,
    )
    numbers = await ledger.begin((entry_of(pin),))
    try:
        await ledger.pin(pin)
    except PinConflictError as error:
        await ledger.settle((), numbers)
        raise _linked_already(error) from error
    teller.tell(Code.USER_LINKED, facts={"account": new.spelling, "created": new.created})


def entry_of(pin: Pin) -> Entry:
    """What the journal keeps of a pin."""
    return Entry(
        application=pin.application,
        username=pin.username,
        deed=Deed.LINK,
        at=pin.at,
        after={"issuer": pin.person.issuer, "subject": pin.person.subject, "created": pin.created},
    )


def _linked_already(error: PinConflictError) -> AccountError:
    return AccountError(Reason.PIN_CONFLICT, f"the account is linked already, as {error.holder.spelling}", retry=False)


def keeps_out(step: Step) -> bool:
    """Whether the person is refused when the step fails (D11)."""
    match step:
        case Create() | Reactivate() | Leave() | Deactivate():
            return True
        case Join():
            return step.needed
        case Update() | MakeGroup():
            return False
        case _:
            assert_never(step)
