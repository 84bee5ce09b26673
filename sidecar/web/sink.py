"""The client's end of a proxied answer: raw bytes to its transport, with back-pressure.

Leans on three things beyond aiohttp's public surface, each with a test of its own: `writer.output_size` (so that an
error after the first byte never writes a second head into the body), `protocol.set_parser` (tunnels), and a response
object whose `prepare` and `write_eof` do nothing.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol

from sidecar.flows.streaming import Sink


class ConnectionSink:
    """Implements `flows.streaming.Sink` on a client's connection."""

    __slots__ = ("_connection", "sent")

    def __init__(self, connection: BaseProtocol) -> None:
        self._connection = connection
        self.sent = 0

    @property
    def writing_paused(self) -> bool:
        """Whether the client is behind."""
        return self._connection.writing_paused

    @property
    def gone(self) -> bool:
        """Whether the client's connection is over."""
        transport = self._connection.transport
        return transport is None or transport.is_closing()

    def write(self, data: bytes) -> None:
        """Push bytes; dropped if the client is gone."""
        transport = self._connection.transport
        if transport is not None and not transport.is_closing():
            self.sent += len(data)
            transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has caught up."""
        await self._connection._drain_helper()  # noqa: SLF001  # what aiohttp's own writer waits for

    def abort(self) -> None:
        """Reset the connection: a truncated answer never looks complete."""
        transport = self._connection.transport
        if transport is not None:
            transport.abort()


class TransportSink(ConnectionSink):
    """The same for a request of aiohttp's, whose writer has to know what was sent."""

    __slots__ = ("_writer",)

    def __init__(self, request: web.BaseRequest) -> None:
        super().__init__(request.protocol)
        self._writer = request.writer

    def write(self, data: bytes) -> None:
        """Push bytes; dropped if the client is gone."""
        before = self.sent
        super().write(data)
        self._writer.output_size += self.sent - before

    async def drain(self) -> None:
        """Wait until the client has caught up, or is gone."""
        await self._writer.drain()


class Written(web.StreamResponse):
    """Tells aiohttp that the answer is on the wire already."""

    def __init__(self, status: int, sink: Sink, *, keep_alive: bool) -> None:
        super().__init__(status=status)
        self._keep_alive = keep_alive
        self._sink = sink

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing to do."""

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """The next request of a pipeline waits until the client has caught up."""
        await self._sink.drain()
