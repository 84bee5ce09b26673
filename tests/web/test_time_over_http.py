"""Sessions in time at the whole gate: who only polls is signed out, who works stays and is renewed without noticing,
and what the provider takes back ends within `recheck`. The clock is the test's, for the gate and the provider alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest

from sidecar.domain.identity import UnixSeconds
from tests.web.conftest import Worlds
from tests.web.rig import Browser, World

SESSION = "__Host-lychgate-jira"
HOUR = 3600
IDLE, ABSOLUTE, RECHECK = 10 * HOUR, 24 * HOUR, 900
"""What a site gets that writes nothing about sessions."""

DUE = ABSOLUTE * 4 // 5
PAGE = "/browse/KEY-1?focus=2"
API = "/rest/api/2/myself"
POLLING = ("/rest/mywork/latest/status/notification/count", "/rest/quickreload/latest/1", "/rest/menu/latest/home")
ADMIN = "/secure/admin/user/UserBrowser.jspa"


@dataclass(slots=True)
class Hands:
    """A clock whose hands the test moves; implements `flows.telling.Clock`."""

    begun: int
    passed: int = 0

    def now(self) -> UnixSeconds:
        return UnixSeconds(self.begun + self.passed)

    def monotonic(self) -> float:
        return float(self.passed)


@dataclass(slots=True)
class Day:
    """A world with such a clock and somebody who signed in at its second 0."""

    world: World
    clock: Hands
    browser: Browser

    @property
    def key(self) -> str:
        """The session's cookie as the browser holds it."""
        return self.browser.cookies[SESSION]

    async def page(self, path: str = PAGE) -> int:
        """The status of a navigation."""
        return (await self.browser.go(self.world.url + path))[0]

    async def call(self, path: str = API) -> int:
        """The status of what a script of a page asks."""
        return (await self.browser.go(self.world.url + path, headers={"Accept": "application/json"}))[0]

    async def work_until(self, second: int) -> None:
        """Open a page every three hours, the last time at *second*."""
        for at in [*range(self.clock.passed + 3 * HOUR, second, 3 * HOUR), second]:
            self.clock.passed = at
            assert (at, 200) == (at, await self.page())

    def ended(self) -> list[str]:
        """Why sessions ended so far."""
        return [event["facts"]["cause"] for event in self.world.told("session.ended")]


@asynccontextmanager
async def a_day(worlds: Worlds, person: str = "ada", **settings: object) -> AsyncIterator[Day]:
    clock = Hands(int(time.time()))
    world = await worlds(clock=clock, proof="secret", **settings)
    async with world.browser() as browser:
        assert 200 == (await browser.sign_in(person, PAGE))[0]
        world.forget()
        yield Day(world, clock, browser)


@pytest.mark.parametrize("path", POLLING)
async def test_a_tab_that_only_polls_is_signed_out(worlds: Worlds, path: str) -> None:
    async with a_day(worlds) as day:
        statuses = []
        for at in (3 * HOUR, 6 * HOUR, 9 * HOUR, IDLE - 1, IDLE, IDLE + 1):
            day.clock.passed = at
            statuses.append(await day.call(path))
        assert (4, [401, 401]) == (len([status for status in statuses[:4] if status != 401]), statuses[4:])
        assert ["idle"] == day.ended()
        assert 401 == await day.call()
        assert 4 == len(day.world.arrived)


async def test_who_works_stays_signed_in_and_the_idle_end_moves(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        key = day.key
        await day.work_until(9 * HOUR)
        day.clock.passed = 18 * HOUR
        assert 200 == await day.call()
        assert (key, []) == (day.key, day.ended())
        # Not a second longer than `idle` after the last use, which the stored record knows too.
        await day.world.restart()
        day.clock.passed = DUE - 1
        assert 200 == await day.page()
        day.clock.passed = DUE - 1 + IDLE
        assert 401 == await day.call()


async def test_from_four_fifths_of_its_life_the_session_is_renewed_without_a_word(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        world, browser = day.world, day.browser
        await day.work_until(DUE - 1)
        old, name = browser.cookie[1], browser.cookie[0]
        key = day.key
        day.clock.passed = DUE
        # Scripts are never led away, nor does one of them use up the renewal of the page.
        assert [200, 200] == [await day.call(), await day.call("/rest/api/2/search")]
        status, place, _ = await browser.go(world.url + PAGE)
        asked = parse_qs(urlsplit(place).query)
        assert (302, ["none"], True) == (status, asked.get("prompt"), place.startswith(world.staff.issuer))
        assert 200 == await day.call()
        status, landed, _ = await browser.follow(place)
        assert (200, world.url + PAGE) == (status, landed)
        assert key != day.key
        assert 401 == (await world.ask("GET", API, (name, old))).status
        assert ["replaced"] == day.ended()
        # The new one has a whole life before it.
        await day.work_until(ABSOLUTE + 3 * HOUR)
        assert {"ada"} == {call.username for call in world.arrived}


async def test_if_the_provider_knows_nobody_any_more_page_and_session_are_kept(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        world, browser = day.world, day.browser
        await day.work_until(DUE - 1)
        key = day.key
        # Only the browser's sign-in there is gone; the tokens live on.
        browser.session.cookie_jar.clear(lambda morsel: morsel["domain"] == "127.0.0.1")
        day.clock.passed = DUE
        status, place, _ = await browser.go(world.url + PAGE)
        assert (302, ["none"]) == (status, parse_qs(urlsplit(place).query).get("prompt"))
        status, back, _ = await browser.go(place)
        assert (303, ["login_required"]) == (status, parse_qs(urlsplit(back).query).get("error"))
        status, landed, _ = await browser.follow(back)
        assert (200, world.url + PAGE, key, []) == (status, landed, day.key, day.ended())
        # No second journey at once, and another one later.
        assert 200 == await day.page()
        day.clock.passed += 300
        assert 302 == await day.page()


async def test_nothing_outlives_the_absolute_end(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        for at in range(3 * HOUR, ABSOLUTE, 3 * HOUR):
            day.clock.passed = at
            assert 200 == await day.call()
        day.clock.passed = ABSOLUTE - 1
        assert 200 == await day.call()
        day.clock.passed = ABSOLUTE
        assert 401 == await day.call()
        assert ["absolute"] == day.ended()
        status, place, _ = await day.browser.go(day.world.url + PAGE)
        # An ordinary sign-in, not a renewal.
        assert (302, None) == (status, parse_qs(urlsplit(place).query).get("prompt"))
        assert place.startswith(day.world.staff.issuer)


async def test_a_group_taken_away_closes_the_page_at_the_first_request_after_recheck(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        world, calls = day.world, day.world.staff.counts
        assert 200 == await day.page(ADMIN)
        world.staff.provider.change_claims("ada", groups=["okta-jira-users"])
        calls.clear()
        day.clock.passed = RECHECK - 1
        assert (200, 0) == (await day.page(ADMIN), calls["token"])
        world.forget()
        day.clock.passed = RECHECK
        cookie = day.browser.cookie
        answers = await asyncio.gather(*[world.ask("GET", ADMIN, cookie) for _ in range(30)])
        assert {(403, "not_in_group")} == {(answer.status, answer.error) for answer in answers}
        assert (1, []) == (calls["token"], world.arrived)
        page = await world.page(ADMIN, cookie)
        assert (403, True) == (page.status, "not_in_group" in page.text)
        # What she may still see stays open, under the same session.
        assert (200, 1, []) == (await day.page(), calls["token"], day.ended())


async def test_a_person_who_is_gone_at_the_provider_is_signed_out_after_recheck(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        del day.world.staff.provider.people["ada"]
        day.clock.passed = RECHECK - 1
        assert 200 == await day.call()
        day.world.forget()
        day.clock.passed = RECHECK
        assert (401, ["recheck"], []) == (await day.call(), day.ended(), day.world.arrived)


async def test_a_rule_that_wants_a_fresh_sign_in_leads_out_and_back(worlds: Worlds) -> None:
    rules = [{"paths": ["@admin"], "require": {"any_group": ["okta-jira-admins"]}, "fresh": "30m"}]
    async with a_day(worlds, agents={"rules": rules}) as day:
        world, browser, key = day.world, day.browser, day.key
        day.clock.passed = 1800
        assert 200 == await day.page(ADMIN)
        day.clock.passed = 1801
        world.forget()
        answer = await world.ask("GET", ADMIN, browser.cookie)
        assert (401, "step_up_needed", "") == (answer.status, answer.error, answer.location)
        status, place, _ = await browser.go(world.url + ADMIN)
        asked = parse_qs(urlsplit(place).query)
        assert (302, ["1800"], None) == (status, asked.get("max_age"), asked.get("prompt"))
        assert [] == world.arrived
        # Nothing else needs it, and who presses no button loses nothing.
        assert (200, key) == (await day.page(), day.key)
        status, landed, _ = await browser.choose(place, "ada")
        assert (200, world.url + ADMIN) == (status, landed)
        assert key != day.key
        assert 200 == (await world.ask("GET", ADMIN, browser.cookie)).status


async def _sign_in_that_does_not_last(day: Day) -> tuple[int, str, str]:
    """Lose the session's cookie and keep the others, as behind a proxy that cuts one off."""
    day.browser.session.cookie_jar.clear(lambda morsel: morsel.key == SESSION)
    status, place, text = await day.browser.go(day.world.url + PAGE)
    return (status, place, text) if status != 302 else await day.browser.choose(place, "ada")


async def test_sign_ins_that_do_not_last_end_at_a_page(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        statuses, text = list[int](), ""
        for _ in range(4):
            day.clock.passed += 2
            status, _, text = await _sign_in_that_does_not_last(day)
            statuses.append(status)
            if status != 200:
                break
        assert statuses[:-1] and {200} == set(statuses[:-1]) and statuses[-1] >= 400, statuses
        assert "login_loop" in text
        # The provider is left alone, for this page and for the impatient who reload it.
        day.world.staff.counts.clear()
        assert "login_loop" in (await _sign_in_that_does_not_last(day))[2]
        assert 0 == day.world.staff.counts.total()
        # Half a minute later everything is as it was.
        day.clock.passed += 31
        assert 200 == (await _sign_in_that_does_not_last(day))[0]


async def test_sign_ins_with_pauses_are_no_circle(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        for _ in range(5):
            day.clock.passed += 31
            assert 200 == (await _sign_in_that_does_not_last(day))[0]
