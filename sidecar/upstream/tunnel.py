"""The application's half of a connection after an accepted 101: bytes both ways, back-pressure both ways.

Made by `connection`, which hands its transport over; used by `web` through `flows.streaming.Tunnel`. No reading
before `pump`: until then the kernel holds what the application sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.flows.streaming import Sink


class RawTunnel(asyncio.BufferedProtocol):
    """A `flows.streaming.Tunnel` on an asyncio transport.

    The transport must have its reading paused and its protocol set to this object.
    """

    def __init__(self, transport: asyncio.Transport, buffer: memoryview, kept: bytes) -> None:
        """*buffer* bounds one read; *kept* followed the 101 head and is pumped first."""
        self._transport = transport
        self._buffer = buffer
        self._kept = kept
        self._sink: Sink | None = None
        self._ended = False
        self._writing_paused = False
        self._wake_pump: asyncio.Future[None] | None = None
        self._wake_writer: asyncio.Future[None] | None = None
        self._lost = False
        self._when_over: Callable[[], None] | None = None

    def when_over(self, told: Callable[[], None]) -> None:
        """Have *told* called when the connection is gone; at once if it is."""
        if self._lost:
            told()
        else:
            self._when_over = told

    # Called by web.

    @property
    def writing_paused(self) -> bool:
        """Whether the application is behind."""
        return self._writing_paused

    def write(self, data: bytes) -> None:
        """Send bytes; after the end they are dropped."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the application has caught up.

        Raises:
            ConnectionError: the application is gone.
        """
        while self._writing_paused and not self._transport.is_closing():
            self._wake_writer = asyncio.get_running_loop().create_future()
            await self._wake_writer
        if self._transport.is_closing():
            raise ConnectionResetError("the application ended the tunnel")

    async def pump(self, sink: Sink) -> None:
        """Push everything the application sends into *sink*.

        Returns when the application ends its side, when `close` is called, or when the receiver is gone.
        """
        self._sink = sink
        kept, self._kept = self._kept, b""
        if kept:
            sink.write(kept)
        try:
            while not self._ended:
                if sink.writing_paused:
                    await self._wait_for(sink)
                    continue
                self._transport.resume_reading()
                self._wake_pump = asyncio.get_running_loop().create_future()
                await self._wake_pump
        except ConnectionError:
            self.close()
        finally:
            self._sink = None
            self._transport.pause_reading()

    def close(self) -> None:
        """End the connection to the application at once."""
        self._end()
        self._transport.abort()

    async def _wait_for(self, sink: Sink) -> None:
        """Wait until *sink* has caught up or the tunnel has ended."""
        drained = asyncio.ensure_future(sink.drain())
        self._wake_pump = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait((drained, self._wake_pump), return_when=asyncio.FIRST_COMPLETED)
            if drained.done():
                drained.result()
        finally:
            drained.cancel()

    def _end(self) -> None:
        self._ended = True
        _wake(self._wake_pump)
        _wake(self._wake_writer)

    # Called by the event loop.

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next read goes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Push what came; stop reading when the receiver is behind."""
        data = bytes(self._buffer[:nbytes])
        if self._sink is None:
            self._kept += data
            return
        self._sink.write(data)
        if self._sink.writing_paused:
            self._transport.pause_reading()
            _wake(self._wake_pump)

    def eof_received(self) -> None:
        """The application ended its side; the transport then closes by itself."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end()
        self._lost = True
        if self._when_over is not None:
            self._when_over()

    def pause_writing(self) -> None:
        """The application is behind."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The application has caught up."""
        self._writing_paused = False
        _wake(self._wake_writer)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
