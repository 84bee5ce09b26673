"""An answer of the application on its way to the client: judged at its head, framed, pushed (D7, D8, D14)."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from sidecar.core.answers import Return, answer_head
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord
from sidecar.flows.streaming import AnswerHead, Sink


class ClientSink(Sink, Protocol):
    """A sink that counts, and knows whether its client is still there."""

    sent: int

    @property
    def gone(self) -> bool:
        """Whether the client's connection is over."""
        ...


class Passing:
    """Implements `flows.streaming.Answer` for a plain exchange.

    Attributes:
        refused: Why the answer was not delivered; `ok` if it was.
        again: Whether the request may be sent once more instead: the application had lost the person.
        keep_alive: Whether the client's connection goes on after the answer.
    """

    def __init__(
        self,
        sink: ClientSink,
        record: RequestRecord,
        guarded: frozenset[bytes],
        *,
        cookies: bool,
        keep_alive: bool,
        modern: bool = True,
        request: web.BaseRequest | None = None,
    ) -> None:
        """*modern* says HTTP/1.1. *request* is one with a body that the client may still be sending."""
        self.sink = sink
        self.refused = Reason.OK
        self.again = False
        self.keep_alive = keep_alive
        self._modern = modern
        self._request = request
        self._record = record
        self._guarded = guarded
        self._cookies = cookies
        self._chunked = False
        self._waiting: list[bytes] = []

    def judge(self, head: AnswerHead) -> Reason:
        """Whether it may be delivered. Here: whatever the application says."""
        return Reason.OK

    def interim(self, head: AnswerHead) -> None:
        """100 and 103 go on to clients that know them (RFC 9110, section 15.2)."""
        if self._modern:
            back = Return(guarded=self._guarded, cookies=self._cookies)
            self.sink.write(answer_head(head.status, head.reason, head.lines, head.special, back))

    def begin(self, head: AnswerHead) -> bool:
        """Judge, keep what is ours, write the client's head."""
        self.refused = self.judge(head)
        if self.refused is not Reason.OK:
            return False
        self._record.status = head.status
        self._waiting.append(self._client_head(head))
        return True

    def body(self, data: bytes) -> None:
        """A piece, in chunked coding where no length was announced."""
        self._waiting.append(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self) -> None:
        """The closing chunk where one is due."""
        if self._chunked:
            self._waiting.append(b"0\r\n\r\n")

    def broke(self) -> None:
        """Reset the client's connection; unless that is gone by itself, the application is to blame."""
        if not self.sink.gone:
            self._record.outcome, self._record.reason = "failed", Reason.UPSTREAM_BROKEN
        self.sink.abort()

    def flush(self) -> None:
        """One write for all that one read brought: a system call costs more than joining 64 KiB."""
        waiting = self._waiting
        if waiting:
            self.sink.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))
            waiting.clear()

    def _client_head(self, head: AnswerHead) -> bytes:
        unsized = head.length is None and not head.bodiless
        self._chunked = unsized and self._modern
        if unsized and not self._modern:
            # HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
            self.keep_alive = False
        if self._request is not None and not self._request.content.is_eof():
            # An early answer: what the client still sends cannot be told from a next request.
            self.keep_alive = False
        back = Return(self._guarded, self._cookies, head.length, self._chunked, head.bodiless, not self.keep_alive)
        return answer_head(head.status, head.reason, head.lines, head.special, back, self._ours())

    def _ours(self) -> tuple[bytes, ...]:
        """Lines of ours, whole."""
        return (b"X-Request-Id: " + self._record.request.encode(),)
