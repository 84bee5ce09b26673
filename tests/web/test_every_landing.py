"""What every landing does alike: the person arrives with the first request of every kind; the application's session is
in our custody, sealed, and no browser's; it ends with ours; nobody brings an identity in; and once somebody has landed,
a request costs what it costs with a header.
"""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.domain.session import seat_of
from tests.web.conftest import Worlds
from tests.web.firsts import KINDS, PATH, WHO, ask_first
from tests.web.lanes import BROWSER, watched
from tests.web.rig import World
from tests.web.test_headless import BACK, START, cookie_of

LANDINGS = ("assertion", "secret", "sso", "crowd")
PAGE = ("Accept", "text/html")
FORGED: tuple[tuple[str, str], ...] = (
    ("X-Lychgate-User", "admin"), ("X-Lychgate-Secret", "x"), ("X-Lychgate-Assertion", "x"), ("Remote-User", "admin"),
    ("X-Forwarded-User", "admin"), ("X-Crowd-Token", "x"),
)  # fmt: skip
each = pytest.mark.parametrize("landing", LANDINGS)


async def _world(worlds: Worlds, landing: str, **more: Any) -> World:
    # As products are set up: whose a token is was heard a moment ago, and is not asked on every request.
    return await worlds(proof=landing, crowd={"interval": 5}, **more)


def _jar(world: World, person: str = "ada") -> dict[str, str]:
    """What we keep for somebody who is signed in once."""
    entries = world.gate.sessions._entries.values()
    (jar,) = [one.session.jars[seat] for one in entries if (seat := seat_of("", person)) in one.session.jars]
    return dict(jar)


@each
async def test_the_first_request_of_every_kind_arrives_as_the_person(worlds: Worlds, landing: str) -> None:
    world = await _world(worlds, landing)
    for kind in KINDS:
        await ask_first(world, kind, await cookie_of(world))
        asked = [call for call in world.arrived if call.target.partition("?")[0] not in {START, BACK}]
        assert (kind, {"ada"}) == (kind, {call.username for call in asked})


@each
async def test_the_applications_session_is_sealed_with_us_and_no_browser_s(worlds: Worlds, landing: str) -> None:
    world = await _world(worlds, landing, agents={"rules": [{"paths": ["/browse/KEY-2"], "answer": "public"}]})
    async with world.browser() as browser:
        assert 200 == (await browser.sign_in("ada"))[0]
        # With a trusted header the application's session begins at the first request, and goes up with the next.
        assert 200 == (await browser.go(world.url + PATH))[0]
        kept = _jar(world)
        assert "JSESSIONID" in kept
        assert not [line for line in browser.seen if any(value in line for value in kept.values())]
        assert set() == kept.keys() & browser.cookies.keys()
        ours = browser.cookie
    await world.restart()
    for file in (path for path in world.folder.rglob("*") if path.is_file()):
        assert not [name for name, value in kept.items() if value.encode() in file.read_bytes()], file
    # What a browser brings is removed, with a session of ours and without one; nor does an identity come in.
    brought = "; ".join(f"{name}={value}" for name, value in kept.items())
    for target, fields in (
        (PATH, (("Cookie", f"{brought}; other=1"),)), ("/browse/KEY-2", (("Cookie", f"{brought}; other=1"), *FORGED)),
    ):  # fmt: skip
        world.forget()
        await world.ask("GET", target, PAGE, *fields)
        assert not [
            call for call in world.arrived if call.username is not None or kept["JSESSIONID"] in str(call.headers)
        ]
    assert [None] == [call.username for call in world.arrived]
    world.forget()
    thief = await cookie_of(world, "nina")
    assert 200 == (await world.page(PATH, ("Cookie", f"{brought}; {thief[1]}"), *FORGED)).status
    assert {"nina"} == {call.username for call in world.arrived if call.target == PATH}
    assert kept["JSESSIONID"] not in str([call.headers for call in world.arrived])
    assert 200 == (await world.page(PATH, ours)).status


@each
async def test_the_end_of_a_session_is_the_end_of_what_was_landed(worlds: Worlds, landing: str) -> None:
    world = await _world(worlds, landing)
    async with world.browser() as browser:
        await browser.sign_in("ada")
        assert 200 == (await browser.go(world.url + PATH))[0]
        kept, ours = _jar(world), browser.cookie[1]
        await browser.sign_out()
        assert not [one for one in world.gate.sessions._entries.values() if one.session.jars]
        world.forget()
        brought = "; ".join((ours, *(f"{name}={value}" for name, value in kept.items())))
        assert 302 == (await world.page(PATH, ("Cookie", brought))).status
        assert 401 == (await world.ask("GET", WHO, ("Cookie", brought))).status
        assert [] == world.arrived
        # The next person in the same browser begins with nothing of hers.
        assert 200 == (await browser.sign_in("nina"))[0]
        assert 200 == (await browser.go(world.url + PATH))[0]
        assert {"nina"} == {call.username for call in world.arrived if call.target == PATH}
        assert not set(kept.values()) & set(_jar(world, "nina").values())


@each
async def test_an_answer_to_somebody_else_is_held_back(worlds: Worlds, landing: str) -> None:
    world = await _world(worlds, landing)
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    world.jira.fail_next(PATH, 200, "a page of Nina's", headers=(("X-AUSERNAME", "nina"),))
    answer = await world.page(PATH, cookie)
    assert (502, True, False) == (answer.status, "landing_mismatch" in answer.text, "of Nina's" in answer.text)
    assert {} == _jar(world)
    assert 1 == len(world.told("landing.mismatch"))
    # And the next request lands anew, as herself.
    assert 200 == (await world.page(PATH, cookie)).status
    assert "ada" == world.arrived[-1].username


@each
async def test_the_products_own_sign_on_is_closed_and_publishes_keys_only_for_assertions(
    worlds: Worlds, landing: str
) -> None:
    world = await _world(worlds, landing)
    cookie = await cookie_of(world)
    for path in (
        START,
        BACK,
        "/plugins/servlet/external-login/1",
        "/plugins/servlet/login",
        "/rest/authconfig/1.0/idps",
    ):
        assert (path, True) == (path, (await world.ask("GET", path, cookie)).status in {401, 403})
    assert [] == world.arrived
    keys = await world.ask("GET", "/.lychgate/jwks")
    assert (200, landing == "assertion") == (keys.status, '"kid"' in keys.text)


@each
async def test_a_landed_request_costs_one_exchange_and_takes_the_quick_way(
    worlds: Worlds, landing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, seen = await _world(worlds, landing), watched(monkeypatch)
    cookie = await cookie_of(world)
    for _ in range(2):
        assert 200 == (await world.ask("GET", PATH, cookie, *BROWSER)).status
    world.forget()
    taken = seen.taken
    async with world.wire() as wire:
        for _ in range(5):
            wire.request("GET", PATH, *BROWSER, cookie)
            assert 200 == (await wire.answer("GET")).status
    assert taken + 5 == seen.taken
    assert [(PATH, "ada", "session")] * 5 == [(call.target, call.username, call.how) for call in world.jira.calls]
