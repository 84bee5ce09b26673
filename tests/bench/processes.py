"""Processes that the benchmark starts, with all that they start themselves: their CPU time and their memory.

Every server of a run is a `Service`; it ends with the run, by its own handle, and nothing else is ever ended.
Linux only: all numbers come from /proc.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import Process
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

START_SECONDS = 20.0
END_SECONDS = 15.0
_TICK = 1.0 / os.sysconf("SC_CLK_TCK")


class StartError(Exception):
    """A server did not come up; the end of its log is in the message."""


def program(name: str) -> str | None:
    """Where a program is; servers stand where only the administrator's path leads."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin")))


def _stat(pid: int) -> list[str] | None:
    """The fields of a process behind its name, which may hold blanks and brackets; None once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def tree(root: int) -> list[int]:
    """A process and all its living descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None:
                children[int(fields[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def _spent(pid: int) -> float:
    """Seconds of CPU, user and system, with those of children that ended and were waited for."""
    fields = _stat(pid)
    return 0.0 if fields is None else sum(map(int, fields[11:15])) * _TICK


def _shared_out(pid: int) -> int:
    """Resident bytes; what several processes share is counted once, a part to each (`Pss`)."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@dataclass(frozen=True, slots=True)
class Service:
    """A running server."""

    name: str
    process: Process
    log: Path

    def cpu(self) -> float:
        """Seconds of CPU of the whole tree so far."""
        return sum(map(_spent, tree(self.process.pid)))

    def memory(self) -> int:
        """Resident bytes of the whole tree now."""
        return sum(map(_shared_out, tree(self.process.pid)))


def _open(path: Path) -> IO[bytes]:
    return path.open("ab")


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-2000:] if path.exists() else ""


@asynccontextmanager
async def serving(
    name: str, command: Sequence[str], port: int, folder: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[Service]:
    """Run a server in the foreground until the block ends; it is entered once the port takes connections."""
    log = folder / f"{name}.log"
    with _open(log) as out:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **(env or {})}
        )
    service = Service(name, process, log)
    try:
        await _answering(service, port)
        yield service
    finally:
        await end(process)


async def _answering(service: Service, port: int) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while service.process.returncode is None:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)
    raise StartError(f"{service.name} did not start\n{_tail(service.log)}")


async def end(process: Process) -> None:
    """End one process: with a request first, by force after a while."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def said_by(*command: str, env: Mapping[str, str] | None = None) -> str:
    """What a command says, on both its outputs; "" if there is no such command."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError:
        return ""
    text, _ = await process.communicate()
    return text.decode(errors="replace").strip()
