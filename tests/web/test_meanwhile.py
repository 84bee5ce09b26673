"""What changes while a request waits: it is decided again before the application hears of it, and what is open for a
session is judged again while it is open (rules 48 and 59, D11)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from sidecar.domain.session import Session
from sidecar.flows.sessions import Entry, Opening
from sidecar.flows.telling import Trace
from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.rig import Browser, World
from tests.web.test_reload import closes, rewrite
from tests.web.test_time_over_http import RECHECK, a_day
from tests.web.test_websocket import CLOSE, TEXT, _frame, _open, _read

FORM = ("Content-Type", "application/x-www-form-urlencoded")


async def _end(world: World, browser: Browser) -> None:
    await browser.sign_out()


async def _change(world: World, browser: Browser) -> None:
    """As if a recheck had found other groups: nobody's page any more."""
    (entry,) = world.gate.sessions._entries.values()

    def without_groups(session: Session) -> Session:
        return replace(session, identity=replace(session.identity, groups=()))

    assert await world.gate.sessions.change(entry, without_groups)


async def _close(world: World, browser: Browser) -> None:
    """A policy comes into force that wants another group."""
    assert await world.gate.reloading.reload(rewrite(world, closes), "signal")


async def _move(world: World, browser: Browser) -> None:
    """A policy comes into force that gives the paths to another portal, which takes nobody's session but its own."""
    door = {"application": "jira", "paths": ["/secure", "/rest/api"], "provider": "staff"}
    assert await world.gate.reloading.reload(rewrite(world, lambda file: file["portals"].update(door=door)), "signal")


MEANWHILE: dict[str, tuple[Callable[[World, Browser], Awaitable[None]], int, str]] = {
    "the session ends": (_end, 401, "no_session"),
    "the groups are taken away": (_change, 403, "not_in_group"),
    "the policy wants another group": (_close, 403, "not_in_group"),
    "the policy gives the path to another portal": (_move, 403, "other_portal"),
}


@pytest.mark.parametrize("what", MEANWHILE)
async def test_while_a_form_is_half_sent(worlds: Worlds, what: str) -> None:
    change, status, reason = MEANWHILE[what]
    world = await worlds()
    async with world.browser() as browser, world.wire() as wire:
        await browser.sign_in("ada")
        world.forget()
        wire.request("POST", "/secure/X.jspa", browser.cookie, FORM, ("Content-Length", "17"), body=b"comment=")
        await until(lambda: 1 == _waiting(world))
        await change(world, browser)
        world.forget()
        wire.send(b"123456789")
        answer = await wire.answer("POST")
        assert (status, reason) == (answer.status, answer.error)
    # Not even the account was looked at: what it should be was said by what holds no more.
    assert [] == world.jira.calls


def _waiting(world: World) -> int:
    text = world.gate.metrics.render()[1].decode()
    return int(float(text.partition("\nlychgate_requests_in_flight ")[2].splitlines()[0]))


@pytest.mark.parametrize("what", MEANWHILE)
async def test_while_the_account_is_made_ready(worlds: Worlds, what: str) -> None:
    change, status, reason = MEANWHILE[what]
    world = await worlds()
    async with world.browser() as browser:
        await _signed_in(browser, "ada")
        world.jira.faults.delays["/rest/api/2/user"] = 1.0
        asking = asyncio.ensure_future(world.ask("GET", "/rest/api/2/myself", browser.cookie))
        await until(lambda: any(entry.standing for entry in world.gate.sessions._entries.values()))
        await change(world, browser)
        answer = await asking
        assert (status, reason) == (answer.status, answer.error)
    assert [] == world.arrived


async def _signed_in(browser: Browser, person: str) -> None:
    """Signed in, and no page asked for yet."""
    _, place, _ = await browser.go(browser.world.url + "/browse/KEY-1")
    _, _, text = await browser.go(place)
    found = re.search(r'name="interaction" value="([^"]+)"', text)
    assert found is not None
    choice = {"interaction": found[1], "person": person}
    _, callback, _ = await browser.go(f"{place.partition('/authorize')[0]}/choose", "POST", data=choice)
    assert 303 == (await browser.go(callback))[0]


async def test_a_renewed_session_does_not_stop_what_waits(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser, world.wire() as wire:
        await browser.sign_in("ada")
        world.forget()
        wire.request("POST", "/plugins/servlet/demo/echo", browser.cookie, FORM, ("Content-Length", "17"), body=b"a=")
        await until(lambda: 1 == _waiting(world))
        # The same person is confirmed at the same door in another tab: a fresh key, the same person.
        (entry,) = world.gate.sessions._entries.values()
        await _renew(world, entry)
        assert entry.ended and entry.successor is not None
        wire.send(b"123456789012345")
        answer = await wire.answer("POST")
        assert (200, b"a=123456789012345") == (answer.status, answer.body)


async def _renew(world: World, entry: Entry) -> None:
    session = entry.session
    opening = Opening(
        application=session.application,
        portal=session.portal,
        identity=session.identity,
        began=session.created_at,
        refresh_token=session.refresh_token,
        id_token=session.id_token,
    )
    await world.gate.sessions.open(opening, entry, Trace())


async def test_a_websocket_ends_when_the_group_is_taken_away(worlds: Worlds) -> None:
    async with a_day(worlds) as day:
        world, browser = day.world, day.browser
        async with _open(world, browser.cookie) as wire:
            world.staff.provider.change_claims("ada", groups=["nobodys-group"])
            day.clock.passed = RECHECK - 1
            await world.gate.gateway.review()
            wire.send(_frame(TEXT, b"still here"))
            assert (TEXT, b"still here") == await _read(wire)
            day.clock.passed = RECHECK
            await world.gate.gateway.review()
            assert (CLOSE, b"\x03\xf0") == await _read(wire)
            assert await wire.is_over()


async def test_a_websocket_goes_on_when_its_session_is_renewed(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        await browser.sign_in("ada")
        async with _open(world, browser.cookie) as wire:
            (entry,) = world.gate.sessions._entries.values()
            await _renew(world, entry)
            await world.gate.gateway.review()
            wire.send(_frame(TEXT, b"still here"))
            assert (TEXT, b"still here") == await _read(wire)


@pytest.mark.parametrize("mode", ["off", "observe"])
async def test_a_websocket_of_a_portal_that_is_not_in_force_is_left_alone(worlds: Worlds, mode: str) -> None:
    world = await worlds(agents={"mode": mode})
    async with world.wire() as wire:
        wire.request(
            "GET", "/rest/live/1.0/socket", ("Connection", "Upgrade"), ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Origin", world.origin), ("Authorization", "Bearer MTIzNDU2Nzg5MDEyOndoYXRldmVy"),
        )  # fmt: skip
        assert 101 == (await wire.head()).status
        assert TEXT == (await _read(wire))[0]
        await world.gate.gateway.review()
        wire.send(_frame(TEXT, b"still here"))
        assert (TEXT, b"still here") == await _read(wire)
