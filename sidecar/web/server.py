"""The listeners. `web.Server`, never `web.Application`, whose router is a second reading of the path (design, 3)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

LOG = logging.getLogger(__name__)
FIELD_LIMIT = 32 * 1024
"""Bytes of one field or of the request line; browsers carry long cookies of single sign-on products."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_TOO_LARGE = (431, b"The request's header fields are too large.\n")
_BAD = (400, b"The request is not HTTP/1.1 as this server reads it.\n")


class QuietHandler(RequestHandler):
    """aiohttp's own error answer echoes the offending header, a cookie perhaps, and logs it; this one does neither."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A plain answer without a word of the request; the connection is closed (rule 60)."""
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer broke off")
        if status >= 500:
            LOG.error("a request failed outside of the gateway", exc_info=exc)
            return _plain(status, b"The request failed.\n")
        return _plain(*(_TOO_LARGE if isinstance(exc, LineTooLong) else _BAD))


def _plain(status: int, body: bytes) -> web.Response:
    response = web.Response(
        status=status,
        body=body,
        content_type="text/plain",
        headers={"Server": "lychgate", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
    response.force_close()
    return response


class _Server(web.Server):
    """Makes our protocol instead of aiohttp's."""

    def __init__(self, handler: Handler, *, keep_alive: float) -> None:
        # handler_cancellation: a closed tab cancels its handler (design, section 3, "Cancellation is a contract").
        super().__init__(handler, handler_cancellation=True)
        self._keep_alive = keep_alive

    def __call__(self) -> RequestHandler:
        return QuietHandler(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # aiohttp tests it for truth; the type does not say so
            auto_decompress=False,
            keepalive_timeout=self._keep_alive,
            lingering_time=2.0,
            max_line_size=FIELD_LIMIT,
            max_field_size=FIELD_LIMIT,
            max_headers=200,
        )


class Listener:
    """One open port."""

    def __init__(self, handler: Handler, *, keep_alive: float = 75.0) -> None:
        self._server = _Server(handler, keep_alive=keep_alive)
        self._runner = web.ServerRunner(self._server, handle_signals=False, shutdown_timeout=10.0)
        self.port = 0

    async def open(self, host: str, port: int) -> None:
        """Listen on *host* and *port* (0: any free one, see `port`).

        Raises:
            OSError: the address cannot be had.
        """
        await self._runner.setup()
        listening = socket.create_server((host, port), family=_family(host), backlog=1024, reuse_port=False)
        site = web.SockSite(self._runner, listening)
        await site.start()
        self.port = listening.getsockname()[1]

    async def close(self) -> None:
        """Stop listening, let running answers end within bounds."""
        await self._runner.cleanup()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
