"""A real Prometheus on loopback for tests, and what it scrapes: a gate as it is, and the same gate at times of a test's
own making.

Prometheus has no clock that could be set. So a test stamps what the gate says with the time of its day, and Prometheus
takes it in at that time, however long ago it was.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from tests.web.rig import free_port

PROMETHEUS = shutil.which("prometheus")
PATIENCE = 60.0
"""Seconds in which it must have taken in what it was shown; it takes about one."""
_SAMPLE = re.compile(r"^([^#\n].*)$", re.MULTILINE)


class Stamped:
    """What Prometheus is shown: always the same text until there is a new one."""

    def __init__(self) -> None:
        self._text = ""

    def show(self, text: str, at: int) -> None:
        """Show the gate's *text* as of the second *at*."""
        self._text = _SAMPLE.sub(rf"\1 {at}000", text)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=self._text, headers={"Content-Type": "text/plain; version=0.0.4"})


class Prometheus:
    """Asks it by its own interface."""

    def __init__(self, http: aiohttp.ClientSession, url: str, stamped: Stamped) -> None:
        self._http = http
        self._url = url
        self._stamped = stamped

    async def take_in(self, text: str, at: int) -> None:
        """Show it what a gate says, and wait until it knows."""
        self._stamped.show(text, at)
        async with asyncio.timeout(PATIENCE):
            while not await self._knows(at):  # noqa: ASYNC110 - another process sets no events
                await asyncio.sleep(0.05)

    async def _knows(self, at: int) -> bool:
        return [float(at)] == [value for _, value in await self.ask("timestamp(lychgate_build_info)", at)]

    async def ask(self, expr: str, at: int) -> list[tuple[dict[str, str], float]]:
        """Labels and values of an expression at a second."""
        found = await self._get("query", {"query": expr, "time": str(at)})
        assert found["resultType"] in {"vector", "scalar"}, expr
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    async def ask_over(self, expr: str, since: int, until: int, step: int) -> list[float]:
        """All values of an expression in a span of time."""
        span = {"query": expr, "start": str(since), "end": str(until), "step": str(step)}
        found = await self._get("query_range", span)
        return [float(value) for one in found["result"] for _, value in one["values"]]

    async def is_up(self, job: str) -> bool:
        """Whether it reaches a target, as of now."""
        found = await self._get("query", {"query": f'up{{job="{job}"}}'})
        return ["1"] == [one["value"][1] for one in found["result"]]

    async def _get(self, what: str, parameters: dict[str, str]) -> dict[str, Any]:
        async with self._http.get(f"{self._url}/api/v1/{what}", params=parameters) as answer:
            told = json.loads(await answer.text())
        assert "success" == told["status"], (told, parameters)
        return dict(told["data"])


@asynccontextmanager
async def prometheus(folder: Path, gate: int) -> AsyncIterator[Prometheus]:
    """Run one with its data in *folder*. *gate* is the operations port of a gate that it scrapes too, as it is."""
    if PROMETHEUS is None:
        pytest.skip("prometheus is not there; Debian has it in the package prometheus")
    stamped, port = Stamped(), free_port()
    runner = web.ServerRunner(web.Server(stamped))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (_, shown), *_ = runner.addresses
    jobs = [
        {"job_name": "day", "scrape_interval": "100ms", "scrape_timeout": "100ms"} | _target(shown),
        # Its samples are left out: the numbers of the day are those of one gate.
        {"job_name": "direct", "scrape_interval": "1s", "scrape_timeout": "1s"}
        | _target(gate)
        | {"metric_relabel_configs": [{"source_labels": ["__name__"], "regex": "lychgate_.*", "action": "drop"}]},
    ]
    config = {"scrape_configs": jobs, "storage": {"tsdb": {"out_of_order_time_window": "48h"}}}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), "utf-8")
    process = await asyncio.create_subprocess_exec(
        PROMETHEUS,
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/prometheus",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    try:
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as http:
            await _until_ready(http, url)
            yield Prometheus(http, url, stamped)
    finally:
        process.kill()
        await process.wait()
        await runner.cleanup()


def _target(port: int) -> dict[str, Any]:
    return {"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}


async def _until_ready(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with http.get(f"{url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)
