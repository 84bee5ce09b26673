"""A client that asks and does not take its answers: it is not asked for more, holds little, and is gone in the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest

from sidecar.web.allowance import Allowance
from sidecar.web.inbound import Connection
from tests.upstream.scripted import ScriptedServer, until
from tests.web.conftest import Worlds
from tests.web.lanes import BROWSER, PAGE, signed_in
from tests.web.rig import World

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000
"""It fits one read, so the application is never asked to wait."""

REQUESTS = 300

STRANGER = "/s/demo/_/images/logo.svg"


@asynccontextmanager
async def application() -> AsyncIterator[ScriptedServer]:
    """It answers everything at once."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.head(reader)
            writer.write(ANSWER)

    async with ScriptedServer(script) as server:
        yield server


@asynccontextmanager
async def asks_without_reading(
    world: World, path: str, *fields: tuple[str, str], ahead: bool = False
) -> AsyncIterator[socket.socket]:
    """A connection with a small window, on which many requests were sent, all *ahead* or each when the last one was
    answered, and nothing was read."""
    head = "".join(f"{name}: {value}\r\n" for name, value in [("Host", world.host), *fields])
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", world.port))
        request = f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()
        for _ in range(1 if ahead else REQUESTS):
            with suppress(ConnectionError):
                await loop.sock_sendall(client, request * (REQUESTS if ahead else 1))
            await asyncio.sleep(0.004)
        yield client


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("who", ["a stranger", "a person"])
async def test_it_is_not_asked_for_more_until_it_reads(worlds: Worlds, who: str, ahead: bool) -> None:
    async with application() as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        fields = (await signed_in(world), *BROWSER) if who == "a person" else ()
        before, loop = len(server.heads), asyncio.get_running_loop()
        async with asks_without_reading(world, PAGE if fields else STRANGER, *fields, ahead=ahead) as client:
            await asyncio.sleep(0.3)
            stopped = len(server.heads) - before
            # What the kernel holds on both sides is not little, but it ends.
            assert stopped < REQUESTS // 2
            read = 0
            async with asyncio.timeout(30):
                while read < REQUESTS * 60_000:
                    read += len(await loop.sock_recv(client, 1 << 20))
        # Nothing was lost: when it reads, it gets all it asked for.
        assert REQUESTS == len(server.heads) - before


async def test_what_it_asks_meanwhile_is_kept_for_later(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Connection] = []
    real = Connection.connection_made

    def connection_made(self: Connection, transport: asyncio.Transport) -> None:
        real(self, transport)
        made.append(self)

    world = await worlds()
    cookie = await signed_in(world)
    monkeypatch.setattr(Connection, "connection_made", connection_made)
    async with world.wire() as wire:
        wire.request("GET", PAGE, cookie)
        assert 200 == (await wire.answer()).status
        world.forget()
        # As its transport does when too much waits.
        made[0].pause_writing()
        for method in ("GET", "OPTIONS"):
            wire.request(method, PAGE, cookie)
            await asyncio.sleep(0.05)
        assert [] == world.arrived
        made[0].resume_writing()
        assert [200, 200] == [(await wire.answer()).status for _ in range(2)]
    assert ["GET", "OPTIONS"] == [call.method for call in world.arrived]


@pytest.mark.parametrize("who", ["a stranger", "a person"])
async def test_in_the_end_it_is_gone(worlds: Worlds, who: str) -> None:
    async with application() as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}", listen={"answer_time": 1})
        fields = (await signed_in(world), *BROWSER) if who == "a person" else ()
        async with asks_without_reading(world, PAGE if fields else STRANGER, *fields):
            await until(lambda: _open(world) == 0)


async def test_a_connection_that_ends_does_not_wait_for_it_for_ever(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing waits for the bytes that are still to be sent, be they too few for a pause."""
    made = Connection.connection_made

    def connection_made(self: Connection, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=1 << 30)
        made(self, transport)

    monkeypatch.setattr(Connection, "connection_made", connection_made)
    monkeypatch.setattr("sidecar.app.Allowance", partial(Allowance, keep_alive=1))
    async with application() as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}", listen={"answer_time": 1})
        async with asks_without_reading(world, STRANGER):
            await until(lambda: _open(world) == 0)


async def test_one_that_reads_slowly_stays(worlds: Worlds) -> None:
    async with application() as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}", listen={"answer_time": 3})
        loop = asyncio.get_running_loop()
        async with asks_without_reading(world, STRANGER) as client:
            for _ in range(45):
                # Some 20 KiB a time: its window is small.
                for _ in range(8):
                    assert await loop.sock_recv(client, 16 * 1024)
                await asyncio.sleep(0.1)
            assert 1 == _open(world)


def _open(world: World) -> float:
    text = world.gate.metrics.render()[1].decode()
    line = next(line for line in text.splitlines() if line.startswith("lychgate_connections{"))
    return float(line.split()[-1])
