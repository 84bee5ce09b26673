"""One connection to the application: one exchange at a time, pushed in both directions.

Opened by `client`, kept by `pool` between exchanges. The answer goes from the event loop's read callback straight
into the `Answer`; no task and no timer belongs to a request. A connection serves again only after an exchange that
left no doubt about where the next answer starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import AsyncIterator, Callable
from typing import cast

from sidecar.core.answers import AnswerLine
from sidecar.core.lines import Remembered
from sidecar.flows.streaming import Answer, Outcome, Outgoing, Patience, Sink, UpstreamError
from sidecar.upstream.limits import Limits
from sidecar.upstream.parser import AnswerParser, Phase
from sidecar.upstream.tunnel import RawTunnel

READ_SIZE = 65536
"""Most bytes of one read, and so the most that one read may add to a slow receiver's queue."""


class Connection(asyncio.BufferedProtocol):
    """A connection, and the exchange on it if there is one.

    Attributes:
        dropped: The application ended the connection before the first byte of an answer to the last exchange.
        reusable: The last exchange left the connection fit for another one.
        idle_since: Loop time at which the pool took it.
        retire_at: Loop time from which on it serves no further request.
    """

    def __init__(self, limits: Limits, buffer: memoryview, lines: Remembered[AnswerLine]) -> None:
        """*buffer* bounds one read; it may be shared, since a read is used up before the next one starts. *lines* are
        the application's, as far as they are known."""
        self._limits = limits
        self._patience: Limits | Patience = limits
        self._lines = lines
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = asyncio.Transport()
        self._unread = select.poll()
        self._parser: AnswerParser | None = None
        self._error: UpstreamError | None = None
        self._tunnel: RawTunnel | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self._sender: asyncio.Task[object] | None = None
        self._stopped_sender = False
        self._writing_paused = False
        self._wake_sender: asyncio.Future[None] | None = None
        self._sent = True
        self._asked_upgrade = False
        self._first = 0.0
        self._over: Callable[[Outcome | UpstreamError], None] | None = None
        self._done: asyncio.Future[None] | None = None
        self.dropped = False
        self.reusable = False
        self.idle_since = 0.0
        self.retire_at = 0.0

    # Called by the client and the pool.

    @property
    def quiet(self) -> bool:
        """Whether the connection is open and nothing waits to be read: an end, or bytes that nobody asked for."""
        return not self._transport.is_closing() and not self._unread.poll(0)

    @property
    def status(self) -> int:
        """Status of the last answer that began; 0 if none did."""
        return self._reading.status

    def close(self) -> None:
        """Close an idle connection."""
        self._transport.close()

    def begin(self, request: Outgoing, answer: Answer, over: Callable[[Outcome | UpstreamError], None]) -> None:
        """Send *request*, which has no body, and push its answer; *over* is called when the exchange has ended."""
        self._open(request, answer)
        self._over = over
        self._transport.write(request.head)

    def abandon(self) -> None:
        """Give the exchange up; nobody is told."""
        self._over = None
        self._abandon()

    async def exchange(self, request: Outgoing, answer: Answer) -> Outcome:
        """Send *request* and push its answer; see `flows.streaming.Upstream`. The caller closes the body."""
        if self._transport.is_closing():
            self.dropped = True
            raise UpstreamError("connect", "the connection ended before it was used")
        self._open(request, answer)
        self._done = self._loop.create_future()
        self._transport.write(request.head)
        try:
            if request.body is not None:
                await self._send(request.body, request.chunked)
            await self._done
        except BaseException:
            self._abandon()
            raise
        if self._error is not None:
            raise self._error
        return self._outcome()

    def _outcome(self) -> Outcome:
        first = self._first - self._started
        if self._tunnel is not None:
            return Outcome("tunnel", self._tunnel, 0, first)
        parser = self._reading
        if parser.phase is Phase.REFUSED:
            return Outcome("refused", None, 0, first)
        return Outcome("complete", None, parser.received, first)

    def end_if_still(self, now: float) -> None:
        """End the exchange if nothing has moved for too long; the sweeper's call, *now* in loop time."""
        parser = self._parser
        if parser is None:
            return
        limit = self._patience.idle_body if parser.begun else self._patience.first_byte
        if now - self._moved > limit:
            self._fail(UpstreamError("timeout", f"nothing moved for {limit:g} s"))

    # The exchange.

    def _open(self, request: Outgoing, answer: Answer) -> None:
        self._answer = answer
        self._patience = request.patience or self._limits
        self._sent = request.body is None
        self._asked_upgrade = request.upgrade
        self._parser = self._reading = AnswerParser(
            answer,
            self._lines,
            head_request=request.method == "HEAD",
            upgrade=request.upgrade and self._sent,
        )
        self._started = self._moved = self._loop.time()
        self._first = 0.0
        self.dropped = False
        self.reusable = False

    async def _send(self, body: AsyncIterator[bytes], chunked: bool) -> None:
        """Send the body, unless the exchange ends first.

        The end may come while this coroutine waits for the client's next piece. A task beside it would cost every
        upload, so the end cancels this very task, as `asyncio.timeout` does, and the cancellation is taken back here.
        """
        task = cast("asyncio.Task[object]", asyncio.current_task())
        cancellations = task.cancelling()
        self._sender = task
        self._stopped_sender = False
        transport = self._transport
        try:
            async for piece in body:
                if transport.is_closing():
                    break  # a write would vanish without ever pausing
                if piece:
                    transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                    self._moved = self._loop.time()
                while self._writing_paused:
                    self._wake_sender = self._loop.create_future()
                    await self._wake_sender
            else:
                if chunked:
                    transport.write(b"0\r\n\r\n")
                self._moved = self._loop.time()
                self._sent = True
        except (asyncio.CancelledError, Exception):
            if not self._stopped_sender or task.cancelling() > cancellations + 1:
                raise
        finally:
            self._sender = None
            if self._stopped_sender:
                task.uncancel()

    def _settle(self) -> None:
        """The answer is over: keep the connection, hand it over, or close it."""
        parser = self._reading
        transport = self._transport
        self._parser = None
        if parser.phase is Phase.TUNNEL:
            transport.pause_reading()
            self._tunnel = RawTunnel(transport, self._buffer, parser.rest)
            transport.set_protocol(self._tunnel)
        elif parser.phase is Phase.REFUSED or not self._sent or transport.get_write_buffer_size():
            transport.abort()
        elif parser.keep_alive and not parser.surplus and not self._asked_upgrade:
            # After an upgrade that did not take place nobody can say what the other side makes of more bytes (D7).
            self.reusable = True
        else:
            transport.close()
        self._wake()

    def _fail(self, error: UpstreamError) -> None:
        """End the exchange with *error*; a receiver that saw a head must not take the rest for complete."""
        parser = self._parser
        if parser is None:
            return
        self._parser = None
        if parser.begun:
            error = UpstreamError("body", error.detail)
            self._answer.broke()
        self._error = error
        self._transport.abort()
        self._wake()

    def _abandon(self) -> None:
        """The exchange was cancelled, or the client's body broke off."""
        if self._parser is not None and self._parser.begun:
            self._answer.sink.abort()
        self._parser = None
        self._stop_catching_up()
        if self._tunnel is not None:
            self._tunnel.close()
        self._transport.abort()

    def _wake(self) -> None:
        self._stop_catching_up()
        over = self._over
        if over is not None:
            self._over = None
            over(self._error or self._outcome())
            return
        if self._done is not None and not self._done.done():
            self._done.set_result(None)
        if self._sender is not None:
            self._stopped_sender = True
            self._sender.cancel()
            self._sender = None

    # Back-pressure from the receiver.

    async def _catch_up(self, sink: Sink) -> None:
        try:
            await sink.drain()
        except ConnectionError:
            self._catching_up = None
            self._fail(UpstreamError("body", "the receiver is gone"))
            return
        self._catching_up = None
        self._moved = self._loop.time()
        self._transport.resume_reading()

    def _stop_catching_up(self) -> None:
        if self._catching_up is not None:
            self._catching_up.cancel()
            self._catching_up = None

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._unread.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next read goes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Push what came."""
        parser = self._parser
        if parser is None:
            # Bytes without an open request. Whatever they are, the next answer would start in the wrong place.
            self.reusable = False
            self._transport.abort()
            return
        self._moved = self._loop.time()
        if not self._first:
            self._first = self._moved
        try:
            parser.feed(bytes(self._buffer[:nbytes]))
        except UpstreamError as error:
            self._fail(error)
            return
        if parser.begun:
            self._answer.flush()
        if parser.phase in _OVER:
            self._settle()
        elif parser.begun and self._answer.sink.writing_paused and self._catching_up is None:
            self._transport.pause_reading()
            self._catching_up = self._loop.create_task(self._catch_up(self._answer.sink))

    def eof_received(self) -> None:
        """The application ended its side; the transport then closes by itself."""
        parser = self._parser
        if parser is None:
            return
        try:
            if parser.phase is Phase.CLOSE:
                self._check_farewell()
            parser.eof()
        except UpstreamError as error:
            self._end_early(error)
        else:
            self._answer.flush()
            self._settle()

    def _check_farewell(self) -> None:
        """Inside TLS an end without a `close_notify` may be anybody's (RFC 9112 section 9.8).

        Raises:
            UpstreamError: the answer, which the end of the connection ends, may be cut short.
        """
        tls = self._transport.get_extra_info("ssl_object")
        if tls is not None:
            try:
                tls.read(1)
            except OSError:  # nothing was said, and nothing will come
                raise UpstreamError("body", "the TLS connection was cut") from None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; an exchange that is still open has failed."""
        if self._parser is not None and exc is not None:
            self._read_last_words()
        if self._parser is not None:
            detail = f"the connection was lost ({type(exc).__name__ if exc else 'closed'})"
            self._end_early(UpstreamError("head" if self._sent else "send", detail))

    def _read_last_words(self) -> None:
        """Read what came before a write failed: often the answer that says why (a 413), then the reset.

        The event loop drops it, but the kernel still has it. Not under TLS, where it is not ours to decipher.
        """
        if self._transport.get_extra_info("sslcontext") is not None:
            return
        with contextlib.suppress(OSError), self._transport.get_extra_info("socket").dup() as last:
            while self._parser is not None and self._catching_up is None:
                size = last.recv_into(self._buffer)
                if not size:
                    return
                self.buffer_updated(size)

    def _end_early(self, error: UpstreamError) -> None:
        self.dropped = not self._first
        self._fail(error)

    def pause_writing(self) -> None:
        """The application is behind."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The application has caught up."""
        self._writing_paused = False
        self._moved = self._loop.time()
        if self._wake_sender is not None and not self._wake_sender.done():
            self._wake_sender.set_result(None)


_OVER = frozenset((Phase.COMPLETE, Phase.REFUSED, Phase.TUNNEL))
