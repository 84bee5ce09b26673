"""Landing where Lychgate is the product's Crowd server: people arrive by a token that no browser sees; it ends with the
session, and everything else at the server is refused. What all landings do alike is in `test_every_landing`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from yarl import URL

from sidecar.domain.session import seat_of
from sidecar.flows.crowd_tokens import COOKIE
from sidecar.web.crowd_server import FAILURES, LARGEST_BODY
from tests.web.conftest import Worlds
from tests.web.firsts import PATH, WHO
from tests.web.rig import HTML, LANDING, World
from tests.web.test_headless import cookie_of, entry_of

JSON = {"Accept": "application/json"}


def token_of(world: World, person: str = "ada") -> str:
    (jar,) = [
        one.session.jars[seat_of("", person)]
        for one in world.gate.sessions._entries.values()
        if seat_of("", person) in one.session.jars
    ]
    return dict(jar)[COOKIE]


async def ask(
    world: World,
    method: str,
    path: str,
    *,
    body: str | bytes = b"",
    auth: tuple[str, str] | None = ("lychgate", LANDING),
    headers: Mapping[str, str] = JSON,
    application: str = "jira",
) -> tuple[int, Any]:
    """As a product asks."""
    url = f"http://127.0.0.1:{world.site.landing_port}/{application}/rest/usermanagement/1{path}"
    known = {"Authorization": aiohttp.encode_basic_auth(*auth)} if auth is not None else {}
    async with (
        aiohttp.ClientSession(headers=known) as client,
        client.request(method, URL(url, encoded=True), data=body, headers=headers) as answer,
    ):
        assert "X-Embedded-Crowd-Version" in answer.headers and "no-store" == answer.headers["Cache-Control"]
        if "json" in answer.headers.get("Content-Type", ""):
            return answer.status, await answer.json()
        return answer.status, await answer.text()


async def _past_the_gate(world: World, token: str) -> int:
    async with (
        aiohttp.ClientSession(headers={"Cookie": f"{COOKIE}={token}"}) as client,
        client.get(world.jira.origin + WHO) as answer,
    ):
        return answer.status


async def test_a_page_lands_and_the_browser_never_has_the_token(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    async with world.browser() as browser:
        status, place, text = await browser.sign_in("ada")
        assert (200, world.url + PATH) == (status, place), text
        assert not [cookie for cookie in browser.seen if COOKIE in cookie or "JSESSIONID" in cookie]
    assert ("ada", "crowd") == (world.arrived[-1].username, world.arrived[-1].how)
    assert ["first"] == [event["facts"]["cause"] for event in world.told("landing.established")]
    assert not [call for call in world.arrived if call.header("X-Lychgate-User")]


async def test_a_browser_brings_no_token_in_and_gets_none(worlds: Worlds) -> None:
    world = await worlds(proof="crowd", agents={"rules": [{"paths": ["/browse/KEY-2"], "answer": "public"}]})
    await cookie_of(world, "ada")
    cookie = await cookie_of(world, "nina")
    assert 200 == (await world.page(PATH, cookie)).status
    token = token_of(world, "nina")
    answer = await world.page("/browse/KEY-2", ("Cookie", f"{COOKIE}={token}; other=1"))
    assert None is world.arrived[-1].username and "other=1" == world.arrived[-1].header("Cookie")
    assert [] == [line for line in answer.headers("Set-Cookie") if token in str(line)]


async def test_each_person_has_a_token_of_their_own(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    for person in ("ada", "nina"):
        assert 200 == (await world.page(PATH, await cookie_of(world, person))).status
    for person in ("ada", "nina"):
        status, session = await ask(world, "POST", f"/session/{token_of(world, person)}", body="{}")
        assert (200, person) == (status, session["user"]["name"])
        assert session["expiry-date"] > session["created-date"]
    assert token_of(world, "ada") != token_of(world, "nina")


@pytest.mark.parametrize("forged", ["", "x", "A" * 43, "..", "%00", "a%2Fb"])
async def test_a_forged_token_stands_for_nobody(worlds: Worlds, forged: str) -> None:
    world = await worlds(proof="crowd")
    assert 200 == (await world.page(PATH, await cookie_of(world))).status
    for method in ("GET", "POST"):
        status, error = await ask(world, method, f"/session/{forged or '_'}")
        assert (404, "INVALID_SSO_TOKEN") == (status, error["reason"])
    # Straight to the product, past the gate.
    assert 401 == await _past_the_gate(world, forged or "_")


async def test_the_session_takes_its_token_along(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    async with world.browser() as browser:
        await browser.sign_in("ada")
        token = token_of(world)
        assert 200 == (await ask(world, "GET", f"/session/{token}?expand=user"))[0]
        await browser.sign_out()
    assert 404 == (await ask(world, "GET", f"/session/{token}"))[0]
    assert 401 == await _past_the_gate(world, token)


async def test_a_revoked_or_idle_session_does_so_too_though_nobody_told_the_landing(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    assert 200 == (await world.page(PATH, await cookie_of(world))).status
    token, entry = token_of(world), entry_of(world)
    entry.seen = type(entry.seen)(entry.seen - 1_000_000)
    assert 404 == (await ask(world, "GET", f"/session/{token}"))[0]
    assert 200 == (await world.page(PATH, await cookie_of(world, "nina"))).status
    token = token_of(world, "nina")
    (entry,) = [one for one in world.gate.sessions._entries.values() if seat_of("", "nina") in one.session.jars]
    await world.gate.sessions.end(entry.session.key, "revoked")
    assert 404 == (await ask(world, "GET", f"/session/{token}"))[0]


async def test_a_log_out_at_the_product_ends_ours(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    assert (204, "") == await ask(world, "DELETE", f"/session/{token_of(world)}")
    assert ["product"] == [event["facts"]["cause"] for event in world.told("session.ended")]
    assert 302 == (await world.page(PATH, cookie)).status


async def test_all_sessions_of_a_user_end_but_one(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    cookies = [await cookie_of(world) for _ in range(2)]
    for cookie in cookies:
        assert 200 == (await world.page(PATH, cookie)).status
    tokens = [dict(one.session.jars[seat_of("", "ada")])[COOKIE] for one in world.gate.sessions._entries.values()]
    assert 204 == (await ask(world, "DELETE", f"/session?username=ADA&exclude={tokens[0]}"))[0]
    assert [200, 404] == [(await ask(world, "GET", f"/session/{token}"))[0] for token in tokens]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/session"),
        ("POST", "/session?validate-password=false"),
        ("POST", "/session?validate-password=true"),
        ("POST", "/authentication?username=ada"),
    ],
)
async def test_no_password_is_taken_and_no_session_begins_here(worlds: Worlds, method: str, path: str) -> None:
    world = await worlds(proof="crowd")
    assert 200 == (await world.page(PATH, await cookie_of(world))).status
    body = '{"username": "ada", "password": "x", "value": "x"}'
    status, error = await ask(world, method, path, body=body)
    assert (400, "INVALID_USER_AUTHENTICATION") == (status, error["reason"])
    status, text = await ask(world, method, path, body=body, headers={"Accept": "application/xml"})
    assert 400 == status and "<reason>INVALID_USER_AUTHENTICATION</reason>" in text


@pytest.mark.parametrize(
    "auth",
    [None, ("lychgate", "wrong"), ("other", LANDING), ("lychgate", ""), ("ada", "x"), ("lychgate", LANDING + "x")],
)
async def test_nobody_but_the_product_is_answered(worlds: Worlds, auth: tuple[str, str] | None) -> None:
    world = await worlds(proof="crowd")
    assert 200 == (await world.page(PATH, await cookie_of(world))).status
    for path in (f"/session/{token_of(world)}", "/config/cookie", "/search?entity-type=user"):
        status, text = await ask(world, "POST", path, auth=auth)
        assert 401 == status and "ada" not in str(text)


async def test_too_many_wrong_passwords_and_too_large_bodies(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    statuses = [(await ask(world, "GET", "/config/cookie", auth=("lychgate", "no")))[0] for _ in range(FAILURES + 2)]
    assert [401] * FAILURES + [429] * 2 == statuses
    # The product itself is answered all the same.
    assert 200 == (await ask(world, "GET", "/config/cookie"))[0]
    assert 413 == (await ask(world, "POST", "/session/x", body=b"x" * (LARGEST_BODY + 1)))[0]


async def test_the_server_is_not_at_the_public_door(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    cookie = await cookie_of(world)
    for path in ("/rest/usermanagement/1/config/cookie", "/jira/rest/usermanagement/1/config/cookie"):
        answer = await world.ask("GET", path, cookie)
        assert answer.status in {403, 404} and "token_key" not in answer.text
    url = f"http://127.0.0.1:{world.site.landing_port}"
    async with aiohttp.ClientSession() as client:
        for path in ("/", "/wiki/rest/usermanagement/1/config/cookie", "/jira/token", "//jira/rest/usermanagement/1/"):
            async with client.get(url + path) as answer:
                assert 404 == answer.status


async def test_the_cookie_in_both_languages(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    for path in ("/config/cookie", "/config/cookie.json"):
        assert (200, {"domain": "", "secure": False, "name": COOKIE}) == await ask(world, "GET", path)
    status, text = await ask(world, "GET", "/config/cookie", headers={"Accept": "application/xml"})
    whole = "<cookie-config><domain /><secure>false</secure><name>crowd.token_key</name></cookie-config>"
    assert 200 == status and whole in text


async def test_a_gate_that_begins_anew_knows_the_tokens_of_before(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    old = token_of(world)
    await world.restart()
    assert 200 == (await ask(world, "GET", f"/session/{old}"))[0]
    assert 200 == (await world.ask("POST", "/plugins/servlet/demo/echo", cookie, body=b"x")).status
    assert {"ada"} == {call.username for call in world.arrived}
    assert token_of(world) == old
    await world.gate.sessions.end(entry_of(world).session.key, "revoked")
    await world.restart()
    assert 404 == (await ask(world, "GET", f"/session/{old}"))[0]


async def test_somebody_whom_the_product_does_not_let_in_is_told_so(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    world.jira.state.users["ada"].active = False
    answer = await world.page(PATH, cookie)
    assert 502 == answer.status and "landing_failed" in answer.text
    assert 1 == len(world.told("login.start"))


async def test_the_cookies_of_the_product_are_kept_beside_the_token(worlds: Worlds) -> None:
    world = await worlds(proof="crowd", crowd={"interval": 5})
    cookie = await cookie_of(world)
    for _ in range(3):
        assert 200 == (await world.ask("GET", WHO, HTML, cookie)).status
    assert ["crowd", "session", "session"] == [call.how for call in world.arrived]
