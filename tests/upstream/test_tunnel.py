"""The tunnel after a 101: nothing is lost at the switch, each side waits for the other, each may end it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from sidecar.flows.streaming import Outgoing, Tunnel, UpstreamError
from sidecar.upstream.client import Client, connect_to
from tests.upstream.receiving import RecordingAnswer, RecordingSink
from tests.upstream.scripted import ScriptedServer, until

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADE = Outgoing(
    method="GET",
    head=b"GET /ws HTTP/1.1\r\nHost: jira\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    upgrade=True,
)
PIECE = b"x" * 65536


async def open_tunnel(server: ScriptedServer) -> tuple[Tunnel, RecordingAnswer]:
    answer = RecordingAnswer()
    outcome = await Client(connect_to("127.0.0.1", server.port)).exchange(UPGRADE, answer)
    assert ("tunnel", 101, 0) == (outcome.state, answer.head.status, answer.ends)
    assert outcome.tunnel is not None
    return outcome.tunnel, answer


async def test_bytes_pass_both_ways_and_those_behind_the_head_come_first() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(SWITCH + b"first,")
        writer.write(b"second:" + await reader.readexactly(4))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = ScriptedServer(script)
    async with server:
        tunnel, _ = await open_tunnel(server)
        sink = RecordingSink()
        tunnel.write(b"ping")
        await tunnel.pump(sink)
        assert b"first,second:ping" == sink.written
        with pytest.raises(ConnectionError):
            await tunnel.drain()
        tunnel.write(b"dropped")
        tunnel.close()


async def test_an_unwanted_101_is_refused_with_its_connection() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(SWITCH)
        await reader.read()

    server = ScriptedServer(script)
    async with server:
        answer = RecordingAnswer(accept=False)
        outcome = await Client(connect_to("127.0.0.1", server.port)).exchange(UPGRADE, answer)
        assert ("refused", None) == (outcome.state, outcome.tunnel)
        await server.ended.wait()


async def test_a_request_with_a_body_never_becomes_a_tunnel() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(SWITCH)
        await reader.read()

    async def body() -> AsyncIterator[bytes]:
        yield b"GET /admin HTTP/1.1\r\n\r\n"

    server = ScriptedServer(script)
    async with server:
        request = dataclasses.replace(UPGRADE, body=body())
        with pytest.raises(UpstreamError):
            await Client(connect_to("127.0.0.1", server.port)).exchange(request, RecordingAnswer())
        await server.ended.wait()


async def test_another_answer_to_an_upgrade_is_an_ordinary_one_and_the_last() -> None:
    """Who knows how the application reads what comes after it."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.head(reader)
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")

    server = ScriptedServer(script)
    async with server:
        client = Client(connect_to("127.0.0.1", server.port))
        for _ in range(2):
            answer = RecordingAnswer()
            assert "complete" == (await client.exchange(UPGRADE, answer)).state
            assert b"no" == answer.content
        assert 2 == server.opened
        await client.close()


async def test_the_application_waits_for_a_slow_receiver() -> None:
    sent = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await server.head(reader)
        writer.write(SWITCH)
        while True:
            writer.write(PIECE)
            await writer.drain()
            sent += len(PIECE)

    server = ScriptedServer(script)
    async with server:
        tunnel, _ = await open_tunnel(server)
        sink = RecordingSink()
        sink.pause()
        pump = asyncio.create_task(tunnel.pump(sink))
        stalled = -1
        while stalled != sent:  # bounded by the kernel's buffers, or by the server's 30 s
            stalled = sent
            await asyncio.sleep(0.1)
        assert len(sink.written) <= 65536
        sink.resume()
        await until(lambda: len(sink.written) > 1 << 20)
        sink.pause()
        await until(lambda: sink.drains == 2)
        tunnel.close()
        await pump
        await until(lambda: sink.draining == 0)
        await server.ended.wait()


async def test_the_client_waits_for_a_slow_application() -> None:
    reading = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(SWITCH)
        await reading.wait()
        await reader.read()

    server = ScriptedServer(script)
    async with server:
        tunnel, _ = await open_tunnel(server)
        written = 0
        while not tunnel.writing_paused:
            tunnel.write(PIECE)
            written += len(PIECE)
            assert written < 16 << 20
        draining = asyncio.create_task(tunnel.drain())
        await asyncio.sleep(0.05)
        assert not draining.done()
        reading.set()
        await draining
        assert not tunnel.writing_paused
        tunnel.close()
        await server.ended.wait()


async def test_draining_ends_with_an_application_that_goes() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(SWITCH)
        await going.wait()

    going = asyncio.Event()
    server = ScriptedServer(script)
    async with server:
        tunnel, _ = await open_tunnel(server)
        pump = asyncio.create_task(tunnel.pump(RecordingSink()))
        for _ in range(256):
            tunnel.write(PIECE)
        draining = asyncio.create_task(tunnel.drain())
        await asyncio.sleep(0)
        going.set()
        with pytest.raises(ConnectionError):
            await draining
        await pump


async def test_a_receiver_that_goes_ends_the_tunnel() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(SWITCH + b"first")
        await reader.read()

    server = ScriptedServer(script)
    async with server:
        tunnel, _ = await open_tunnel(server)
        sink = RecordingSink()
        sink.pause()
        pump = asyncio.create_task(tunnel.pump(sink))
        await until(lambda: sink.drains == 1)
        sink.writing_paused = True
        sink.gone = True
        sink._caught_up.set()
        await pump
        await server.ended.wait()


async def test_a_cancelled_pump_stops_reading_and_close_ends_the_connection() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(SWITCH)
        await reader.read()

    server = ScriptedServer(script)
    async with server:
        tunnel, _ = await open_tunnel(server)
        pump = asyncio.create_task(tunnel.pump(RecordingSink()))
        await asyncio.sleep(0)
        pump.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pump
        tunnel.close()
        await server.ended.wait()
