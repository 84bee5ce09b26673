"""Thirty days at a gate whose clock is turned on: people come, work, are asked for again, sign out or just go away; and
nothing is left of it: no memory, task, file or connection. What is remembered within a bound has a small bound here.

`LYCHGATE_SOAK=50` lets fifty times as many people come.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.core.kept import held
from tests.operations.test_bounds import with_small_bounds
from tests.web.pairs import PAGE, Ahead
from tests.web.rig import Site, World, world

MANY = int(os.environ.get("LYCHGATE_SOAK", "1"))
DAYS, SETTLED = 30, 10
"""How long it lasts, and after how many days all that is remembered has been remembered once."""
PEOPLE = ("ada", "nina", "stella", "dora")
HOUR = 3600
LEFT_OUT = ("*/tests/*", "*/sidecar/demo/*", tracemalloc.__file__, "<frozen *", "*/_pytest/*", "*/linecache.py")
"""Stand-ins, provider and tests keep what they were asked, in this same process."""


@dataclass(frozen=True, slots=True)
class Left:
    """What there is at the end of a day."""

    memory: int
    tasks: int
    files: int
    rows: int
    kept: Mapping[str, tuple[int, int]]


async def a_day(site: World, clock: Ahead, day: int) -> None:
    """People work, some sign out, and of yesterday nobody is left."""
    for number in range(MANY):
        person = PEOPLE[(day + number) % len(PEOPLE)]
        stays = await site.sign_in(person)
        if day % 3 == 0:
            async with site.browser() as browser:
                _ = await browser.sign_in(PEOPLE[(day + number + 1) % len(PEOPLE)])
                await browser.sign_out()
        for hours in (0, 8):
            clock.more += hours * HOUR // MANY
            # Claims are old by then, and the provider is asked again.
            assert 200 == (await site.page(PAGE, stays)).status
        assert 404 == (await site.ask("POST", "/rest/nothing", stays, body=b"x")).status
        assert 302 == (await site.page(PAGE)).status
    clock.more += 15 * HOUR
    for _ in range(2):
        await site.gate.sessions.sweep()
        clock.more += 60


async def what_is_left(site: World) -> Left:
    """After everything that was begun has come to its end."""
    site.forget()
    site.jira.state.sessions.clear()
    site.audit.seek(0)
    site.audit.truncate()
    for provider in (site.staff, site.customers):
        for shelf in vars(provider._instance.memory).values():
            shelf._values.clear()
    # What functions remember, those of libraries too, has bounds of its own, most of them 128.
    for one in gc.get_objects():
        if isinstance(one, functools._lru_cache_wrapper):
            one.cache_clear()
    for _ in range(20):
        await asyncio.sleep(0.01)
    gc.collect()
    shot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, path) for path in LEFT_OUT])
    return Left(
        memory=sum(one.size for one in shot.statistics("filename")),
        tasks=len(asyncio.all_tasks()),
        files=len(list(Path("/proc/self/fd").iterdir())),
        rows=await site.gate.state.sessions.count(),
        kept=held(),
    )


async def test_thirty_days_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_small_bounds(monkeypatch, 8)
    clock = Ahead()
    tracemalloc.start()
    try:
        async with world(tmp_path, Site(proof="secret", clock=clock, state=f"file://{tmp_path}/state")) as site:
            left: dict[int, Left] = {}
            for day in range(1, DAYS + 1):
                await a_day(site, clock, day)
                if day % SETTLED == 0:
                    left[day] = await what_is_left(site)
    finally:
        tracemalloc.stop()
    first, *_, last = left.values()
    assert 0 == last.rows
    assert last.tasks <= first.tasks
    # Connections to the application and the provider are kept for reuse, and more or fewer of them at a time.
    assert last.files <= first.files + 2
    assert {} == {name: numbers for name, numbers in last.kept.items() if numbers[0] > numbers[1]}
    grown = (last.memory - first.memory) / (DAYS - SETTLED) / MANY
    assert grown < 1024, f"{grown} bytes a day"
