"""From the bytes of one connection to the events of one answer: our own shell around llhttp.

Used by `connection` only, one parser per exchange. llhttp reads heads and chunked coding. Where a message ends is
decided here (RFC 9112 section 6), because llhttp knows no HEAD, accepts codings that nobody asked for and would read
a second answer that nobody asked for. Whatever is refused is an `UpstreamError`; nothing else is ever raised.
"""

from __future__ import annotations

from enum import Enum, auto

import httptools

from sidecar.flows.streaming import Answer, AnswerHead, UpstreamError

MAX_HEAD = 65536
"""Largest head in bytes, and the most framing (chunk lines, trailers) between two pieces of a body."""

MAX_FIELDS = 200
"""Most fields in a head or in the trailers."""

MAX_INTERIM = 32
"""Most 1xx heads before the final one."""

_CONTROLS = bytes([*range(32), 127])
_VERSIONS = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_FRAMING_NAME_LENGTHS = frozenset(map(len, ("connection", "content-length", "transfer-encoding")))


class Phase(Enum):
    """What the next byte belongs to."""

    HEAD = auto()
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()
    COMPLETE = auto()
    REFUSED = auto()
    TUNNEL = auto()


class _Message:
    """What llhttp says of one message. It knows no parser: a cycle per answer would be the collector's work."""

    __slots__ = ("fields", "finished", "on_body", "pieces", "reason")

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append
        self.reason = b""
        self.finished = False

    def on_message_begin(self) -> None:
        """Stop llhttp at a second answer, before it mixes its body with the first one's."""
        if self.finished:
            raise ValueError

    def on_status(self, reason: bytes) -> None:
        """Take a part of the reason phrase."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head, or of the trailers."""
        self.fields.append((name, value))

    def on_message_complete(self) -> None:
        """Remember that llhttp saw the end."""
        self.finished = True


class AnswerParser:
    """Reads one answer, with the interim heads before it, and calls *answer* as the parts come.

    Attributes:
        phase: `COMPLETE`, `REFUSED` and `TUNNEL` are final.
        begun: Whether `answer.begin` returned True.
        keep_alive: Whether the application keeps the connection open after this answer.
        surplus: Whether bytes came after the end of the answer.
        rest: The bytes after an accepted 101; they are the tunnel's.
        received: Bytes of the decoded body so far.
    """

    __slots__ = (
        "_answer",
        "_framing",
        "_head_request",
        "_interims",
        "_llhttp",
        "_message",
        "_pending",
        "_remaining",
        "_tail",
        "_upgrade",
        "begun",
        "keep_alive",
        "phase",
        "received",
        "rest",
        "surplus",
    )

    def __init__(self, answer: Answer, *, head_request: bool, upgrade: bool) -> None:
        self._answer = answer
        self._head_request = head_request
        self._upgrade = upgrade
        self._interims = 0
        self._remaining = 0
        self._framing = 0
        self._tail = b""
        self._expect_head()
        self.begun = False
        self.keep_alive = False
        self.surplus = False
        self.rest = b""
        self.received = 0

    def _expect_head(self) -> None:
        self.phase = Phase.HEAD
        self._pending = b""
        self._message = message = _Message()
        self._llhttp = httptools.HttpResponseParser(message)

    def feed(self, data: bytes) -> None:
        """Read *data*, the next bytes from the application.

        Raises:
            UpstreamError: stage `head` or `body`; the parser is of no use afterwards.
        """
        while data and self.phase is Phase.HEAD:
            data = self._feed_head(data)
        if not data:
            return
        phase = self.phase
        if phase is Phase.LENGTH:
            self._feed_length(data)
        elif phase is Phase.CHUNKED:
            self._feed_chunked(data)
        elif phase is Phase.CLOSE:
            self._push(data)
        elif phase is Phase.TUNNEL:
            self.rest += data
        else:
            self.surplus = True

    def eof(self) -> None:
        """The application ended its side. This completes only an answer with neither length nor coding.

        Raises:
            UpstreamError: the answer is not complete.
        """
        if self.phase is Phase.CLOSE:
            self._complete()
        elif self.phase is Phase.HEAD:
            raise UpstreamError("head", "the connection ended before the head was complete")
        elif self.phase in (Phase.LENGTH, Phase.CHUNKED):
            raise UpstreamError("body", "the connection ended before the body was complete")

    def _feed_head(self, data: bytes) -> bytes:
        """Read up to the end of the head; return what follows it."""
        if not self._pending and (end := data.find(b"\r\n\r\n") + 4) >= 4:
            head = data if end == len(data) else data[:end]
            self._read_head_bytes(head, end)
            self._take_head(head[:9])
            return data[end:]
        start = len(self._pending)
        self._pending += data
        end = self._pending.find(b"\r\n\r\n", max(start - 3, 0)) + 4
        if end < 4:
            # A head that is bad already is refused now, not when the time is up.
            self._read_head_bytes(data, len(self._pending))
            return b""
        self._read_head_bytes(data[: end - start], end)
        self._take_head(self._pending[:9])
        return data[end - start :]

    def _read_head_bytes(self, data: bytes, size: int) -> None:
        if size > MAX_HEAD:
            raise UpstreamError("head", "the head is too large")
        try:
            self._llhttp.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            raise UpstreamError("head", f"the head is malformed ({type(error).__name__})") from None
        if len(self._message.fields) > MAX_FIELDS:
            raise UpstreamError("head", "the head has too many fields")

    def _take_head(self, version: bytes) -> None:
        """Judge a head that was read to its end, and hand it on."""
        if version not in _VERSIONS:
            raise UpstreamError("head", "the version is neither HTTP/1.1 nor HTTP/1.0")
        status = self._llhttp.get_status_code()
        if not 100 <= status <= 599:
            raise UpstreamError("head", "the status is outside 100 to 599")
        message = self._message
        reason = message.reason
        if reason.translate(None, _CONTROLS) != reason:
            raise UpstreamError("head", "the reason holds control bytes")
        length, chunked, self.keep_alive = _framing(message.fields, version == b"HTTP/1.1 ")
        bodiless = self._head_request or status < 200 or status in (204, 304)
        head = AnswerHead(status, reason, tuple(message.fields), length, chunked, bodiless)
        if status < 200 and status != 101:
            self._interim(head)
            return
        if status == 101 and not self._upgrade:
            raise UpstreamError("head", "a 101 that was not asked for")
        if not self._answer.begin(head):
            self.phase = Phase.REFUSED
            return
        self.begun = True
        if status == 101:
            self.phase = Phase.TUNNEL
        else:
            self._expect_body(head)

    def _interim(self, head: AnswerHead) -> None:
        self._interims += 1
        if self._interims > MAX_INTERIM:
            raise UpstreamError("head", "too many interim answers")
        self._answer.interim(head)
        self._expect_head()

    def _expect_body(self, head: AnswerHead) -> None:
        """RFC 9112 section 6.3: what decides the end of the body, in this order."""
        if head.bodiless or head.length == 0:
            self._complete()
        elif head.chunked:
            self.phase = Phase.CHUNKED
            self._message.fields.clear()
        elif head.length is not None:
            self.phase = Phase.LENGTH
            self._remaining = head.length
        else:
            self.phase = Phase.CLOSE
            self.keep_alive = False

    def _feed_length(self, data: bytes) -> None:
        size = len(data)
        if size > self._remaining:
            self.surplus = True
            data = data[: self._remaining]
            size = self._remaining
        self._remaining -= size
        self._push(data)
        if not self._remaining:
            self._complete()

    def _feed_chunked(self, data: bytes) -> None:
        message = self._message
        broken = False
        try:
            self._llhttp.feed_data(data)
        except httptools.HttpParserError:
            broken = True
        pieces = message.pieces
        if pieces:
            self._framing = 0
            self._push(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            pieces.clear()
        else:
            self._framing += len(data)
        self._tail = (self._tail + data[-5:])[-5:]
        if self._framing > MAX_HEAD or len(message.fields) > MAX_FIELDS:
            raise UpstreamError("body", "too much framing in the chunked coding")
        if message.finished:
            # llhttp skips blank lines between messages without a word; only one belongs to this one.
            self.surplus = broken or not _ends_with_one_blank_line(self._tail)
            self._complete()
        elif broken:
            raise UpstreamError("body", "the chunked coding is malformed")

    def _push(self, piece: bytes) -> None:
        self.received += len(piece)
        self._answer.body(piece)

    def _complete(self) -> None:
        self.phase = Phase.COMPLETE
        self._answer.end()


def _ends_with_one_blank_line(tail: bytes) -> bool:
    return tail.endswith(b"\r\n\r\n") and tail[0] not in b"\r\n"


def _framing(fields: list[tuple[bytes, bytes]], current: bool) -> tuple[int | None, bool, bool]:
    """Read the length, whether the coding is chunked, and whether the connection stays open.

    *current* says HTTP/1.1. The rules are stricter than RFC 9112 section 6: one length or one coding, never both.

    Raises:
        UpstreamError: the fields leave it open where the answer ends.
    """
    length: int | None = None
    chunked = False
    connection = b""
    for name, value in fields:
        if len(name) not in _FRAMING_NAME_LENGTHS:
            continue
        name = name.lower()
        if name == b"connection":
            connection += b"," + value.lower()
        elif name == b"content-length":
            value = value.strip(b" \t")
            if length is not None or not value.isdigit():
                raise UpstreamError("head", "the length is repeated or no number")
            length = int(value)
        elif name == b"transfer-encoding":
            if chunked or not current or value.strip(b" \t").lower() != b"chunked":
                raise UpstreamError("head", "a coding other than one chunked, or on HTTP/1.0")
            chunked = True
    if chunked and length is not None:
        raise UpstreamError("head", "a length and a coding")
    if not connection:
        return length, chunked, current
    options = [option.strip(b" \t") for option in connection.split(b",")]
    return length, chunked, b"close" not in options and (current or b"keep-alive" in options)
