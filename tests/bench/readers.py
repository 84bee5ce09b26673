"""Large answers beside everything else: what slow readers cost in memory, and what downloads cost the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.cases import LARGE, MAIN, Case
from tests.bench.load import ask_with_wrk
from tests.bench.peers import Peer

SLOW = 200
DOWNLOADS = 20
_LOOKS = 30
_LOOK = 0.1
_PAGES = replace(MAIN, key="pages", title="pages beside downloads", connections=4)


@dataclass(frozen=True, slots=True)
class Beside:
    """What was seen.

    Attributes:
        slow: Bytes that `SLOW` readers who do not read add to the peer's memory.
        alone, together: p99 of pages in milliseconds, alone and beside `DOWNLOADS` downloads.
    """

    slow: int
    alone: float
    together: float


class _Reader(asyncio.Protocol):
    """Asks for the large answer; reads it again and again, or not at all."""

    def __init__(self, head: bytes, *, reads: bool) -> None:
        self._head = head
        self._reads = reads
        self._left = 0
        self.transport = asyncio.Transport()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._head)
        if not self._reads:
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Count down, and ask again at the end; the head of an answer is small change."""
        self._left += len(data)
        if self._left >= (LARGE.size or 0):
            self._left = 0
            self.transport.write(self._head)


def _head(case: Case, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {case.path} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def _readers(peer: Peer, number: int, stack: AsyncExitStack, *, reads: bool) -> None:
    loop, head = asyncio.get_running_loop(), _head(LARGE, peer.headers(LARGE))
    for _ in range(number):
        _, reader = await loop.create_connection(lambda: _Reader(head, reads=reads), "127.0.0.1", peer.port)
        stack.callback(reader.transport.abort)


async def beside(peer: Peer, seconds: int, folder: Path) -> Beside | None:
    """Measure one peer; None for the application itself."""
    service = peer.service
    if service is None:
        return None
    before = service.memory()
    async with AsyncExitStack() as stack:
        await _readers(peer, SLOW, stack, reads=False)
        slow = 0
        for _ in range(_LOOKS):
            await asyncio.sleep(_LOOK)
            slow = max(slow, service.memory() - before)
    await asyncio.sleep(1)
    alone = await ask_with_wrk(peer.port, _PAGES, peer.headers(_PAGES), seconds, folder)
    async with AsyncExitStack() as stack:
        await _readers(peer, DOWNLOADS, stack, reads=True)
        together = await ask_with_wrk(peer.port, _PAGES, peer.headers(_PAGES), seconds, folder)
    return Beside(slow, alone.p99, together.p99)
