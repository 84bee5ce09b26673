"""Gates on one PostgreSQL behind a real nginx: two are restarted one after the other, and one of three is killed, under
the eyes of people who work. Nobody loses a request or is asked to sign in again."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.servers import NGINX, running_process
from tests.postgres import needs_postgres, server
from tests.web.rig import Site, World, free_port, world
from tests.web.wire import Wire

pytestmark = [needs_postgres, pytest.mark.skipif(NGINX is None, reason="needs Debian's package nginx-light")]

ECHO = "/plugins/servlet/demo/echo"
PAGE = "/browse/KEY-1"
CLIENTS = 6

NGINX_CONF = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream gates {{
    {servers}
    keepalive 16;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://gates; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto http;
    }}
  }}
}}
"""


@dataclass(slots=True)
class Gate:
    """A gate as a process of its own."""

    config: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it listens."""
        with self.config.with_suffix(".log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "sidecar", "serve", "-c", str(self.config), stdout=log, stderr=log
            )
        async with asyncio.timeout(90):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                assert self.process.returncode is None, self.config.with_suffix(".log").read_text("utf-8")[-2000:]
                await asyncio.sleep(0.1)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(60):
            return await self.process.wait()


@dataclass(slots=True)
class Crowd:
    """People who work without a pause."""

    world: World
    cookie: tuple[str, str]
    methods: tuple[str, ...]
    answers: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    over: bool = False

    async def work(self) -> None:
        """Until it is over."""
        await asyncio.gather(*(self._one(self.methods[number % len(self.methods)]) for number in range(CLIENTS)))

    async def _one(self, method: str) -> None:
        while not self.over and len(self.answers) < 100_000:
            wire = await Wire.open(self.world.port, self.world.host)
            try:
                for _ in range(20):
                    posts = method == "POST"
                    wire.request(method, ECHO if posts else PAGE, self.cookie, body=b"x" if posts else None)
                    answer = await wire.answer(method)
                    self.answers.append(answer.status)
                    if answer.header("Connection") == "close" or self.over:
                        break
                    await asyncio.sleep(0.01)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.lost.append(f"{method} {type(error).__name__} at {datetime.now(UTC):%H:%M:%S}")
            finally:
                await wire.close()


def nginx_before(folder: Path, port: int, gates: Iterable[int]) -> AbstractAsyncContextManager[object]:
    """An nginx at *port* that asks the gates in turn."""
    servers = "\n    ".join(f"server 127.0.0.1:{gate} max_fails=0;" for gate in gates)
    (folder / "nginx.conf").write_text(NGINX_CONF.format(folder=folder, port=port, servers=servers), encoding="utf-8")
    command = (str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log"))
    return running_process(port, *command)


@asynccontextmanager
async def gates_behind(folder: Path, *names: str) -> AsyncIterator[tuple[World, list[Gate]]]:
    """The world's own gate is gone; nginx stands at its address, and behind it others."""
    async with AsyncExitStack() as stack:
        database = stack.enter_context(server())
        state = database.way(await database.new_database()).address
        site = Site(state=state, proof="secret", trusted=("127.0.0.1",), listen={"drain": "3s"})
        running = await stack.enter_async_context(world(folder, site))
        await running.gates.aclose()
        gates = []
        for name in names:
            text = json.loads((folder / "lychgate.yaml").read_text("utf-8"))
            port = free_port()
            text["listen"]["public"] = f"127.0.0.1:{port}"
            (folder / f"{name}.yaml").write_text(json.dumps(text), encoding="utf-8")
            gates.append(Gate(folder / f"{name}.yaml", port))
        try:
            _ = await asyncio.gather(*(gate.start() for gate in gates))
            _ = await stack.enter_async_context(nginx_before(folder, running.port, [gate.port for gate in gates]))
            yield running, gates
        finally:
            _ = [await gate.end(signal.SIGKILL) for gate in gates if gate.process is not None]


async def test_a_rolling_restart_under_load_loses_nothing(tmp_path: Path) -> None:
    async with gates_behind(tmp_path, "first", "second") as (running, gates):
        crowd = Crowd(running, await running.sign_in("ada"), ("GET", "POST"))
        working = asyncio.create_task(crowd.work())
        for gate in gates:
            before = len(crowd.answers)
            assert 0 == await gate.end()
            await gate.start()
            assert len(crowd.answers) > before, "nobody worked meanwhile"
        crowd.over = True
        await working
        assert ([], {200}) == (crowd.lost, set(crowd.answers))


async def test_a_gate_that_is_killed_costs_nobody_the_session(tmp_path: Path) -> None:
    async with gates_behind(tmp_path, "first", "second", "third") as (running, (first, *_)):
        # nginx asks again for what can be asked twice; a form in flight at that moment is lost anywhere.
        crowd = Crowd(running, await running.sign_in("ada"), ("GET",))
        working = asyncio.create_task(crowd.work())
        while len(crowd.answers) < 50:  # noqa: ASYNC110 - counts of others' answers
            await asyncio.sleep(0.05)
        _ = await first.end(signal.SIGKILL)
        before = len(crowd.answers)
        while len(crowd.answers) < before + 50:  # noqa: ASYNC110 - counts of others' answers
            await asyncio.sleep(0.05)
        crowd.over = True
        await working
        assert ([], {200}) == (crowd.lost, set(crowd.answers))
        # Who was never seen at the one that is left signs in as ever.
        assert (await running.sign_in("nina"))[0] == "Cookie"
