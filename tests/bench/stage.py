"""What every run stands on, and how it tells what it sees."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import click

from sidecar.demo.cast import furnish
from sidecar.demo.jira import JiraConfig, JiraState, serve_jira
from tests.bench.peers import PEOPLE, Stage
from tests.bench.rounds import Sample
from tests.bench.upstream import application
from tests.e2e.rigs import NodeProvider


@asynccontextmanager
async def standing() -> AsyncIterator[Stage]:
    """Start folder, provider, stand-in Jira and application; the peers come later."""
    state = JiraState.sample()
    state.groups.update(f"jira-project-0{number}" for number in range(10))
    token = furnish(state)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lychgate-bench-")))
        folder.chmod(0o755)  # servers that give up root look into it; secrets in it are for their owner alone
        jira = await stack.enter_async_context(serve_jira(state, JiraConfig()))
        provider = await stack.enter_async_context(NodeProvider([], PEOPLE, host="127.0.0.1"))
        room = folder / "application"
        room.mkdir()
        port = await stack.enter_async_context(application(room, jira.origin))
        yield Stage(folder, port, provider, token)


def tell(name: str, sample: Sample) -> None:
    """One sample, as it comes."""
    cpu = "       -" if sample.cpu is None else f"{sample.cpu:8.1f}"
    click.echo(
        f"  {name:18}{cpu} µs CPU/request {sample.rate:10.0f}/s  p50 {sample.p50:7.3f} ms  p99 {sample.p99:7.3f} ms"
    )
