"""Pods on one machine: network namespaces, each with a link of its own to us, and what runs within them.

Needs root and `ip`. The addresses are of 198.18.0.0/15, which is for such tests alone (RFC 2544).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 180.0


def permitted() -> bool:
    """Whether namespaces can be made here."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"lg{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode == 0:
        _ip("netns", "del", name)
    return made.returncode == 0


@dataclass(frozen=True, slots=True)
class Pod:
    """A network of its own.

    Attributes:
        name: Of the namespace.
        address: Its own.
        outside: Ours, at the other end of its link.
    """

    name: str
    address: str
    outside: str

    def within(self, *command: str) -> tuple[str, ...]:
        """The command, run in the pod."""
        return ("ip", "netns", "exec", self.name, *command)


@contextmanager
def pods(count: int) -> Iterator[list[Pod]]:
    """So many, and gone in the end."""
    stem, third = f"lg{secrets.token_hex(3)}", secrets.randbelow(250)
    made: list[Pod] = []
    try:
        for number in range(count):
            pod = Pod(f"{stem}{number}", f"198.18.{third}.{4 * number + 2}", f"198.18.{third}.{4 * number + 1}")
            _ip("netns", "add", pod.name)
            made.append(pod)
            ours = f"{pod.name}o"
            _ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", pod.name)
            _ip("addr", "add", f"{pod.outside}/30", "dev", ours)
            _ip("link", "set", ours, "up")
            for words in (("addr", "add", f"{pod.address}/30", "dev", "eth0"), ("link", "set", "eth0", "up"),
                          ("link", "set", "lo", "up")):  # fmt: skip
                _ip("-n", pod.name, *words)
        yield made
    finally:
        # The links go with them.
        for pod in made:
            _ip("netns", "del", pod.name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=PATIENCE)


@asynccontextmanager
async def process(*command: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process until the end; SIGTERM, and after a while SIGKILL."""
    with log.open("ab") as file:
        started = await asyncio.create_subprocess_exec(*command, stdout=file, stderr=file)
    try:
        yield started
    finally:
        await ended(started)


async def ended(started: asyncio.subprocess.Process) -> int | None:
    """Ask it to end; its code."""
    if started.returncode is None:
        started.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(started.wait(), PATIENCE)
        except TimeoutError:
            started.kill()
            await started.wait()
    return started.returncode
