"""The quick way and aiohttp's parser never read the same connection at once: what one of them left open, the other does
not touch (rule 19), and neither takes a connection for idle that the other one works on."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

import pytest

from sidecar.web.allowance import Allowance
from sidecar.web.sink import Written
from tests.upstream.scripted import ScriptedServer
from tests.web.conftest import Worlds
from tests.web.lanes import BROWSER, PAGE, Seen, signed_in, watched


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Watch the quick way."""
    return watched(monkeypatch)


HIDDEN = "GET /browse/HIDDEN HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\n\r\n"
BEHIND: dict[str, str] = {
    "a body with a request in it": "POST /x HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{hidden}",
    "chunks with a request in them": "POST /x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    "{size:x}\r\n{hidden}\r\n0\r\n\r\n",
    "a GET's body with a request in it": "GET /x HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{hidden}",
    "an upgrade": "GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n{hidden}",
}


@pytest.mark.parametrize("kind", BEHIND)
@pytest.mark.parametrize("cut", ["at once", "before the hidden one", "byte by byte"])
async def test_what_hides_in_another_request_is_no_request(worlds: Worlds, seen: Seen, kind: str, cut: str) -> None:
    """aiohttp's parser and the quick way never read the same connection at once (rule 19)."""
    world = await worlds()
    cookie = await signed_in(world)
    hidden = HIDDEN.format(host=world.host, cookie=": ".join(cookie))
    whole = BEHIND[kind].format(host=world.host, hidden=hidden, length=len(hidden), size=len(hidden)).encode()
    start = whole.index(b"GET /browse/HIDDEN")
    step = {"at once": len(whole), "before the hidden one": start, "byte by byte": 1}[cut]
    taken = seen.taken
    async with world.wire() as wire:
        for at in range(0, len(whole), step):
            if wire.writer.is_closing() or wire.reader.at_eof():
                break
            wire.send(whole[at : at + step])
            await asyncio.sleep(0.0005 if step == 1 else 0.02)
        # After an upgrade that does not take place the connection is over, and may be gone with the answer on it.
        with contextlib.suppress(*((ConnectionError,) if kind == "an upgrade" else ())):
            await wire.head()
        await asyncio.sleep(0.02)
    assert taken == seen.taken
    assert [] == [call.target for call in world.arrived if "HIDDEN" in call.target]


async def test_behind_half_a_head_that_came_with_another_request_nothing_is_quick(worlds: Worlds, seen: Seen) -> None:
    world = await worlds()
    cookie = await signed_in(world)
    taken = seen.taken
    async with world.wire() as wire:
        open_end = "GET /y HTTP/1.1\r\nX-Open: "
        wire.send(f"POST /x HTTP/1.1\r\nHost: {world.host}\r\nContent-Length: 1\r\n\r\nx{open_end}".encode())
        assert 401 == (await wire.answer()).status
        wire.send(HIDDEN.format(host=world.host, cookie=": ".join(cookie)).encode())
        # The line that was open took it in: this is one request, and it is for /y.
        assert 404 == (await wire.answer()).status
    assert taken == seen.taken
    assert ["/y"] == [call.target for call in world.arrived]


async def test_a_connection_that_works_is_not_idle(worlds: Worlds, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp's timer of idle connections began with a request on its own way, and knows nothing of this one."""
    monkeypatch.setattr("sidecar.app.Allowance", partial(Allowance, keep_alive=0.3))
    go_on = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            slow = b"?slow" in await server.head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
            if slow:
                await go_on.wait()
            writer.write(b"ok")

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        cookie = await signed_in(world)
        async with world.wire() as wire:
            wire.request("OPTIONS", PAGE, cookie)
            assert 200 == (await wire.answer()).status
            await asyncio.sleep(0.05)
            taken = seen.taken
            wire.request("GET", PAGE + "?slow", cookie, *BROWSER)
            assert 200 == (await wire.head()).status
            await asyncio.sleep(0.6)
            go_on.set()
            assert b"okok" == await wire.reader.readexactly(4)
            assert 1 == seen.taken - taken
            # Then it rests, and is closed.
            assert await wire.is_over()


async def test_half_a_head_that_waits_is_not_idle(worlds: Worlds, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.app.Allowance", partial(Allowance, keep_alive=0.3))
    world = await worlds()
    cookie = await signed_in(world)
    async with world.wire() as wire:
        wire.request("OPTIONS", PAGE, cookie)
        await wire.answer()
        await asyncio.sleep(0.05)
        taken = seen.taken
        wire.send(f"GET {PAGE} HTTP/1.1\r\nHost: {world.host}\r\n".encode())
        await asyncio.sleep(0.6)
        wire.send(": ".join(cookie).encode() + b"\r\n\r\n")
        assert 200 == (await wire.answer()).status
        assert 1 == seen.taken - taken


@pytest.mark.parametrize("behind", ["X-Request-Id: 0123456789\r\n", "X-Request-Id: 0123456789\r\n\r\n", "\r\n", "x"])
@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",)])
async def test_bytes_behind_a_head_are_not_of_it(
    worlds: Worlds, seen: Seen, behind: str, trusted: tuple[str, ...]
) -> None:
    """An id that a proxy gave is cut out of a head, never out of what comes after it."""
    world = await worlds(trusted=trusted)
    cookie = await signed_in(world)
    taken = seen.taken
    async with world.wire() as wire:
        wire.send(f"GET {PAGE} HTTP/1.1\r\nHost: {world.host}\r\n{': '.join(cookie)}\r\n\r\n{behind}".encode())
        assert (await wire.head()).header("X-Request-Id") != "0123456789"
    assert taken == seen.taken


@pytest.mark.parametrize(
    "line",
    ["X-Request-Id: 0123456789\nHost: localhost", "X-Request-Id: 0123456789\r", "X-Request-Id: 0123456789\r\n folded"],
)
async def test_an_odd_line_is_not_cut_away_before_it_is_judged(worlds: Worlds, line: str) -> None:
    world = await worlds(trusted=("127.0.0.1",))
    cookie = await signed_in(world)
    async with world.wire() as wire:
        wire.send(f"GET {PAGE} HTTP/1.1\r\n{line}\r\nHost: {world.host}\r\n{': '.join(cookie)}\r\n\r\n".encode())
        assert 400 == (await wire.answer()).status
    assert [] == world.arrived


@pytest.mark.parametrize(
    "name", ["User-Agent", "ETag", "Server", "Max-Forwards", "Content-Range", "Content-Location", "Host"]
)
async def test_what_may_stand_once_stands_once_on_both_ways(worlds: Worlds, seen: Seen, name: str) -> None:
    world = await worlds()
    cookie = await signed_in(world)
    taken = seen.taken
    assert 400 == (await world.ask("GET", PAGE, cookie, (name, world.host), (name, world.host))).status
    assert 400 == (await world.ask("OPTIONS", PAGE, cookie, (name, world.host), (name, world.host))).status
    assert (taken, []) == (seen.taken, world.arrived)


async def test_a_handshake_of_a_draft_is_refused_on_both_ways(worlds: Worlds, seen: Seen) -> None:
    world = await worlds()
    cookie = await signed_in(world)
    taken = seen.taken
    assert 400 == (await world.ask("GET", PAGE, cookie, ("Sec-WebSocket-Key1", "1"))).status
    assert (taken, []) == (seen.taken, world.arrived)


async def test_a_length_of_too_many_digits_is_refused(worlds: Worlds) -> None:
    world = await worlds()
    for length in ("0" * 5000 + "5", "0" * 18 + "5"):
        async with world.wire() as wire:
            wire.send(
                f"POST /public/x HTTP/1.1\r\nHost: {world.host}\r\nContent-Length: {length}\r\n\r\nabcde".encode()
            )
            answer = await wire.answer("POST")
            assert (400, "bad_headers") == (answer.status, answer.error)
    assert [] == world.arrived


async def test_a_client_that_asks_again_at_once_is_quick_nevertheless(
    worlds: Worlds, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next request may be there before aiohttp's task has come round from the last one."""

    async def write_eof(self: Written, data: bytes | bytearray | memoryview = b"") -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    world = await worlds()
    cookie = await signed_in(world)
    monkeypatch.setattr(Written, "write_eof", write_eof)
    async with world.wire() as wire:
        wire.request("OPTIONS", PAGE, cookie)
        assert 200 == (await wire.answer()).status
        taken = seen.taken
        wire.request("GET", PAGE, cookie, *BROWSER)
        assert 200 == (await wire.answer()).status
    assert 1 == seen.taken - taken
