"""Our own steps taken back, the youngest first: `lychgate accounts undo`.

Keeps the rules that nothing is touched that somebody else changed since, and that the ledger says the same as the
application after every step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sidecar.core.undo import Back, Now, Passed, reverse
from sidecar.core.usernames import fold
from sidecar.domain.account import Deactivate, Join, Leave, Reactivate, Step
from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Deed, Entry
from sidecar.flows.account_events import CODES, facts_of, kind_of
from sidecar.flows.accounts import AccountError, Connector, Ledger
from sidecar.flows.telling import Clock, SureAudit

_AT_ONCE = 8
"""Accounts that are worked on at the same time."""

_LEDGER_ONLY = frozenset({Deed.LINK, Deed.ADOPT, Deed.MAKE_GROUP})
"""Taken back without a look at the application, or not at all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entry. *why* says why it stays, or why it failed; "" where it was taken back."""

    entry: Entry
    way: Back | None
    why: str = ""
    failed: bool = False


class Undoing:
    """Takes back what was done to the accounts of one application."""

    def __init__(self, application: str, connector: Connector, ledger: Ledger, audit: SureAudit, clock: Clock) -> None:
        self._application = application
        self._connector = connector
        self._ledger = ledger
        self._audit = audit
        self._clock = clock

    async def run(
        self, since: UnixSeconds, *, apply: bool, only: str | None = None, leavers: bool = False
    ) -> tuple[Outcome, ...]:
        """Take back what was done from *since* on, to all accounts or to the case-folded name *only*; without *apply*
        only look. The outcomes, account by account. *leavers*: see `core.undo.reverse`.

        Raises:
            AuditError, StateError: then only a part was taken back, and running again goes on.
        """
        accounts: dict[str, list[Entry]] = {}
        for entry in await self._ledger.journal_since(self._application, since):
            if only in {None, entry.username}:
                accounts.setdefault(entry.username, []).append(entry)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(username: str, entries: list[Entry]) -> list[Outcome]:
            async with gate:
                return await self._account(username, entries[::-1], apply=apply, leavers=leavers)

        # All to their end, so that no step goes on after a failure was reported.
        found = await asyncio.gather(*(one(*item) for item in sorted(accounts.items())), return_exceptions=True)
        outcomes: list[Outcome] = []
        for these in found:
            if isinstance(these, BaseException):
                raise these
            outcomes += these
        return tuple(outcomes)

    async def _account(self, username: str, entries: list[Entry], *, apply: bool, leavers: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            now = await self._look(
                username, at_the_application=any(entry.deed not in _LEDGER_ONLY for entry in entries)
            )
        except AccountError as error:
            return [Outcome(entry, None, f"{error.reason.value}: {error.detail}", failed=True) for entry in entries]
        for number, entry in enumerate(entries):
            way = reverse(entry, now, self._clock.now(), leavers=leavers)
            if isinstance(way, Passed):
                outcomes.append(Outcome(entry, None, way.why))
                continue
            try:
                if apply:
                    await self._carry_out(entry, way, now)
            except AccountError as error:
                # What comes after it may lean on it: the rest of the account stays for another time.
                why = f"{error.reason.value}: {error.detail}"
                rest = [Outcome(late, None, "not tried, because of the one before") for late in entries[number + 1 :]]
                outcomes += [Outcome(entry, way, why, failed=True), *rest]
                break
            outcomes.append(Outcome(entry, way))
            now = way.after
        if apply:
            # A crash before this does no harm: what was taken back is found to be so.
            back = [one.entry.number for one in outcomes if one.way is not None and not one.failed]
            await self._ledger.undone(back, self._clock.now())
        return outcomes

    async def _look(self, username: str, *, at_the_application: bool) -> Now:
        pin = await self._ledger.pin_on(self._application, username)
        name = pin.spelling if pin is not None else username
        return Now(
            account=await self._connector.read(name) if at_the_application else None,
            pin=pin,
            owned=await self._ledger.owned(self._application, username),
            note=await self._ledger.deactivation(self._application, username),
        )

    async def _carry_out(self, entry: Entry, way: Back, now: Now) -> None:
        facts = {"cause": "undo", "step": _word(entry, way.step), **_facts(entry, way.step)}
        intended = self._event(Code.CHANGE_INTENDED, now, facts)
        await self._audit.sure(replace(intended, outcome="intended"))
        try:
            await self._note_before(entry, way)
            if way.step is not None:
                await self._connector.apply(way.step)
        except AccountError as error:
            failure = self._event(Code.ACCOUNT_FAILED, now, {**facts, "detail": error.detail, "keeps_out": False})
            self._audit.tell(replace(failure, outcome="failure", reason=error.reason))
            raise
        await self._note_after(entry, way)
        self._audit.tell(self._done(entry, way, now))

    async def _note_before(self, entry: Entry, way: Back) -> None:
        if isinstance(way.step, Join):
            for one in way.after.owned:
                if one.group == fold(entry.group):
                    await self._ledger.own(replace(one, pending=True))
        elif isinstance(way.step, Deactivate):
            if way.after.note is not None:
                await self._ledger.note_deactivation(way.after.note)
            else:
                await self._ledger.clear_deactivation(self._application, entry.username)

    async def _note_after(self, entry: Entry, way: Back) -> None:
        if entry.deed is Deed.LINK:
            await self._ledger.unpin(self._application, entry.username)
        elif isinstance(way.step, Reactivate):
            await self._ledger.clear_deactivation(self._application, entry.username)
        elif entry.deed in {Deed.ADOPT, Deed.JOIN, Deed.LEAVE}:
            group = fold(entry.group)
            if not isinstance(way.step, Join):
                await self._ledger.disown(self._application, entry.username, group)
            for one in way.after.owned:
                if one.group == group:
                    await self._ledger.own(replace(one, pending=False))

    def _done(self, entry: Entry, way: Back, now: Now) -> Event:
        facts = {"cause": "undo", **_facts(entry, way.step)}
        if entry.deed is Deed.LINK:
            return self._event(Code.USER_UNLINKED, now, facts)
        if way.step is None:
            return self._event(Code.GROUP_DISOWNED, now, facts)
        event = self._event(CODES[type(way.step)], now, facts)
        if isinstance(way.step, Join | Leave) and now.account is not None and way.after.account is not None:
            before, after = sorted(now.account.groups), sorted(way.after.account.groups)
            return replace(event, before=tuple(before), after=tuple(after))
        return event

    def _event(self, code: Code, now: Now, facts: Mapping[str, Fact]) -> Event:
        return Event(
            code=code,
            person=now.pin.person if now.pin is not None else None,
            username=now.pin.username if now.pin is not None else str(facts["account"]),
            application=self._application,
            facts=facts,
        )


def _word(entry: Entry, step: Step | None) -> str:
    if step is not None:
        return kind_of(step)
    return "unlink" if entry.deed is Deed.LINK else "disown"


def _facts(entry: Entry, step: Step | None) -> dict[str, Fact]:
    if step is not None:
        return facts_of(step)
    return {"account": entry.username, **({"group": entry.group} if entry.group else {})}
