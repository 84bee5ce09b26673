"""`python -m tests.bench.sessions`: a hundred thousand sessions in each store: what they take, and each operation.

Writes its part of docs/benchmarks.md and leaves the rest as it is. Each store is measured in a process of its own.
That an operation does not take longer with more sessions is a test: `tests/adapters/state/test_complexity.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import click

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.postgres.store import open_shared
from sidecar.adapters.state.sqlite import open_state
from sidecar.adapters.state.stores import State
from sidecar.core.standing import standing_of
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.revocation import By, Name
from sidecar.domain.session import Session
from sidecar.flows.session_ports import Entry
from tests.bench import machine
from tests.bench.report import mib, table
from tests.bench.whole import PAGE
from tests.core.worlds import Jira, session
from tests.postgres import connected, server

MANY, FEW, EACH = 100_000, 1_000, 400
STORES = ("memory", "SQLite", "PostgreSQL")
_WORDS = Path(__file__).with_name("sessions.md")
HEADING = "## A hundred thousand sessions"
NOW = UnixSeconds(1_700_000_000)
GROUPS = tuple(sys.intern(f"group-{number}-of-the-provider") for number in range(100))
Opener = Callable[[], AbstractAsyncContextManager[State]]


def a_session(number: int) -> Session:
    """Somebody with 50 groups, a refresh token of 1500 characters, and a provider's `sid`."""
    plain = session("agents", GROUPS[number % 50 : number % 50 + 50])
    person = Person("https://example.okta.com", f"s{number // 2}")
    identity = replace(plain.identity, person=person, sid=f"sid-{number}")
    return replace(
        plain,
        key=f"{number:064x}",
        created_at=NOW,
        ends_at=UnixSeconds(NOW + 86_400),
        refresh_token=secrets.token_urlsafe(1125),
        identity=identity,
    )


def resident() -> int:
    """Bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def fill(state: State, many: int) -> float:
    """Sessions one by one, fifty of them under way; microseconds for each."""
    began, numbers = time.perf_counter(), iter(range(many))

    async def some() -> None:
        for number in numbers:
            await state.sessions.add(a_session(number))

    _ = await asyncio.gather(*(some() for _ in range(50)))
    return (time.perf_counter() - began) / many * 1e6


async def timed(work: Callable[[int], Awaitable[object]], many: int) -> float:
    """Median of `EACH` calls, one after the other, at sessions that lie far apart; microseconds."""
    taken = []
    for turn in range(EACH):
        began = time.perf_counter()
        _ = await work(turn * 7919 % many)
        taken.append(time.perf_counter() - began)
    return median(taken) * 1e6


async def operations(state: State, many: int) -> dict[str, float]:
    """What each takes."""
    store = state.sessions

    async def change(number: int) -> object:
        found = await store.get(f"{number:064x}")
        assert found is not None
        return await store.replace(replace(found[0], version=found[0].version + 1))

    issuer = "https://example.okta.com"
    return {
        "read one": await timed(lambda number: store.get(f"{number:064x}"), many),
        "read and change one": await timed(change, many),
        "note its use": await timed(lambda number: store.touch(f"{number:064x}", UnixSeconds(NOW + number + 1)), many),
        "find a person's": await timed(lambda number: store.of_person("jira", Person(issuer, f"s{number // 2}")), many),
        "find by `sid`": await timed(lambda number: store.named(Name(issuer, By.SID, f"sid-{number}")), many),
        "find the longest unused": await timed(lambda _: store.unused(1), many),
        "end one and begin one": await timed(partial(again, state), many),
        "count all": await timed(lambda _: store.count(), many),
        "sweep, nothing to do": await timed(lambda _: store.sweep(NOW, 36_000), many),
    }


async def again(state: State, number: int) -> None:
    """End a session, and put it back."""
    _ = await state.sessions.end(f"{number:064x}")
    await state.sessions.add(a_session(number))


async def stored(opener: Opener, many: int, size: Callable[[], Awaitable[int]] | None) -> dict[str, float]:
    """One store: filled, asked, and where it lasts opened again."""
    before = resident()
    async with opener() as state:
        added = await fill(state, many)
        gc.collect()
        took = {"bytes": float(resident() - before), "begin one of many": added, **await operations(state, many)}
        if size is not None:
            took["bytes"] = float(await size())
    if size is not None:
        began = time.perf_counter()
        async with opener() as state:
            assert await state.sessions.get(f"{0:064x}") is not None
            took["open it and read one"] = (time.perf_counter() - began) * 1e6
    return took


async def measured(kind: str, many: int) -> dict[str, float]:
    """The store of that kind."""
    sealer = Sealer([b"k" * 32])
    if kind == "memory":
        return await stored(partial(open_state, None, sealer), many, None)
    with ExitStack() as stack:
        if kind == "SQLite":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "state"

            async def on_disk() -> int:
                return sum(path.stat().st_size for path in folder.glob("sessions*"))

            return await stored(partial(open_state, folder, sealer), many, on_disk)
        running = stack.enter_context(server(durable=True))
        way = running.way(await running.new_database(), connections=10, timeout=60.0)

        async def in_tables() -> int:
            async with connected(way) as connection:
                return int(await connection.fetchval("SELECT pg_total_relation_size('sessions')"))

        return await stored(partial(open_shared, way, sealer), many, in_tables)


def remembered(many: int) -> float:
    """Bytes of the process for each session that it remembers, its standing included."""
    policy, entries = Jira().policy, []
    gc.collect()
    before = resident()
    for number in range(many):
        entry = Entry(a_session(number).light(), seen=NOW, noted=NOW)
        entry.standing = standing_of(entry.session, policy)
        entries.append(entry)
    gc.collect()
    return (resident() - before) / len(entries)


def part(found: dict[str, dict[str, dict[str, float]]], memory: float, load: str) -> str:
    """The part of the page."""
    lines = []
    names = [name for name in found[STORES[1]][str(MANY)] if name != "bytes"]
    for name in names:
        cells = [found[kind][str(many)].get(name) for kind in STORES for many in (FEW, MANY)]
        lines.append([name, *("–" if cell is None else f"{cell:.0f}" for cell in cells)])
    sizes = [
        [kind, mib(found[kind][str(MANY)]["bytes"]), f"{found[kind][str(MANY)]['bytes'] / MANY:.0f}"] for kind in STORES
    ]
    heads = ["operation, µs", *(f"{kind}, {many:,}" for kind in STORES for many in (FEW, MANY))]
    return _WORDS.read_text(encoding="utf-8").format(
        heading=HEADING,
        date=datetime.now(UTC).date().isoformat(),
        machine=machine.described(),
        load=load,
        each=EACH,
        many=f"{MANY:,}",
        operations=table(heads, lines),
        sizes=table(["store", "MiB", "bytes for each"], sizes),
        memory=f"{memory:.0f}",
    )


def _in_a_process(kind: str, many: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.sessions", "--store", kind, "--many", str(many)]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


def write(target: Path) -> None:
    """Measure, and put the part into the page."""
    load = machine.load()
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind in STORES:
        for many in (FEW, MANY):
            found.setdefault(kind, {})[str(many)] = _in_a_process(kind, many)
            click.echo(f"{kind} {many}: {found[kind][str(many)]}")
    text = part(found, _in_a_process("remembered", 50_000)["bytes"], load)
    target.write_text(joined(target.read_text(encoding="utf-8"), text), encoding="utf-8")


def joined(page: str, text: str) -> str:
    """The page with this part in the place of its old one, or before the configurations."""
    head, found, rest = page.partition(HEADING)
    if found:
        return head + text + "\n" + rest[rest.index("\n## ") + 1 :]
    head, found, rest = page.partition("## Configurations")
    return f"{head}{text}\n{found}{rest}"


def main(arguments: Sequence[str]) -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sessions", description=__doc__)
    parser.add_argument("--store", choices=(*STORES, "remembered"), help="this one only, told as JSON")
    parser.add_argument("--many", type=int, default=MANY, help="sessions (%(default)s)")
    options = parser.parse_args(arguments)
    if options.store is None:
        write(PAGE)
    elif options.store == "remembered":
        click.echo(json.dumps({"bytes": remembered(options.many)}))
    else:
        click.echo(json.dumps(asyncio.run(measured(options.store, options.many))))


if __name__ == "__main__":
    main(sys.argv[1:])
