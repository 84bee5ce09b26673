"""The examination of a running gate, again and again: what is new or gone is logged and audited, all of it is counted.

A round never delays or ends the gate. After a start everything that is found is new.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from sidecar.domain.events import Code, Event
from sidecar.domain.finding import Finding, Severity
from sidecar.flows.doctor import Prepare, examine
from sidecar.flows.telling import Audit

LOG = logging.getLogger(__name__)
TOLD = frozenset({Severity.NOTICE, Severity.WARNING, Severity.ERROR})
_LEVELS = {Severity.ERROR: logging.ERROR, Severity.WARNING: logging.WARNING}

Sleep = Callable[[float], Awaitable[object]]
_Place = tuple[str, str, str]
"""Application, provider and check."""

_Key = tuple[str, str, str, str]
"""The same with the finding's code."""


class Rounds:
    """Examines when it begins and every so often from then on."""

    def __init__(self, prepare: Prepare, every: float, audit: Audit, sleep: Sleep = asyncio.sleep) -> None:
        """*every*: seconds between the end of a round and the next; 0: there is none at all."""
        self._prepare = prepare
        self._every = every
        self._audit = audit
        self._sleep = sleep
        self._known: dict[_Key, Finding] = {}
        self._counts: Mapping[tuple[str, ...], int] = {}

    async def go_on(self) -> None:
        """Round after round, until it is cancelled."""
        while self._every:
            try:
                await self.round()
            except Exception:
                # A fault of ours here is no reason to end a gate.
                LOG.exception("an examination failed")
            await self._sleep(self._every)

    async def round(self) -> None:
        """One examination, and what came of it told."""
        found = await examine(self._prepare)
        labels = ((one.application, one.provider, one.kind.check, one.kind.severity) for one in found)
        self._counts = Counter(tuple(map(str, key)) for key in labels)
        # Who could not be asked this time has not become well.
        undone = {_place(one) for one in found if one.kind.severity is Severity.UNKNOWN}
        now = {key: one for key, one in self._known.items() if _place(one) in undone}
        now |= {_key(one): one for one in found if one.kind.severity in TOLD}
        for key, one in now.items():
            if key not in self._known:
                self._appeared(one)
        for key, one in self._known.items():
            if key not in now:
                self._went(one)
        self._known = now

    def counts(self) -> Mapping[tuple[str, ...], int]:
        """How many findings there are, by application, provider, check and severity."""
        return self._counts

    def _appeared(self, one: Finding) -> None:
        level = _LEVELS.get(one.kind.severity, logging.INFO)
        LOG.log(level, "doctor: %s: %s (%s): %s", one.where, one.seen, one.kind.code, one.kind.cure)
        self._audit.tell(_event(Code.FINDING_APPEARED, one))

    def _went(self, one: Finding) -> None:
        LOG.info("doctor: %s: %s is over (was: %s)", one.where, one.kind.code, one.seen)
        self._audit.tell(_event(Code.FINDING_GONE, one))


def _event(code: Code, one: Finding) -> Event:
    facts = {
        "finding": one.kind.code,
        "check": one.kind.check.value,
        "severity": one.kind.severity.value,
        "detail": one.seen,
    }
    return Event(code=code, application=one.application, provider=one.provider, facts=facts)


def _place(one: Finding) -> _Place:
    return one.application, one.provider, one.kind.check


def _key(one: Finding) -> _Key:
    return (*_place(one), one.kind.code)
