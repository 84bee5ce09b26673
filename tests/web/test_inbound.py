"""Slow and greedy clients (rules 64 and 65): a head and a body must come in time, a head is bounded as a whole, and so
is the number of connections. Whoever is refused gets an answer without a word of the request, and is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from sidecar.domain.reason import Reason
from sidecar.web.allowance import Allowance
from sidecar.web.inbound import Connection, SlowBodyError
from sidecar.web.server import Listener
from tests.upstream.scripted import ScriptedServer, until
from tests.web.conftest import Worlds
from tests.web.rig import World
from tests.web.wire import Wire

FORM = ("Content-Type", "application/x-www-form-urlencoded")
LONG = 1000.0
"""Seconds by which a test lets the sweeper believe that time has passed."""


@dataclass
class Door:
    """A listener of ours, and what its handler saw."""

    listener: Listener
    refused: list[Reason]
    bodies: list[bytes | str] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        """The sweeper looks, *seconds* from now."""
        now = asyncio.get_running_loop().time()
        for connection in self.connections:
            connection.sweep(now + seconds)

    async def wire(self) -> Wire:
        self.wires.append(await Wire.open(self.listener.port))
        return self.wires[-1]

    @property
    def connections(self) -> list[Connection]:
        """Those that are served."""
        return [one for one in self.listener._server.connections if isinstance(one, Connection)]


@asynccontextmanager
async def _door(allowance: Allowance | None = None) -> AsyncIterator[Door]:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        read = bytearray()
        try:
            async for piece in request.content.iter_any():
                read += piece
        except SlowBodyError:
            door.bodies.append("too slow")
            return web.Response(status=408)
        door.bodies.append(bytes(read))
        return web.Response(text="served")

    refused: list[Reason] = []
    door = Door(Listener(handler, allowance, refused.append), refused)
    await door.listener.open("127.0.0.1", 0)
    try:
        yield door
    finally:
        for wire in door.wires:
            await wire.close()
        await door.listener.close()


async def test_a_slow_head_is_408_and_the_end() -> None:
    async with _door() as door:
        wire = await door.wire()
        wire.send(b"GET / HTTP/1.1\r\nHost: local")
        await until(lambda: any(c._head_bytes for c in door.connections))
        door.wait(14)
        assert [] == door.refused
        door.wait(16)
        answer = await wire.answer()
        assert (408, [Reason.REQUEST_TIMEOUT]) == (answer.status, door.refused)
        assert b"local" not in answer.body and await wire.is_over()


async def test_drops_do_not_keep_a_head_alive() -> None:
    async with _door() as door:
        wire = await door.wire()
        wire.send(b"GET / HTTP/1.1\r\n")
        for number in range(5):
            wire.send(b"X-%d: y\r\n" % number)
            await asyncio.sleep(0.01)
        door.wait(16)
        assert 408 == (await wire.answer()).status


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async with _door() as door:
        wire = await door.wire()
        await until(lambda: len(door.listener) == 1)
        door.wait(16)
        assert await wire.is_over() and [] == door.refused


async def test_between_two_requests_a_connection_may_rest() -> None:
    async with _door() as door:
        wire = await door.wire()
        for _ in range(2):
            wire.request("GET", "/")
            assert b"served" == (await wire.answer()).body
            door.wait(60)


async def test_a_slow_second_head_ends_the_connection_too() -> None:
    async with _door() as door:
        wire = await door.wire()
        wire.request("GET", "/")
        assert 200 == (await wire.answer()).status
        wire.send(b"GET /second HTTP/1.1\r\n")
        await until(lambda: any(c._head_bytes for c in door.connections))
        door.wait(16)
        assert 408 == (await wire.answer()).status


async def test_a_body_that_stands_still_is_given_up() -> None:
    async with _door() as door:
        wire = await door.wire()
        wire.request("POST", "/", ("Content-Length", "100000"), body=b"x" * 5000)
        await until(lambda: any(c._window_bytes > 5000 for c in door.connections))
        # The first stretch brought enough; the second brings too little.
        door.wait(31)
        wire.send(b"x" * 4095)
        await until(lambda: any(c._window_bytes == 4095 for c in door.connections))
        door.wait(60)
        assert [] == door.bodies
        door.wait(62)
        assert 408 == (await wire.answer()).status
        assert ["too slow"] == door.bodies


async def test_a_body_that_goes_on_is_not() -> None:
    async with _door() as door:
        wire = await door.wire()
        wire.request("POST", "/", ("Content-Length", "60000"), body=b"x" * 5000)
        for number in range(1, 12):
            await until(lambda: any(c._window_bytes >= 4096 for c in door.connections))
            door.wait(31 * number)
            wire.send(b"x" * 5000)
        assert b"served" == (await wire.answer()).body
        assert [b"x" * 60_000] == door.bodies


async def test_while_we_do_not_read_a_client_is_not_to_blame() -> None:
    async with _door() as door:
        wire = await door.wire()
        wire.request("POST", "/", ("Content-Length", "100000"), body=b"x")
        await until(lambda: any(c._body is not None for c in door.connections))
        (connection,) = door.connections
        connection._reading_paused = True
        door.wait(LONG)
        connection._reading_paused = False
        door.wait(LONG + 29)
        wire.send(b"x" * 99_999)
        assert b"served" == (await wire.answer()).body


async def test_a_head_is_bounded_as_a_whole_before_it_is_complete() -> None:
    async with _door() as door:
        wire = await door.wire()
        wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        # Fewer fields than are accepted, each of them small enough, and no end of the head.
        wire.send(b"".join(b"X-%d: %b\r\n" % (number, b"secret" * 100) for number in range(112)))
        answer = await wire.answer()
        assert (431, False) == (answer.status, b"secret" in answer.body)
        assert [Reason.HEADERS_TOO_LARGE] == door.refused


async def test_32_kib_of_fields_pass() -> None:
    async with _door() as door:
        wire = await door.wire()
        fields = [(f"X-{number}", "y" * 1000) for number in range(32)]
        wire.request("GET", "/", *fields)
        assert 200 == (await wire.answer()).status


async def test_one_connection_too_many_is_503_and_the_others_go_on() -> None:
    async with _door(Allowance(connections=2)) as door:
        first, second = await door.wire(), await door.wire()
        await until(lambda: len(door.listener) == 2)
        third = await door.wire()
        answer = await third.answer()
        assert (503, "5") == (answer.status, answer.header("Retry-After"))
        assert await third.is_over() and [Reason.TOO_MANY_CONNECTIONS] == door.refused
        for wire in (first, second):
            wire.request("GET", "/")
            assert 200 == (await wire.answer()).status
        await first.close()
        await until(lambda: len(door.listener) == 1)
        fourth = await door.wire()
        fourth.request("GET", "/")
        assert 200 == (await fourth.answer()).status


def _counted(world: World, reason: str) -> bool:
    return f'lychgate_refusals_total{{reason="{reason}"}}' in world.gate.metrics.render()[1].decode()


async def test_a_half_sent_form_is_not_held_for_ever(worlds: Worlds) -> None:
    """The gate must see a form before the application does (D12), its own forms too: neither waits without an end."""
    world = await worlds(listen={"body_time": 1})
    cookie = await world.sign_in("ada")
    world.forget()
    for path in ("/secure/X.jspa", "/.lychgate/logout"):
        async with world.wire() as wire:
            wire.request("POST", path, cookie, FORM, ("Content-Length", "1000"), body=b"comment=")
            answer = await wire.answer("POST")
            assert (path, 408, "request_timeout") == (path, answer.status, answer.error)
            assert await wire.is_over()
    assert [] == world.arrived
    assert _counted(world, "request_timeout")


async def test_a_body_that_stops_on_its_way_ends_the_request_at_the_application(worlds: Worlds) -> None:
    broke: list[bool] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        try:
            await reader.read()
        finally:
            broke.append(True)

    async with ScriptedServer(script) as server:
        world = await worlds(listen={"body_time": 1}, upstream=f"http://127.0.0.1:{server.port}")
        async with world.wire() as wire:
            wire.request("POST", "/public/x", ("Content-Length", "1000"), body=b"half")
            answer = await wire.answer("POST")
            assert (408, "request_timeout") == (answer.status, answer.error)
            await until(lambda: broke == [True])


async def test_refusals_before_a_request_are_counted(worlds: Worlds) -> None:
    world = await worlds(listen={"head_time": 1})
    async with world.wire() as wire:
        wire.send(b"GET / HT")
        assert 408 == (await wire.answer()).status
    async with world.wire() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert 400 == (await wire.answer()).status
    assert _counted(world, "request_timeout") and _counted(world, "bad_headers")
