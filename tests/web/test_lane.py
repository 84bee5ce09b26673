"""The quick way: whoever takes it is served as by the gateway, byte for byte; in doubt nobody takes it; and no request
is ever read by two readers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.domain.identity import UnixSeconds
from tests.upstream.scripted import ScriptedServer, until
from tests.web.conftest import Worlds
from tests.web.lanes import BROWSER, PAGE, Field, Seen, signed_in, watched
from tests.web.rig import HTML, World
from tests.web.test_time_over_http import ADMIN, RECHECK, a_day
from tests.web.wire import Answer, Wire


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Watch the quick way."""
    return watched(monkeypatch)


def _plain(answer: Answer) -> tuple[int, bytes, list[tuple[bytes, bytes]], bytes]:
    """All of an answer but what differs from request to request."""
    varying = {b"date", b"x-request-id", b"x-arequestid"}
    fields = [(name, value) for name, value in answer.fields if name.lower() not in varying]
    return answer.status, answer.reason, fields, answer.body


SHAPES: dict[str, tuple[str, str, tuple[Field, ...]]] = {
    "a page": ("GET", PAGE, BROWSER),
    "a page with a query": ("GET", PAGE + "?jql=a%20%3D%20%22b%22&x=%2F%2F", BROWSER),
    "the head of a page": ("HEAD", PAGE, BROWSER),
    "a script": ("GET", PAGE, (("Accept", "*/*"), ("X-Requested-With", "XMLHttpRequest"))),
    "a static file": ("GET", "/s/demo/_/images/logo.svg", BROWSER),
    "a public page": ("GET", "/public/page", BROWSER),
    "what is not there": ("GET", "/browse/NOPE-1", BROWSER),
    "conditional": ("GET", "/s/demo/_/images/logo.svg", (("If-None-Match", '"x"'), *BROWSER)),
    "odd cookies": ("GET", PAGE, (*BROWSER, ("X-Twice", "1"), ("x-twice", "2"))),
    "no other fields": ("GET", PAGE, ()),
    "kept alive in words": ("GET", PAGE, (("Connection", "keep-alive"), *BROWSER)),
    "range": ("GET", PAGE, (("Range", "bytes=0-9"), *BROWSER)),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_it_serves_as_the_gateway_does(worlds: Worlds, seen: Seen, shape: str) -> None:
    method, target, fields = SHAPES[shape]
    world = await worlds()
    cookie = await signed_in(world)
    answers, heads = [], []
    # A first time by the gateway, which also remembers the place; then twice the quick way.
    for _ in range(3):
        world.forget()
        before = seen.taken
        answers.append(await world.ask(method, target, cookie, *fields))
        (call,) = world.arrived
        ours = {"X-Request-Id", "X-Lychgate-Assertion"}
        heads.append((call.method, call.target, sorted(pair for pair in call.headers if pair[0] not in ours)))
        taken = seen.taken - before
    assert 1 == taken
    assert _plain(answers[0]) == _plain(answers[1]) == _plain(answers[2])
    assert heads[0] == heads[1] == heads[2]


NOT_TAKEN: dict[str, tuple[str, str, tuple[Field, ...], bytes | None]] = {
    "another method": ("OPTIONS", PAGE, (), None),
    "a body": ("POST", PAGE, (("Content-Type", "text/plain"),), b"x"),
    "a GET with a body": ("GET", PAGE, (), b"x"),
    "a credential": ("GET", "/rest/api/2/myself", (("Authorization", "Bearer MTIzNDU2Nzg5MDEyOndoYXRldmVy"),), None),
    "an upgrade": ("GET", PAGE, (("Upgrade", "h2c"), ("Connection", "Upgrade")), None),
    "an end": ("GET", PAGE, (("Connection", "close"),), None),
    "a name to remove": ("GET", PAGE, (("Connection", "X-Odd"),), None),
    "an identity header": ("GET", PAGE, (("Remote-User", "admin"),), None),
    "two hosts": ("GET", PAGE, (("Host", "localhost"),), None),
    "two cookie fields": ("GET", PAGE, (("Cookie", "a=b"),), None),
    "a path with two meanings": ("GET", "/browse/%2e%2e/x", (), None),
    "a doubled slash": ("GET", "//browse/KEY-1", (), None),
    "a password": ("GET", PAGE + "?os_username=a&os_password=b", (), None),
    "our own": ("GET", "/.lychgate/whoami", (), None),
    "what is forbidden": ("GET", "/forbidden/x", (), None),
    "expectation": ("GET", PAGE, (("Expect", "100-continue"),), None),
    "a charset": ("GET", PAGE + "?a=b", (("Content-Type", "x/y; charset=IBM037"),), None),
    "absolute form": ("GET", "http://localhost/browse/KEY-1", (), None),
    "a fragment": ("GET", PAGE + "?a#b", (), None),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
async def test_what_is_not_plain_is_the_gateways(worlds: Worlds, seen: Seen, name: str) -> None:
    method, target, fields, body = NOT_TAKEN[name]
    world = await worlds()
    cookie = await signed_in(world)
    for _ in range(2):
        await world.ask(method, target, cookie, *fields, body=body)
    assert 1 == seen.taken, seen.heads


@pytest.mark.parametrize("cookie", [None, ("Cookie", "a=b"), ("Cookie", "__Host-lychgate-jira=x")])
async def test_without_a_session_nobody_takes_it(worlds: Worlds, seen: Seen, cookie: Field | None) -> None:
    world = await worlds()
    await signed_in(world)
    taken = seen.taken
    for path in (PAGE, "/public/page", "/s/demo/_/images/logo.svg"):
        for _ in range(2):
            await world.ask("GET", path, *(() if cookie is None else (cookie,)), *BROWSER)
    assert taken == seen.taken


async def _answers(wire: Wire, number: int) -> list[Answer]:
    return [await wire.answer() for _ in range(number)]


async def test_one_connection_serves_many_whichever_way(worlds: Worlds, seen: Seen) -> None:
    world = await worlds()
    cookie = await signed_in(world)
    async with world.wire() as wire:
        for number in range(4):
            wire.request("GET", f"{PAGE}?get={number}", cookie, *BROWSER)
            assert 200 == (await wire.answer()).status
            wire.request("POST", "/plugins/servlet/demo/echo", cookie, body=b"x" * number)
            assert b"x" * number == (await wire.answer("POST")).body
        await asyncio.sleep(0)
        assert ["get=0", "get=1", "get=2", "get=3"] == [
            call.target.partition("?")[2] for call in world.arrived if call.method == "GET"
        ]
    assert 2 <= seen.taken


async def test_a_head_in_pieces_is_read_whole(worlds: Worlds, seen: Seen) -> None:
    world = await worlds()
    cookie = await signed_in(world)
    taken = seen.taken
    async with world.wire() as wire:
        for _ in range(2):
            head = f"GET {PAGE} HTTP/1.1\r\nHost: {world.host}\r\n{cookie[0]}: {cookie[1]}\r\n\r\n".encode()
            for at in range(0, len(head), 40):
                wire.send(head[at : at + 40])
                await asyncio.sleep(0.001)
            assert 200 == (await wire.answer()).status
    assert 2 == seen.taken - taken


async def test_requests_sent_ahead_are_answered_in_order(worlds: Worlds, seen: Seen) -> None:
    world = await worlds()
    cookie = await signed_in(world)
    async with world.wire() as wire:
        wire.request("GET", f"{PAGE}?n=0", cookie, *BROWSER)
        await asyncio.sleep(0.01)
        for number in range(1, 6):
            wire.request("GET", f"{PAGE}?n={number}", cookie, *BROWSER)
        assert [200] * 6 == [answer.status for answer in await _answers(wire, 6)]
    assert [f"n={number}" for number in range(6)] == [call.target.partition("?")[2] for call in world.arrived]


async def test_a_dead_connection_to_the_application_is_noticed_and_the_request_goes_on(
    worlds: Worlds, seen: Seen
) -> None:
    """The application ends every connection with the second request on it, without an answer."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await server.head(reader)

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        cookie = await world.sign_in("ada")
        async with world.wire() as wire:
            for _ in range(3):
                wire.request("GET", PAGE, cookie, *BROWSER)
                answer = await wire.answer()
                assert (200, b"ok") == (answer.status, answer.body)
    assert 1 <= seen.taken
    assert [0] == _in_flight(world)


def _in_flight(world: World) -> list[int]:
    text = world.gate.metrics.render()[1].decode()
    return [int(float(value)) for value in re.findall(r"^lychgate_requests_in_flight (\S+)$", text, re.MULTILINE)]


ODD: dict[str, tuple[bytes, int, str]] = {
    "the log-in page": (
        b"HTTP/1.1 302 Found\r\nLocation: /login.jsp\r\nContent-Length: 0\r\n\r\n",
        502,
        "landing_failed",
    ),
    "somebody else": (b"HTTP/1.1 200 OK\r\nX-AUSERNAME: bob\r\nContent-Length: 0\r\n\r\n", 502, "landing_mismatch"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", 502, "upstream_broken"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 502, "upstream_broken"),
}


@pytest.mark.parametrize("kind", ODD)
async def test_what_may_not_be_delivered_becomes_the_gateways_page(worlds: Worlds, seen: Seen, kind: str) -> None:
    odd, status, reason = ODD[kind]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await server.head(reader)
            writer.write(odd if b"?odd" in head else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        cookie = await signed_in(world)
        async with world.wire() as wire:
            wire.request("GET", PAGE, cookie, *BROWSER)
            assert 200 == (await wire.answer()).status
            taken, asked = seen.taken, len(server.heads)
            wire.request("GET", PAGE + "?odd", cookie, *BROWSER)
            answer = await wire.answer()
            assert (status, True) == (answer.status, reason in answer.text)
            # The application heard of it once.
            assert (1, 1) == (seen.taken - taken, len(server.heads) - asked)
            wire.request("GET", PAGE, cookie, *BROWSER)
            assert 200 == (await wire.answer()).status
        assert [0] == _in_flight(world)


@asynccontextmanager
async def _slow(worlds: Worlds) -> AsyncIterator[tuple[World, Field, ScriptedServer]]:
    """An application that begins to answer what has `?slow`, and does not go on."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await server.head(reader)
            slow = b"?slow" in head
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nok" % (100 if slow else 2))
            if slow:
                await reader.read()
                return

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        yield world, await signed_in(world), server


async def test_a_client_that_goes_ends_the_request_at_the_application(
    worlds: Worlds, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    async with _slow(worlds) as (world, cookie, server):
        taken = seen.taken
        async with world.wire() as wire:
            wire.request("GET", PAGE + "?slow", cookie, *BROWSER)
            assert 200 == (await wire.head()).status
            assert [1] == _in_flight(world)
            server.ended.clear()
        await asyncio.wait_for(server.ended.wait(), 5)
        await until(lambda: [0] == _in_flight(world))
        assert 1 == seen.taken - taken
        assert 'outcome="gone"' in world.gate.metrics.render()[1].decode()
    assert [] == [record.getMessage() for record in caplog.records if record.exc_info]


async def test_the_end_of_the_session_ends_what_runs(worlds: Worlds, seen: Seen) -> None:
    async with _slow(worlds) as (world, cookie, server), world.wire() as wire:
        wire.request("GET", PAGE + "?slow", cookie, *BROWSER)
        assert 200 == (await wire.head()).status
        (entry,) = world.gate.sessions._entries.values()
        server.ended.clear()
        await world.gate.sessions.end(entry.session.key, "user")
        await asyncio.wait_for(server.ended.wait(), 5)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await wire.reader.readexactly(100)


async def test_an_answer_that_breaks_off_never_looks_complete(worlds: Worlds, seen: Seen) -> None:
    async with _slow(worlds) as (world, cookie, server), world.wire() as wire:
        wire.request("GET", PAGE + "?slow", cookie, *BROWSER)
        assert 200 == (await wire.head()).status
        for task in tuple(server._tasks):
            task.cancel()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await wire.reader.readexactly(100)
        await until(lambda: [0] == _in_flight(world))
        assert 'reason="upstream_broken"' in world.gate.metrics.render()[1].decode()


async def test_remembered_decisions_end_with_the_standing(worlds: Worlds, seen: Seen) -> None:
    async with a_day(worlds) as day:
        world, cookie = day.world, day.browser.cookie
        async with world.wire() as wire:

            async def ask() -> tuple[int, str]:
                wire.request("GET", ADMIN, cookie, HTML)
                answer = await wire.answer()
                return answer.status, "" if answer.status == 200 else answer.text

            assert [200, 200, 200] == [(await ask())[0] for _ in range(3)]
            assert 1 <= seen.taken
            world.staff.provider.change_claims("ada", groups=["okta-jira-users"])
            day.clock.passed = RECHECK
            status, text = await ask()
            assert (403, True) == (status, "not_in_group" in text)


async def test_what_was_fresh_once_is_not_so_for_ever(worlds: Worlds, seen: Seen) -> None:
    rules = [{"paths": ["@admin"], "require": {"any_group": ["okta-jira-admins"]}, "fresh": "30m"}]
    async with a_day(worlds, agents={"rules": rules}, jira={}) as day:
        world, cookie = day.world, day.browser.cookie
        async with world.wire() as wire:
            for passed, status in ((0, 200), (1, 200), (1800, 200), (1801, 302)):
                day.clock.passed = passed
                wire.request("GET", ADMIN, cookie, HTML)
                assert (passed, status) == (passed, (await wire.answer()).status)


async def test_an_idle_session_is_over_here_too(worlds: Worlds, seen: Seen) -> None:
    world = await worlds()
    cookie = await signed_in(world)
    (entry,) = world.gate.sessions._entries.values()
    entry.seen = entry.noted = UnixSeconds(entry.session.created_at - 10 * 3600 - 10)
    taken = seen.taken
    assert 401 == (await world.ask("GET", PAGE, cookie, ("Accept", "*/*"))).status
    assert (taken, []) == (seen.taken, world.arrived)


async def test_an_end_that_loses_nothing(worlds: Worlds, seen: Seen) -> None:
    """RFC 9112, section 9.6: while the port is still open, every answer says that its connection ends."""
    world = await worlds(listen={"drain": 2})
    cookie = await signed_in(world)
    async with world.wire() as resting, world.wire() as wire, world.wire() as other:
        for one in (resting, wire, other):
            one.request("GET", PAGE, cookie, *BROWSER)
            assert None is (await one.answer()).header("Connection")
        ending = asyncio.ensure_future(world.gates.aclose())
        await asyncio.sleep(0.05)
        wire.request("GET", PAGE, cookie, *BROWSER)
        other.request("POST", "/plugins/servlet/demo/echo", cookie, body=b"x")
        late = await world.ask("GET", PAGE, cookie, *BROWSER)
        for answer in (await wire.answer(), await other.answer("POST"), late):
            assert (200, "close") == (answer.status, answer.header("Connection"))
        assert await wire.is_over() and await other.is_over()
        await ending
        assert await resting.is_over()


async def test_a_changed_jar_goes_up_at_once(worlds: Worlds, seen: Seen) -> None:
    """The application's session cookies are ours to keep: what it sets counts with the next request."""
    count = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while True:
            await server.head(reader)
            count += 1
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=s%d; Path=/\r\nContent-Length: 0\r\n\r\n" % count)

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        cookie = await signed_in(world)
        async with world.wire() as wire:
            for _ in range(4):
                wire.request("GET", PAGE, cookie, *BROWSER)
                assert [] == (await wire.answer()).headers("Set-Cookie")
        kept = [re.findall(rb"JSESSIONID=(s\d+)", head) for head in server.heads]
    assert [[b"s%d" % number] for number in range(len(kept) - 4, len(kept))] == kept[-4:]
    assert 3 <= seen.taken


async def test_ids_of_a_proxy_in_front_do_not_make_every_request_a_new_one(worlds: Worlds, seen: Seen) -> None:
    world = await worlds(trusted=["127.0.0.1"])
    cookie = await signed_in(world)
    async with world.wire() as wire:
        given = ("X-Request-ID", "0123456789abcdef")
        wire.request("GET", PAGE, given, ("x-request-id", "another-one"), cookie, *BROWSER)
        assert 400 == (await wire.answer()).status
    async with world.wire() as wire:
        taken = seen.taken
        for number in range(5):
            wire.request("GET", PAGE, ("X-Request-ID", f"{number:032x}"), cookie, ("X-Forwarded-For", "192.0.2.7"))
            assert f"{number:032x}" == (await wire.answer()).header("X-Request-Id")
        assert 4 <= seen.taken - taken
    assert {"192.0.2.7, 127.0.0.1"} == {call.header("X-Forwarded-For") for call in world.arrived[-4:]}
