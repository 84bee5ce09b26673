"""From the bytes of one connection to the events of one answer.

Used by `connection` only, one parser per exchange. Heads are read line by line, each line known after its first time
(`core.lines`); llhttp reads chunked coding. Where a message ends is decided here (RFC 9112 section 6), because llhttp
knows no HEAD, accepts codings that nobody asked for and would read a second answer that nobody asked for. Whatever is
refused is an `UpstreamError`; nothing else is ever raised.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto
from functools import lru_cache

import httptools

from sidecar.core.answers import CODING, CONNECTION, LENGTH, AnswerLine, specials
from sidecar.core.lines import MOST_DIGITS, BadLineError, Remembered
from sidecar.flows.streaming import Answer, AnswerHead, UpstreamError

MAX_HEAD = 65536
"""Largest head in bytes, and the most framing (chunk lines, trailers) between two pieces of a body."""

MAX_FIELDS = 200
"""Most fields in a head or in the trailers."""

MAX_INTERIM = 32
"""Most 1xx heads before the final one."""

LONGEST_STATUS_LINE = 1024
_VERSIONS = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
"""What llhttp is told before it reads a body in chunks; the real head was read here."""


class Phase(Enum):
    """What the next byte belongs to."""

    HEAD = auto()
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()
    COMPLETE = auto()
    REFUSED = auto()
    TUNNEL = auto()


class _Chunks:
    """What llhttp says of a body in chunks. It knows no parser: a cycle per answer would be the collector's work."""

    __slots__ = ("finished", "on_body", "pieces", "trailers")

    def __init__(self) -> None:
        self.trailers = 0
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append
        self.finished = False

    def on_message_begin(self) -> None:
        """Stop llhttp at a second answer, before it mixes its body with the first one's."""
        if self.finished:
            raise ValueError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the trailers."""
        self.trailers += 1

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
        status: Of the final head; 0 until it was read.
    """

    __slots__ = (
        "_answer",
        "_chunks",
        "_framing",
        "_head_request",
        "_interims",
        "_lines",
        "_llhttp",
        "_pending",
        "_remaining",
        "_tail",
        "_upgrade",
        "begun",
        "keep_alive",
        "phase",
        "received",
        "rest",
        "status",
        "surplus",
    )

    def __init__(self, answer: Answer, lines: Remembered[AnswerLine], *, head_request: bool, upgrade: bool) -> None:
        self._answer = answer
        self._lines = lines
        self._head_request = head_request
        self._upgrade = upgrade
        self._interims = 0
        self._pending = b""
        self.phase = Phase.HEAD
        self.begun = False
        self.keep_alive = False
        self.surplus = False
        self.rest = b""
        self.received = 0
        self.status = 0

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
        start = len(self._pending)
        if start:
            data = self._pending + data
        end = data.find(b"\r\n\r\n", max(start - 3, 0))
        if end > MAX_HEAD - 4 or (end < 0 and len(data) > MAX_HEAD):
            raise UpstreamError("head", "the head is too large")
        if end < 0:
            # A head that is bad already is refused now, not when the time is up.
            _check_part(data, start)
            self._pending = data
            return b""
        self._pending = b""
        self._take_head(data[:end].split(b"\r\n"))
        return data[end + 4 :]

    def _take_head(self, raw_lines: list[bytes]) -> None:
        """Judge a head that was read to its end, and hand it on."""
        current, status, reason = _status_line(raw_lines[0])
        if len(raw_lines) > MAX_FIELDS + 1:
            raise UpstreamError("head", "the head has too many fields")
        known = self._lines
        try:
            lines = [known[raw] for raw in raw_lines[1:]]
        except BadLineError as error:
            raise UpstreamError("head", f"the head is malformed ({error})") from None
        special = specials(lines)
        length, chunked, self.keep_alive = _framing(special, current)
        bodiless = self._head_request or status < 200 or status in (204, 304)
        head = AnswerHead(status, reason, lines, special, length, chunked, bodiless)
        if status < 200 and status != 101:
            self._interim(head)
            return
        if status == 101 and not self._upgrade:
            raise UpstreamError("head", "a 101 that was not asked for")
        self.status = status
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

    def _expect_body(self, head: AnswerHead) -> None:
        """RFC 9112 section 6.3: what decides the end of the body, in this order."""
        if head.bodiless or head.length == 0:
            self._complete()
        elif head.chunked:
            self.phase = Phase.CHUNKED
            self._framing = 0
            self._tail = b""
            self._chunks = _Chunks()
            self._llhttp = httptools.HttpResponseParser(self._chunks)
            self._llhttp.feed_data(_CHUNKED_HEAD)
            self._chunks.trailers = 0
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
        message = self._chunks
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
        if self._framing > MAX_HEAD or message.trailers > MAX_FIELDS:
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


_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t -~\x80-\xff]*))?")


@lru_cache(maxsize=256)
def _status_line(line: bytes) -> tuple[bool, int, bytes]:
    """Whether it is HTTP/1.1, the status and the reason (RFC 9112, section 4).

    Raises:
        UpstreamError: another version, a status outside 100 to 599, control bytes in the reason.
    """
    found = _STATUS_LINE.fullmatch(line) if len(line) <= LONGEST_STATUS_LINE else None
    if found is None:
        raise UpstreamError("head", "no status line of HTTP/1.1 or HTTP/1.0")
    return found[1] == b"1", int(found[2]), found[3] or b""


def _check_part(head: bytes, start: int) -> None:
    """Refuse the part of a head that can become no head; up to *start* it was looked at before.

    Raises:
        UpstreamError: other line ends than CRLF, another protocol, a line that is none.
    """
    if not head.startswith(_VERSIONS) and not any(version.startswith(head) for version in _VERSIONS):
        raise UpstreamError("head", "no status line of HTTP/1.1 or HTTP/1.0")
    seen = head.rfind(b"\r\n", 0, start)
    *whole, last = (head if seen < 0 else head[seen + 2 :]).split(b"\r\n")
    for line in whole:
        if line.startswith(_VERSIONS):
            _status_line(line)
        elif b":" not in line:
            raise UpstreamError("head", "the head is malformed (no field name)")
    if any(b"\n" in line or b"\r" in line[:-1] for line in (*whole, last)):
        raise UpstreamError("head", "the head is malformed (line ends)")


def _framing(special: Sequence[AnswerLine], current: bool) -> tuple[int | None, bool, bool]:
    """Read the length, whether the coding is chunked, and whether the connection stays open.

    *current* says HTTP/1.1. The rules are stricter than RFC 9112 section 6: one length or one coding, never both.

    Raises:
        UpstreamError: the fields leave it open where the answer ends.
    """
    length: int | None = None
    chunked = False
    options: frozenset[bytes] = frozenset()
    for line in special:
        part = line.part
        if part == CONNECTION:
            options |= line.tokens
        elif part == LENGTH:
            if length is not None or not line.value.isdigit() or len(line.value) > MOST_DIGITS:
                raise UpstreamError("head", "the length is repeated or no number")
            length = int(line.value)
        elif part == CODING:
            if chunked or not current or line.value.lower() != b"chunked":
                raise UpstreamError("head", "a coding other than one chunked, or on HTTP/1.0")
            chunked = True
    if chunked and length is not None:
        raise UpstreamError("head", "a length and a coding")
    return length, chunked, b"close" not in options and (current or b"keep-alive" in options)
