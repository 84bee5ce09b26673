"""Three gates on one PostgreSQL behind a real nginx, before three real Tomcats: nobody notices which gate they meet,
and everybody stays on their node. (A gate that is killed: `test_rolling_restart`; a node: `test_real_nodes`.)"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from sidecar.app import Running, running
from sidecar.config.load import load
from tests.e2e.conftest import require
from tests.e2e.servers import JAVAC, NGINX, TOMCAT
from tests.e2e.test_rolling_restart import nginx_before
from tests.e2e.tomcats import tomcats
from tests.postgres import needs_postgres, server
from tests.web.pairs import Ahead, signed_in, until
from tests.web.rig import HTML, Site, World, free_port, world
from tests.web.wire import Answer, Wire

pytestmark = needs_postgres

NEEDED = "Tomcat 10, javac and nginx (Debian: `apt install tomcat10 default-jdk-headless nginx-light`)"
UPLOAD = "/secure/upload"
FILE = b"y" * 100_000
Cookie = tuple[str, str]


@dataclass(slots=True)
class Three:
    """All of it. *visits*: whom the webhook was told of, which runs on a person's first request."""

    world: World
    gates: list[Running]
    nodes: dict[str, int]
    clock: Ahead
    visits: list[str]

    async def at(self, gate: Running, method: str, target: str, *fields: Cookie, body: bytes | None = None) -> Answer:
        """Ask one of the gates, behind nginx's back."""
        wire = await Wire.open(gate.public, self.world.host)
        try:
            wire.request(method, target, *fields, body=body)
            return await wire.answer(method)
        finally:
            await wire.close()

    async def each(self, target: str, *fields: Cookie) -> list[Answer]:
        """What every gate answers."""
        return [await self.at(gate, "GET", target, *fields) for gate in self.gates]

    async def nodes_of(self, cookie: Cookie) -> set[str | None]:
        """The nodes to which the gates lead somebody."""
        return {answer.header("X-ANODEID") for answer in await self.each(UPLOAD, cookie)}

    async def hear_anew(self) -> None:
        """Return once all gates have asked for all that they remember, after now."""
        self.clock.more += 15

        async def are_heard() -> bool:
            return all(gate.sessions.is_vouched_for(self.clock.now()) for gate in self.gates)

        await until(are_heard, 60)


@asynccontextmanager
async def webhook(visits: list[str]) -> AsyncIterator[str]:
    """Something that a site runs before somebody is let in; its address."""

    async def visit(request: web.BaseRequest) -> web.Response:
        name = str((await request.json())["username"])
        visits.append(name)
        # So long that others would come meanwhile.
        await asyncio.sleep(0.2)
        visits.append(f"{name} is done")
        return web.Response(status=204)

    runner = web.ServerRunner(web.Server(visit))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def three(folder: Path) -> AsyncIterator[Three]:
    """Start everything."""
    async with AsyncExitStack() as stack:
        nodes = {name: free_port() for name in ("a", "b", "c")}
        starting = asyncio.create_task(stack.enter_async_context(tomcats(folder / "tomcats", nodes)))
        database = stack.enter_context(server())
        visits: list[str] = []
        hook = {
            "url": await stack.enter_async_context(webhook(visits)),
            "secret": f"file://{folder}/shared",
        }
        addresses = [f"http://127.0.0.1:{port}" for port in nodes.values()]
        jira = {
            "upstream": {"url": addresses[0], "also": addresses[1:], "status_every": 1},
            "accounts": {"hooks": {"webhook": [hook]}},
        }
        _ = await starting
        clock = Ahead()
        state = database.way(await database.new_database()).address
        site = Site(state=state, proof="secret", upstream=addresses[0], jira=jira, trusted=("127.0.0.1",), clock=clock)
        made = await stack.enter_async_context(world(folder, site))
        await made.gates.aclose()
        gates = []
        for name in ("first", "second", "third"):
            text = json.loads((folder / "lychgate.yaml").read_text("utf-8"))
            text["listen"]["public"] = f"127.0.0.1:{free_port()}"
            path = folder / f"{name}.yaml"
            path.write_text(json.dumps(text), encoding="utf-8")
            gate = running(load(path, serving=True), audit=io.StringIO(), clock=clock)
            gates.append(await stack.enter_async_context(gate))
        _ = await stack.enter_async_context(nginx_before(folder, made.port, [gate.public for gate in gates]))
        yield Three(made, gates, nodes, clock, visits)


async def test_three_gates_before_three_nodes_are_one(tmp_path: Path) -> None:
    require(TOMCAT.exists() and JAVAC is not None and NGINX is not None, NEEDED)
    async with three(tmp_path) as all_:
        # Every step of a sign-in may be at another gate, and so may all that follows.
        ada = await all_.world.sign_in("ada", UPLOAD)
        sent = await all_.world.ask("POST", UPLOAD, ada, ("Content-Type", "image/png"), body=FILE)
        assert 200 == sent.status
        for _ in range(2):
            for answer in await all_.each(UPLOAD, ada):
                # The upload is on its node, and every gate leads there.
                assert (200, sent.header("X-ANODEID")) == (answer.status, answer.header("X-ANODEID"))
                assert answer.text == f"ada {FILE.decode()}"
        await _a_person_is_made_ready_by_one_at_a_time(all_)
        await _claims_are_confirmed_once(all_, ada)
        await _a_node_is_drained(all_, ada, str(sent.header("X-ANODEID")))
        await _a_sign_out_is_one_everywhere(all_)


async def _a_person_is_made_ready_by_one_at_a_time(all_: Three) -> None:
    async with all_.world.browser() as browser:
        status, place, _ = await browser.go(all_.world.url + UPLOAD)
        assert 302 == status
        _ = await signed_in(browser, place, "nina")
        nina = browser.cookie
        asked = (all_.at(gate, "GET", UPLOAD, HTML, nina) for gate in all_.gates * 4)
        # The servlet knows of no upload of hers.
        assert {404} == {answer.status for answer in await asyncio.gather(*asked)}
        # Each gate calls it for its own first request of hers, one after the other.
        hers = [visit for visit in all_.visits if visit.startswith("nina")]
        assert ["nina", "nina is done"] * 3 == hers


async def _claims_are_confirmed_once(all_: Three, cookie: Cookie) -> None:
    all_.clock.more += 1000
    await all_.hear_anew()
    before = all_.world.staff.counts["token"]
    asked = (all_.at(gate, "GET", UPLOAD, cookie) for gate in all_.gates * 4)
    assert {200} == {answer.status for answer in await asyncio.gather(*asked)}
    assert 1 == all_.world.staff.counts["token"] - before


async def _a_node_is_drained(all_: Three, ada: Cookie, node: str) -> None:
    """Its people move, each to the same node at every gate, and nobody else does."""
    others = {}
    for person in ("stella", "dora", "nina", "stella", "dora"):
        cookie = await all_.world.sign_in(person, UPLOAD)
        (others[cookie],) = await all_.nodes_of(cookie)
    wire = await Wire.open(all_.nodes[node], "localhost")
    wire.request("GET", "/drain")
    assert 200 == (await wire.answer("GET")).status
    await wire.close()

    async def has_moved() -> bool:
        return node not in await all_.nodes_of(ada)

    await until(has_moved)
    assert 1 == len(await all_.nodes_of(ada))
    assert {"ada"} == {answer.header("X-AUSERNAME") for answer in await all_.each(UPLOAD, ada)}
    for cookie, seat in others.items():
        assert seat == node or {seat} == await all_.nodes_of(cookie)


async def _a_sign_out_is_one_everywhere(all_: Three) -> None:
    async with all_.world.browser() as browser:
        _ = await browser.sign_in("dora", UPLOAD)
        cookie = browser.cookie
        assert [404] * 3 == [answer.status for answer in await all_.each(UPLOAD, HTML, cookie)]
        await browser.sign_out()

        async def is_out() -> bool:
            return [401] * 3 == [answer.status for answer in await all_.each("/rest/api/2/myself", cookie)]

        # Told at once, and not at the next round.
        await until(is_out, 5.0)
