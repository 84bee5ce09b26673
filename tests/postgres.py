"""A real PostgreSQL of a test's own: Debian's package `postgresql`, on a socket and a port of loopback.

The server is made once per process and folder of pytest; every test that asks gets an empty database.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asyncpg
import pytest

from sidecar.adapters.state.postgres.database import Way

NEEDED = "needs Debian's package postgresql"
PASSWORD = "not a secret of anybody's"


@cache
def binaries() -> Path | None:
    """Where the newest server's programs are, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).parent if on_path else None


needs_postgres = pytest.mark.skipif(binaries() is None, reason=NEEDED)


@dataclass(slots=True)
class Server:
    """A server that runs."""

    folder: Path
    port: int
    options: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    databases: int = 0
    within: tuple[str, ...] = ()
    """A command that runs the server's own."""

    def start(self) -> None:
        """Start it and wait until it answers."""
        postgres = programs() / "postgres"
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.within,
                    *as_somebody(),
                    str(postgres),
                    "-D",
                    str(self.folder / "data"),
                    "-p",
                    str(self.port),
                    *self.options,
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        ready = programs() / "pg_isready"
        for _ in range(300):
            asked = subprocess.run(
                [str(ready), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False, timeout=10
            ).returncode
            if asked == 0:
                return
            if self.process.poll() is not None:
                break
            signal.sigtimedwait([], 0.1)
        raise AssertionError((self.folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:])

    def stop(self) -> None:
        """End it at once; what it has not written yet, it reads from its log at the next start."""
        if self.process is not None:
            self.go_on()
            self._signal(signal.SIGQUIT)
            _ = self.process.wait(30)
            self.process = None

    def kill(self) -> None:
        """All of its processes at once, as when the machine dies."""
        assert self.process is not None
        self._signal(signal.SIGKILL, everybody=True)
        _ = self.process.wait(30)
        self.process = None

    def pause(self) -> None:
        """Let it answer nothing, with all its connections open."""
        self._signal(signal.SIGSTOP, everybody=True)

    def go_on(self) -> None:
        """End the pause."""
        self._signal(signal.SIGCONT, everybody=True)

    def way(self, database: str, *, connections: int = 5, timeout: float = 5.0) -> Way:
        """How a database of it is reached."""
        address = f"postgresql://lychgate@127.0.0.1:{self.port}/{database}"
        return Way(address=address, password=PASSWORD, connections=connections, timeout=timeout)

    async def new_database(self) -> str:
        """An empty one."""
        self.databases += 1
        name = f"d{self.databases}"
        connection = await asyncpg.connect(self.way("postgres").address, password=PASSWORD, ssl=False)
        try:
            _ = await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        return name

    def _signal(self, number: signal.Signals, *, everybody: bool = False) -> None:
        assert self.process is not None
        mine = [self.process.pid]
        if everybody:
            # One process a connection, each a child of the first.
            mine += [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and self._is_child(path)]
        for pid in mine:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _is_child(self, path: Path) -> bool:
        assert self.process is not None
        try:
            stat = (path / "stat").read_text(encoding="ascii", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return False
        # proc(5): behind the name in brackets come the state and the parent.
        return int(stat.rpartition(")")[2].split()[1]) == self.process.pid


@contextmanager
def server(*, durable: bool = False, small: int = 0) -> Iterator[Server]:
    """A new server, gone with all its data at the end; *durable*: what it answered is on the disk; *small*: its folder
    `small` is a disk of so many MiB, which nobody else sees and which ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="lychgate-postgres-"))
    options = ("-c", "max_connections=60", *(() if durable else ("-c", "fsync=off")))
    found = Server(folder, free_port(), options)
    if small:
        (folder / "small").mkdir()
        mounting = f"mount -t tmpfs -o size={small}m,uid=postgres,gid=postgres tmpfs {folder}/small"
        found.within = ("unshare", "--mount", "sh", "-c", f'{mounting} && exec "$@"', "sh")
    try:
        _make(folder)
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def connected(way: Way) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection as an administrator's."""
    connection = await asyncpg.connect(
        way.address, password=way.password, ssl=False, server_settings={"search_path": "lychgate"}
    )
    try:
        yield connection
    finally:
        await asyncio.wait_for(connection.close(), 10)


def _make(folder: Path) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD, encoding="utf-8")
    given_away(folder, secret)
    made = subprocess.run(
        [
            *as_somebody(),
            *(str(programs() / "initdb"), "-D", str(folder / "data"), "-U", "lychgate", "-E", "UTF8"),
            *("--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync"),
        ],
        capture_output=True,
        check=False,
        timeout=120,
        cwd="/",
    )
    assert made.returncode == 0, made.stderr
    with (folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
        _ = file.write(f"\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\n")


def given_away(*paths: Path) -> None:
    """Let PostgreSQL's own user have them, where the tests run as root."""
    if as_somebody():
        owner = pwd.getpwnam("postgres")
        for path in paths:
            os.chown(path, owner.pw_uid, owner.pw_gid)


def programs() -> Path:
    """Where the server's programs are."""
    found = binaries()
    assert found is not None, NEEDED
    return found


def as_somebody() -> list[str]:
    """PostgreSQL does not serve root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []


def free_port() -> int:
    """One that nobody has just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def unique() -> str:
    """A word that nobody else uses."""
    return secrets.token_hex(6)
