"""A second PostgreSQL that follows the first, as where one takes over from the other; and a disk that is small.

Beside `tests.postgres`, for tests of what becomes of the state when its database is switched over, put back or full.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from sidecar.adapters.state.postgres.database import Way
from tests.postgres import PASSWORD, Server, as_somebody, connected, free_port, given_away, programs

DISK = 24
"""MiB of the small disk."""

CAN_MOUNT = os.getuid() == 0 and shutil.which("unshare") is not None
needs_mount = pytest.mark.skipif(not CAN_MOUNT, reason="needs root and unshare, for a small disk of its own")


@contextmanager
def copy_of(primary: Server) -> Iterator[Server]:
    """A server that receives what *primary* writes."""
    folder = Path(tempfile.mkdtemp(prefix="lychgate-postgres-"))
    given_away(folder)
    found = Server(folder, free_port(), (*primary.options, "-k", str(folder)))
    try:
        run("pg_basebackup", primary, "-D", str(folder / "data"), "-R", "-X", "stream", "-c", "fast", "--no-sync")
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def cut_off(copy: Server) -> None:
    """From now on it receives nothing."""
    async with connected(copy.way("postgres")) as connection:
        _ = await connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
        _ = await connection.execute("SELECT pg_reload_conf()")
        for _ in range(100):
            if not await connection.fetchval("SELECT count(*) FROM pg_stat_wal_receiver"):
                return
            await asyncio.sleep(0.1)
    raise AssertionError("it still receives")


async def caught_up(primary: Server, copy: Server) -> None:
    """Return once *copy* has everything that *primary* has."""
    async with connected(primary.way("postgres")) as connection, connected(copy.way("postgres")) as other:
        there = await connection.fetchval("SELECT pg_current_wal_lsn()")
        for _ in range(100):
            if await other.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", there):
                return
            await asyncio.sleep(0.1)
    raise AssertionError("it does not receive")


async def promote(copy: Server) -> None:
    """Let it take over."""
    async with connected(copy.way("postgres")) as connection:
        assert await connection.fetchval("SELECT pg_promote()")


def dumped(server: Server, database: str) -> str:
    """A backup, as SQL."""
    return run("pg_dump", server, "-d", database).decode()


async def put_back(server: Server, database: str, backup: str) -> None:
    """Make the database what it was at the backup, whoever is connected."""
    async with connected(server.way("postgres")) as connection:
        _ = await connection.execute(f"DROP DATABASE {database} WITH (FORCE)")
        # Nobody gets in before it is whole, as a careful administrator does it.
        _ = await connection.execute(f"CREATE DATABASE {database} CONNECTION LIMIT 0")
    # A superuser does; the tests' own user is one, so gates may find it without tables for a moment.
    _ = run("psql", server, "-q", "-v", "ON_ERROR_STOP=1", "-1", "-d", database, said=backup.encode())


async def on_the_small_disk(server: Server) -> Way:
    """A new database that lies there."""
    name = await server.new_database()
    connection = await asyncpg.connect(server.way("postgres").address, password=PASSWORD, ssl=False)
    try:
        _ = await connection.execute(f"CREATE TABLESPACE small LOCATION '{server.folder / 'small'}'")
        _ = await connection.execute(f"ALTER DATABASE {name} SET TABLESPACE small")
    finally:
        await connection.close()
    return server.way(name)


async def fill(way: Way) -> None:
    """Write until there is no room any more."""
    async with connected(way) as connection:
        _ = await connection.execute("CREATE TABLE public.filler (x text)")
        _ = await connection.execute("ALTER TABLE public.filler ALTER x SET STORAGE PLAIN")
        for size in (4000, 400, 10):
            for _ in range(DISK * 256):
                try:
                    _ = await connection.execute(
                        "INSERT INTO public.filler SELECT repeat('x', $1) FROM generate_series(1, 200)", size
                    )
                except asyncpg.DiskFullError:
                    break
            else:
                raise AssertionError("it does not fill")


async def make_room(way: Way) -> None:
    """As an administrator does."""
    async with connected(way) as connection:
        _ = await connection.execute("DROP TABLE public.filler")


def run(program: str, server: Server, *arguments: str, said: bytes | None = None) -> bytes:
    """Run one of PostgreSQL's programs at the server; what it says."""
    where = ("-h", "127.0.0.1", "-p", str(server.port), "-U", "lychgate")
    done = subprocess.run(
        [*as_somebody(), str(programs() / program), *where, *arguments],
        input=said,
        capture_output=True,
        check=False,
        timeout=120,
        cwd="/",
        env={"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
