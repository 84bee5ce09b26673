"""flows.token_watch: asked once a day, told a month and a week before the end, and at once when a token is refused."""

from __future__ import annotations

import asyncio
import logging

import pytest

from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.token_watch import AFTER_FAILURE, DAY, TokenWatch, tell_refused
from tests.flows.fake_accounts import Hands, Listener


class Way:
    """A connector whose token ends."""

    def __init__(self, end: int | None) -> None:
        self.end = end
        self.refused = 0
        self.asked = 0
        self.broken = False

    async def token_expiry(self) -> UnixSeconds | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.broken:
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")
        return UnixSeconds(self.end) if self.end is not None else None


class Watch:
    def __init__(self, days: float | None) -> None:
        self.clock, self.audit = Hands(), Listener()
        self.way = Way(int(self.clock.time + days * DAY) if days is not None else None)
        self.watch = TokenWatch({"jira": self.way}, self.audit, self.clock)

    async def minutes(self, seconds: float) -> None:
        """Time passes; then the minute's work is done, and what it began."""
        self.clock.time += seconds
        await self.watch.review()
        await self.watch.close()

    @property
    def told(self) -> list[object]:
        return [event.facts["days"] for event in self.audit.events if event.code is Code.CREDENTIAL_EXPIRING]


async def test_a_month_and_a_week_before_it_is_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(31.5)
    told = []
    with caplog.at_level(logging.WARNING):
        for _ in range(32):
            await watch.minutes(DAY if watch.way.asked else 0)
            told.append(len(watch.told))
    assert [29, 6] == watch.told
    assert (32, 2) == (watch.way.asked, len(caplog.records))
    assert [0, 0, 1] == told[:3]


async def test_the_application_is_asked_once_a_day_and_an_hour_after_a_failure() -> None:
    watch = Watch(400)
    for seconds in (0, 60, 60):
        await watch.minutes(seconds)
    assert 1 == watch.way.asked
    watch.way.broken = True
    await watch.minutes(DAY)
    await watch.minutes(AFTER_FAILURE - 1)
    assert 2 == watch.way.asked
    watch.way.broken = False
    await watch.minutes(1)
    assert 3 == watch.way.asked


async def test_the_end_is_known_until_there_is_none() -> None:
    watch = Watch(400)
    assert {} == watch.watch.ends()
    await watch.minutes(0)
    assert {"jira": 1_000_000 + 400 * DAY} == watch.watch.ends()
    watch.way.end = None
    await watch.minutes(DAY)
    assert ({}, []) == (watch.watch.ends(), watch.told)


async def test_a_new_token_is_told_of_anew() -> None:
    watch = Watch(5)
    await watch.minutes(0)
    watch.way.end = int(watch.clock.time + 6 * DAY)
    await watch.minutes(DAY)
    assert [5, 5] == watch.told


async def test_nobody_waits_for_an_application_that_is_slow() -> None:
    watch = Watch(5)
    await watch.watch.review()
    assert [] == watch.told
    await watch.watch.close()
    assert [5] == watch.told


@pytest.mark.parametrize(("place", "which"), [(1, "token"), (2, "next_token")])
def test_a_refused_token_is_told(place: int, which: str, caplog: pytest.LogCaptureFixture) -> None:
    audit = Listener()
    with caplog.at_level(logging.ERROR):
        tell_refused(audit, "jira", place, none_left=place == 2)
    (event,) = audit.events
    assert (Code.CREDENTIAL_REFUSED, Reason.CONNECTOR_REFUSED, "jira") == (event.code, event.reason, event.application)
    assert {"which": which, "none_left": place == 2} == event.facts
    assert which in caplog.text
