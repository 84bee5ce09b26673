"""What clients see of the way to the application: busy, starting, out of reach, and by whichever way it is reached."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sidecar.demo.jira.faults import Failure
from tests.upstream.scripted import ScriptedServer, answering, until
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World
from tests.web.wire import Answer

PATH = "/public/x"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HANDSHAKE = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)


def way(server: ScriptedServer, **keys: object) -> dict[str, object]:
    """Settings of a world whose application is *server*."""
    url = f"http://127.0.0.1:{server.port}"
    return {"upstream": url, "jira": {"upstream": {"url": url, **keys}}}


def metric(world: World, line: str) -> bool:
    return line in world.gate.metrics.render()[1].decode().splitlines()


async def test_one_too_many_is_told_when_to_come_again(worlds: Worlds) -> None:
    released = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.head(reader)
            await released.wait()
            writer.write(OK)

    server = ScriptedServer(script)
    async with server:
        world = await worlds(**way(server, limits={"in_flight": 1, "queue": 1, "queue_wait": "10m"}))
        served = [asyncio.create_task(world.ask("GET", PATH)) for _ in range(2)]
        await until(lambda: metric(world, 'lychgate_upstream_waiting{application="jira"} 1.0'))
        assert metric(world, 'lychgate_upstream_requests{application="jira"} 1.0')
        answers = [await world.ask("GET", PATH), await world.ask("POST", PATH, body=b"x")]
        # The application has seen neither of them, so even what changes something may be sent again.
        assert [(503, "upstream_busy", "10")] * 2 == [
            (answer.status, answer.error, answer.header("Retry-After")) for answer in answers
        ]
        page = await world.page(PATH)
        assert 503 == page.status and "Jira is very busy" in page.text and 'http-equiv="refresh"' in page.text
        form = await world.ask("POST", PATH, HTML, body=b"x")
        assert (503, None) == (form.status, form.header("Retry-After"))
        assert metric(world, 'lychgate_refusals_total{reason="upstream_busy"} 4.0')
        released.set()
        assert [200, 200] == [(await task).status for task in served]
        await until(lambda: metric(world, 'lychgate_upstream_idle{application="jira"} 1.0'))
        assert 2 == len(server.heads)


async def test_strangers_who_hold_their_places_leave_room_for_people(worlds: Worlds) -> None:
    released = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            if PATH.encode() in await server.head(reader):
                await released.wait()
            writer.write(OK)

    server = ScriptedServer(script)
    async with server:
        world = await worlds(**way(server, limits={"in_flight": 2, "anonymous": 1, "queue_wait": "10m"}))
        cookie = await world.sign_in("ada")
        strangers = [asyncio.create_task(world.ask("GET", PATH)) for _ in range(3)]
        await until(lambda: metric(world, 'lychgate_upstream_waiting{application="jira"} 2.0'))
        assert 200 == (await world.ask("GET", "/browse/KEY-1", cookie)).status
        assert 200 == (await world.ask("POST", "/browse/KEY-1", cookie, body=b"x")).status
        assert metric(world, 'lychgate_upstream_requests{application="jira"} 1.0')
        released.set()
        assert [200] * 3 == [(await task).status for task in strangers]


async def test_no_room_for_another_websocket(worlds: Worlds) -> None:
    async with answering(then=OK) as server:
        world = await worlds(**way(server, limits={"tunnels": 0}))
        cookie = await world.sign_in("ada")
        answer = await world.ask("GET", "/rest/x", *HANDSHAKE, ("Origin", world.origin), cookie)
        assert (503, "tunnels_full", "10") == (answer.status, answer.error, answer.header("Retry-After"))
        assert not any(b"/rest/x" in head for head in server.heads)


async def test_an_application_that_is_starting_is_said_to_be(worlds: Worlds) -> None:
    """It listens, answers everything with 503, and says `STARTING`; then it is ready."""
    state = b"STARTING"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await server.head(reader)
            body = b'{"state":"%b"}' % state if head.startswith(b"GET /jira/status ") else b"own"
            status = b"503 Unavailable" if state == b"STARTING" else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    async def ask() -> Answer:
        return await world.ask("GET", "/jira" + PATH)

    server = ScriptedServer(script)
    async with server:
        world = await worlds(context="/jira", **way(server))
        answer = await ask()
        assert (503, "own") == (answer.status, answer.text)
        while answer.body == b"own":
            answer = await ask()
        assert (503, "upstream_starting", "10") == (answer.status, answer.error, answer.header("Retry-After"))
        page = await world.page("/jira" + PATH)
        assert 503 == page.status and "Jira is starting" in page.text and 'http-equiv="refresh"' in page.text
        status = await world.ask("GET", "/jira/status")
        assert (503, {"state": "STARTING"}) == (status.status, status.json)
        state = b"RUNNING"
        answer = await ask()
        assert (200, "own") == (answer.status, answer.text)


async def test_an_application_behind_a_unix_socket_sees_its_public_host(worlds: Worlds, tmp_path: Path) -> None:
    path = str(tmp_path / "jira.sock")
    async with answering(then=OK, path=path) as server:
        world = await worlds(upstream=f"unix://{path}")
        answer = await world.ask("GET", PATH)
        assert (200, b"ok") == (answer.status, answer.body)
        assert f"\r\nHost: {world.host}\r\n".encode() in server.heads[0]


@pytest.mark.parametrize("quick", [False, True], ids=["POST", "GET of a session"])
async def test_some_paths_are_waited_for_otherwise(worlds: Worlds, quick: bool) -> None:
    """The one path has a second, all others have an hour; the sweeper looks once a second."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await server.head(reader)
            slow = sum(b" /browse/slow" in head for head in server.heads)
            if b" /browse/slow" not in head or (quick and slow == 1):
                writer.write(OK)

    server = ScriptedServer(script)
    async with server:
        by_path = [{"paths": "/browse/slow", "first_byte": "1s"}]
        world = await worlds(**way(server, first_byte="1h", by_path=by_path))
        cookie = await world.sign_in("ada")
        if quick:
            async with world.wire() as wire:
                for expected in (200, 504):  # the gate takes the quick way to what it has seen before
                    wire.request("GET", "/browse/slow", cookie)
                    answer = await wire.answer()
                    assert expected == answer.status
        else:
            answer = await world.ask("POST", "/browse/slow", cookie, ("Origin", world.origin), body=b"x")
        assert (504, "upstream_timeout") == (answer.status, answer.error)


async def test_the_first_request_of_a_person_meets_an_application_that_is_starting(worlds: Worlds) -> None:
    """What fails then is the account connector; what is said is why."""
    world = await worlds()
    world.jira.faults.prepare("/status", Failure(503, '{"state": "STARTING"}'), times=1000)
    world.jira.faults.prepare("/", Failure(503), times=1000)
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("ada")
    assert 503 == status
    assert "Jira is starting" in text and "upstream_starting" in text
    assert 1 == sum(call.target == "/status" for call in world.jira.calls)
