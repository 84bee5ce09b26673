"""What `/readyz` tells: that requests are welcome. Never the state, a provider or the application."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from sidecar.app import Running
from sidecar.building import chores
from tests.postgres import needs_postgres, server
from tests.web.conftest import Worlds
from tests.web.pairs import PAGE, until


async def probes(gate: Running) -> tuple[int, int]:
    """Liveness and readiness."""
    found = []
    async with aiohttp.ClientSession() as http:
        for path in ("/healthz", "/readyz"):
            async with http.get(f"http://127.0.0.1:{gate.operations}{path}") as answer:
                found.append(answer.status)
    return found[0], found[1]


@needs_postgres
async def test_a_gate_without_its_database_is_ready_for_those_whom_it_knows(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else every instance would be taken out at once, and the grace would serve nobody."""

    async def has_failed() -> bool:
        return "the state could not be swept" in caplog.text

    monkeypatch.setattr(chores, "EVERY", 0.2)
    with server() as database:
        state = database.way(await database.new_database()).address
        world = await worlds(state=state, proof="secret", postgresql={"timeout": "1s"})
        cookie = await world.sign_in("ada")
        assert (200, 200) == await probes(world.gate)
        database.kill()
        await until(has_failed)
        assert (200, 200) == await probes(world.gate)
        assert 200 == (await world.page(PAGE, cookie)).status


async def test_readiness_ends_with_the_drain_and_liveness_with_the_process(worlds: Worlds) -> None:
    world = await worlds(listen={"drain": "1s"})
    assert (200, 200) == await probes(world.gate)
    ending = asyncio.create_task(world.gates.aclose())
    seen = set()
    while not ending.done():
        try:
            seen.add(await probes(world.gate))
        except aiohttp.ClientError:
            # The operations port closes last.
            break
        await asyncio.sleep(0.05)
    await ending
    assert (200, 503) in seen and seen <= {(200, 200), (200, 503)}
