"""The way to one application: `flows.streaming.Upstream` over pooled HTTP/1.1 connections.

Made by the composition root, one per application and never shared, so that no answer can cross from one application
to another. One sweeper per client keeps all times; no request has a timer of its own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from sidecar.core.answers import answer_lines
from sidecar.flows.streaming import Answer, Outcome, Outgoing, Over, UpstreamError
from sidecar.upstream.connection import READ_SIZE, Connection
from sidecar.upstream.limits import Limits
from sidecar.upstream.pool import IdlePool


class Connect(Protocol):
    """How a connection is opened. Raises OSError when it cannot be."""

    def __call__(self, protocol: Callable[[], asyncio.BaseProtocol], /) -> Awaitable[object]:
        """Open a connection and put what *protocol* makes on it."""
        ...


_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
"""The idempotent methods of RFC 9110 section 9.2.2."""


def connect_to(host: str, port: int, tls: ssl.SSLContext | None = None) -> Connect:
    """Open connections to *host* and *port*, inside TLS if a context is given."""

    def connect(protocol: Callable[[], asyncio.BaseProtocol], /) -> Awaitable[object]:
        return asyncio.get_running_loop().create_connection(protocol, host, port, ssl=tls)

    return connect


class Client:
    """One application's connections. Belongs to the event loop in which it is first used."""

    def __init__(self, connect: Connect, limits: Limits | None = None) -> None:
        self._connect = connect
        self._limits = limits or Limits()
        self._pool = IdlePool(self._limits)
        self._busy: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._buffer = memoryview(bytearray(READ_SIZE))
        self._lines = answer_lines()
        self._closed = False

    async def exchange(self, request: Outgoing, answer: Answer) -> Outcome:
        """Send *request* and push its answer; see `flows.streaming.Upstream`.

        A request that met a dead connection from the pool is sent once more, on a fresh one, if sending it twice
        cannot harm: an idempotent method, no body, and no byte of an answer (RFC 9112 section 9.3.1).
        """
        if request.body is None:
            return await self._exchange(request, answer)
        try:
            return await self._exchange(request, answer)
        finally:
            await _close_body(request.body)

    def begin(self, request: Outgoing, answer: Answer, over: Over) -> Callable[[], None] | None:
        """Send a request without a body over a connection that is at hand; see `flows.streaming.Upstream`."""
        connection = None if self._closed else self._pool.take(asyncio.get_running_loop().time())
        if connection is None:
            return None

        def ended(result: Outcome | UpstreamError) -> None:
            self._busy.discard(connection)
            self._put_back(connection)
            again = isinstance(result, UpstreamError) and connection.dropped and request.method in _REPEATABLE
            over(None if again else result)

        def abandon() -> None:
            self._busy.discard(connection)
            connection.abandon()

        self._busy.add(connection)
        if self._sweeper is None:
            self._arm()
        connection.begin(request, answer, ended)
        return abandon

    async def _exchange(self, request: Outgoing, answer: Answer) -> Outcome:
        if self._closed:
            raise UpstreamError("connect", "the way to this application was closed")
        connection = self._pool.take(asyncio.get_running_loop().time())
        if connection is not None:
            try:
                return await self._run(connection, request, answer)
            except UpstreamError:
                repeatable = request.body is None and request.method in _REPEATABLE
                if not (connection.dropped and repeatable):
                    raise
        return await self._run(await self._open(), request, answer)

    async def close(self) -> None:
        """Close idle connections and refuse new exchanges; the open ones go on to their end."""
        self._closed = True
        self._pool.close()

    async def _open(self) -> Connection:
        connection = Connection(self._limits, self._buffer, self._lines)
        try:
            async with asyncio.timeout(self._limits.connect):
                await self._connect(lambda: connection)
        except OSError as error:  # TimeoutError is one
            detail = error.strerror or type(error).__name__
            raise UpstreamError("connect", f"no connection: {detail}") from error
        return connection

    async def _run(self, connection: Connection, request: Outgoing, answer: Answer) -> Outcome:
        self._busy.add(connection)
        if self._sweeper is None:
            self._arm()
        try:
            outcome = await connection.exchange(request, answer)
        finally:
            self._busy.discard(connection)
        self._put_back(connection)
        return outcome

    def _put_back(self, connection: Connection) -> None:
        if connection.reusable:
            if self._closed:
                connection.close()
            else:
                self._pool.put(connection, asyncio.get_running_loop().time())

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(self._limits.sweep, self._sweep)

    def _sweep(self) -> None:
        """Look at every open exchange and every idle connection; stop when there are none."""
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._busy):
            connection.end_if_still(now)
        self._pool.sweep(now)
        self._sweeper = None
        if self._busy or self._pool:
            self._arm()


async def _close_body(body: AsyncIterator[bytes]) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()
