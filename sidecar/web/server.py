"""The listeners. `web.Server`, never `web.Application`, whose router is a second reading of the path (design, 3)."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from sidecar.domain.reason import Reason
from sidecar.web.allowance import Allowance, Drain
from sidecar.web.inbound import Connection, QuickWay, TurnedAway

LOG = logging.getLogger(__name__)
SWEEP = 1.0
"""Seconds between two looks at who takes too long."""

SHUTDOWN = 10.0
"""Seconds that running answers may take in the end."""

TURNS, LAST_REQUEST = 8, 0.1
"""Turns of the loop, and seconds if anybody is connected, from the last connection that is taken to the end of those
that rest."""

_STEP = 0.02

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Server(web.Server):
    """Makes our protocol instead of aiohttp's."""

    def __init__(self, handler: Handler, allowance: Allowance, turned_away: TurnedAway, quick: QuickWay | None) -> None:
        # handler_cancellation: a closed tab cancels its handler (design, section 3, "Cancellation is a contract").
        super().__init__(handler, handler_cancellation=True)
        self._allowance = allowance
        self._turned_away = turned_away
        self._quick = quick
        self.drain = Drain()

    def __call__(self) -> RequestHandler:
        return Connection(self, self._allowance, self._turned_away, self.drain, self._quick)


def _nobody_asks(reason: Reason) -> None:
    """Where there are no metrics to tell."""


class Listener:
    """One open port."""

    def __init__(
        self,
        handler: Handler,
        allowance: Allowance | None = None,
        turned_away: TurnedAway = _nobody_asks,
        quick: QuickWay | None = None,
    ) -> None:
        self._allowance = allowance or Allowance()
        self._server = _Server(handler, self._allowance, turned_away, quick)
        self._runner = web.ServerRunner(self._server, handle_signals=False, shutdown_timeout=SHUTDOWN)
        self._sweeper: asyncio.TimerHandle | None = None
        self.port = 0
        self._tls: ssl.SSLContext | None = None

    def __len__(self) -> int:
        """Open connections."""
        return len(self._server._connections)  # noqa: SLF001  # `connections` copies them

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen on *host* and *port* (0: any free one, see `port`), inside TLS if a context is given.

        Raises:
            OSError: the address cannot be had.
        """
        if tls is not None:
            self._tls = tls
            tls.sni_callback = self._choose
        listening = socket.create_server((host, port), family=_family(host), backlog=1024, reuse_port=False)
        await self.open_on(listening, tls)
        self.port = listening.getsockname()[1]

    async def open_on(self, listening: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve whoever connects to a socket that listens already."""
        await self._runner.setup()
        site = web.SockSite(self._runner, listening, ssl_context=tls)
        await site.start()
        self._arm()

    def renew(self, tls: ssl.SSLContext) -> None:
        """New connections get the certificate of *tls*; those that are open keep theirs."""
        self._tls = tls

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _first: ssl.SSLContext) -> None:
        """Asked by OpenSSL for every new connection, whether or not the client names a host."""
        if self._tls is not None:
            connection.context = self._tls

    async def close(self) -> None:
        """End without losing a request (RFC 9112, section 9.6): for a moment the port stays open and every answer says
        that its connection ends; then nobody new is let in, what runs may come to its end, and what rests is closed."""
        self._server.drain.on = True
        # All of it, also while nobody is there: what stands in front may not have noticed yet, and still sends people.
        await asyncio.sleep(self._allowance.drain)
        for site in tuple(self._runner.sites):
            await site.stop()
        # A connection that was taken at the last moment is the server's only some turns of the loop later, and its
        # request comes behind it. Closed in between, it would be left without an answer and without an end.
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await _until(lambda: not len(self), LAST_REQUEST)
        await _until(lambda: not any(connection.busy for connection in self._connections()), SHUTDOWN)
        await self._runner.cleanup()
        if self._sweeper is not None:
            self._sweeper.cancel()

    def _connections(self) -> list[Connection]:
        return [one for one in self._server.connections if isinstance(one, Connection)]

    def _arm(self) -> None:
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in self._connections():
            connection.sweep(now)
        self._arm()


async def _until(true: Callable[[], bool], seconds: float) -> None:
    """Wait until something holds, at most so long."""
    for _ in range(round(seconds / _STEP)):
        if true():
            return
        await asyncio.sleep(_STEP)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
