"""`/upstream-status` on the operations port: what the probes of the application's own container are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from sidecar.web.upstream_status import State, UpstreamStatus
from tests.upstream.scripted import ScriptedServer
from tests.web.conftest import Worlds
from tests.web.rig import World
from tests.web.test_upstream_over_http import way


async def told(world: World, path: str = "/upstream-status") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{world.gate.operations}{path}") as answer,
    ):
        assert "no-store" == answer.headers["Cache-Control"]
        return answer.status, await answer.text()


@asynccontextmanager
async def saying(status: bytes, body: bytes) -> AsyncIterator[ScriptedServer]:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    server = ScriptedServer(script)
    async with server:
        yield server


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (b"200 OK", b'{"state":"RUNNING"}', (200, '{"state": "RUNNING"}\n')),
        (b"200 OK", b'{"state":"FIRST_RUN"}', (200, '{"state": "FIRST_RUN"}\n')),
        (b"503 Unavailable", b'{"state":"STARTING"}', (503, '{"state": "STARTING"}\n')),
        (b"503 Unavailable", b'{"state":"MAINTENANCE"}', (503, '{"state": "MAINTENANCE"}\n')),
        # nothing of an answer that is no such page leaves the gate
        (b"200 OK", b"<html>log in</html>", (200, '{"state": "UNKNOWN"}\n')),
        (b"302 Found", b"", (503, '{"state": "UNKNOWN"}\n')),
        (b"500 Error", b'{"state":"<b>"}', (503, '{"state": "UNKNOWN"}\n')),
        (b"200 OK", b'["RUNNING"]', (200, '{"state": "UNKNOWN"}\n')),
    ],
)
async def test_the_application_s_own_word_is_passed_on(
    worlds: Worlds, status: bytes, body: bytes, expected: tuple[int, str]
) -> None:
    async with saying(status, body) as server:
        world = await worlds(context="/jira", **way(server))
        assert expected == await told(world)
        assert expected == await told(world, "/upstream-status/jira")
        (head, *_) = server.heads
    assert head.startswith(b"GET /jira/status HTTP/1.1\r\nHost: ")


async def test_an_application_that_does_not_answer_is_unreachable(worlds: Worlds) -> None:
    async with saying(b"200 OK", b"") as server:
        world = await worlds(context="/jira", **way(server))
    assert (503, '{"state": "UNREACHABLE"}\n') == await told(world)


async def test_the_stand_in_is_running(worlds: Worlds) -> None:
    world = await worlds()
    assert (200, '{"state": "RUNNING"}\n') == await told(world)


async def test_an_application_that_is_not_there_is_said_so(worlds: Worlds) -> None:
    world = await worlds()
    for path in ("/upstream-status/", "/upstream-status/jira"):
        assert 200 == (await told(world, path))[0]
    for path in ("/upstream-status/wiki", "/upstream-status/jira/", "/upstream-status/jira/x"):
        assert (404, '{"state": "UNKNOWN_APPLICATION"}\n') == await told(world, path)


def counted(asked: list[str], name: str) -> Callable[[], Awaitable[State]]:
    async def ask() -> State:
        asked.append(name)
        await asyncio.sleep(0)
        return 200, "RUNNING"

    return ask


async def test_a_question_is_shared_and_its_answer_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    states = UpstreamStatus({name: counted(asked, name) for name in ("jira", "wiki")})
    await asyncio.gather(*(states.answer(f"/upstream-status/{name}") for name in ("jira", "wiki") * 20))
    assert ["jira", "wiki"] == sorted(asked)
    # With several applications the name is needed.
    assert 404 == (await states.answer("/upstream-status")).status

    monkeypatch.setattr("sidecar.web.upstream_status.KEPT", 0.0)
    assert 200 == (await states.answer("/upstream-status/jira")).status
    assert ["jira", "jira", "wiki"] == sorted(asked)
    await states.close()


async def test_a_probe_that_gives_up_leaves_the_question_to_the_others() -> None:
    gate = asyncio.Event()

    async def ask() -> State:
        await gate.wait()
        return 200, "RUNNING"

    states = UpstreamStatus({"jira": ask})
    first = asyncio.create_task(states.answer("/upstream-status"))
    second = asyncio.create_task(states.answer("/upstream-status"))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert 200 == (await second).status
    await states.close()
