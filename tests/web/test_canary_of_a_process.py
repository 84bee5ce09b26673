"""`lychgate serve` as a process of its own, in trouble of many kinds: neither of its two streams has a secret, nor has
what browsers and its operations listener got."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from sidecar.cli import main
from sidecar.demo.provider.faults import Fault
from tests.postgres import Server, needs_postgres, server
from tests.web.conftest import Worlds
from tests.web.marks import Seen, at_rest, in_use, leaks
from tests.web.rig import World, free_port
from tests.web.test_audit_trail import CANARY, TOKEN, _errors
from tests.web.wire import Wire

WRONG = "a-wrong-secret-Kq83vTz61Lw0"
OTHER = "another-database-password-Pw93Xe"
PATH = "/browse/KEY-1"


@dataclass(slots=True)
class Served:
    """The process and what it said."""

    world: World
    process: asyncio.subprocess.Process
    folder: Path

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text("utf-8", "replace")

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text("utf-8", "replace")

    @property
    def told(self) -> set[tuple[str, str]]:
        """Codes and reasons of the audit events on standard output."""
        records = [json.loads(line) for line in self.out.splitlines() if line.endswith("}")]
        return {(record["code"], record.get("reason") or "") for record in records}

    async def says(self, true: Callable[[Served], bool]) -> None:
        """Wait for it."""
        async with asyncio.timeout(30):
            while not true(self):  # noqa: ASYNC110 - a file does not set events of a loop
                await asyncio.sleep(0.05)

    async def end(self) -> int:
        """Tell it to stop; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            return await self.process.wait()


@asynccontextmanager
async def served(world: World, file: str = "lychgate.yaml") -> AsyncIterator[Served]:
    """The command on a world's configuration; the world's own gate has ended."""
    command = (sys.executable, "-m", "sidecar", "serve", "-c", str(world.folder / file))
    with (world.folder / "out").open("ab") as out, (world.folder / "err").open("ab") as err:
        process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=err)
    one = Served(world, process, world.folder)
    try:
        yield one
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _listens(one: Served) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await one.world.ask("GET", "/.lychgate/whoami")
            except ConnectionError:
                assert one.process.returncode is None, one.err
                await asyncio.sleep(0.1)
            else:
                return


async def _sign_in(world: World, seen: Seen, person: str) -> tuple[tuple[str, str], str]:
    """As far as it goes; the browser's cookies and what it read at the end."""
    async with world.browser() as browser:
        status, place, text = await browser.go(world.url + PATH)
        if status == 302:
            _, _, text = await browser.choose(place, person)
        seen.texts.append(text)
        return browser.cookie, text


async def _outside_faults(world: World, seen: Seen, cookie: tuple[str, str]) -> None:
    """Provider, connector and application fail, one after the other; what they answer has secrets in it."""
    for fault in (Fault.TOKEN_500, Fault.TOKEN_REFLECTS, Fault.TOKEN_NOT_JSON, Fault.BAD_SIGNATURE):
        world.staff.provider.fault = fault
        await _sign_in(world, seen, "nina")
    world.staff.provider.fault = None
    said, kind = json.dumps({"errorMessages": [f"not by Bearer {world.token}"]}), ("Content-Type", "application/json")
    for status in (400, 500, 401):
        world.jira.fail_next("/rest/api/2/user", status, said, 20, (kind,))
        await _sign_in(world, seen, "stella")
        world.jira.faults.clear()
    for _ in range(2):
        world.jira.cut_next("/browse", 3)
        assert 502 == await _asked(world, seen, cookie)


async def _reloads(one: Served) -> None:
    """The same file again, and two that are no configuration."""
    path = one.folder / "lychgate.yaml"
    good = path.read_text("utf-8")
    one.process.send_signal(signal.SIGHUP)
    await one.says(lambda it: "a new configuration is in force" in it.err)
    for number, broken in enumerate((f'{good[:-1]}, "nonsense": "{CANARY}"}}', f"a: [{CANARY}"), 1):
        path.write_text(broken, "utf-8")
        one.process.send_signal(signal.SIGHUP)
        await one.says(lambda it, number=number: number <= it.out.count('"config.refused"'))  # type: ignore[misc]
    path.write_text(good, "utf-8")


async def _starts(world: World, seen: Seen, cookie: tuple[str, str]) -> None:
    """Again, with a secret that the provider does not know and an application that is down."""
    path = world.folder / "lychgate.yaml"
    path.write_text(path.read_text("utf-8").replace(world.jira.origin, f"http://127.0.0.1:{free_port()}"), "utf-8")
    (world.folder / "client-secret").write_text(WRONG, "ascii")
    async with served(world) as one:
        await _listens(one)
        assert await _asked(world, seen, cookie) in {502, 503}
        await _sign_in(world, seen, "nina")
        assert 0 == await one.end()


async def _no_start(world: World) -> None:
    """On a file that is no configuration."""
    (world.folder / "broken.yaml").write_text(f"a: [{CANARY}", "utf-8")
    async with served(world, "broken.yaml") as one:
        assert 1 == await one.process.wait()


async def _asked(world: World, seen: Seen, cookie: tuple[str, str]) -> int:
    answer = await world.page(PATH, cookie)
    seen.answer(answer)
    return answer.status


def _ours(cookie: tuple[str, str]) -> dict[str, str]:
    """The gate's own cookies; the application's form token stands in its own pages."""
    pairs = (pair.split("=", 1) for pair in cookie[1].split("; "))
    return {name: value for name, value in pairs if name.startswith("__Host-lychgate")}


async def _operations(port: int, seen: Seen) -> None:
    for path in ("/metrics", "/healthz", "/readyz", f"/{CANARY}"):
        wire = await Wire.open(port)
        wire.request("GET", path)
        seen.answer(await wire.answer("GET"))
        await wire.close()


async def test_neither_stream_has_a_secret(worlds: Worlds) -> None:
    port = free_port()
    world = await worlds(listen={"operations": f"127.0.0.1:{port}"}, sign_out=True)
    marks, seen = at_rest(world), Seen()
    await world.gates.aclose()
    async with served(world) as one:
        await _listens(one)
        cookie, _ = await _sign_in(world, seen, "ada")
        await _outside_faults(world, seen, cookie)
        world.staff.provider.fault = Fault.TOKEN_SLOW
        async with asyncio.TaskGroup() as beside:
            beside.create_task(_sign_in(world, seen, "nina"))
            beside.create_task(_no_start(world))
            for marked in (CANARY, TOKEN):
                for answer in await _errors(world, marked):
                    seen.answer(answer)
            await _reloads(one)
        world.staff.provider.fault = None
        await _operations(port, seen)
        assert 0 == await one.end()
    await _starts(world, seen, cookie)
    marks |= {"canary": CANARY, "token": TOKEN, "wrong": WRONG, **_ours(cookie), **in_use(world)}
    outputs = {"stdout": one.out, "stderr": one.err, "browser and operations": seen.text}
    assert [] == leaks(outputs, marks)

    codes = {code for code, _ in one.told}
    assert {"login.error", "config.refused", "request.failed", "access.denied"} <= codes
    assert "invalid_client" in one.err and "not in force" in one.err
    assert "connector_refused" in one.err and "did not answer in time" in one.err
    assert "not by Bearer …" in one.err


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    with server() as found:
        yield found


async def _new_password(database: Server, name: str, password: str) -> None:
    way = database.way(name)
    connection = await asyncpg.connect(way.address, password=way.password, ssl=False)
    try:
        await connection.execute(f"ALTER ROLE lychgate PASSWORD '{password}'")
    finally:
        await asyncio.wait_for(connection.close(), 10)


async def _beside(world: World, seen: Seen) -> None:
    """Commands on the same state."""
    for words in (("ledger", "init"), ("accounts", "show", "ada", "--application", "jira")):
        done = await asyncio.to_thread(CliRunner().invoke, main, [*words, "-c", str(world.folder / "lychgate.yaml")])
        assert 1 == done.exit_code
        seen.texts += [done.stdout, done.stderr, repr(done.exception)]


@needs_postgres
async def test_a_database_that_is_gone_or_refuses_shows_no_password(worlds: Worlds, database: Server) -> None:
    """While the gate runs, and at its start."""
    name, seen = await database.new_database(), Seen()
    world = await worlds(state=database.way(name).address, postgresql={"timeout": "2s", "grace": "0s"})
    marks = at_rest(world)
    await world.gates.aclose()
    async with served(world) as one:
        await _listens(one)
        cookie, _ = await _sign_in(world, seen, "ada")
        database.stop()
        await _asked(world, seen, cookie)
        await _sign_in(world, seen, "nina")
        database.start()
        await _new_password(database, name, OTHER)
        database.stop()
        database.start()
        await _asked(world, seen, cookie)
        await _sign_in(world, seen, "nina")
        await one.end()
    await _beside(world, seen)
    async with served(world) as refused:
        assert 0 != await refused.process.wait()
    database.stop()
    async with served(world) as unreachable:
        assert 0 != await unreachable.process.wait()
    await _beside(world, seen)
    marks |= {"other": OTHER, **_ours(cookie), **in_use(world)}
    assert [] == leaks({"stdout": one.out, "stderr": one.err, "browser and terminal": seen.text}, marks)
    assert "InvalidPasswordError" in one.err and "cannot be reached" in one.err
