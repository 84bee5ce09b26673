"""The answer parser: every answer ends where RFC 9112 says, or it is refused with the one known error."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.core.answers import answer_lines
from sidecar.flows.streaming import AnswerHead, UpstreamError
from sidecar.upstream.parser import MAX_FIELDS, MAX_HEAD, MAX_INTERIM, AnswerParser, Phase


class NoSink:
    writing_paused = False

    def write(self, data: bytes) -> None:
        raise NotImplementedError

    async def drain(self) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError


@dataclass
class Events:
    """What came of some bytes; comparable, whatever the pieces in which the body came."""

    accept: bool = True
    sink: NoSink = field(default_factory=NoSink, compare=False)
    interims: list[AnswerHead] = field(default_factory=list)
    heads: list[AnswerHead] = field(default_factory=list)
    content: bytes = b""
    ends: int = 0
    error: str = ""
    phase: Phase = Phase.HEAD
    rest: bytes = b""
    reusable: bool = False

    def interim(self, head: AnswerHead) -> None:
        self.interims.append(head)

    def begin(self, head: AnswerHead) -> bool:
        self.heads.append(head)
        return self.accept

    def body(self, data: bytes) -> None:
        assert data
        self.content += data

    def end(self) -> None:
        self.ends += 1


def read(*parts: bytes, method: str = "GET", upgrade: bool = False, eof: bool = False, accept: bool = True) -> Events:
    events = Events(accept=accept)
    parser = AnswerParser(events, answer_lines(), head_request=method == "HEAD", upgrade=upgrade)
    try:
        for part in parts:
            parser.feed(part)
        if eof:
            parser.eof()
    except UpstreamError as error:
        events.error = error.stage
        return events
    events.phase = parser.phase
    events.rest = parser.rest
    events.reusable = parser.phase is Phase.COMPLETE and parser.keep_alive and not parser.surplus
    assert parser.received == len(events.content)
    return events


def answer(*fields: bytes, status: bytes = b"HTTP/1.1 200 OK", body: bytes = b"") -> bytes:
    return b"\r\n".join((status, *fields, b"", b"")) + body


LENGTH_5 = b"Content-Length: 5"
CHUNKED = b"Transfer-Encoding: chunked"


def test_a_length_ends_the_body() -> None:
    events = read(answer(LENGTH_5, body=b"hello"))
    assert (b"hello", 1, True) == (events.content, events.ends, events.reusable)
    head = events.heads[0]
    assert (200, b"OK", 5, False, False) == (head.status, head.reason, head.length, head.chunked, head.bodiless)
    assert [b"Content-Length: 5"] == [line.raw for line in head.lines]


def test_the_last_chunk_ends_the_body_and_trailers_are_dropped() -> None:
    whole = answer(CHUNKED, body=b"5;x=1\r\nhello\r\n1\r\n!\r\n0\r\nSum: 1\r\n\r\n")
    events = read(whole)
    assert events == read(*[whole[i : i + 1] for i in range(len(whole))])
    assert (b"hello!", 1, True) == (events.content, events.ends, events.reusable)
    assert [b"Transfer-Encoding: chunked"] == [line.raw for line in events.heads[0].lines]


def test_the_end_of_the_stream_ends_a_body_with_neither() -> None:
    whole = answer(body=b"hello")
    assert (Phase.CLOSE, 0) == (read(whole).phase, read(whole).ends)
    events = read(whole, eof=True)
    assert (b"hello", 1, False) == (events.content, events.ends, events.reusable)


@pytest.mark.parametrize("whole", [answer(LENGTH_5, body=b"hell"), answer(CHUNKED, body=b"5\r\nhello\r\n0\r\n")])
def test_the_end_of_the_stream_does_not_end_another_body(whole: bytes) -> None:
    events = read(whole, eof=True)
    assert ("body", 0) == (events.error, events.ends)


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n", answer(status=b"HTTP/1.1 100 Continue")])
def test_the_end_of_the_stream_is_no_head(part: bytes) -> None:
    assert "head" == read(part, eof=True).error


@pytest.mark.parametrize(
    ("method", "status"),
    [("HEAD", b"HTTP/1.1 200 OK"), ("GET", b"HTTP/1.1 204 No Content"), ("GET", b"HTTP/1.1 304 Not Modified")],
)
@pytest.mark.parametrize("framing", [LENGTH_5, CHUNKED])
def test_some_answers_end_at_the_head(method: str, status: bytes, framing: bytes) -> None:
    whole = answer(framing, status=status)
    events = read(whole, method=method)
    assert (1, True, b"") == (events.ends, events.reusable, events.content)
    assert events.heads[0].bodiless
    with_next_head = read(whole + answer(LENGTH_5), method=method)
    assert (1, 1, b"", False) == (
        len(with_next_head.heads),
        with_next_head.ends,
        with_next_head.content,
        with_next_head.reusable,
    )


def test_interim_heads_come_before_the_final_one() -> None:
    hints = answer(b"Link: </a.css>", status=b"HTTP/1.1 103 Early Hints")
    events = read(answer(status=b"HTTP/1.1 100 Continue") + hints + answer(LENGTH_5, body=b"hello"))
    assert [100, 103] == [head.status for head in events.interims]
    assert ([200], b"hello", True) == ([h.status for h in events.heads], events.content, events.reusable)


def test_interim_heads_are_bounded() -> None:
    interim = answer(status=b"HTTP/1.1 103 Early Hints")
    assert "" == read(interim * MAX_INTERIM).error
    assert "head" == read(interim * (MAX_INTERIM + 1)).error


def test_fields_keep_order_spelling_duplicates_and_bytes() -> None:
    lines = [
        b"Set-Cookie: a=1",
        b"X-B:  \xe4\xf6 ",
        b"set-cookie: b=2",
        b"Set-Cookie: a=1",
        b"Empty:",
        b"Content-Length: 0",
    ]
    events = read(answer(*lines))
    assert lines == [line.raw for line in events.heads[0].lines]
    assert [b"a=1", b"\xe4\xf6", b"b=2", b"a=1", b"", b"0"] == [line.value for line in events.heads[0].lines]


def test_bytes_after_an_accepted_101_are_the_tunnels() -> None:
    switch = answer(b"Upgrade: websocket", b"Connection: Upgrade", status=b"HTTP/1.1 101 Switching")
    events = read(switch + b"\x81\x00", b"\x81\x01a", upgrade=True)
    assert (Phase.TUNNEL, b"\x81\x00\x81\x01a", 0) == (events.phase, events.rest, events.ends)
    assert "head" == read(switch).error
    assert Phase.REFUSED == read(switch, upgrade=True, accept=False).phase


def test_a_refused_head_ends_the_reading() -> None:
    events = read(answer(LENGTH_5, body=b"hello"), accept=False)
    assert (Phase.REFUSED, b"", 0, False) == (events.phase, events.content, events.ends, events.reusable)


@pytest.mark.parametrize(
    "surplus", [b"x", b"\r\n", b"\r", b"\n", answer(LENGTH_5, body=b"WRONG"), answer(CHUNKED, body=b"5\r\nWRONG")]
)
@pytest.mark.parametrize("whole", [answer(LENGTH_5, body=b"hello"), answer(CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n")])
def test_surplus_is_no_part_of_the_answer_and_spoils_the_connection(whole: bytes, surplus: bytes) -> None:
    for events in (read(whole + surplus), read(whole, surplus)):
        assert (b"hello", 1, False) == (events.content, events.ends, events.reusable)


@pytest.mark.parametrize(
    ("reusable", "status", "fields"),
    [
        (True, b"HTTP/1.1 200 OK", [LENGTH_5]),
        (True, b"HTTP/1.1 200 OK", [LENGTH_5, b"Connection: foo"]),
        (False, b"HTTP/1.1 200 OK", [LENGTH_5, b"CONNECTION: Keep-Alive, Close"]),
        (False, b"HTTP/1.1 200 OK", [LENGTH_5, b"Connection: foo", b"Connection: close"]),
        (False, b"HTTP/1.0 200 OK", [LENGTH_5]),
        (True, b"HTTP/1.0 200 OK", [LENGTH_5, b"Connection: keep-alive"]),
        (False, b"HTTP/1.0 200 OK", [LENGTH_5, b"Connection: keep-alive, close"]),
        (False, b"HTTP/1.1 204 No Content", [b"Connection: close"]),
    ],
)
def test_the_connection_stays_open_as_the_head_says(reusable: bool, status: bytes, fields: list[bytes]) -> None:
    body = b"" if b"204" in status else b"hello"
    events = read(answer(*fields, status=status, body=body))
    assert (1, reusable) == (events.ends, events.reusable)


REFUSED_HEADS = [
    answer(b"Transfer-Encoding: xchunked"),
    answer(b"Transfer-Encoding: gzip"),
    answer(b"Transfer-Encoding: identity"),
    answer(b"Transfer-Encoding: gzip, chunked"),
    answer(b"Transfer-Encoding: chunked, identity"),
    answer(b"Transfer-Encoding: chunked, chunked"),
    answer(b"Transfer-Encoding:"),
    answer(CHUNKED, CHUNKED),
    answer(b"Transfer-Encoding: identity", CHUNKED),
    answer(CHUNKED, status=b"HTTP/1.0 200 OK"),
    answer(CHUNKED, LENGTH_5),
    answer(LENGTH_5, CHUNKED),
    answer(LENGTH_5, LENGTH_5),
    answer(LENGTH_5, b"Content-Length: 6"),
    answer(b"Content-Length: 5, 5"),
    answer(b"Content-Length: +5"),
    answer(b"Content-Length: -5"),
    answer(b"Content-Length: 5_0"),
    answer(b"Content-Length: 0x5"),
    answer(b"Content-Length: 5 5"),
    answer(b"Content-Length:"),
    answer(b"Content-Length: 99999999999999999999999"),
    answer(LENGTH_5, status=b"HTTP/2.0 200 OK"),
    answer(LENGTH_5, status=b"HTTP/1.2 200 OK"),
    answer(LENGTH_5, status=b"HTTP/0.9 200 OK"),
    answer(LENGTH_5, status=b"RTSP/1.0 200 OK"),
    answer(LENGTH_5, status=b"ICE/1.1 200 OK"),
    answer(LENGTH_5, status=b"http/1.1 200 OK"),
    answer(LENGTH_5, status=b"HTTP/1.1 099 OK"),
    answer(LENGTH_5, status=b"HTTP/1.1 600 OK"),
    answer(LENGTH_5, status=b"HTTP/1.1 999 OK"),
    answer(LENGTH_5, status=b"HTTP/1.1 1000 OK"),
    answer(LENGTH_5, status=b"HTTP/1.1 20 OK"),
    answer(LENGTH_5, status=b"HTTP/1.1 200 O\x00K"),
    answer(LENGTH_5, status=b"HTTP/1.1 200 O\x1bK"),
    answer(LENGTH_5, status=b"HTTP/1.1 200 O\x7fK"),
    answer(LENGTH_5, status=b"HTTP/1.1  200 OK"),
    b"\r\n" + answer(LENGTH_5),
    b"\r\n\r\n" + answer(LENGTH_5),
    b"HTTP/1.1 200 OK\nContent-Length: 5\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\nA: b\r\n\r\n",
    answer(b"A: b", b" folded", LENGTH_5),
    answer(b"A : b", LENGTH_5),
    answer(b": b", LENGTH_5),
    answer(b"A b: c", LENGTH_5),
    answer(b"A: b\x00", LENGTH_5),
    answer(b"A: b\rc", LENGTH_5),
    answer(b"A: b\x7f", LENGTH_5),
    answer(b"A: " + b"b" * MAX_HEAD, LENGTH_5),
    answer(*[b"A: b"] * (MAX_FIELDS + 1)),
    answer(status=b"HTTP/1.1 101 Switching"),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-OpenSSH_9.6\r\n",
]


@pytest.mark.parametrize("whole", REFUSED_HEADS, ids=lambda whole: repr(whole[:60]))
def test_a_doubtful_head_is_refused_before_anybody_sees_it(whole: bytes) -> None:
    for events in (read(whole), read(*[whole[i : i + 7] for i in range(0, len(whole), 7)])):
        assert ("head", []) == (events.error, events.heads)


def test_the_bounds_themselves_are_allowed() -> None:
    frame = len(answer(b"A: ", b"Content-Length: 0"))
    largest = answer(b"A: " + b"b" * (MAX_HEAD - frame), b"Content-Length: 0")
    assert MAX_HEAD == len(largest)
    assert 1 == read(largest).ends
    assert 1 == read(answer(b"Content-Length: 0", *[b"A: b"] * (MAX_FIELDS - 1))).ends


@pytest.mark.parametrize(
    "body",
    [
        b"0x5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\r\nhelloX",
        b"5\r\nhello\n",
        b"fffffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"0\r\nA: b\x00\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * (MAX_FIELDS + 1) + b"\r\n",
        b"0\r\nA: " + b"b" * MAX_HEAD,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_malformed_chunked_coding_is_refused(body: bytes) -> None:
    for parts in ([answer(CHUNKED, body=body)], [answer(CHUNKED), body[:3], body[3:]]):
        events = read(*parts)
        assert ("body", 1, 0) == (events.error, len(events.heads), events.ends)


FRAGMENTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 204 \r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"A: \xe4\r\n",
        b"\r\n",
        b"\n",
        b"5\r\nhello\r\n",
        b"0\r\n",
        b"0\r\n\r\n",
        b"hello",
    ]
)
STREAMS = st.lists(FRAGMENTS | st.binary(max_size=6), max_size=12).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(
    stream=STREAMS,
    cuts=st.lists(st.integers(0, 200), max_size=8),
    method=st.sampled_from(["GET", "HEAD"]),
    upgrade=st.booleans(),
    eof=st.booleans(),
)
def test_any_bytes_in_any_pieces_give_the_same_events_or_the_known_error(
    stream: bytes, cuts: list[int], method: str, upgrade: bool, eof: bool
) -> None:
    edges = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    single = [stream[i : i + 1] for i in range(len(stream))]
    whole = read(stream, method=method, upgrade=upgrade, eof=eof)
    assert whole == read(*pieces, method=method, upgrade=upgrade, eof=eof)
    assert whole == read(*single, method=method, upgrade=upgrade, eof=eof)
