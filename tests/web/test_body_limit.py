"""`max_body`: a body that is too large is refused before the application hears of it where its size is announced, and
broken off where it is not."""

from __future__ import annotations

import asyncio

import pytest

from tests.upstream.scripted import ScriptedServer, until
from tests.web.conftest import Worlds
from tests.web.wire import Wire

ECHO = "/plugins/servlet/demo/echo"
MOST = 64 * 1024


def _chunks(size: int) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)


@pytest.mark.parametrize("size", [0, 1, MOST - 1, MOST])
async def test_what_fits_passes_in_either_framing(worlds: Worlds, size: int) -> None:
    world = await worlds(agents={"max_body": "64KiB"})
    cookie = await world.sign_in("ada")
    whole = await world.ask("POST", ECHO, cookie, body=b"x" * size)
    assert (200, size) == (whole.status, len(whole.body))
    if size:
        answer = await world.ask("POST", ECHO, cookie, ("Transfer-Encoding", "chunked"), body=_chunks(size))
        assert (200, size) == (answer.status, len(answer.body))


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/x-www-form-urlencoded"])
async def test_an_announced_one_is_refused_unseen(worlds: Worlds, kind: str) -> None:
    world = await worlds(agents={"max_body": MOST})
    cookie = await world.sign_in("ada")
    world.forget()
    async with world.wire() as wire:
        # Not a byte of it need come: the head alone tells.
        wire.request("POST", ECHO, cookie, ("Content-Type", kind), ("Content-Length", str(MOST + 1)))
        answer = await wire.answer("POST")
    assert (413, "body_too_large") == (answer.status, answer.error)
    assert [] == world.arrived


async def _swallow(reader: asyncio.StreamReader, server: ScriptedServer, broke: list[bool]) -> None:
    await server.head(reader)
    try:
        while await reader.read(65_536):
            pass
    finally:
        broke.append(True)


async def test_one_that_turns_out_too_large_is_broken_off(worlds: Worlds) -> None:
    broke: list[bool] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _swallow(reader, server, broke)

    async with ScriptedServer(script) as server:
        world = await worlds(
            upstream=f"http://127.0.0.1:{server.port}",
            agents={"max_body": MOST, "rules": [{"paths": ["/public/**"], "answer": "public"}]},
        )
        async with world.wire() as wire:
            wire.request("PUT", "/public/x", ("Transfer-Encoding", "chunked"))
            await _send_until_refused(wire)
            answer = await wire.answer("PUT")
            assert (413, "body_too_large") == (answer.status, answer.error)
            await until(lambda: broke == [True])


async def _send_until_refused(wire: Wire) -> None:
    for _ in range(3):
        wire.send(b"%x\r\n%b\r\n" % (30_000, b"x" * 30_000))
        await asyncio.sleep(0.02)


async def test_a_portal_has_a_limit_of_its_own_and_one_that_is_off_has_none(worlds: Worlds) -> None:
    world = await worlds(agents={"max_body": 10, "mode": "off"})
    answer = await world.ask("POST", ECHO, ("Authorization", "Bearer MTIzNDU2Nzg5MDEyOndoYXRldmVy"), body=b"x" * 1000)
    assert 413 != answer.status
