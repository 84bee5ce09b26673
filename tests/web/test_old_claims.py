"""Claims that grow old, at the whole gate: confirmed by the browser or the provider, used no longer than the bound, and
nothing that was sent is lost without a word. The clock is the test's."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sidecar.core.ages import GRACE
from sidecar.demo.cast import MOON
from sidecar.demo.provider.faults import Fault
from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.test_time_over_http import ADMIN, PAGE, RECHECK, a_day
from tests.web.test_websocket import CLOSE, TEXT, _frame, _open, _read

WITHOUT = {"staff": {"scopes": ["openid", "profile", "email", "groups"]}}
"""A provider that gives no refresh token."""

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


def query_of(place: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(place).query)


async def test_fifty_requests_at_once_make_one_call_while_the_provider_takes_its_time(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        world, provider = day.world, day.world.staff.provider
        day.clock.passed = RECHECK
        provider.fault, provider.slow_seconds = Fault.TOKEN_SLOW, 5.0
        before = world.staff.counts["token"]
        requests = [asyncio.create_task(world.ask("GET", "/rest/api/2/myself", day.browser.cookie)) for _ in range(50)]
        answers = await asyncio.gather(*requests)
        assert ({200}, 1) == ({answer.status for answer in answers}, world.staff.counts["token"] - before)


async def test_a_sign_out_during_a_refresh(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        world, provider = day.world, day.world.staff.provider
        token = next(iter(world.gate.sessions._entries.values())).session.form_token
        day.clock.passed = RECHECK
        provider.fault, provider.slow_seconds = Fault.TOKEN_SLOW, 0.5
        field = day.browser.cookie
        waiting = [asyncio.create_task(world.ask("GET", "/rest/api/2/myself", field)) for _ in range(10)]
        await until(lambda: bool(world.gate.gateway._recheck._tasks))
        form = ("Content-Type", "application/x-www-form-urlencoded")
        out = await world.ask("POST", "/.lychgate/logout", field, form, body=f"token={token}".encode())
        assert 303 == out.status
        assert {401} == {answer.status for answer in await asyncio.gather(*waiting)}
        assert ({}, []) == (dict(world.gate.sessions._entries), [c for c in world.arrived if "myself" in c.target])


async def test_without_a_refresh_token_the_next_page_asks_the_provider_silently(worlds: Worlds) -> None:
    async with a_day(worlds, **WITHOUT) as day:
        world, browser = day.world, day.browser
        world.staff.provider.change_claims("ada", groups=["okta-jira-users"])
        day.clock.passed = RECHECK
        key = day.key
        assert 200 == await day.call()
        status, place, _ = await browser.go(world.url + PAGE)
        assert (302, ["none"], ["ada"]) == (status, query_of(place)["prompt"], query_of(place)["login_hint"])
        status, then, _ = await browser.choose(place, "ada")
        assert (200, world.url + PAGE, False) == (status, then, key == day.key)
        # The group that was taken away is gone.
        assert 403 == await day.page(ADMIN)
        assert ["replaced"] == day.ended()


async def test_who_is_not_signed_in_there_any_more_signs_in_at_the_next_page(worlds: Worlds) -> None:
    async with a_day(worlds, **WITHOUT) as day:
        world, browser = day.world, day.browser
        browser.session.cookie_jar.clear(lambda morsel: morsel["domain"] == "127.0.0.1")
        day.clock.passed = RECHECK
        _, place, _ = await browser.go(world.url + PAGE)
        _, back, _ = await browser.go(place)
        assert ["login_required"] == query_of(back)["error"]
        status, then, _ = await browser.go(back)
        assert (303, world.url + PAGE) == (status, then)
        # What cannot be sent to the provider is served until the claims are stale.
        assert 200 == await day.call()
        status, place, _ = await browser.go(then)
        assert (302, None) == (status, query_of(place).get("prompt"))
        assert 200 == (await browser.choose(place, "ada"))[0]
        assert 200 == await day.page()


async def test_stale_claims_serve_nobody_and_nothing_that_was_sent_is_lost_without_a_word(worlds: Worlds) -> None:
    async with a_day(worlds, **WITHOUT) as day:
        world, browser = day.world, day.browser
        day.clock.passed = RECHECK + GRACE - 1
        assert 200 == await day.call()
        day.clock.passed = RECHECK + GRACE
        world.forget()
        status, _, text = await browser.go(world.url + "/rest/api/2/myself", headers={"Accept": "application/json"})
        told = json.loads(text)
        assert (401, "claims_stale", "/secure/Dashboard.jspa") == (status, told["error"], told["next"])
        status, _, text = await browser.go(world.url + "/secure/X.jspa", "POST", data="a=1", headers=FORM)
        assert (401, True, True) == (status, "was not carried out" in text, 'target="_blank"' in text)
        assert [] == world.arrived
        # The new window confirms the session, and the form can be sent again.
        _, place, _ = await browser.go(world.url + "/secure/Dashboard.jspa")
        assert 200 == (await browser.choose(place, "ada"))[0]
        status, _, _ = await browser.go(world.url + "/secure/X.jspa", "POST", data="a=1", headers=FORM)
        assert 401 != status


async def test_a_websocket_ends_when_its_claims_are_stale(worlds: Worlds) -> None:
    async with a_day(worlds, **WITHOUT) as day, _open(day.world, day.browser.cookie) as wire:
        day.clock.passed = RECHECK + GRACE - 1
        await day.world.gate.gateway.review()
        wire.send(_frame(TEXT, b"still here"))
        assert (TEXT, b"still here") == await _read(wire)
        day.clock.passed = RECHECK + GRACE
        await day.world.gate.gateway.review()
        assert CLOSE == (await _read(wire))[0]


RULES: dict[str, Any] = {
    "agents": {
        "rules": [
            {"name": "admin", "paths": ["@admin"], "fresh": "30m", "acr": ["urn:demo:mfa"]},
            {"name": "posts", "paths": ["/secure/**"], "methods": ["POST"], "acr": ["urn:demo:mfa"]},
        ]
    }
}


async def test_a_rule_for_a_stronger_sign_in(worlds: Worlds) -> None:
    async with a_day(worlds, **RULES) as day:
        world, browser = day.world, day.browser
        status, place, _ = await browser.go(world.url + ADMIN)
        query = query_of(place)
        assert (302, ["urn:demo:mfa"], ["1800"]) == (status, query["acr_values"], query["max_age"])
        # The provider ignores what it was asked for: no circle, and the session is as it was.
        key = day.key
        status, _, text = await browser.choose(place, "ada")
        assert (403, True, key) == (status, "step_up_failed" in text, day.key)
        assert 200 == await day.page()
        world.staff.provider.acr = "urn:demo:mfa"
        _, place, _ = await browser.go(world.url + ADMIN)
        browser.session.cookie_jar.clear(lambda morsel: morsel["domain"] == "127.0.0.1")
        status, then, _ = await browser.choose(place, "ada")
        assert (200, world.url + ADMIN, False) == (status, then, key == day.key)
        assert 200 == await day.page(ADMIN)


async def test_a_form_that_meets_such_a_rule_is_told_where_to_confirm(worlds: Worlds) -> None:
    async with a_day(worlds, **RULES) as day:
        world, browser = day.world, day.browser
        world.staff.provider.acr = "urn:demo:mfa"
        browser.session.cookie_jar.clear(lambda morsel: morsel["domain"] == "127.0.0.1")
        world.forget()
        status, _, text = await browser.go(world.url + "/secure/X.jspa?a=1&b=2", "POST", data="c=3", headers=FORM)
        assert (401, [], True) == (status, world.arrived, "step_up_needed" in text)
        status, _, text = await browser.go(
            world.url + "/secure/X.jspa?a=1&b=2", "POST", data="c=3", headers={"Accept": "application/json"}
        )
        address = json.loads(text)["next"]
        status, place, _ = await browser.go(world.origin + address)
        assert (302, ["urn:demo:mfa"], ["ada"]) == (
            status,
            query_of(place)["acr_values"],
            query_of(place)["login_hint"],
        )
        status, then, text = await browser.choose(place, "ada")
        assert (200, world.url + "/.lychgate/confirmed", True) == (status, then, "send the form again" in text)
        status, _, _ = await browser.go(world.url + "/secure/X.jspa", "POST", data="c=3", headers=FORM)
        assert 401 != status
        # Once more asks for nothing.
        status, place, _ = await browser.go(world.origin + address.replace("POST", "GET"))
        assert (303, world.url + "/.lychgate/confirmed") == (status, place)


@pytest.mark.parametrize("query", ["", "for=", "for=//evil.example", "for=/../x", "for=/.lychgate/logout&method=POST"])
async def test_a_confirmation_for_nothing(worlds: Worlds, query: str) -> None:
    async with a_day(worlds, **RULES) as day:
        status, _, _ = await day.browser.go(f"{day.world.url}/.lychgate/confirm?{query}")
        assert 404 == status


async def test_nothing_is_forgiven_where_a_rule_asks_for_a_fresh_sign_in(worlds: Worlds) -> None:
    async with a_day(worlds, agents={"rules": [{"name": "admin", "paths": ["@admin"], "fresh": "8h"}]}) as day:
        provider = day.world.staff.provider
        assert 200 == await day.page(ADMIN)
        day.clock.passed = RECHECK
        provider.fault = Fault.TOKEN_500
        assert (200, 302) == (await day.page(), await day.page(ADMIN))
        provider.fault = None
        day.clock.passed += 30
        assert 200 == await day.page(ADMIN)


async def test_a_websocket_under_such_a_rule_ends_when_its_claims_wait_to_be_confirmed(worlds: Worlds) -> None:
    rules = {"agents": {"rules": [{"paths": ["/rest/live/**"], "fresh": "8h"}]}}
    async with a_day(worlds, **rules, **WITHOUT) as day, _open(day.world, day.browser.cookie) as wire:
        day.clock.passed = RECHECK - 1
        await day.world.gate.gateway.review()
        wire.send(_frame(TEXT, b"still here"))
        assert (TEXT, b"still here") == await _read(wire)
        day.clock.passed = RECHECK
        await day.world.gate.gateway.review()
        assert CLOSE == (await _read(wire))[0]


async def test_a_group_that_is_taken_away_there_is_taken_away_in_jira(worlds: Worlds) -> None:
    groups = {"map": [{"from": "okta-project-moon", "to": MOON}]}
    async with a_day(worlds, "nina", accounts={"groups": groups}) as day:
        nina = day.world.jira.state.find("nina")
        assert nina is not None and MOON in nina.groups
        day.world.staff.provider.change_claims("nina", groups=["okta-jira-users"])
        day.clock.passed = RECHECK - 1
        assert (200, True) == (await day.page(), MOON in nina.groups)
        day.clock.passed = RECHECK
        assert (200, False) == (await day.page(), MOON in nina.groups)
        assert ["group.removed"] == [event["code"] for event in day.world.told("group.removed")]


async def test_groups_that_a_refresh_no_longer_tells_refuse_and_take_nothing_away(worlds: Worlds) -> None:
    groups = {"map": [{"from": "okta-project-moon", "to": MOON}]}
    async with a_day(worlds, "nina", accounts={"groups": groups}) as day:
        nina = day.world.jira.state.find("nina")
        assert nina is not None and MOON in nina.groups
        day.world.staff.provider.fault = Fault.GROUPS_MISSING
        day.clock.passed = RECHECK
        status, _, text = await day.browser.go(day.world.url + PAGE)
        assert (403, True, True) == (status, "groups_unknown" in text, MOON in nina.groups)
