"""A world whose gate has a second one beside it on the same PostgreSQL, and what tests ask of both."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sidecar.app import Running, running
from sidecar.config.load import load
from sidecar.domain.identity import UnixSeconds
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World, free_port
from tests.web.wire import Answer, Wire

PAGE = "/browse/KEY-1"
FRESH = {"paths": ["/secure/admin/**"], "fresh": "30m", "require": {"any_group": ["okta-jira-users"]}}


@dataclass(slots=True)
class Ahead:
    """The real time, and what the test adds to it."""

    more: int = 0

    def now(self) -> UnixSeconds:
        return UnixSeconds(int(time.time()) + self.more)

    def monotonic(self) -> float:
        return time.monotonic() + self.more


@dataclass(slots=True)
class Pair:
    """A world whose gate has a second one beside it."""

    world: World
    second: Running
    said: io.StringIO
    clock: Ahead

    async def at(self, gate: Running, target: str, *fields: tuple[str, str], method: str = "GET") -> Answer:
        """Ask one of them."""
        wire = await Wire.open(gate.public, self.world.host)
        try:
            wire.request(method, target, *fields)
            return await wire.answer(method)
        finally:
            await wire.close()

    async def statuses(self, target: str, *fields: tuple[str, str]) -> tuple[int, int]:
        """What both answer."""
        first, second = [await self.at(gate, target, HTML, *fields) for gate in self.gates]
        return first.status, second.status

    async def hear_anew(self) -> None:
        """Return once both gates have asked for all that they remember, after now."""
        # What was proven until now is too old from now on, and still within the grace.
        self.clock.more += 15
        await until(lambda: is_heard(self), 60)

    @property
    def gates(self) -> tuple[Running, Running]:
        return self.world.gate, self.second

    def told(self, code: str) -> list[dict[str, Any]]:
        """What both audit trails say of a code."""
        lines = [json.loads(line) for line in self.said.getvalue().splitlines()]
        return self.world.told(code) + [line for line in lines if line["code"] == code]


@asynccontextmanager
async def pair(
    worlds: Worlds,
    address: str,
    otherwise: Callable[[Any], None] = lambda _: None,
    *,
    key: str = "cookie-key",
    **settings: Any,
) -> AsyncIterator[Pair]:
    """*address*: the database's, which is empty. *key*: the file of the second gate's cookie keys. *otherwise* changes
    the rest of its configuration."""
    clock = Ahead()
    usual: dict[str, Any] = {"proof": "secret", "agents": {"rules": [FRESH]}}
    world = await worlds(state=address, clock=clock, **(usual | settings))
    text = json.loads((world.folder / "lychgate.yaml").read_text(encoding="utf-8"))
    text["listen"]["public"] = f"127.0.0.1:{free_port()}"
    text["listen"].pop("control", None)
    (world.folder / key).write_bytes((world.folder / "cookie-key").read_bytes())
    text["cookie_keys"] = [f"file://{world.folder}/{key}"]
    otherwise(text)
    path = world.folder / "second.yaml"
    path.write_text(json.dumps(text), encoding="utf-8")
    said = io.StringIO()
    async with running(load(path, serving=True), audit=said, clock=clock) as second:
        yield Pair(world, second, said, clock)


async def until(done: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    """Wait for something that is only a question of time."""
    for _ in range(int(seconds / 0.1)):
        if await done():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen")


async def signed_in(browser: Any, place: str, person: str) -> int:
    """Through the provider and the callback; the status of the callback's answer."""
    issuer = place.partition("/authorize")[0]
    _, _, text = await browser.go(place)
    interaction = text.partition('name="interaction" value="')[2].partition('"')[0]
    _, callback, _ = await browser.go(f"{issuer}/choose", "POST", data={"interaction": interaction, "person": person})
    return int((await browser.go(callback))[0])


async def is_heard(both: Pair) -> bool:
    return all(gate.sessions.is_vouched_for(both.clock.now()) for gate in both.gates)


async def is_not_heard(both: Pair) -> bool:
    return not any(gate.sessions.is_vouched_for(both.clock.now()) for gate in both.gates)
