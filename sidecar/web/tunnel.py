"""A WebSocket through the gate: bytes both ways after a verified 101, closed when the session ends (D7, rule 59)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from sidecar.core.answers import Return, answer_head
from sidecar.core.frames import FrameWatch
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord
from sidecar.flows.sessions import Closers
from sidecar.flows.streaming import Answer, AnswerHead, Sink, Tunnel
from sidecar.web.visit import Visit

LOG = logging.getLogger(__name__)
GOING_AWAY = b"\x88\x02\x03\xe9"
POLICY_VIOLATION = b"\x88\x02\x03\xf0"
"""Close frames of a server, unmasked, without a text (RFC 6455, sections 5.5.1 and 7.4.1)."""


class Handshake:
    """Implements `flows.streaming.Answer`: only a 101 with the matching key opens a tunnel; any other answer passes as
    the plain one that it is."""

    def __init__(self, plain: Answer, record: RequestRecord, accept: bytes) -> None:
        self.sink = plain.sink
        self.refused = Reason.OK
        self._plain = plain
        self._record = record
        self._accept = accept

    def interim(self, head: AnswerHead) -> None:
        """A 100 before a 101 says nothing to a browser."""

    def begin(self, head: AnswerHead) -> bool:
        """Check the accept key before a single byte is tunnelled."""
        if head.status != 101:
            return self._plain.begin(head)
        if head.get(b"sec-websocket-accept") != self._accept:
            self.refused = Reason.UPSTREAM_BROKEN
            return False
        self._record.status = 101
        extra = (b"Connection: Upgrade", b"Upgrade: websocket")
        back = Return(guarded=frozenset(), cookies=False, bodiless=True)
        self.sink.write(answer_head(101, b"Switching Protocols", head.lines, head.special, back, extra))
        return True

    def body(self, data: bytes) -> None:
        """A refused handshake has a body like any answer."""
        self._plain.body(data)

    def end(self) -> None:
        """See `body`."""
        self._plain.end()

    def broke(self) -> None:
        """See `body`."""
        self._plain.broke()

    def flush(self) -> None:
        """See `body`."""
        self._plain.flush()


class _FromClient:
    """What aiohttp feeds with the client's bytes once the connection is a tunnel (`protocol.set_parser`)."""

    def __init__(self, request: web.BaseRequest, tunnel: Tunnel, typed: Callable[[], None]) -> None:
        self._protocol = request.protocol
        self._tunnel = tunnel
        self._typed = typed
        self._watch = FrameWatch()
        self._waiting: asyncio.Task[None] | None = None

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Pass bytes up; stop reading while the application is behind."""
        if self._watch.feed(data):
            self._typed()
        self._tunnel.write(data)
        if self._tunnel.writing_paused and self._waiting is None:
            self._protocol.pause_reading()
            self._waiting = asyncio.create_task(self._resume())
        return False, b""

    def feed_eof(self) -> None:
        """The client is gone."""
        self._tunnel.close()

    async def _resume(self) -> None:
        try:
            await self._tunnel.drain()
        except ConnectionError:
            return
        finally:
            self._waiting = None
        self._protocol.resume_reading()


class _Following:
    """The client's side, with an eye on where the application's frames end: only there may one of ours follow."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._watch = FrameWatch()

    @property
    def writing_paused(self) -> bool:
        """See `Sink`."""
        return self._sink.writing_paused

    def write(self, data: bytes) -> None:
        """See `Sink`."""
        self._watch.feed(data)
        self._sink.write(data)

    async def drain(self) -> None:
        """See `Sink`."""
        await self._sink.drain()

    def abort(self) -> None:
        """See `Sink`."""
        self._sink.abort()

    def say_goodbye(self, frame: bytes) -> None:
        """A close frame behind a whole frame; in the middle of one it would be taken for its payload, so cut."""
        if self._watch.at_boundary:
            self._sink.write(frame)
        else:
            self._sink.abort()


class Tunnels:
    """All open tunnels, so that each can be judged again, and a shutdown can say good-bye to each."""

    def __init__(self) -> None:
        self._open: dict[Callable[[bytes], None], Visit] = {}
        self._portals: set[str] = set()

    def __len__(self) -> int:
        return len(self._open)

    def counts(self) -> Mapping[str, int]:
        """How many are open, by portal; none is left out that ever had one."""
        return {**dict.fromkeys(self._portals, 0), **Counter(visit.record.portal for visit in self._open.values())}

    async def run(self, visit: Visit, tunnel: Tunnel, sink: Sink, typed: Callable[[], None]) -> None:
        """Pass bytes both ways until one side ends.

        Args:
            visit: The handshake, answered with 101. The end of its session closes the tunnel.
            tunnel: The application's side.
            sink: The client's side.
            typed: Called when the client sends a frame that carries something.
        """
        closers = visit.entry.closers if visit.entry is not None else Closers()

        following = _Following(sink)

        def close(frame: bytes) -> None:
            following.say_goodbye(frame)
            tunnel.close()

        def ended() -> None:
            close(POLICY_VIOLATION)

        self._open[close] = visit
        self._portals.add(visit.record.portal)
        closers.add(ended)
        # The public type wants aiohttp's own reader; any object with these two methods serves.
        visit.request.protocol.set_parser(_FromClient(visit.request, tunnel, typed))  # type: ignore[arg-type]
        try:
            await tunnel.pump(following)
        finally:
            del self._open[close]
            closers.discard(ended)
            tunnel.close()

    async def review(self, may_go_on: Callable[[Visit], Awaitable[bool]]) -> None:
        """Close what *may_go_on* refuses: a group taken away ends what is open too (rules 48 and 59)."""
        for close, visit in tuple(self._open.items()):
            try:
                goes_on = await may_go_on(visit)
            except Exception:
                # A fault of ours ends the one that met it, and keeps none of the others from being judged.
                LOG.exception("an open WebSocket could not be judged")
                goes_on = False
            if not goes_on and close in self._open:
                close(POLICY_VIOLATION)

    def close_all(self) -> None:
        """1001 to everybody: the process ends (RFC 6455, section 7.4.1)."""
        for close in tuple(self._open):
            close(GOING_AWAY)
