"""flows.rounds: what is new or gone is told once, whatever could not be asked is not called well, and nothing of it
ends a gate."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from sidecar.core.doctor import catalogue as kinds
from sidecar.core.doctor.catalogue import unknown, well
from sidecar.domain.events import Event
from sidecar.domain.finding import Check, Finding
from sidecar.flows.doctor import Examination
from sidecar.flows.rounds import Rounds
from tests.flows.fakes import ListAudit

LOUD = Finding(kind=kinds.TOKEN_REFUSED, seen="it is not taken")
SOON = Finding(kind=kinds.TOKEN_ENDS, seen="12 days")
WELL = well(Check.TOKEN, "fine")
NOBODY_KNOWS = unknown(Check.TOKEN, "no answer")


class World:
    """What the next round finds, and a clock that a test turns: it wakes whoever sleeps."""

    def __init__(self, every: float = 3600.0) -> None:
        self.found: list[Finding] = []
        self.broken = False
        self.asked = 0
        self.slept: list[float] = []
        self.asleep, self.woken = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self.audit = ListAudit()
        self.rounds = Rounds(self.prepare, every, self.audit, self.sleep)

    async def prepare(self, stack: AsyncExitStack) -> Sequence[Examination]:
        self.asked += 1
        if self.broken:
            raise ValueError("a fault of ours")

        async def ask() -> Sequence[Finding]:
            return self.found

        return [Examination(Check.TOKEN, ask, application="jira")]

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.asleep.release()
        await self.woken.acquire()

    async def round(self, *found: Finding) -> list[tuple[str, str]]:
        """One round that finds that; what it told."""
        self.found = list(found)
        before = len(self.audit.events)
        await self.rounds.round()
        return [(one.code.value, str(one.facts["finding"])) for one in self.audit.events[before:]]


async def test_what_appears_and_what_goes_is_told_once() -> None:
    world = World()
    assert [("finding.appeared", "token_refused")] == await world.round(LOUD)
    assert [] == await world.round(LOUD)
    assert [("finding.appeared", "token_ends"), ("finding.gone", "token_refused")] == await world.round(SOON)
    assert [("finding.gone", "token_ends")] == await world.round(WELL)
    assert [] == await world.round(WELL)
    first: Event = world.audit.events[0]
    facts = {"finding": "token_refused", "check": "token", "severity": "error", "detail": "it is not taken"}
    assert ("jira", "", facts) == (first.application, first.provider, first.facts)


async def test_who_could_not_be_asked_has_not_become_well() -> None:
    world = World()
    _ = await world.round(LOUD)
    assert [] == await world.round(NOBODY_KNOWS)
    assert [] == await world.round(LOUD)
    assert [("finding.gone", "token_refused")] == await world.round(WELL)


async def test_all_of_it_is_counted() -> None:
    world = World()
    assert {} == world.rounds.counts()
    _ = await world.round(LOUD, SOON, SOON)
    assert {("jira", "", "token", "error"): 1, ("jira", "", "token", "warning"): 2} == world.rounds.counts()
    _ = await world.round(WELL)
    assert {("jira", "", "token", "ok"): 1} == world.rounds.counts()


async def test_the_log_has_the_cure(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        _ = await World().round(LOUD, SOON)
    levels = [record.levelname for record in caplog.records]
    assert ["ERROR", "WARNING"] == levels
    assert f"doctor: jira: it is not taken (token_refused): {kinds.TOKEN_REFUSED.cure}" == caplog.messages[0]


async def test_a_round_at_the_start_and_one_every_hour_whatever_becomes_of_them() -> None:
    world = World()
    world.broken = True
    going = asyncio.create_task(world.rounds.go_on())
    for number in range(1, 4):
        async with asyncio.timeout(30):
            _ = await world.asleep.acquire()
        assert (number, [3600.0] * number) == (world.asked, world.slept)
        world.broken = number > 1
        world.woken.release()
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going


async def test_none_at_all_where_the_site_wants_none() -> None:
    world = World(every=0)
    async with asyncio.timeout(30):
        await world.rounds.go_on()
    assert (0, []) == (world.asked, world.slept)
