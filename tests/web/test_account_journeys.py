"""Journeys of people whose account is not easily made ready, at the whole gate: what they see, what is done."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any

import pytest

from sidecar.demo.cast import USERS
from tests.web.conftest import Worlds
from tests.web.rig import Browser, World
from tests.web.test_time_over_http import HOUR, Hands

NEEDED: Mapping[str, Any] = {"groups": {"map": [{"from": "okta-jira-users", "to": USERS}], "needed": [USERS]}}
PAGE = "/browse/KEY-1"
MINUTE = 60


async def a_world(worlds: Worlds, **accounts: Any) -> tuple[World, Hands]:
    clock = Hands(int(time.time()))
    return await worlds(clock=clock, proof="secret", accounts={**NEEDED, **accounts}), clock


async def asked_again(browser: Browser, path: str = PAGE) -> tuple[int, str, str | None]:
    """A reload of the page: status, text and `Retry-After`."""
    async with browser.session.get(browser.world.url + path, allow_redirects=False) as answer:
        return answer.status, await answer.text(), answer.headers.get("Retry-After")


def reasons(world: World) -> list[str]:
    """Why people were kept out so far."""
    return [event["reason"] for event in world.told("account.refused")]


async def test_no_seat_left(worlds: Worlds, caplog: pytest.LogCaptureFixture) -> None:
    world, clock = await a_world(worlds)
    world.jira.faults.seats_exhausted = True
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("nina")
        assert (403, True) == (status, "has no free place for you" in text)
        assert "nina" not in world.jira.state.users
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert 1 == sum("no_seat_left" in line for line in warnings)
        assert 0 == world.jira.count("POST", "/rest/api/2/user")
        # A seat was bought.
        world.jira.faults.seats_exhausted = False
        clock.passed = MINUTE
        status, _, retry = await asked_again(browser)
        assert (200, None) == (status, retry)
    assert USERS in world.jira.state.users["nina"].groups
    assert ["no_seat_left"] == reasons(world)


async def test_the_last_seats_go_to_as_many_as_there_are(worlds: Worlds) -> None:
    world, _ = await a_world(worlds)
    role = world.jira.state.roles["jira-software"]
    for number in range(25 - world.jira.state.seats_taken(role)):
        world.jira.state.add_user(f"filler{number}", groups=(USERS,))
    async with world.browser() as browser:
        assert 403 == (await browser.sign_in("nina"))[0]
    async with world.browser() as browser:
        # She has her seat already.
        assert 200 == (await browser.sign_in("stella"))[0]
    assert ["no_seat_left"] == reasons(world)


async def test_a_read_only_directory(worlds: Worlds) -> None:
    world, clock = await a_world(worlds)
    world.jira.state.users["ada"].groups.discard(USERS)
    world.jira.faults.directory_read_only = True
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("ada")
        assert (403, True) == (status, "only your administrator can change" in text)
        tries = world.jira.count("POST", "/rest/api/2/group/user")
        for minute in range(1, 4):
            clock.passed = minute * MINUTE
            assert 403 == (await asked_again(browser))[0]
        assert (1, 1) == (tries, world.jira.count("POST", "/rest/api/2/group/user"))
        # The administrator made the change in the directory.
        world.jira.state.join("ada", USERS)
        clock.passed += MINUTE
        assert 200 == (await asked_again(browser))[0]
    failed = [event["facts"]["step"] for event in world.told("account.failed")]
    assert ["join"] == failed
    assert {"directory_read_only"} == set(reasons(world))


async def test_a_directory_that_is_late(worlds: Worlds) -> None:
    world, clock = await a_world(worlds, sync_wait="2m")
    world.jira.faults.late.add("nina")
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("nina")
        assert (503, True) == (status, "nearly ready" in text)
        clock.passed = MINUTE
        status, text, retry = await asked_again(browser)
        assert (503, True) == (status, "http-equiv" in text.lower() or retry is not None)
        assert retry is not None
        world.jira.faults.late.clear()
        clock.passed += 5
        assert 200 == (await asked_again(browser))[0]
    assert (1, {USERS}) == (
        world.jira.count("POST", "/rest/api/2/user"),
        world.jira.state.users["nina"].groups,
    )
    assert ["directory_sync_pending"] * 2 == reasons(world)


async def test_a_directory_that_is_late_for_too_long(worlds: Worlds) -> None:
    world, clock = await a_world(worlds, sync_wait="2m")
    world.jira.faults.late.add("nina")
    async with world.browser() as browser:
        await browser.sign_in("nina")
        clock.passed = 2 * MINUTE
        status, text, retry = await asked_again(browser)
        assert (403, None) == (status, retry)
        assert "no account" in text
    (first, last) = world.told("account.refused")
    assert ("directory_sync_pending", "account_absent") == (first["reason"], last["reason"])
    assert "sync_wait" in last["facts"]["detail"]


async def test_the_token_dies_and_people_who_are_known_are_served(worlds: Worlds) -> None:
    world, clock = await a_world(worlds)
    async with world.browser() as known, world.browser() as stranger:
        assert 200 == (await known.sign_in("stella"))[0]
        world.jira.kill_token(world.token)
        clock.passed = HOUR
        assert 200 == (await asked_again(known))[0]
        assert "stella" == world.jira.usernames(PAGE)[-1]
        status, _, text = await stranger.sign_in("nina")
        assert (503, True) == (status, "could not be looked up" in text)
        # The next token is put into the file.
        world.jira.faults.dead_tokens.clear()
        clock.passed += MINUTE
        assert 200 == (await asked_again(stranger))[0]
    (refused,) = world.told("token.refused")
    assert ({"which": "token", "none_left": True}, "jira") == (refused["facts"], refused["application"])
    (served,) = [event for event in world.told("account.failed") if event["username"] == "stella"]
    assert ("connector_refused", False) == (served["reason"], served["facts"]["keeps_out"])
    content = world.gate.metrics.render()[1].decode()
    assert 'lychgate_account_tokens_refused{application="jira"} 0.0' in content


async def test_the_next_token_takes_over_and_nobody_notices(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    following = secrets.token_urlsafe(33)
    monkeypatch.setenv("NEXT_PAT", following)
    world, _ = await a_world(worlds, next_token="env://NEXT_PAT")
    world.jira.state.add_token("lychgate", following)
    world.jira.kill_token(world.token)
    async with world.browser() as browser:
        assert 200 == (await browser.sign_in("nina"))[0]
    (refused,) = world.told("token.refused")
    assert {"which": "token", "none_left": False} == refused["facts"]


async def test_the_end_of_the_token_is_a_metric(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.building.chores.EVERY", 0.01)
    world, clock = await a_world(worlds)
    world.jira.state.token_ends[world.token] = "2099-01-01T00:00:00.000+0000"
    # The next day, whatever was asked on the first.
    clock.passed = 24 * HOUR
    line = 'lychgate_account_token_expiry_timestamp_seconds{application="jira"} 4.0709088e+09'
    for _ in range(1000):
        if line in world.gate.metrics.render()[1].decode():
            break
        await asyncio.sleep(0.01)
    assert line in world.gate.metrics.render()[1].decode()
