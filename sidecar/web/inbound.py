"""One connection of a client: how long it may take for a head or a body, and how much of a head it may send.

Made by `web.server` for every connection, looked at once a second by its sweeper; no request has a timer of its own.
aiohttp itself knows no time-out but that of an idle connection, and limits every field but not their sum.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from sidecar.domain.reason import Reason
from sidecar.web.allowance import Allowance, Drain
from sidecar.web.behind import Behind
from sidecar.web.between import Between
from sidecar.web.head import MAX_HEAD

LOG = logging.getLogger(__name__)
FIELD_LIMIT = 32 * 1024
"""Bytes of one field or of the request line; browsers carry long cookies of single sign-on products."""

MOST_FIELDS = 200

BODY_LEAST = 4096
"""Bytes of a body that each stretch of `Allowance.body_time` must bring."""

TurnedAway = Callable[[Reason], None]
"""Told of a client that was refused before it had brought a request."""


class QuickWay(Protocol):
    """Serves plain requests without aiohttp (`web.lane`)."""

    def __call__(self, connection: Connection, data: bytes) -> Callable[[], None] | None:
        """Begin to serve the one request that *data* is; it ends with `connection.over` or `connection.fall_back`.

        Returns:
            What gives it up when the client is gone; None if it is not for this way, and nothing was done.
        """
        ...


class SlowBodyError(web.RequestPayloadError):
    """The client sends its body too slowly. Raised where the body is read."""


_PLAIN = (b"GET ", b"HEAD ")
LONGEST_QUICK = 16 * 1024
"""Bytes of a head that the quick way reads."""

MOST_LAPS = 3
"""Of the event loop that a request waits for aiohttp to come round."""


def _nothing() -> None:
    """Gives up what has not begun."""


class Connection(RequestHandler):
    """aiohttp's protocol, watched; its own error answer, which echoes the offending header and logs it, is replaced."""

    __slots__ = (
        "_allowance",
        "_behind",
        "_between",
        "_body",
        "_drain",
        "_give_up",
        "_head_bytes",
        "_head_since",
        "_held",
        "_laps",
        "_part",
        "_quick",
        "_rests_since",
        "_turned_away",
        "_verdict",
        "_window_bytes",
        "_window_since",
        "_wire",
        "peer",
    )

    def __init__(
        self,
        server: web.Server,
        allowance: Allowance,
        turned_away: TurnedAway,
        drain: Drain,
        quick: QuickWay | None = None,
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # aiohttp tests it for truth; the type does not say so
            auto_decompress=False,
            keepalive_timeout=allowance.keep_alive,
            lingering_time=2.0,
            max_line_size=FIELD_LIMIT,
            max_field_size=FIELD_LIMIT,
            max_headers=MOST_FIELDS,
        )
        self._allowance = allowance
        self._turned_away = turned_away
        self._drain = drain
        self._body: StreamReader | None = None
        self._head_bytes = 0
        self._head_since = 0.0
        self._window_bytes = 0
        self._window_since = 0.0
        self._quick = quick
        self._give_up: Callable[[], None] | None = None
        self._held = b""
        self._part = b""
        self._between = Between()
        self._laps = 0
        self._rests_since = 0.0
        self._verdict: object = None
        self._wire: asyncio.Transport | None = None
        self._behind = Behind()
        self.peer = ""

    @property
    def draining(self) -> bool:
        """Whether the listener ends: then every answer ends its connection."""
        return self._drain.on

    @property
    def busy(self) -> bool:
        """Whether a request is on the quick way."""
        return self._give_up is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve, unless there are too many already."""
        if self._manager is not None and len(self._manager._connections) >= self._allowance.connections:  # noqa: SLF001  # `connections` copies them
            self._refuse(cast("asyncio.Transport", transport), Reason.TOO_MANY_CONNECTIONS)
            # From here on this is nobody's connection: aiohttp has not heard of it.
            self._manager, self._force_close = None, True
            return
        super().connection_made(transport)
        # aiohttp forgets the transport that it closes; it may yet hang on a client that does not read.
        self._wire = self.transport
        # A client that connects and says nothing is slow too.
        self._head_since = self._loop.time()
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if isinstance(address, tuple) else ""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client is gone, and with it the request on the quick way."""
        give_up, self._give_up = self._give_up, None
        if give_up is not None:
            give_up()
        self._wire = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Serve a plain request the quick way; else feed aiohttp's parser, and keep count of what no request has come
        of yet."""
        if data and (self._give_up is not None or (self._paused and self._body is None and not self._upgraded)):
            # Of a client that does not take its answers no further request is taken either.
            self._hold(data)
            return
        if self._part:
            data, self._part = self._part + data, b""
        if self._quick is not None and self._between.two and data.startswith(_PLAIN):
            if self._waits():
                self._laps = 0
                self._rests_since = 0.0
                if len(data) <= LONGEST_QUICK and b"\r\n\r\n" not in data:
                    # The rest of the head is on its way, or its time will be up.
                    self._part, self._head_since = data, self._head_since or self._loop.time()
                    return
                self._give_up = self._quick(self, data)
                if self._give_up is not None:
                    self._head_since = 0.0
                    return
            elif self._comes_to_wait() and self._laps < MOST_LAPS:
                self._laps += 1
                self._held, self._give_up = data, _nothing
                self._loop.call_soon(self._ask_again)
                return
        self._laps = 0
        self._feed(data)

    def _ask_again(self) -> None:
        if self._give_up is _nothing:
            self._give_up = None
        if self._give_up is None and self.transport is not None and not self.transport.is_closing():
            self._go_on()

    def resume_writing(self) -> None:
        """The client takes its answers again."""
        super().resume_writing()
        self._behind.caught_up()
        if self._held:
            # Not at once: the transport is amid its writing.
            self._loop.call_soon(self._ask_again)

    def _feed(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        self._rests_since = 0.0
        self._between.follow(data, self._request_count - before, self._messages[-1][0] if self._messages else None)
        if self._request_count != before:
            self._head_bytes, self._head_since = 0, 0.0
            if self._messages:
                payload = self._messages[-1][1]
                self._body = None if payload.is_eof() else payload
                if self._body is not None:
                    self._window_bytes, self._window_since = len(data), self._loop.time()
        elif self._body is not None:
            self._window_bytes += len(data)
            if self._body.is_eof():
                self._body = None
        elif not self._upgraded and not self._force_close and not self._close:
            self._head_bytes += len(data)
            if not self._head_since:
                self._head_since = self._loop.time()
            if self._head_bytes > MAX_HEAD:
                self._turn_away(Reason.HEADERS_TOO_LARGE)

    def _process_keepalive(self) -> None:
        """aiohttp's timer knows nothing of the quick way: a connection that works there, or did lately, is not idle."""
        last = self._loop.time() if self._give_up is not None or self._part else self._rests_since
        if last:
            self._next_keepalive_close_time = max(self._next_keepalive_close_time, last + self.keepalive_timeout)
        super()._process_keepalive()

    def over(self, *, keep_alive: bool) -> None:
        """The request on the quick way is answered, or its answer broke off."""
        self._give_up = None
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if not keep_alive:
            transport.close()
            return
        self._rests_since = self._loop.time()
        self._go_on()

    def fall_back(self, data: bytes, verdict: object) -> None:
        """Nothing of an answer was sent: aiohttp's way begins anew, with what is known already as the *verdict*."""
        self._give_up = None
        self._verdict = verdict
        if self.transport is not None and not self.transport.is_closing():
            self._feed(data)
            self._go_on()

    def abort(self) -> None:
        """End the connection at once."""
        self._give_up = None
        if self.transport is not None:
            self.transport.abort()

    def take_verdict(self) -> object:
        """What the quick way has found out of the request that begins now; None if nothing."""
        verdict, self._verdict = self._verdict, None
        return verdict

    def _hold(self, data: bytes) -> None:
        """Keep what a client sends ahead, and stop reading when that is much."""
        self._held += data
        if len(self._held) > MAX_HEAD and self.transport is not None:
            self.transport.pause_reading()

    def _go_on(self) -> None:
        held, self._held = self._held, b""
        if held:
            if self.transport is not None and not self.transport.is_reading():
                self.transport.resume_reading()
            self.data_received(held)

    def _waits(self) -> bool:
        """Whether aiohttp waits for a request and has no part of one."""
        waiter = self._waiter
        return (
            waiter is not None
            and not waiter.done()
            and not self._messages
            and self._body is None
            and not self._head_bytes
            and not (self._upgraded or self._force_close or self._close)
        )

    def _comes_to_wait(self) -> bool:
        """Whether aiohttp is done with a request and its task has yet to come round. A busy client asks again before
        that, and on aiohttp's way it would do so for ever."""
        return self._waiter is None and self._current_request is None and not self._messages and self._body is None

    def sweep(self, now: float) -> None:
        """End what takes too long; *now* in loop time."""
        body, wire = self._body, self._wire
        if wire is None or not (self._paused or wire.is_closing()):
            self._behind.caught_up()
        elif self._behind.is_stuck(wire, now, self._allowance.answer_time):
            wire.abort()
            return
        if self._give_up is not None:
            return
        if self._rests_since and now - self._rests_since > self._allowance.keep_alive and self._waits():
            self._turn_away(Reason.OK)
        elif body is None:
            if self._head_since and now - self._head_since > self._allowance.head_time:
                # Without a byte nobody waits for an answer.
                silent = not self._head_bytes and not self._part
                self._turn_away(Reason.OK if silent else Reason.REQUEST_TIMEOUT)
        elif body.is_eof():
            self._body = None
        elif self._reading_paused or self._buffer_paused:
            self._window_bytes, self._window_since = 0, now
        elif now - self._window_since >= self._allowance.body_time:
            if self._window_bytes < BODY_LEAST:
                self._body = None
                body.set_exception(SlowBodyError("the body comes too slowly"))
            self._window_bytes, self._window_since = 0, now

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
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            LOG.error("a request failed outside of the gateway", exc_info=exc)
            return _plain(status, b"The request failed.\n")
        reason = Reason.HEADERS_TOO_LARGE if isinstance(exc, LineTooLong) else Reason.BAD_HEADERS
        self._turned_away(reason)
        return _plain(*_WORDS[reason])

    def _turn_away(self, reason: Reason) -> None:
        """Refuse whoever has not brought a whole request; an answer that is under way is not written into."""
        transport = self.transport
        self._head_since, self._head_bytes = 0.0, 0
        if transport is None or transport.is_closing():
            return
        if reason is Reason.OK:
            transport.close()
        elif self._current_request is None and not self._messages:
            self._refuse(transport, reason)
        else:
            self._turned_away(reason)
            transport.abort()

    def _refuse(self, transport: asyncio.Transport, reason: Reason) -> None:
        status, body = _WORDS[reason]
        self._turned_away(reason)
        transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nServer: lychgate\r\n"
            b"Cache-Control: no-store\r\nRetry-After: 5\r\nConnection: close\r\n\r\n%b"
            % (status, HTTPStatus(status).phrase.encode(), len(body), body)
        )
        transport.close()


_WORDS = {
    Reason.HEADERS_TOO_LARGE: (431, b"The request's header fields are too large.\n"),
    Reason.BAD_HEADERS: (400, b"The request is not HTTP/1.1 as this server reads it.\n"),
    Reason.REQUEST_TIMEOUT: (408, b"The request came too slowly.\n"),
    Reason.TOO_MANY_CONNECTIONS: (503, b"Too many connections are open. Try again in a moment.\n"),
}


def _plain(status: int, body: bytes) -> web.Response:
    response = web.Response(
        status=status,
        body=body,
        content_type="text/plain",
        headers={"Server": "lychgate", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
    response.force_close()
    return response


def goes_on(request: web.BaseRequest) -> bool:
    """Whether the client's connection may go on after the answer.

    Not behind a body in chunks: aiohttp's parser (3.14.5) puts its trailers among the header fields of the next request
    on the connection, which may be somebody else's, so there must be no next one.
    """
    protocol = request.protocol
    draining = isinstance(protocol, Connection) and protocol.draining
    return request.keep_alive and not draining and "Transfer-Encoding" not in request.headers
