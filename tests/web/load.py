"""People at work while something is done to the gates: what they were answered, and whom they lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sidecar.app import Running
from tests.upstream.scripted import until
from tests.web.rig import HTML, World
from tests.web.wire import Wire

PAGE = "/browse/KEY-1"
BOUND = 4000
"""Requests of each person at most: a load ends by itself."""

Cookie = tuple[str, str]


@dataclass(slots=True)
class Load:
    """What happened so far.

    Attributes:
        answers: Statuses of requests, however many.
        cookies: Of everybody who is signed in.
    """

    world: World
    gates: Sequence[Running]
    answers: Counter[int] = field(default_factory=Counter)
    signed_in: Counter[int] = field(default_factory=Counter)
    cookies: list[Cookie] = field(default_factory=list)
    over: bool = False

    async def more(self, requests: int = 30, sign_ins: int = 1) -> None:
        """Let so much more of it happen."""
        wanted, people = self.answers.total() + requests, self.signed_in.total() + sign_ins
        await until(lambda: self.answers.total() >= wanted and self.signed_in.total() >= people)

    async def everybody(self) -> Counter[int]:
        """What everybody who ever signed in is answered at every gate now."""
        found: Counter[int] = Counter()
        for gate in self.gates:
            for cookie in self.cookies:
                wire = await Wire.open(gate.public, self.world.host)
                wire.request("GET", PAGE, HTML, cookie)
                found[(await wire.answer()).status] += 1
                await wire.close()
        return found

    async def work(self, cookie: Cookie) -> None:
        """One person who reads pages, at one gate after the other, over connections that stay open."""
        wires = [await Wire.open(gate.public, self.world.host) for gate in self.gates]
        for number in range(BOUND):
            wire = wires[number % len(wires)]
            wire.request("GET", PAGE, HTML, cookie)
            self.answers[(await wire.answer()).status] += 1
            if self.over:
                break
            await asyncio.sleep(0.005)
        for wire in wires:
            await wire.close()

    async def sign_in(self, person: str) -> None:
        """Sign-ins that begin at the last gate, and end a moment later at the first, as the provider knows it."""
        for _ in range(BOUND):
            if self.over:
                return
            async with self.world.browser() as browser:
                wire = await Wire.open(self.gates[-1].public, self.world.host)
                wire.request("GET", PAGE, HTML)
                away = await wire.answer()
                await wire.close()
                for line in away.headers("Set-Cookie"):
                    browser.session.cookie_jar.update_cookies(set_cookie(line))
                await asyncio.sleep(0.05)
                self.signed_in[(await browser.choose(away.location, person))[0]] += 1
                self.cookies.append(browser.cookie)


@asynccontextmanager
async def under_load(world: World, *gates: Running) -> AsyncIterator[Load]:
    """Three people read, and one after the other signs in, as long as the block lasts."""
    load = Load(world, gates)
    load.cookies = [await world.sign_in(person) for person in ("ada", "nina", "ada")]
    work: list[Awaitable[None]] = [load.work(cookie) for cookie in load.cookies]
    tasks = [asyncio.ensure_future(one) for one in (*work, load.sign_in("nina"))]
    try:
        yield load
    finally:
        load.over = True
        await asyncio.gather(*tasks)


def set_cookie(field: str) -> dict[str, str]:
    name, _, value = field.partition(";")[0].partition("=")
    return {name: value}
