"""adapters.accounts.pace: a limit that one call meets is waited for by all, and no longer than it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from sidecar.adapters.accounts.pace import Pace
from sidecar.domain.identity import UnixSeconds


class Time:
    """A clock that moves while somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> UnixSeconds:
        return UnixSeconds(int(self.time))

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Everybody who sleeps at the same time wakes at the same time."""
        until = self.time + seconds
        await asyncio.sleep(0)
        self.time = max(self.time, until)


def limits(remaining: int, wait: str, fill: int = 2, interval: int = 10) -> Mapping[str, str]:
    return {
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Interval-Seconds": str(interval),
        "X-RateLimit-FillRate": str(fill),
        "Retry-After": wait,
    }


async def test_nothing_is_held_back_before_a_limit() -> None:
    pace = Pace(Time())
    assert [0.0] * 100 == [await pace.turn(0) for _ in range(100)]


async def test_what_one_met_all_wait_for() -> None:
    time = Time()
    pace = Pace(time, time.sleep)
    await pace.turn(0)
    pace.over(429, limits(0, "7"))
    with pytest.raises(TimeoutError):
        await pace.turn(6.9)
    assert 7.0 == await pace.turn(8)


async def test_after_the_pause_only_so_many_go_as_the_bucket_holds() -> None:
    time = Time()
    pace = Pace(time, time.sleep)
    await pace.turn(0)
    pace.over(429, limits(0, "10"))
    went = []
    for _ in range(5):
        await pace.turn(1000)
        went.append(time.time - 1000)
    assert [10, 10, 20, 20, 30] == went


@pytest.mark.parametrize(("headers", "held"), [(limits(50, "0"), False), (limits(1, "0"), True), ({}, False)])
async def test_plenty_ends_it(headers: Mapping[str, str], held: bool) -> None:
    time = Time()
    pace = Pace(time, time.sleep)
    await pace.turn(0)
    pace.over(429, limits(0, "10", fill=1))
    await pace.turn(100)
    pace.over(200, headers)
    assert held == (await pace.turn(100) > 0)


@pytest.mark.parametrize(
    ("wait", "seconds"), [("0", 0.1), ("3", 3), ("Wed, 21 Oct 2026 07:28:00 GMT", 10), ("-5", 10), ("9999999", 60)]
)
async def test_what_the_header_says_is_bounded(wait: str, seconds: float) -> None:
    time = Time()
    pace = Pace(time, time.sleep)
    await pace.turn(0)
    pace.over(429, limits(0, wait))
    assert pytest.approx(seconds) == await pace.turn(1000)


async def test_a_call_that_failed_is_under_way_no_more() -> None:
    time = Time()
    pace = Pace(time, time.sleep)
    for _ in range(3):
        await pace.turn(0)
        pace.over(None, {})
    await pace.turn(0)
    pace.over(429, limits(0, "1", fill=1))
    await pace.turn(5)
    pace.over(200, limits(2, "0"))
    assert 0 == await pace.turn(0)
