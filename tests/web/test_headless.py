"""Landing by the product's own OpenID sign-on: the first request of every kind arrives as the right person, with no
step in the browser; what the product forgets is mended before anybody notices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.domain.session import seat_of
from sidecar.flows.sessions import Entry
from tests.web.conftest import Worlds
from tests.web.firsts import KINDS, PATH, WHO, ask_first, socket
from tests.web.rig import HTML, World

START = "/plugins/servlet/oidc/initiate-login"
BACK = "/plugins/servlet/oidc/callback"
DANCE = [START, BACK, WHO]


def paths(world: World) -> list[str]:
    return [call.target.partition("?")[0] for call in world.arrived]


def dances(world: World) -> int:
    return paths(world).count(START)


def entry_of(world: World) -> Entry:
    (entry,) = world.gate.sessions._entries.values()
    return entry


async def cookie_of(world: World, person: str = "ada") -> tuple[str, str]:
    """Sign somebody in without any request to the application."""
    async with world.browser() as browser:
        _, place, _ = await browser.go(world.url + PATH)
        provider, then, text = await browser.go(place)
        if provider == 200:
            data = {"interaction": text.partition('name="interaction" value="')[2].partition('"')[0], "person": person}
            _, then, _ = await browser.go(f"{place.partition('/authorize')[0]}/choose", "POST", data=data)
        status, _, _ = await browser.go(then)
        assert 303 == status
        world.forget()
        return browser.cookie


async def test_a_page_lands_without_a_step_in_the_browser(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    async with world.browser() as browser:
        status, place, text = await browser.sign_in("ada")
        assert (200, world.url + PATH) == (status, place), text
        assert "The gate at the churchyard sticks" in text
        assert not [cookie for cookie in browser.seen if "JSESSIONID" in cookie or "session-data" in cookie]
        assert world.jira.state.sessions[dict(entry_of(world).session.jars[seat_of("", "ada")])["JSESSIONID"]].sso
    assert [*DANCE, PATH] == paths(world)
    assert ("ada", "session") == (world.arrived[-1].username, world.arrived[-1].how)
    assert not [call for call in world.arrived if call.header("X-Lychgate-User") or call.header("X-Lychgate-Assertion")]
    assert ["first"] == [event["facts"]["cause"] for event in world.told("landing.established")]


async def test_the_second_request_costs_nothing_more(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    for _ in range(3):
        assert 200 == (await world.page(PATH, cookie)).status
    assert [*DANCE, PATH, PATH, PATH] == paths(world)


async def test_the_first_request_of_every_kind_is_the_only_one_behind_the_dance(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    for kind in KINDS:
        await ask_first(world, kind, await cookie_of(world))
        assert (kind, DANCE, 4) == (kind, paths(world)[:3], len(paths(world)))
        assert "ada" == world.arrived[-1].username


async def test_the_thirty_requests_of_a_page_share_one_dance(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    world.jira.delay(BACK, 0.2)
    answers = await asyncio.gather(*(world.ask("GET", WHO, cookie) for _ in range(30)))
    assert {200} == {answer.status for answer in answers}
    assert 1 == dances(world)
    assert {"ada"} == {call.username for call in world.arrived if call.target == WHO}


async def _until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


async def test_a_tab_that_is_closed_stops_nobody_elses_landing(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    world.jira.delay(BACK, 0.3)
    async with world.wire() as wire:
        wire.request("GET", PATH, HTML, cookie)
        await _until(lambda: dances(world) > 0)
        waiting = asyncio.create_task(world.page(PATH, cookie))
        await asyncio.sleep(0.05)
    assert 200 == (await waiting).status
    assert 1 == dances(world)


async def age(world: World, seconds: float) -> None:
    """Let so much time pass for what the landing remembers."""
    landing: Any = world.gate.gateway._forwarding._applications["jira"].landing
    for seat in landing._seats.values():
        seat.confirmed -= seconds
        seat.tried -= seconds


@pytest.mark.parametrize("target", [PATH, WHO, "/secure/Dashboard.jspa"])
async def test_a_session_that_the_product_forgot_is_made_anew_and_nobody_notices(worlds: Worlds, target: str) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    assert 200 == (await world.ask("GET", target, cookie)).status
    await age(world, 11)
    world.jira.state.sessions.clear()
    answer = await world.ask("GET", target, cookie)
    assert 200 == answer.status
    assert 2 == dances(world)
    assert ("ada", "session") == (world.arrived[-1].username, world.arrived[-1].how)
    assert [] == world.told("landing.failed")


async def test_many_requests_that_find_it_gone_together_land_once(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    await world.ask("GET", WHO, cookie)
    await age(world, 11)
    world.jira.state.sessions.clear()
    answers = await asyncio.gather(*(world.ask("GET", WHO, cookie) for _ in range(20)))
    assert {200} == {answer.status for answer in answers}
    assert 2 == dances(world)


async def test_what_cannot_be_sent_twice_is_not_sent_before_the_session_was_tried_out(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    echo = "/plugins/servlet/demo/echo"
    assert 200 == (await world.ask("POST", echo, cookie, body=b"1")).status
    assert 200 == (await world.ask("POST", echo, cookie, body=b"2")).status
    assert [*DANCE, echo, echo] == paths(world)
    world.forget()
    await age(world, 61)
    assert 200 == (await world.ask("POST", echo, cookie, body=b"3")).status
    assert [WHO, echo] == paths(world)
    world.forget()
    # The product was restarted: its sessions are gone.
    await age(world, 61)
    world.jira.state.sessions.clear()
    assert 200 == (await world.ask("POST", echo, cookie, body=b"4")).status
    assert 101 == (await socket(world, cookie)).status
    assert [WHO, *DANCE, echo, "/rest/live/1.0/socket"] == paths(world)
    assert {"ada"} == {call.username for call in world.arrived if call.target in (echo, "/rest/live/1.0/socket")}


async def test_a_page_without_a_user_costs_no_dance_each_time(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    await age(world, 11)
    for _ in range(5):
        world.jira.fail_next("/x.js", 200, "text", headers=(("X-AUSERNAME", "anonymous"),))
        world.jira.fail_next("/x.js", 200, "text", headers=(("X-AUSERNAME", "anonymous"),))
        assert 200 == (await world.ask("GET", "/x.js", cookie)).status
    assert 1 == dances(world)
    assert 2 == paths(world).count(WHO)


async def test_the_session_outlives_a_restart_of_the_gate(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    entry = entry_of(world)
    if entry.writing is not None:
        await entry.writing
    await world.restart()
    assert 200 == (await world.page(PATH, cookie)).status
    assert 1 == dances(world)


async def test_after_a_sign_out_the_products_session_is_out_of_reach_at_once(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    async with world.browser() as browser:
        await browser.sign_in("ada")
        (session,) = [one for one in world.jira.state.sessions.values() if one.username == "ada"]
        old = browser.cookie
        await browser.sign_out()
    world.forget()
    jar = ("Cookie", f"{old[1]}; JSESSIONID={session.id}")
    assert 302 == (await world.page(PATH, jar)).status
    assert 401 == (await world.ask("GET", WHO, jar)).status
    assert [] == world.arrived


async def test_another_person_in_the_same_browser_begins_anew(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    async with world.browser() as browser:
        await browser.sign_in("ada")
        await browser.sign_out()
        await browser.sign_in("nina")
        assert 200 == (await browser.go(world.url + PATH))[0]
    served = [call.username for call in world.arrived if call.target == PATH and call.status == 200]
    assert ["ada", "nina", "nina"] == served
    assert 2 == dances(world)


async def test_another_portal_begins_anew(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    async with world.browser() as browser:
        await browser.sign_in("ada")
        await browser.sign_out()
        status, _, text = await browser.sign_in("carl", "/servicedesk/customer/portals")
        assert 200 == status, text
    served = [call.username for call in world.arrived if call.target == "/servicedesk/customer/portals"]
    assert ["cust-carl"] == served


async def test_the_same_session_under_another_name_never_takes_the_first_ones_seat(worlds: Worlds) -> None:
    """The name of a live session changes: after a reload of the rules, or at a provider that says another one."""
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    entry = entry_of(world)
    jar = entry.session.jars[seat_of("", "ada")]
    world.gate.sessions.keep_jar(entry, seat_of("", "nina"), jar)
    world.forget()
    assert 200 == (await world.page(PATH, cookie)).status
    assert DANCE == paths(world)[:3]
    assert [seat_of("", "ada")] == list(entry.session.jars)
    assert jar != entry.session.jars[seat_of("", "ada")]


@pytest.mark.parametrize(
    "path",
    [
        START, START + "?iss=x", BACK, BACK + "?code=x&state=y", "/plugins/servlet/external-login/1",
        "/plugins/servlet/external-login", "/plugins/servlet/login", "/plugins/servlet/samlconsumer",
        "/plugins/servlet/authentication-config", "/rest/authconfig/1.0/idps", "/rest/authconfig/1.0/sso",
        "/plugins/servlet/oidc", "/s/x/_/plugins/servlet/oidc/callback",
    ],
)  # fmt: skip
async def test_the_products_own_sign_on_is_closed_to_everybody_outside(worlds: Worlds, path: str) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    for fields in ((HTML, cookie), (cookie,), (HTML,), ()):
        assert (path, (await world.ask("GET", path, *fields)).status in {302, 401, 403}) == (path, True)
    assert [] == world.arrived


async def test_the_providers_endpoints_are_not_on_the_public_listener(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    for path in ("/jira/token", "/jira/authorize", "/jira/.well-known/openid-configuration", "/.lychgate/token"):
        assert 200 != (await world.ask("GET", path)).status
        assert (await world.ask("POST", path, body=b"grant_type=authorization_code")).status in {401, 404}
    assert [] == world.arrived
