"""WebSockets through the whole gate (D7, rule 59): judged like a page, tunnelled after a right 101 only, and ended
with the session."""

from __future__ import annotations

import asyncio
import os
import resource
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from sidecar.domain.identity import UnixSeconds
from tests.upstream.scripted import ScriptedServer, until
from tests.web.conftest import Worlds
from tests.web.rig import MACHINES, World
from tests.web.wire import PATIENCE, Wire

PATH = "/rest/live/1.0/socket"
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The example of RFC 6455, section 1.3."""
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
Field = tuple[str, str]


def _fields(world: World, cookie: Field | None, **changes: str | None) -> list[Field]:
    """A right handshake; None leaves a field out. `_` stands for `-`."""
    right: dict[str, str | None] = {
        "Connection": "keep-alive, Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        "Origin": world.origin,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    fields = [(name, value) for name, value in right.items() if value is not None]
    return fields if cookie is None else [*fields, cookie]


def _frame(code: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A client's frame, masked (RFC 6455, section 5.3)."""
    mask, size = os.urandom(4), len(payload)
    length = (
        bytes([0x80 | size])
        if size < 126
        else (b"\xfe" + struct.pack("!H", size) if size < 65_536 else b"\xff" + struct.pack("!Q", size))
    )
    return bytes([(0x80 if fin else 0) | code]) + length + mask + _masked(payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    whole = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return whole.to_bytes(len(payload), "big")


async def _read(wire: Wire) -> tuple[int, bytes]:
    """The next frame of the server: code and payload."""
    async with asyncio.timeout(PATIENCE):
        first, size = await wire.reader.readexactly(2)
        assert size < 0x80, "a server does not mask"
        if size == 126:
            size = int.from_bytes(await wire.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await wire.reader.readexactly(8), "big")
        return first & 0x0F, await wire.reader.readexactly(size)


@asynccontextmanager
async def _open(world: World, cookie: Field, username: str = "ada") -> AsyncIterator[Wire]:
    async with world.wire() as wire:
        wire.request("GET", PATH, *_fields(world, cookie))
        head = await wire.head()
        assert 101 == head.status, head.raw
        assert ACCEPT == head.header("Sec-WebSocket-Accept") and "websocket" == head.header("Upgrade")
        assert (TEXT, b'{"event": "hello", "username": "%b"}' % username.encode()) == await _read(wire)
        yield wire


async def test_text_binary_ping_and_close_pass_both_ways(worlds: Worlds) -> None:
    world = await worlds()
    async with _open(world, await world.sign_in("ada")) as wire:
        big = os.urandom(1 << 20)
        for code, payload in (
            (TEXT, b"hello"),
            (BINARY, b""),
            (BINARY, b"x" * 126),
            (BINARY, b"x" * 70_000),
            (BINARY, big),
        ):
            wire.send(_frame(code, payload))
            assert (code, payload) == await _read(wire)
        wire.send(_frame(PING, b"still there?"))
        assert (PONG, b"still there?") == await _read(wire)
        wire.send(_frame(CLOSE, b"\x03\xe8bye"))
        assert (CLOSE, b"\x03\xe8") == _head(await _read(wire))
        assert await wire.is_over()
    await until(lambda: not world.jira._site.sockets)
    assert ["ada"] == [call.username for call in world.arrived if call.target == PATH]


def _head(frame: tuple[int, bytes]) -> tuple[int, bytes]:
    """Code and status of a close frame, without its text."""
    return frame[0], frame[1][:2]


async def test_a_frame_in_the_same_segment_as_the_handshake_arrives(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    async with world.wire() as wire:
        wire.request("GET", PATH, *_fields(world, cookie), body=None)
        wire.send(_frame(TEXT, b"early"))
        assert 101 == (await wire.head()).status
        assert TEXT == (await _read(wire))[0]
        assert (TEXT, b"early") == await _read(wire)


async def test_the_application_closes(worlds: Worlds) -> None:
    world = await worlds()
    async with _open(world, await world.sign_in("ada")) as wire:
        (socket,) = world.jira._site.sockets
        closing = asyncio.ensure_future(socket.close(code=4000, message=b"done"))
        assert (CLOSE, b"\x0f\xa0done") == await _read(wire)
        wire.send(_frame(CLOSE, b"\x0f\xa0"))
        await closing
        assert await wire.is_over()


async def test_a_client_that_goes_ends_the_applications_side(worlds: Worlds, caplog: pytest.LogCaptureFixture) -> None:
    world = await worlds()
    async with _open(world, await world.sign_in("ada")):
        assert 1 == len(world.jira._site.sockets)
    await until(lambda: not world.jira._site.sockets)
    assert [] == [record.getMessage() for record in caplog.records if record.exc_info]


def _bad_handshakes() -> Iterator[tuple[str, dict[str, str | None], int]]:
    yield "another site", {"Origin": "https://evil.example"}, 403
    yield "no origin", {"Origin": None}, 403
    yield "null origin", {"Origin": "null"}, 403
    yield "old version", {"Sec_WebSocket_Version": "8"}, 400
    yield "no version", {"Sec_WebSocket_Version": None}, 400
    yield "no key", {"Sec_WebSocket_Key": None}, 400
    yield "short key", {"Sec_WebSocket_Key": "c2hvcnQ="}, 400
    yield "no base64", {"Sec_WebSocket_Key": "!" * 24}, 400
    yield "with a body", {"Content_Length": "1"}, 400
    yield "in chunks", {"Transfer_Encoding": "chunked"}, 400
    yield "with a token", {"Authorization": f"Bearer {MACHINES}"}, 401


async def test_bad_handshakes_are_refused_before_the_application_hears_of_them(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    for name, changes, status in _bad_handshakes():
        body = b"x" if "Content_Length" in changes else b"0\r\n\r\n" if "Transfer_Encoding" in changes else None
        answer = await world.ask("GET", PATH, *_fields(world, cookie, **changes), body=body)
        assert (name, status) == (name, answer.status)
    assert 401 == (await world.ask("GET", PATH, *_fields(world, None))).status
    for method in ("POST", "HEAD", "OPTIONS"):
        assert 400 == (await world.ask(method, PATH, *_fields(world, cookie))).status
    async with world.wire() as wire:
        wire.request("GET", PATH, *_fields(world, cookie), version="1.0")
        assert 400 == (await wire.answer()).status
    assert [] == world.arrived


@pytest.mark.parametrize("upgrade", ["h2c", "websocket, h2c", "h2c, websocket", "TLS/1.0", "websocket2", "web socket"])
async def test_other_upgrades_are_removed(worlds: Worlds, upgrade: str) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    answer = await world.ask("GET", "/browse/KEY-1", *_fields(world, cookie, Upgrade=upgrade))
    (call,) = world.arrived
    assert (200, []) == (answer.status, call.header_values("Upgrade") + call.header_values("Connection"))


@pytest.mark.parametrize("upgrade", ["h2c", "websocket"])
@pytest.mark.parametrize("path", ["/browse/KEY-1", "/forbidden/x", PATH])
async def test_an_upgrade_that_does_not_take_place_is_an_answer_and_the_end(
    worlds: Worlds, upgrade: str, path: str
) -> None:
    """What stands behind such a request is nobody's tunnel and nobody's request: the client must ask again."""
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    async with world.wire() as wire:
        fields = _fields(world, cookie, Upgrade=upgrade, Sec_WebSocket_Version="13" if upgrade == "h2c" else "12")
        wire.request("GET", path, *fields)
        wire.request("GET", "/browse/KEY-1?second", cookie)
        answer = await wire.answer()
        assert ("close", True) == (answer.header("Connection"), await wire.is_over())
    assert [] == [call for call in world.arrived if call.target.endswith("second")]


async def test_an_upgrade_that_connection_does_not_name_is_none(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    answer = await world.ask("GET", PATH, *_fields(world, cookie, Connection="keep-alive"))
    (call,) = world.arrived
    assert (400, []) == (answer.status, call.header_values("Upgrade"))


ANSWERS = {
    "wrong accept": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: x\r\n\r\n\x81\x01x",
    "no accept": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x01x",
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_a_101_without_the_right_key_opens_nothing(worlds: Worlds, kind: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await server.head(reader)
            writer.write(ANSWERS[kind] if PATH.encode() in head else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        cookie = await world.sign_in("ada")
        answer = await world.ask("GET", PATH, *_fields(world, cookie))
        assert (502, "upstream_broken") == (answer.status, answer.error)


async def test_a_refused_handshake_is_a_plain_answer(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    async with world.wire() as wire:
        wire.request("GET", "/browse/KEY-1", *_fields(world, cookie))
        assert 200 == (await wire.answer()).status


async def test_the_end_of_the_session_closes_it_with_1008(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        await browser.sign_in("ada")
        async with _open(world, browser.cookie) as wire, _open(world, browser.cookie) as other:
            await browser.sign_out()
            for one in (wire, other):
                assert (CLOSE, b"\x03\xf0") == await _read(one)
                assert await one.is_over()
    await until(lambda: not world.jira._site.sockets)


async def test_in_the_middle_of_a_frame_no_frame_of_ours_follows(worlds: Worlds) -> None:
    """A close frame of ours would be taken for the rest of the application's frame."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            if PATH.encode() not in await server.head(reader):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                continue
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + ACCEPT.encode() + b"\r\n\r\n\x81\x05hel"
            )
            await reader.read()

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        cookie = await world.sign_in("ada")
        async with world.wire() as wire:
            wire.request("GET", PATH, *_fields(world, cookie))
            assert 101 == (await wire.head()).status
            assert b"\x81\x05hel" == await wire.reader.readexactly(5)
            (entry,) = world.gate.sessions._entries.values()
            await world.gate.sessions.end(entry.session.key, "user")
            assert await wire.is_over()


async def test_a_thousand_at_once(worlds: Worlds) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    world = await worlds()
    cookie = await world.sign_in("ada")
    async with AsyncExitStack() as stack:
        wires = []
        for _ in range(20):
            some = [stack.enter_async_context(_open(world, cookie)) for _ in range(50)]
            wires += await asyncio.gather(*some)
        for number, wire in enumerate(wires):
            wire.send(_frame(TEXT, b"%d" % number))
        for number, wire in enumerate(wires):
            assert (TEXT, b"%d" % number) == await _read(wire)
        assert 'lychgate_tunnels{portal="agents"} 1000.0' in world.gate.metrics.render()[1].decode()
    await until(lambda: not world.jira._site.sockets)


async def test_the_end_of_the_process_closes_it_with_1001(worlds: Worlds) -> None:
    world = await worlds()
    async with _open(world, await world.sign_in("ada")) as wire:
        async with asyncio.timeout(5):
            await world.restart()
        assert (CLOSE, b"\x03\xe9") == await _read(wire)
        assert await wire.is_over()


async def test_typing_extends_the_session_and_heartbeats_do_not(worlds: Worlds) -> None:
    world = await worlds()
    async with _open(world, await world.sign_in("ada")) as wire:
        (entry,) = world.gate.sessions._entries.values()
        for code, payload, extends in (
            (PING, b"", False), (PONG, b"x", False), (TEXT, b"", False), (TEXT, b"a", True), (BINARY, b"b", True),
        ):  # fmt: skip
            entry.seen = long_ago = UnixSeconds(entry.session.created_at - 100)
            wire.send(_frame(code, payload) + _frame(PING, b"end"))
            while (await _read(wire)) != (PONG, b"end"):
                pass
            assert (code, payload, extends) == (code, payload, entry.seen > long_ago)


async def test_a_transparent_portal_passes_it_with_the_clients_own_credential(worlds: Worlds) -> None:
    world = await worlds(agents={"mode": "off"})
    async with world.wire() as wire:
        wire.request("GET", PATH, *_fields(world, None, Authorization=f"Bearer {MACHINES}"))
        assert 101 == (await wire.head()).status
        assert (TEXT, b'{"event": "hello", "username": "alice"}') == await _read(wire)
        wire.send(_frame(TEXT, b"hello"))
        assert (TEXT, b"hello") == await _read(wire)
