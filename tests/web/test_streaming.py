"""D7 at the whole gate: answers and bodies of every framing pass unchanged, as they come, within bounded memory.

The application is scripted byte by byte, and so is the client. Public paths serve: what a session adds is tested
elsewhere.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.upstream.scripted import ScriptedServer, answering, until
from tests.web.conftest import Worlds
from tests.web.rig import World
from tests.web.wire import Wire

PATH = "/public/x"
MIB = 1 << 20


@pytest.fixture
def gate(worlds: Worlds) -> Callable[[ScriptedServer], Awaitable[World]]:
    """Give a function that puts the gate before a scripted application."""

    async def gate(server: ScriptedServer) -> World:
        return await worlds(upstream=f"http://127.0.0.1:{server.port}")

    return gate


Gate = Callable[[ScriptedServer], Awaitable[World]]


@asynccontextmanager
async def _wire_to(gate: Gate, *answers: bytes) -> AsyncIterator[tuple[Wire, ScriptedServer]]:
    """A connection to the gate before an application that gives these answers."""
    async with answering(*answers) as server:
        world = await gate(server)
        async with world.wire() as wire:
            yield wire, server


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("method", "answer", "status", "length"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", 200, "12345"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, None),
        ("HEAD", b"HTTP/1.1 404 Not Found\r\n\r\n", 404, None),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 77\r\n\r\n", 304, "77"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 304, None),
        ("DELETE", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "0"),
    ],
)
async def test_answers_without_a_body_keep_their_length_and_the_connection(
    gate: Gate, method: str, answer: bytes, status: int, length: str | None
) -> None:
    async with _wire_to(gate, answer, OK) as (wire, server):
        wire.request(method, PATH)
        got = await wire.answer(method)
        assert (status, length, b"") == (got.status, got.header("Content-Length"), got.body)
        wire.request("GET", PATH)
        assert b"ok" == (await wire.answer()).body
        assert 1 == server.opened


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnine byte",
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"4\r\nnine\r\n5;x=y\r\n byte\r\n0\r\nTrailer: gone\r\n\r\n"
        ),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nnine byte",
        b"HTTP/1.0 200 OK\r\n\r\nnine byte",
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_every_framing_reaches_every_client(gate: Gate, answer: bytes, version: str) -> None:
    async with _wire_to(gate, answer) as (wire, _):
        wire.request("GET", PATH, version=version)
        got = await wire.answer()
        assert b"nine byte" == got.body
        sized = b"Content-Length" in answer
        assert ("9" if sized else None) == got.header("Content-Length")
        assert (None if sized or version == "1.0" else "chunked") == got.header("Transfer-Encoding")
        if version == "1.0":
            assert b"" == await wire.rest()


async def test_head_and_body_pass_byte_for_byte(gate: Gate) -> None:
    body = gzip.compress(b"packed" * 100, mtime=0)
    fields = (
        b'Content-Disposition: attachment; filename="\xe4\xf6.txt"\r\n'
        b"Set-Cookie: a=1; Path=/\r\nX-Empty:\r\nset-cookie: b=2; Expires=Thu, 01 Jan 2030 00:00:00 GMT\r\n"
        b'Content-Encoding: gzip\r\nETag: W/"x"\r\nVary: Accept, Cookie\r\nvary: X\r\n'
    )
    head = b"HTTP/1.1 299 Quite All Right\r\n" + fields + b"Content-Length: %d\r\n\r\n" % len(body)
    async with _wire_to(gate, head + body) as (wire, _):
        wire.request("GET", PATH, ("Accept-Encoding", "gzip"))
        got = await wire.answer()
        assert (299, b"Quite All Right", body) == (got.status, got.reason, got.body)
        assert b'filename="\xe4\xf6.txt"' in got.raw
        assert ["a=1; Path=/", "b=2; Expires=Thu, 01 Jan 2030 00:00:00 GMT"] == got.headers("Set-Cookie")
        assert ["Accept, Cookie", "X"] == got.headers("Vary") and [""] == got.headers("X-Empty")
        assert {"content-disposition", "set-cookie", "x-empty", "content-encoding", "etag", "vary", "x-request-id",
                "content-length"} == {name.decode().lower() for name, _ in got.fields}  # fmt: skip


async def test_request_fields_pass_byte_for_byte_but_for_what_ends_here(gate: Gate) -> None:
    async with _wire_to(gate, OK) as (wire, server):
        wire.send(
            b"GET /public/x?q=%C3%A4 HTTP/1.1\r\nHost: "
            + wire._host.encode()
            + b"\r\nX-Latin: caf\xe9\r\nx-odd: a\r\nX-Odd: b\r\n"
            b"Connection: keep-alive, X-Mine\r\nX-Mine: gone\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAA\r\nProxy-Authorization: Basic x\r\nUser-Agent: \xfc\r\n\r\n"
        )
        assert 200 == (await wire.answer()).status
        (head,) = server.heads
        first, *lines = head.split(b"\r\n")
        assert b"GET /public/x?q=%C3%A4 HTTP/1.1" == first
        assert b"X-Latin: caf\xe9" in lines and b"x-odd: a" in lines and b"X-Odd: b" in lines
        assert b"User-Agent: \xfc" in lines
        names = {line.partition(b":")[0].lower() for line in lines if line}
        assert not names & {b"x-mine", b"keep-alive", b"te", b"upgrade", b"http2-settings", b"proxy-authorization"}


async def test_pipelined_requests_are_answered_in_order(gate: Gate) -> None:
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(4)]
    async with _wire_to(gate, *answers) as (wire, server):
        for number in range(4):
            wire.request("GET", f"{PATH}?{number}")
        assert [b"0", b"1", b"2", b"3"] == [(await wire.answer()).body for _ in range(4)]
        assert [b"/public/x?%d" % number for number in range(4)] == [head.split(b" ")[1] for head in server.heads]
        assert 1 == server.opened


async def test_a_client_that_wants_to_close_is_closed(gate: Gate) -> None:
    async with _wire_to(gate, OK) as (wire, _):
        wire.request("GET", PATH, ("Connection", "close"))
        assert "close" == (await wire.answer()).header("Connection")
        assert await wire.is_over()


async def test_a_slow_reader_of_a_big_download_holds_the_application_back(gate: Gate) -> None:
    size, block = 256 * MIB, bytes(range(256)) * 256
    sent = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(block)):
            writer.write(block)
            sent += len(block)
            await writer.drain()

    async with ScriptedServer(script) as server:
        world = await gate(server)
        async with world.wire() as wire:
            wire.request("GET", PATH)
            head = await wire.head()
            before = -1
            for _ in range(100):
                await asyncio.sleep(0.02)
                if sent == before:
                    break
                before = sent
            # Sockets on the way hold some megabytes; the gate nearly nothing.
            assert 0 < sent < 24 * MIB
            assert str(size) == head.header("Content-Length")
            for _ in range(32 * MIB // len(block)):
                assert block == await wire.reader.readexactly(len(block))
            assert sent < 64 * MIB


async def test_an_upload_streams_while_it_is_sent(gate: Gate) -> None:
    size, seen, digest = 16 * MIB, 0, hashlib.sha256()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        await server.head(reader)
        while seen < size:
            data = await reader.read(MIB)
            seen += len(data)
            digest.update(data)
        writer.write(OK)
        await writer.drain()

    async with ScriptedServer(script) as server:
        world = await gate(server)
        async with world.wire() as wire:
            kind = ("Content-Type", "application/octet-stream")
            wire.request("PUT", PATH, ("Content-Length", str(size)), kind)
            half = bytes(range(256)) * (size // 512)
            wire.send(half)
            await wire.writer.drain()
            await until(lambda: seen == size // 2)
            wire.send(half)
            assert b"ok" == (await wire.answer("PUT")).body
    assert hashlib.sha256(half * 2).digest() == digest.digest()
    assert b"Content-Length: %d" % size in server.heads[0]


async def test_a_chunked_upload_stays_chunked_and_loses_its_trailers(gate: Gate) -> None:
    got = b""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        await server.head(reader)
        got = await reader.readuntil(b"0\r\n\r\n")
        writer.write(OK)
        await writer.drain()

    async with ScriptedServer(script) as server:
        world = await gate(server)
        body = b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: gone\r\n\r\n"
        answer = await world.ask("POST", PATH, ("Transfer-Encoding", "chunked"), body=body)
        assert 200 == answer.status
    assert b"hello!" == b"".join(got.split(b"\r\n")[1::2])
    assert b"Transfer-Encoding: chunked" in server.heads[0] and b"Content-Length" not in server.heads[0]


async def test_an_early_413_reaches_the_client_and_ends_the_connection(gate: Gate) -> None:
    early = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"
    async with _wire_to(gate, early) as (wire, _):
        kind = ("Content-Type", "application/octet-stream")
        wire.request("PUT", PATH, ("Content-Length", str(64 * MIB)), kind, body=b"x" * 1000)
        got = await wire.answer("PUT")
        assert (413, b"big", "close") == (got.status, got.body, got.header("Connection"))
        assert await wire.is_over()


@pytest.mark.parametrize("final", [OK, b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"])
async def test_the_go_ahead_comes_from_the_application(gate: Gate, final: bytes) -> None:
    got = b""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        await server.head(reader)
        if final is OK:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            got = await reader.readexactly(5)
        writer.write(final)
        await writer.drain()

    async with ScriptedServer(script) as server:
        world = await gate(server)
        async with world.wire() as wire:
            kind = ("Content-Type", "application/octet-stream")
            wire.request("PUT", PATH, ("Content-Length", "5"), kind, ("Expect", "100-continue"))
            if final is OK:
                assert 100 == (await wire.head()).status
                wire.send(b"hello")
            answer = await wire.answer("PUT")
            assert (final is OK) == (answer.status == 200)
        assert (b"hello" if final is OK else b"") == got
        assert b"Expect: 100-continue" in server.heads[0]


async def test_early_hints_go_on_to_those_who_know_them(gate: Gate) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: JSESSIONID=x\r\n\r\n"
    async with _wire_to(gate, hints + OK, hints + OK) as (wire, _):
        wire.request("GET", PATH)
        first = await wire.head()
        assert (103, "</a.css>; rel=preload", []) == (first.status, first.header("Link"), first.headers("Set-Cookie"))
        assert b"ok" == (await wire.answer()).body
        wire.request("GET", PATH, version="1.0")
        assert 200 == (await wire.head()).status
