"""No operation on sessions takes longer where there are more of them: counted in steps and rows, never in time.

The times stand in docs/benchmarks.md (`python -m tests.bench.sessions`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sidecar.adapters.state.database import hashed
from sidecar.adapters.state.postgres.store import open_shared
from sidecar.adapters.state.sqlite import open_state
from sidecar.adapters.state.stores import State
from sidecar.domain.revocation import By, Name
from tests.adapters.state.samples import ANNA, SEALER, a_session, at, next_of
from tests.postgres import Server, connected, needs_postgres

FEW, MANY = 50, 5000
OPERATIONS: Mapping[str, Callable[[State], Awaitable[object]]] = {
    "add": lambda state: state.sessions.add(a_session("a1", sid="s")),
    "get": lambda state: state.sessions.get("a1"),
    "replace": lambda state: state.sessions.replace(next_of(a_session("a1", sid="s"))),
    "touch": lambda state: state.sessions.touch("a1", at(9)),
    "of_person": lambda state: state.sessions.of_person("jira", ANNA),
    "named by sid": lambda state: state.sessions.named(Name(ANNA.issuer, By.SID, "s")),
    "named by subject": lambda state: state.sessions.named(Name(ANNA.issuer, By.SUBJECT, ANNA.subject)),
    "named by address": lambda state: state.sessions.named(Name(ANNA.issuer, By.EMAIL, "nobody@example.com")),
    "unused": lambda state: state.sessions.unused(2),
    "sweep": lambda state: state.sessions.sweep(at(1), 36_000),
    "end": lambda state: state.sessions.end("a1"),
    "spend": lambda state: state.spent.spend("state", at(600)),
    "mark": lambda state: state.markers.mark("anna", at(1), at(600)),
    "marked_at": lambda state: state.markers.marked_at("anna", at(2)),
}
FILLING = (
    """
    INSERT INTO sessions (key, application, person, sid, subject, created, ends, seen, version, record)
    SELECT 'k' || n, 'jira', ('p' || n)::bytea, ('s' || n)::bytea, ('u' || n)::bytea, $2::bigint, $2 + 86400,
    $2 + n % 60, 1, repeat('x', 500)::bytea FROM generate_series(1, $1::int) AS n
    """,
    "INSERT INTO spent SELECT ('x' || n)::bytea, $2::bigint + 600 FROM generate_series(1, $1::int) AS n",
    "INSERT INTO markers SELECT ('x' || n)::bytea, 1, $2::bigint + 600 FROM generate_series(1, $1::int) AS n",
)


async def steps(folder: Path, others: int) -> dict[str, int]:
    """Of SQLite's own machine, for each operation beside so many sessions of other people."""
    taken: dict[str, int] = {}
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    def fill(connection: sqlite3.Connection) -> None:
        rows = [
            (f"k{number}", hashed("i", str(number)), hashed("s", str(number)), hashed("u", str(number)))
            for number in range(others)
        ]
        connection.executemany(
            "INSERT INTO sessions (key, application, person, sid, subject, created, ends, seen, version, record)"
            " VALUES (?, 'jira', ?, ?, ?, ?, ?, ?, 1, x'00')",
            [(*row, at(0), at(86_400), at(number % 60)) for number, row in enumerate(rows)],
        )
        small = [(hashed("x", str(number)), at(600)) for number in range(others)]
        connection.executemany("INSERT INTO spent (state, until) VALUES (?, ?)", small)
        connection.executemany("INSERT INTO markers (subject, at, until) VALUES (?, 1, ?)", small)
        connection.set_progress_handler(step, 1)

    async with open_state(folder, SEALER) as state:
        await database_of(state).do(fill)
        for name, work in OPERATIONS.items():
            count = 0
            _ = await work(state)
            taken[name] = count
    return taken


def database_of(state: State) -> Any:
    """What its sessions ask."""
    return state.sessions._database  # type: ignore[attr-defined]


async def test_sqlite_takes_as_many_steps_among_many_as_among_few(tmp_path: Path) -> None:
    few, many = await steps(tmp_path / "few", FEW), await steps(tmp_path / "many", MANY)
    assert set(OPERATIONS) == set(few)
    assert all(count > 0 for count in few.values())
    assert {} == {name: (few[name], count) for name, count in many.items() if count > few[name] + 10}


@needs_postgres
async def test_postgresql_reads_no_session_but_those_that_are_meant(postgres: Server) -> None:
    way = postgres.way(await postgres.new_database(), connections=1)
    async with open_shared(way, SEALER) as state, connected(way) as connection:
        for statement in FILLING:
            _ = await connection.execute(statement, MANY, at(0))
        # Outside of a transaction, as a server does it by itself.
        _ = await connection.execute("VACUUM ANALYZE")
        before = await rows_read(state)
        for name, work in OPERATIONS.items():
            _ = await work(state)
            after = await rows_read(state)
            read = {table: now - before[table] for table, now in after.items() if now - before[table] > 10}
            assert (name, {}) == (name, read)
            before = after


async def rows_read(state: State) -> dict[str, int]:
    """Rows that were read so far, one by one or by an index, by table."""
    database = database_of(state)
    _ = await database.rows("SELECT pg_stat_force_next_flush()")
    found = await database.rows(
        "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables"
        " WHERE relname IN ('sessions', 'spent', 'markers')"
    )
    return {str(name): int(read) for name, read in found}


@pytest.mark.parametrize("name", ["named by sid", "unused"])
async def test_the_count_sees_an_index_that_is_gone(tmp_path: Path, name: str) -> None:
    index = {"named by sid": "sessions_sid", "unused": "sessions_seen"}[name]
    async with open_state(tmp_path / "state", SEALER) as state:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        def prepare(connection: sqlite3.Connection) -> None:
            connection.execute(f"DROP INDEX {index}")
            rows = [(f"k{number}", b"p", at(number)) for number in range(500)]
            connection.executemany(
                "INSERT INTO sessions (key, application, person, created, ends, seen, version, record)"
                " VALUES (?, 'jira', ?, 1, 9, ?, 1, x'')",
                rows,
            )
            connection.set_progress_handler(step, 1)

        await database_of(state).do(prepare)
        _ = await OPERATIONS[name](state)
        assert count > 500
