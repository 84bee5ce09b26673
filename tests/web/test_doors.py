"""Sign-outs from outside: each module of the conformance plans with the answer it must get, and what is left alive."""

from __future__ import annotations

import base64
import json
import time
import uuid
from typing import Any

import pytest

from sidecar.core.logout_tokens import EVENT
from sidecar.demo.provider.faults import Fault
from sidecar.flows.sessions import StateError
from sidecar.web.doors import MOST_FAILURES
from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.rig import Browser, World
from tests.web.test_time_over_http import Hands
from tests.web.test_websocket import CLOSE, _open, _read
from tests.web.wire import Answer

FORM = ("Content-Type", "application/x-www-form-urlencoded")
BACK = "/.lychgate/backchannel-logout/staff"
FRONT = "/.lychgate/frontchannel-logout/staff"
GLOBAL = "/.lychgate/global-token-revocation/staff"
GONE = object()

MODULES: dict[str, tuple[Fault | None, dict[str, Any], str]] = {
    # module of the back-channel plan: what the provider does wrong
    "oidcc-backchannel-rp-alg-none": (Fault.ALG_NONE, {}, "logout+jwt"),
    "oidcc-backchannel-rp-no-event": (None, {"events": GONE}, "logout+jwt"),
    "oidcc-backchannel-rp-nonce": (None, {"nonce": "n"}, "logout+jwt"),
    "oidcc-backchannel-rp-wrong-alg": (Fault.HS256_WITH_PUBLIC_KEY, {}, "logout+jwt"),
    "oidcc-backchannel-rp-wrong-aud": (None, {"aud": "another-client"}, "logout+jwt"),
    "oidcc-backchannel-rp-wrong-event": (None, {"events": {"https://example.com/other": {}}}, "logout+jwt"),
    "oidcc-backchannel-rp-wrong-issuer": (None, {"iss": "https://elsewhere.invalid"}, "logout+jwt"),
    "a bad signature": (Fault.BAD_SIGNATURE, {}, "logout+jwt"),
    "its own key": (Fault.JWK_HEADER, {}, "logout+jwt"),
    "a key that was never published": (Fault.UNKNOWN_KID, {}, "logout+jwt"),
    "an access token": (None, {}, "at+jwt"),
    "an id token": (None, {"events": GONE, "nonce": "n", "jti": GONE}, "JWT"),
    "old": (None, {"iat": int(time.time()) - 3600, "exp": GONE}, "logout+jwt"),
    "of tomorrow": (None, {"iat": int(time.time()) + 86_400}, "logout+jwt"),
    "nobody": (None, {"sid": GONE, "sub": GONE}, "logout+jwt"),
}


def token(world: World, typ: str = "logout+jwt", **changes: Any) -> str:
    """A logout token about Ada, perhaps spoiled."""
    now = int(time.time())
    claims = {
        "iss": world.staff.issuer,
        "aud": "lychgate",
        "sub": "00u-ada",
        "iat": now,
        "exp": now + 120,
        "jti": uuid.uuid4().hex,
        "events": {EVENT: {}},
    }
    kept = {name: value for name, value in (claims | changes).items() if value is not GONE}
    return world.staff.sign(kept, typ)


async def post(world: World, text: str, path: str = BACK) -> Answer:
    return await world.ask("POST", path, FORM, body=f"logout_token={text}".encode())


async def is_in(world: World, browser: Browser) -> bool:
    """Whether the browser's session lives."""
    answer = await world.ask("GET", "/rest/api/2/myself", browser.cookie)
    assert answer.status in {200, 401}
    return answer.status == 200


async def test_a_provider_ends_a_sign_in_and_no_other(worlds: Worlds) -> None:
    world = await worlds(second=True)
    async with world.browser() as ada, world.browser() as again, world.browser() as nina:
        await ada.sign_in("ada")
        await ada.go(world.origin + "/tools/browse/KEY-1")
        await again.sign_in("ada")
        await nina.sign_in("nina")
        sids = [entry.session.identity.sid for entry in world.gate.sessions._entries.values()]
        assert 200 == (await post(world, token(world, sid=sids[0]))).status
        assert [False, True, True] == [await is_in(world, browser) for browser in (ada, again, nina)]
        assert 200 == (await post(world, token(world))).status
        assert [False, False, True] == [await is_in(world, browser) for browser in (ada, again, nina)]


async def test_the_demo_provider_s_own_logout_token_is_taken(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as ada:
        await ada.sign_in("ada")
        delivered = await world.staff.end_session_of("00u-ada")
        assert [200] == [delivery.status for delivery in delivered]
        assert not await is_in(world, ada)
        status, place, _ = await ada.go(world.url + "/browse/KEY-1")
        assert (302, True) == (status, place.startswith(world.staff.issuer))


async def test_what_is_open_closes(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as ada:
        await ada.sign_in("ada")
        async with _open(world, ada.cookie) as wire:
            answer = await post(world, token(world))
            assert (200, "no-store", b"") == (answer.status, answer.header("Cache-Control"), answer.body)
            assert CLOSE == (await _read(wire))[0]
            assert await wire.is_over()


@pytest.mark.parametrize("module", MODULES)
async def test_a_token_that_must_not_be_acted_on(worlds: Worlds, module: str) -> None:
    fault, changes, typ = MODULES[module]
    world = await worlds()
    async with world.browser() as ada:
        await ada.sign_in("ada")
        world.staff.provider.fault = fault
        answer = await post(world, token(world, typ, **changes))
        world.staff.provider.fault = None
        assert (400, "invalid_request") == (answer.status, answer.json["error"])
        assert await is_in(world, ada)
    assert ["logout_token_invalid"] == [event["reason"] for event in world.told("sessions.revoked")]


async def test_the_token_of_another_provider_ends_nothing(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as ada:
        await ada.sign_in("ada")
        foreign = token(world, iss=world.customers.issuer)
        signed = world.customers.sign({"iss": world.customers.issuer}, "logout+jwt")
        for text in (foreign, signed):
            assert 400 == (await post(world, text)).status
        assert await is_in(world, ada)


async def test_a_token_counts_once(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as ada:
        text = token(world)
        assert 200 == (await post(world, text)).status
        await until_another_second()
        await ada.sign_in("ada")
        assert 400 == (await post(world, text)).status
        assert await is_in(world, ada)


async def until_another_second() -> None:
    began = int(time.time())
    await until(lambda: int(time.time()) > began)


BODIES: dict[str, tuple[tuple[str, str], bytes]] = {
    "no form": (("Content-Type", "application/json"), b'{"logout_token": "x"}'),
    "no token": (FORM, b"token=x"),
    "two tokens": (FORM, b"logout_token=x&logout_token=y"),
    "nothing": (FORM, b""),
    "too much": (FORM, b"logout_token=" + b"x" * 17_000),
    "no text": (FORM, b"logout_token=\xff\xfe"),
    "no token at all": (FORM, b"logout_token=a.b.c"),
}


@pytest.mark.parametrize("what", BODIES)
async def test_a_body_that_is_no_logout(worlds: Worlds, what: str) -> None:
    world = await worlds()
    kind, body = BODIES[what]
    answer = await world.ask("POST", BACK, kind, body=body)
    assert (400, "invalid_request") == (answer.status, answer.json["error"])


async def test_only_exact_names_and_methods(worlds: Worlds) -> None:
    world = await worlds()
    for method, path in (
        ("GET", BACK),
        ("POST", FRONT),
        ("GET", GLOBAL),
        ("POST", BACK + "/x"),
        ("POST", "/.lychgate/backchannel-logout"),
        ("POST", "/.lychgate/backchannel-logout/"),
        ("POST", "/.lychgate/backchannel-logout/nobody"),
    ):
        answer = await world.ask(method, path, FORM, body=b"x" if method == "POST" else None)
        assert (404, "unknown_endpoint") == (answer.status, answer.error), (method, path)


async def test_a_flood_of_forgeries_holds_no_real_one_up(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as ada, world.wire() as wire:
        await ada.sign_in("ada")
        statuses = []
        for _ in range(MOST_FAILURES + 5):
            wire.request("POST", BACK, FORM, body=b"logout_token=a.b.c")
            statuses.append((await wire.answer("POST")).status)
        assert [400] * MOST_FAILURES + [429] * 5 == statuses
        assert MOST_FAILURES == len(world.told("sessions.revoked"))
        assert 200 == (await post(world, token(world))).status
        assert not await is_in(world, ada)


async def test_a_forged_one_with_a_strange_key_loses_no_real_one_with_a_new_key(worlds: Worlds) -> None:
    """One fetch a minute looks for new keys. Whoever comes in between is told to come again, not that he lies."""
    clock = Hands(int(time.time()))
    world = await worlds(clock=clock, proof="secret")
    async with world.browser() as ada:
        await ada.sign_in("ada")
        forged = token(world, iat=clock.now(), exp=clock.now() + 100)
        _, body, signature = forged.split(".")
        strange = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "typ": "logout+jwt", "kid": "x"}).encode())
        forged = ".".join((strange.rstrip(b"=").decode(), body, signature))
        assert 400 == (await post(world, forged)).status, "looked for, and not found"
        world.staff.rotate_key()
        real = token(world, iat=clock.now(), exp=clock.now() + 100)
        for text in (real, forged):
            assert 503 == (await post(world, text)).status
        # Programs have a budget of their own, and sign-ins too.
        assert await is_in(world, ada)
        clock.passed += 61
        assert 200 == (await post(world, real)).status
        assert not await is_in(world, ada)


async def test_without_the_store_a_real_one_is_acted_on_and_told_to_come_again(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as ada:
        await ada.sign_in("ada")
        async with _open(world, ada.cookie) as wire:
            spent, markers = world.gate.state.spent, world.gate.state.markers
            calls = []

            async def broken(*_: Any) -> bool:
                calls.append(1)
                raise StateError("down")

            spent.spend = markers.mark = broken  # type: ignore[assignment,method-assign]
            answer = await post(world, token(world))
            assert (503, 2) == (answer.status, len(calls))
            assert CLOSE == (await _read(wire))[0]
        assert not await is_in(world, ada)


async def test_the_front_channel_ends_the_sign_in_that_it_names(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as ada, world.browser() as nina:
        await ada.sign_in("ada")
        await nina.sign_in("nina")
        sid = next(iter(world.gate.sessions._entries.values())).session.identity.sid
        calls = dict(world.staff.counts)
        answer = await world.page(f"{FRONT}?iss={world.staff.issuer}&sid={sid}")
        assert (200, "no-store") == (answer.status, answer.header("Cache-Control"))
        assert f"frame-ancestors {world.staff.issuer}" in (answer.header("Content-Security-Policy") or "")
        assert [False, True] == [await is_in(world, browser) for browser in (ada, nina)]
        assert calls == dict(world.staff.counts)


@pytest.mark.parametrize(
    "query", ["", "iss={iss}", "sid=x", "iss=https://elsewhere.invalid&sid={sid}", "iss={iss}&iss={iss}&sid={sid}"]
)
async def test_a_front_channel_call_that_names_nothing(worlds: Worlds, query: str) -> None:
    world = await worlds()
    async with world.browser() as ada:
        await ada.sign_in("ada")
        sid = next(iter(world.gate.sessions._entries.values())).session.identity.sid
        answer = await world.page(f"{FRONT}?{query.format(iss=world.staff.issuer, sid=sid)}", ada.cookie)
        assert 400 == answer.status
        assert await is_in(world, ada)
        unknown = await world.page(f"{FRONT}?iss={world.staff.issuer}&sid=unknown", ada.cookie)
        assert (200, True) == (unknown.status, await is_in(world, ada))
