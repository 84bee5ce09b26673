"""When a side breaks off: a truncated answer never looks complete, nothing of it stands in the log, the other side
hears of it at once (D11; design, section 3, "Cancellation is a contract")."""

from __future__ import annotations

import asyncio
import logging

import pytest

from sidecar.upstream.limits import Limits
from tests.upstream.scripted import ScriptedServer, answering, until
from tests.web.conftest import Worlds
from tests.web.rig import HTML, free_port
from tests.web.wire import Wire

PATH = "/public/x"


def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """No traceback, and nothing but the gateway's own line about an application that broke off."""
    ours = {"sidecar.web.gateway": logging.WARNING, "sidecar.app": logging.ERROR}
    loud = [record for record in caplog.records if record.levelno > ours.get(record.name, logging.INFO)]
    assert [] == [record.getMessage() for record in caplog.records if record in loud or record.exc_info]


TRUNCATED = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes!",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nten bytes!\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nten bytes!",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nten bytes!\r\nzz\r\n",
}


@pytest.mark.parametrize("kind", TRUNCATED)
async def test_a_truncated_answer_never_looks_complete(
    worlds: Worlds, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    async with answering(TRUNCATED[kind]) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        async with world.wire() as wire:
            wire.request("GET", PATH)
            try:
                raw = await wire.rest()
            except ConnectionResetError:
                raw = b""
    assert b"\r\n0\r\n\r\n" not in raw and b"HTTP/1.1 5" not in raw[20:]
    assert raw.count(b"HTTP/1.") <= 1
    _quiet(caplog)


BROKEN = {
    "nothing": b"",
    "no http": b"SSH-2.0-OpenSSH\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "odd status": b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    "unasked switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "head too large": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_answer_becomes_a_page(worlds: Worlds, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    async with answering(BROKEN[kind]) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        answer = await world.ask("POST", PATH, body=b"x")
    assert (502, "upstream_broken") == (answer.status, answer.error)
    _quiet(caplog)


async def test_an_application_that_is_down_becomes_a_page_that_tries_again(
    worlds: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    world = await worlds(upstream=f"http://127.0.0.1:{free_port()}")
    page = await world.page(PATH)
    assert 503 == page.status and "upstream_unreachable" in page.text and "Try again" in page.text
    assert f'href="{PATH}"' in page.text
    answer = await world.ask("GET", PATH)
    assert (503, "upstream_unreachable", "10") == (answer.status, answer.error, answer.header("Retry-After"))
    # A form is not sent again by itself.
    assert None is (await world.ask("POST", PATH, HTML, body=b"x")).header("Retry-After")
    _quiet(caplog)


async def test_an_application_that_is_silent_becomes_504(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.building.nodes.upstream_limits", lambda _: Limits(first_byte=0.05, sweep=0.01))

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        await reader.read()

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        answer = await world.ask("GET", PATH)
        assert (504, "upstream_timeout") == (answer.status, answer.error)


@pytest.mark.parametrize("when", ["before the answer", "in the answer", "in the upload"])
async def test_a_client_that_goes_leaves_no_traceback_and_stops_the_application(
    worlds: Worlds, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        if when == "in the answer":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000)
            await writer.drain()
        await reader.read()

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        async with world.wire() as wire:
            if when == "in the upload":
                wire.request("PUT", PATH, ("Content-Length", "1000000"), body=b"x" * 1000)
            else:
                wire.request("GET", PATH)
            await until(lambda: bool(server.heads))
            if when == "in the answer":
                assert 200 == (await wire.head()).status
        # The wire is aborted here.
        async with asyncio.timeout(5):
            await server.ended.wait()
        kind, body = world.gate.metrics.render()
        assert "text/plain" in kind
        assert b'outcome="gone"' in body or b'outcome="failed"' in body or when == "in the answer"
    _quiet(caplog)


async def test_a_client_that_goes_while_it_reads_slowly(worlds: Worlds, caplog: pytest.LogCaptureFixture) -> None:
    block = b"x" * 65_536

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(block)
            await writer.drain()

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        async with world.wire() as wire:
            wire.request("GET", PATH)
            await wire.head()
            await asyncio.sleep(0.2)
        async with asyncio.timeout(5):
            await server.ended.wait()
    _quiet(caplog)


async def test_fifty_tabs_closed_at_once(worlds: Worlds, caplog: pytest.LogCaptureFixture) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.jira.delay("/browse", 0.2)
    wires = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(50)]
    lines = f"GET /browse/KEY-1 HTTP/1.1\r\nHost: {world.host}\r\nCookie: {cookie[1]}\r\n\r\n".encode("latin-1")
    for _, writer in wires:
        writer.write(lines)
    before = len(world.jira.calls)
    await until(lambda: len(world.jira.calls) > before)
    for _, writer in wires:
        writer.transport.abort()
    world.jira.delay("/browse", 0)
    assert 200 == (await world.page("/browse/KEY-1", cookie)).status
    _quiet(caplog)


async def _read_on(wire: Wire) -> None:
    """Take bytes, keep none, until the connection ends."""
    while True:
        await wire.reader.readexactly(65_536)


async def test_the_end_of_a_session_ends_its_downloads(worlds: Worlds, caplog: pytest.LogCaptureFixture) -> None:
    world = await worlds()
    async with world.browser() as browser:
        await browser.sign_in("ada")
        async with world.wire() as wire:
            wire.request("GET", "/secure/attachment/big?bytes=4000000000", browser.cookie)
            assert "4000000000" == (await wire.head()).header("Content-Length")
            await browser.sign_out()
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await _read_on(wire)
    _quiet(caplog)
