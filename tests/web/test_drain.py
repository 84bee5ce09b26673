"""The end of the process under load: nobody who is asked to go elsewhere in time loses a request, a POST least of all
(RFC 9112, section 9.6)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

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


async def test_under_load_the_end_loses_no_request(worlds: Worlds) -> None:
    world = await worlds(listen={"drain": 5})
    cookie, tally = await world.sign_in("ada"), Tally()
    clients = [
        asyncio.ensure_future(_client(world, cookie, "POST" if number % 2 else "GET", tally))
        for number in range(CLIENTS)
    ]
    await asyncio.sleep(0.3)
    before = tally.answered
    # It ends early: when the last client is gone nothing is left to wait for.
    async with asyncio.timeout(4):
        await world.gates.aclose()
    await asyncio.gather(*clients)
    assert before > CLIENTS
    assert (0, CLIENTS) == (tally.lost, tally.told_to_close)
