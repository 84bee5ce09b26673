"""The end of the process under load: nobody who is asked to go elsewhere in time loses a request, a POST least of all
(RFC 9112, section 9.6)."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from contextlib import closing
from dataclasses import dataclass

from aiohttp import web

from sidecar.web.allowance import Allowance
from sidecar.web.server import SHUTDOWN, Listener
from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.rig import World
from tests.web.wire import Wire

ECHO = "/plugins/servlet/demo/echo"
CLIENTS = 20


@dataclass
class Tally:
    """What clients saw."""

    answered: int = 0
    told_to_close: int = 0
    lost: int = 0


async def _client(world: World, cookie: tuple[str, str], method: str, tally: Tally) -> None:
    """Ask again and again on one connection until an answer says that it ends."""
    async with world.wire() as wire:
        for _ in range(100_000):
            if not await _one(wire, cookie, method, tally):
                return


async def _one(wire: Wire, cookie: tuple[str, str], method: str, tally: Tally) -> bool:
    try:
        wire.request(
            method, ECHO if method == "POST" else "/browse/KEY-1", cookie, body=b"x" if method == "POST" else None
        )
        answer = await wire.answer(method)
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        tally.lost += 1
        return False
    tally.answered += answer.status == 200
    tally.told_to_close += answer.header("Connection") == "close"
    return answer.header("Connection") != "close"


@dataclass
class Load:
    """Clients that all work at once, half of them with POSTs."""

    tally: Tally
    tasks: list[asyncio.Future[None]]

    @classmethod
    def begin(cls, world: World, cookie: tuple[str, str]) -> Load:
        """Let them begin."""
        tally = Tally()
        methods = ("POST" if number % 2 else "GET" for number in range(CLIENTS))
        return cls(tally, [asyncio.ensure_future(_client(world, cookie, method, tally)) for method in methods])

    async def met_its_end(self) -> bool:
        """Whether every one of them was told, and none lost a request."""
        await asyncio.gather(*self.tasks)
        return (0, CLIENTS) == (self.tally.lost, self.tally.told_to_close)


async def test_under_load_the_end_loses_no_request(worlds: Worlds) -> None:
    world = await worlds(listen={"drain": 2})
    load = Load.begin(world, await world.sign_in("ada"))
    await asyncio.sleep(0.3)
    before = load.tally.answered
    await world.gates.aclose()
    assert await load.met_its_end()
    assert before > CLIENTS


async def test_who_is_sent_late_is_served_although_nobody_was_there(worlds: Worlds) -> None:
    """What stands in front notices the end some time after it began."""
    world = await worlds(listen={"drain": 2})
    cookie = await world.sign_in("ada")
    ending = asyncio.ensure_future(world.gates.aclose())
    await asyncio.sleep(0.7)
    answer = await world.page("/browse/KEY-1", cookie)
    assert (200, "close") == (answer.status, answer.header("Connection"))
    await ending


async def test_the_process_ends_at_its_signal_without_losing_a_request(worlds: Worlds) -> None:
    """The command as it runs in a container: its own process, on the state of the world's gate."""
    world = await worlds(listen={"drain": 5})
    await world.gates.aclose()
    command = (sys.executable, "-m", "sidecar", "serve", "-c", str(world.folder / "lychgate.yaml"))
    with (world.folder / "said").open("wb") as said:
        process = await asyncio.create_subprocess_exec(*command, stdout=said, stderr=said)
    try:
        await _listens(world)
        load = Load.begin(world, await world.sign_in("ada"))
        await asyncio.sleep(0.3)
        before = load.tally.answered
        # And neither does a new configuration before it.
        process.send_signal(signal.SIGHUP)
        await until(lambda: "a new configuration is in force" in (world.folder / "said").read_text("utf-8"))
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await load.met_its_end()
            assert 0 == await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert before > CLIENTS


async def test_a_connection_that_is_taken_at_the_last_moment_is_answered() -> None:
    """It came in the very turn of the loop in which nobody new was let in any more."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="served")

    listener = Listener(serve, Allowance(drain=0.2))
    await listener.open("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.settimeout(5)

    def arrive() -> None:
        client.connect(("127.0.0.1", listener.port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        # Until the moment is over: the loop finds the connection and the end in one turn.
        time.sleep(0.1)

    with closing(client):
        began = loop.time()
        loop.call_later(0.15, arrive)
        await listener.close()
        answer = await asyncio.to_thread(client.recv, 4096)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(b"served")
        assert loop.time() - began < SHUTDOWN


async def _listens(world: World) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await world.ask("GET", "/.lychgate/whoami")
            except ConnectionError:
                await asyncio.sleep(0.1)
            else:
                return
