"""An answer of the application on its way to the client: judged at its head, framed, pushed (D7, D8, D14)."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from sidecar.core.answers import Return, answer_head, guarded_set_cookies
from sidecar.domain.decision import Place
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord
from sidecar.flows.streaming import AnswerHead
from sidecar.web.sink import TransportSink

Judge = Callable[[AnswerHead], Reason]
"""Says whether an answer may be delivered."""

Keep = Callable[[tuple[bytes, ...]], None]
"""Takes the application's session cookies into custody."""


class Passing:
    """Implements `flows.streaming.Answer` for a plain exchange.

    Attributes:
        refused: Why the answer was not delivered; `ok` if it was.
    """

    def __init__(
        self,
        request: web.BaseRequest,
        record: RequestRecord,
        guarded: frozenset[bytes],
        *,
        cookies: bool,
        judge: Judge | None = None,
        kept: frozenset[bytes] = frozenset(),
        keep: Keep | None = None,
    ) -> None:
        self.sink = TransportSink(request)
        self.refused = Reason.OK
        self.keep_alive = request.keep_alive
        self._request = request
        self._record = record
        self._guarded = guarded
        self._cookies = cookies
        self._judge = judge
        self._kept = kept
        self._keep = keep
        self._chunked = False
        self._waiting: list[bytes] = []

    def interim(self, head: AnswerHead) -> None:
        """100 and 103 go on to clients that know them (RFC 9110, section 15.2)."""
        if self._request.version >= (1, 1):
            self.sink.write(answer_head(head.status, head.reason, head.lines, Return(guarded=self._guarded)))

    def begin(self, head: AnswerHead) -> bool:
        """Judge, keep what is ours, write the client's head."""
        if self._judge is not None:
            self.refused = self._judge(head)
            if self.refused is not Reason.OK:
                return False
        if self._keep is not None:
            # A remember-me cookie is guarded and not kept: it would sign the person in behind our back (D8).
            cookies = guarded_set_cookies(head.lines, self._kept)
            if cookies:
                self._keep(cookies)
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

    def flush(self) -> None:
        """One write for all that one read brought: a system call costs more than joining 64 KiB."""
        waiting = self._waiting
        if waiting:
            self.sink.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))
            waiting.clear()

    def _client_head(self, head: AnswerHead) -> bytes:
        unsized = head.length is None and not head.bodiless
        modern = self._request.version >= (1, 1)
        self._chunked = unsized and modern
        if unsized and not modern:
            # HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
            self.keep_alive = False
        if not self._request.content.is_eof():
            # An early answer: what the client still sends cannot be told from a next request.
            self.keep_alive = False
        back = Return(
            guarded=self._guarded,
            cookies=self._cookies,
            length=head.length,
            chunked=self._chunked,
            bodiless=head.bodiless,
            close=not self.keep_alive,
        )
        return answer_head(
            head.status, head.reason, head.lines, back, (b"X-Request-Id: " + self._record.request.encode(),)
        )


def leads_to_log_in(head: AnswerHead, place: Place) -> bool:
    """Whether the answer sends the browser to the product's own log-in page."""
    if head.status not in {301, 302, 303, 307}:
        return False
    target = urlsplit(head.leads_to.decode("latin-1"))
    application = place.application
    if target.netloc and f"{target.scheme}://{target.netloc}".lower() != application.origin:
        return False
    below = target.path[len(application.context) :] if target.path.startswith(application.context) else target.path
    return below in application.product.login_paths
