"""Rule 19 at the whole gate: of what two servers could read differently, nothing passes. 400 and the connection is
closed; an application sees one request at most, and never the one that hid behind."""

from __future__ import annotations

import re

import pytest

from tests.upstream.scripted import ScriptedServer, answering
from tests.web.conftest import Worlds
from tests.web.rig import World

HIDDEN = b"GET /public/hidden HTTP/1.1\r\nHost: {host}\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

# The request, without `Host: {host}` where it brings one of its own. `{hidden}` is what hides behind.
REFUSED = {
    "length and chunks": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
    "chunks and length": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{hidden}",
    "two lengths": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx{hidden}",
    "the same length twice": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx{hidden}",
    "list of lengths": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1, 1\r\n\r\nx{hidden}",
    "signed length": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: +1\r\n\r\nx{hidden}",
    "negative length": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n{hidden}",
    "hexadecimal length": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x1\r\n\r\nx{hidden}",
    "empty length": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nContent-Length:\r\n\r\n{hidden}",
    "blank in the length": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1 1\r\n\r\nx{hidden}",
    "unknown coding": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}",
    "coding twice": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}",
    "chunked twice": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
    "blank before the colon": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}",
    "folded line": b"GET /public/x HTTP/1.1\r\nHost: {host}\r\nX-A: b\r\n c\r\n\r\n{hidden}",
    "folded coding": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{hidden}",
    "bare line feed": b"GET /public/x HTTP/1.1\r\nHost: {host}\nX-A: b\r\n\r\n{hidden}",
    "only line feeds": b"GET /public/x HTTP/1.1\nHost: {host}\n\n{hidden}",
    "bare carriage return": b"GET /public/x HTTP/1.1\r\nHost: {host}\r\nX-A: b\rX-B: c\r\n\r\n{hidden}",
    "NUL in a value": b"GET /public/x HTTP/1.1\r\nHost: {host}\r\nX-A: b\x00c\r\n\r\n{hidden}",
    "NUL in a name": b"GET /public/x HTTP/1.1\r\nHost: {host}\r\nX-\x00A: b\r\n\r\n{hidden}",
    "no colon": b"GET /public/x HTTP/1.1\r\nHost: {host}\r\nnonsense\r\n\r\n{hidden}",
    "empty name": b"GET /public/x HTTP/1.1\r\nHost: {host}\r\n: b\r\n\r\n{hidden}",
    "two hosts": b"GET /public/x HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n{hidden}",
    "no host": b"GET /public/x HTTP/1.1\r\nX-A: b\r\n\r\n{hidden}",
    "another version": b"GET /public/x HTTP/1.2\r\nHost: {host}\r\n\r\n{hidden}",
    "version two": b"GET /public/x HTTP/2.0\r\nHost: {host}\r\n\r\n{hidden}",
    "preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{hidden}",
    "no version": b"GET /public/x\r\nHost: {host}\r\n\r\n{hidden}",
    "chunk size with a sign": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n{hidden}",
    "chunk size with 0x": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n{hidden}",
    "chunk ended by a line feed": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n{hidden}",
    "two credentials": b"GET /rest/x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n{hidden}",
    "coding on 1.0": b"POST /public/x HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
    "underscored length": b"POST /public/x HTTP/1.1\r\nHost: {host}\r\nContent_Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n{hidden}",
    "leading blank": b" GET /public/x HTTP/1.1\r\nHost: {host}\r\n\r\n{hidden}",
    "blank line within": b"GET /public/x HTTP/1.1\r\n Host: {host}\r\n\r\n{hidden}",
}


async def _sent(world: World, data: bytes) -> bytes:
    host = world.host.encode()
    async with world.wire() as wire:
        wire.send(data.replace(b"{hidden}", HIDDEN).replace(b"{host}", host))
        try:
            return await wire.rest()
        except ConnectionResetError:
            return b""


async def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_closed(worlds: Worlds) -> None:
    async with answering(then=OK) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        for name, data in REFUSED.items():
            server.heads.clear()
            raw = await _sent(world, data)
            assert (name, True) == (name, raw[:13] in {b"HTTP/1.1 400 ", b"HTTP/1.0 400 ", b""}), raw[:300]
            assert (name, True) == (name, len(re.findall(rb"HTTP/1\.[01] \d\d\d ", raw)) <= 1), raw
            # Where the head was well the application may have begun; what hid behind it never came.
            assert (name, True) == (name, len(server.heads) <= ("chunk" in name)), server.heads
            assert b"hidden" not in b"".join(server.heads)


async def test_an_answer_to_nonsense_repeats_and_logs_nothing_of_it(
    worlds: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    world = await worlds()
    canary = b"s3cr3t-canary"
    for data in (
        b"GET / HTTP/1.1\r\nHost: {host}\r\nCookie: x=" + canary + b"\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: {host}\r\nCookie : " + canary + b"\r\n\r\n",
        b"GET /" + canary + b" HTTP/9.9\r\nHost: {host}\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: {host}\r\nCookie: " + canary * 4000 + b"\r\n\r\n",
        b"GET /" + canary * 4000 + b" HTTP/1.1\r\nHost: {host}\r\n\r\n",
    ):
        raw = await _sent(world, data)
        assert canary not in raw and b"aiohttp" not in raw and b"Python" not in raw, raw
        assert raw[9:12] in {b"400", b"431"}
        assert b"Server: lychgate" in raw
    assert canary.decode() not in caplog.text and canary.decode() not in world.audit.getvalue()
    assert [] == [record for record in caplog.records if record.exc_info]


async def test_heads_have_a_bound_as_a_whole_and_in_number(worlds: Worlds) -> None:
    world = await worlds()
    many = [(f"X-{number}", "x" * 1000) for number in range(70)]
    answer = await world.ask("GET", "/public/x", *many)
    assert (431, "headers_too_large") == (answer.status, answer.error)
    assert (await world.ask("GET", "/public/x", *[(f"X-{number}", "") for number in range(300)])).status in {400, 431}
    assert (await world.ask("GET", "/public/x", ("X", "y" * 40_000))).status in {400, 431}
    assert [] == world.arrived


async def test_a_long_cookie_of_other_products_passes(worlds: Worlds) -> None:
    async with answering(OK) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        assert 200 == (await world.ask("GET", "/public/x", ("Cookie", "x=" + "y" * 30_000))).status
    assert b"y" * 30_000 in server.heads[0]


@pytest.mark.parametrize(
    "fields",
    [
        b'Transfer-Encoding: chunked\r\n\r\n1;x="y"\r\nx\r\n0\r\nX-Lychgate-User: admin\r\n\r\n',
        b"Content-Length: 1\r\nX_Content-Length: 9\r\nContent_Length: 9\r\nTransfer_Encoding: chunked\r\n\r\nx",
        b"Transfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"Content-Length: 1\r\nConnection: Content-Length\r\n\r\nx",
        b"Content-Length: 1\r\nConnection: close, Host, Transfer-Encoding\r\n\r\nx",
    ],
)
async def test_the_application_gets_one_framing_only(worlds: Worlds, fields: bytes) -> None:
    bodies: list[bytes] = []

    async def script(reader: object, writer: object) -> None:
        head = await server.head(reader)  # type: ignore[arg-type]
        chunked = b"chunked" in head.lower()
        bodies.append(await (reader.readuntil(b"0\r\n\r\n") if chunked else reader.readexactly(1)))  # type: ignore[attr-defined]
        writer.write(OK)  # type: ignore[attr-defined]

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        async with world.wire() as wire:
            wire.send(b"POST /public/x HTTP/1.1\r\nHost: %b\r\n" % world.host.encode() + fields)
            assert 200 == (await wire.answer("POST")).status
    (head,) = server.heads
    lines = [line.partition(b":")[0].lower().replace(b"_", b"-") for line in head.split(b"\r\n")]
    assert 1 == lines.count(b"content-length") + lines.count(b"transfer-encoding"), head
    assert [b"host"] == [line for line in lines if line == b"host"]
    assert bodies in ([b"x"], [b"1\r\nx\r\n0\r\n\r\n"])
    assert b"admin" not in bodies[0] + head


async def test_a_trailer_is_no_field_of_the_next_request(worlds: Worlds) -> None:
    """aiohttp's parser would put it there: whoever shares the connection would ask with somebody else's field."""
    world = await worlds()
    cookie = await world.sign_in("ada")
    for late in ("X-Injected: 1", f"Cookie: {cookie[1]}", "Host: evil.example"):
        world.forget()
        async with world.wire() as wire:
            body = f"1\r\nx\r\n0\r\n{late}\r\n\r\n".encode()
            wire.request("POST", "/public/x", ("Transfer-Encoding", "chunked"), body=body)
            wire.request("GET", "/browse/KEY-1")
            answer = await wire.answer("POST")
            assert 400 == answer.status or "close" == answer.header("Connection")
            assert await wire.is_over()
        assert [] == [call for call in world.arrived if call.method == "GET" or call.header("X-Injected")]
