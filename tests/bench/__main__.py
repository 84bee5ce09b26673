"""`python -m tests.bench`: start everything, measure in rounds, say what came out, and write docs/benchmarks.md.

It installs nothing: what this machine lacks is named, and its rows say so.
"""

from __future__ import annotations

import argparse
import asyncio
import pstats
import signal
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click

from tests.bench import gate, peers, sessions
from tests.bench.cases import CASES, MAIN
from tests.bench.peers import Peer, Start
from tests.bench.processes import program
from tests.bench.rounds import measure, ratio
from tests.bench.stage import standing, tell
from tests.bench.whole import PAGE, whole
from tests.e2e.rigs import NODE_NEEDED, npm_ready

_QUICK: tuple[Start, ...] = (peers.direct, peers.nginx, gate.lychgate)


async def quick(rounds: int, seconds: int) -> None:
    """Only the main shape, only nginx and the gate: for people who make it faster."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(standing())
        ready = [await stack.enter_async_context(start(stage)) for start in _QUICK]
        rows = await measure(ready, MAIN, rounds, seconds, stage.folder, tell)
        nginx, ours = rows["nginx"], rows["Lychgate"]
        times = ratio(ours, nginx)
        click.echo(f"nginx {nginx.cpu:.1f} µs, Lychgate {ours.cpu:.1f} µs CPU per request: {times:.2f} ×")
        click.echo(f"resident at rest: {_rest(ready)}")


def _rest(ready: Sequence[Peer]) -> str:
    return ", ".join(f"{peer.name} {peer.rest / 2**20:.1f} MiB" for peer in ready if peer.service)


async def profile(seconds: int, dump: Path) -> None:
    """The gate alone, under the profiler."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(standing())
        async with gate.profiled(stage, dump) as peer:
            await measure([peer], MAIN, 1, seconds, stage.folder, tell)
    click.echo(f"written to {dump}")
    pstats.Stats(str(dump)).sort_stats("tottime").print_stats(40)


async def _ending_well(work: Coroutine[None, None, None]) -> None:
    """Let a request to end (SIGTERM) end what was started too, as an interrupt does."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await work


def _run(work: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(_ending_well(work))
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise SystemExit("stopped") from None


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds of the main shape, nginx and Lychgate only")
    parser.add_argument("--profile", action="store_true", help="run Lychgate under cProfile, the main shape only")
    parser.add_argument("--dump", type=Path, metavar="FILE", help="where the profile goes")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each case (%(default)s)")
    parser.add_argument("--seconds", type=int, default=2, help="whole seconds of each load (%(default)s)")
    parser.add_argument(
        "--cases", nargs="+", choices=[case.key for case in CASES], help="some cases only; the page stays as it is"
    )
    return parser.parse_args(arguments)


def _lacks() -> list[str]:
    """Without these nothing can be measured."""
    found = [] if npm_ready() else [f"the OpenID provider {NODE_NEEDED}"]
    return found + [f"{name} (Debian: apt install {name})" for name in ("nginx", "wrk") if program(name) is None]


def main(arguments: Sequence[str]) -> int:
    """Run as the arguments say; 1 when nothing can be measured here."""
    options = _options(arguments)
    if lacks := _lacks():
        click.echo("The benchmark cannot run here; it lacks:\n  " + "\n  ".join(lacks), err=True)
        return 1
    if options.quick:
        _run(quick(options.rounds, options.seconds))
    if options.profile:
        dump = options.dump or Path(tempfile.gettempdir()) / "lychgate.prof"
        _run(profile(options.seconds, dump))
    if not options.quick and not options.profile:
        cases = [case for case in CASES if options.cases is None or case.key in options.cases]
        _run(whole(options.rounds, options.seconds, cases, PAGE if options.cases is None else None))
        if options.cases is None:
            sessions.write(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
