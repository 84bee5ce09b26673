"""The way to one application: `flows.streaming.Upstream` over pooled HTTP/1.1 connections.

Made by the composition root, one per application and never shared, so that no answer can cross from one application
to another. One sweeper per client keeps all times; no request has a timer of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from sidecar.core.answers import answer_lines
from sidecar.flows.heard import Heard
from sidecar.flows.streaming import Answer, AnswerHead, Outcome, Outgoing, Over, UpstreamError
from sidecar.upstream.connection import READ_SIZE, Connection
from sidecar.upstream.limits import Limits
from sidecar.upstream.pool import IdlePool
from sidecar.upstream.slots import Slots
from sidecar.upstream.startup import LARGEST, LONGEST, Startup, StatusPage, said
from sidecar.upstream.tunnel import RawTunnel


class Connect(Protocol):
    """How a connection is opened. Raises OSError when it cannot be."""

    def __call__(self, protocol: Callable[[], asyncio.BaseProtocol], /) -> Awaitable[object]:
        """Open a connection and put what *protocol* makes on it."""
        ...


_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
"""The idempotent methods of RFC 9110 section 9.2.2."""

UNAVAILABLE = 503
_STEPS = 16
_NEXT_ADDRESS = 1.0
"""Seconds that an address of a name may be silent before the next one is tried."""
_FAREWELL = 2.0
"""Seconds that the end of a TLS connection may take; nobody waits for it."""


def connect_to(
    host: str,
    port: int,
    tls: ssl.SSLContext | Callable[[], ssl.SSLContext] | None = None,
    server_name: str | None = None,
) -> Connect:
    """Open connections to *host* and *port*, inside TLS if a context is given; a name is looked up each time.

    A function as *tls* gives the context of the moment: files may be renewed.

    *server_name* is the name that the certificate must bear, if it is not *host*.
    """

    async def connect(protocol: Callable[[], asyncio.BaseProtocol], /) -> object:
        options: dict[str, Any] = {}
        if tls is not None:
            context = tls if isinstance(tls, ssl.SSLContext) else tls()
            options = {"ssl": context, "server_hostname": server_name or host, "ssl_shutdown_timeout": _FAREWELL}
        # One after the other: asyncio's own race between addresses (RFC 8305) loses a socket when it is cancelled.
        loop = asyncio.get_running_loop()
        *others, last = await addresses_of(host, port)
        for address in others:
            with contextlib.suppress(OSError):  # TimeoutError is one
                async with asyncio.timeout(_NEXT_ADDRESS):
                    return await loop.create_connection(protocol, address, port, **options)
        return await loop.create_connection(protocol, last, port, **options)

    return connect


async def addresses_of(host: str, port: int) -> list[str]:
    """Where a name leads, or the address that *host* is.

    Raises:
        OSError: nowhere. UnicodeError: it is no name that DNS takes.
    """
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not found:
        raise OSError(f"{host} has no address")
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def connect_unix(path: str) -> Connect:
    """Open connections to the Unix socket at *path*."""

    def connect(protocol: Callable[[], asyncio.BaseProtocol], /) -> Awaitable[object]:
        return asyncio.get_running_loop().create_unix_connection(protocol, path)

    return connect


class Client:
    """One application's connections. Belongs to the event loop in which it is first used."""

    def __init__(self, connect: Connect, limits: Limits | None = None, status: StatusPage | None = None) -> None:
        """*status* is asked when the application fails; None: it has no such page."""
        self._connect = connect
        self._limits = limits or Limits()
        self._pool = IdlePool(self._limits)
        self._slots = Slots(self._limits.in_flight, self._limits)
        self._strangers = Slots(min(self._limits.anonymous, self._limits.in_flight), self._limits)
        self._status = status
        self._startup = Startup(self._ask_status)
        self._busy: set[Connection] = set()
        self._opened = 0
        self._tunnels = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._buffer = memoryview(bytearray(READ_SIZE))
        self._lines = answer_lines()
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Requests at the application."""
        return self._slots.taken

    @property
    def waiting(self) -> int:
        """Requests that wait for one of them to end."""
        return self._slots.waiting + self._strangers.waiting

    @property
    def idle(self) -> int:
        """Connections kept open for reuse."""
        return len(self._pool)

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
        slots = self._slots
        if self._closed or slots.taken >= slots.most or self._startup.starting or request.stranger:
            return None
        connection = self._pool.take(asyncio.get_running_loop().time())
        if connection is None:
            return None
        slots.taken += 1

        def ended(result: Outcome | UpstreamError) -> None:
            self._busy.discard(connection)
            self._put_back(connection)
            slots.leave()
            again = isinstance(result, UpstreamError) and connection.dropped
            if again:
                self._pool.close()
            elif connection.status == UNAVAILABLE:
                self._suspect()
            over(None if again and request.method in _REPEATABLE else result)

        def abandon() -> None:
            self._busy.discard(connection)
            slots.leave()
            connection.abandon()

        self._busy.add(connection)
        if self._sweeper is None:
            self._arm()
        connection.begin(request, answer, ended)
        return abandon

    async def _exchange(self, request: Outgoing, answer: Answer) -> Outcome:
        held = None
        if self._startup.starting and not self._is_status(request) and await self.is_starting():
            # Asked nevertheless, since it may be ready any moment; but a 503 is no answer now.
            answer = held = _Held(answer)
        try:
            if request.upgrade:
                outcome = await self._open_tunnel(request, answer)
            else:
                outcome = await self._exchange_in_turn(request, answer)
        except UpstreamError as error:
            if error.stage != "connect" or self._closed or not await self.is_starting():
                raise
            raise UpstreamError("starting", f"{error.detail}; it says that it is starting") from error
        if held is not None and held.unavailable:
            raise UpstreamError("starting", "it answers 503, and says that it is starting")
        return outcome

    async def _open_tunnel(self, request: Outgoing, answer: Answer) -> Outcome:
        if self._tunnels >= self._limits.tunnels:
            raise UpstreamError("tunnels", f"{self._tunnels} WebSockets are open")
        self._tunnels += 1
        outcome = None
        try:
            outcome = await self._exchange_in_turn(request, answer)
        finally:
            if outcome is None or not isinstance(outcome.tunnel, RawTunnel):
                self._tunnel_over()
        if isinstance(outcome.tunnel, RawTunnel):
            outcome.tunnel.when_over(self._tunnel_over)
        return outcome

    def _tunnel_over(self) -> None:
        self._tunnels -= 1

    async def _exchange_in_turn(self, request: Outgoing, answer: Answer) -> Outcome:
        if self._sweeper is None:
            self._arm()
        if not request.stranger:
            return await self._exchange_with_slot(request, answer)
        # Anybody can ask for what is public and take their time over it: not all places may be theirs.
        await self._strangers.take()
        try:
            return await self._exchange_with_slot(request, answer)
        finally:
            self._strangers.leave()

    async def _exchange_with_slot(self, request: Outgoing, answer: Answer) -> Outcome:
        slots = self._slots
        await slots.take()
        try:
            if self._closed:
                raise UpstreamError("connect", "the way to this application was closed")
            connection = self._pool.take(asyncio.get_running_loop().time())
            if connection is not None:
                try:
                    return await self._run(connection, request, answer)
                except UpstreamError:
                    if not connection.dropped:
                        raise
                    # It was the one used last: those that have waited longer are dead all the more.
                    self._pool.close()
                    if request.body is not None or request.method not in _REPEATABLE:
                        raise
            return await self._run(await self._open(), request, answer)
        finally:
            slots.leave()

    async def is_starting(self) -> bool:
        """Whether the application says that it is starting; see `flows.starting.Startup`."""
        return self._status is not None and await self._startup.is_starting()

    async def state(self) -> tuple[int, str] | None:
        """What its status page says at this moment: the answer's status and the word. None if it says nothing."""
        try:
            async with asyncio.timeout(LONGEST):
                page = await self._look_at_status()
        except (UpstreamError, TimeoutError):
            return None
        return page.head.status if page.head is not None else 0, said(page.content)

    async def close(self) -> None:
        """Close idle connections and refuse new exchanges; the open ones go on to their end."""
        self._closed = True
        self._pool.close()
        self._slots.close()
        self._strangers.close()
        await self._startup.close()

    async def _open(self) -> Connection:
        connection = Connection(self._limits, self._buffer, self._lines)
        try:
            async with asyncio.timeout(self._limits.connect):
                await self._connect(lambda: connection)
        except (OSError, UnicodeError) as error:  # TimeoutError is the former; the latter, a name that no DNS takes
            detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UpstreamError("connect", f"no connection: {detail}") from error
        # Not all at the same time: connections that a rush opened are renewed one after the other.
        early = self._opened % _STEPS / _STEPS / 10
        self._opened += 1
        connection.retire_at = asyncio.get_running_loop().time() + self._limits.connection_age * (1 - early)
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
        if connection.status == UNAVAILABLE:
            self._suspect()
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
        self._slots.expire(now)
        self._strangers.expire(now)
        self._sweeper = None
        if self._busy or self._pool or self.waiting:
            self._arm()

    # Whether it is starting.

    def _suspect(self) -> None:
        if self._status is not None:
            self._startup.suspect()

    def _is_status(self, request: Outgoing) -> bool:
        """Whether a client asks for the status page itself, which then passes as it is."""
        return self._status is not None and self._status.is_asked_by(request)

    async def _ask_status(self) -> bytes:
        return (await self._look_at_status()).content

    async def _look_at_status(self) -> Heard:
        """Over a connection of its own, and whatever the number of requests: those may be what it cannot serve."""
        page = Heard(LARGEST)
        if self._status is not None:
            await self._run(await self._open(), self._status.question(), page)
        return page


class _Held:
    """An answer that does not pass if it is a 503."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.sink = answer.sink
        self.interim = answer.interim
        self.body = answer.body
        self.end = answer.end
        self.broke = answer.broke
        self.flush = answer.flush
        self.unavailable = False

    def begin(self, head: AnswerHead) -> bool:
        """Refuse a 503."""
        self.unavailable = head.status == UNAVAILABLE
        return not self.unavailable and self._answer.begin(head)


async def _close_body(body: AsyncIterator[bytes]) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()
