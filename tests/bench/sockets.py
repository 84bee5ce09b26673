"""Load with WebSockets: each sends one message, waits for its echo, and sends the next, for some seconds.

Frames are made once, with a mask of zeros (RFC 6455, section 5.3 lets a client choose), so that this side is cheap.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Mapping

from tests.bench.cases import Case
from tests.bench.load import Load, LoadError, quantile

_BINARY, _MASKED = 0x82, 0x80
_OPEN_SECONDS = 10.0


class _Socket(asyncio.Protocol):
    """One WebSocket on its own connection."""

    def __init__(self, head: bytes, size: int) -> None:
        self.times: list[float] = []
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failed = False
        self.stopped = False
        self._head = head
        self._frame = bytes([_BINARY, _MASKED | size, 0, 0, 0, 0]) + b"x" * size
        self._echo = size + 2
        self._got = bytearray()
        self._sent = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self.opened.done():
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._got.startswith(b"HTTP/1.1 101 "):
                self.opened.set_exception(LoadError(f"no WebSocket: {bytes(self._got[:200])!r}"))
                return
            del self._got[: end + 4]
            self.opened.set_result(None)
            return
        if len(self._got) >= self._echo:
            del self._got[: self._echo]
            self.times.append(time.perf_counter() - self._sent)
            self.send()

    def send(self) -> None:
        """The next message, unless the time is over."""
        if not self.stopped and self._transport is not None:
            self._sent = time.perf_counter()
            self._transport.write(self._frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self.failed = not self.stopped
        if not self.opened.done():
            self.opened.set_exception(LoadError(f"no WebSocket: {exc or 'closed'}"))

    def stop(self) -> None:
        """Send nothing more, and close."""
        self.stopped = True
        if self._transport is not None:
            self._transport.close()


def opening(case: Case, headers: Mapping[str, str], origin: str) -> bytes:
    """The head that asks for a WebSocket (RFC 6455, section 4.1)."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    more = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Origin": origin,
    }
    lines = [f"{name}: {value}" for name, value in {**headers, **more}.items()]
    return "\r\n".join([f"GET {case.path} HTTP/1.1", *lines, "", ""]).encode("ascii")


async def ask_with_sockets(port: int, case: Case, headers: Mapping[str, str], seconds: float) -> Load:
    """Exchange messages on as many sockets as the case has.

    Raises:
        LoadError: A socket was not opened, or ended before its time.
    """
    loop, head = asyncio.get_running_loop(), opening(case, headers, f"http://{headers['Host']}")
    sockets: list[_Socket] = []

    def make() -> _Socket:
        sockets.append(_Socket(head, case.size or 0))
        return sockets[-1]

    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            for _ in range(case.connections):
                _, socket = await loop.create_connection(make, "127.0.0.1", port)
                await socket.opened
        began = time.perf_counter()
        for socket in sockets:
            socket.send()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        broken = sum(socket.failed for socket in sockets)
    except TimeoutError:
        raise LoadError("a WebSocket was not opened in time") from None
    finally:
        for socket in sockets:
            socket.stop()
    times = sorted(value * 1000 for socket in sockets for value in socket.times)
    if broken or not times:
        raise LoadError(f"{broken} of {case.connections} WebSockets ended early")
    return Load(len(times), took, broken, quantile(times, 0.5), quantile(times, 0.99))
