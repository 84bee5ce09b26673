"""core.answers: of what an application sends, one head with one framing comes down, without what is ours to keep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.answers import (
    AnswerLine,
    Return,
    answer_head,
    answer_lines,
    guarded_set_cookies,
    lines_of,
    specials,
)

Pairs = list[tuple[bytes, bytes]]
GUARDED = frozenset({b"jsessionid", b"seraph.rememberme.cookie"})

BACK = Return(guarded=GUARDED)


def down(fields: Pairs, back: Return = BACK, status: int = 200, extra: Pairs | None = None) -> list[bytes]:
    """The lines of the answer's head."""
    lines = lines_of(fields)
    head = answer_head(
        status, b"OK", lines, specials(lines), back, [name + b": " + value for name, value in extra or []]
    )
    assert head.endswith(b"\r\n\r\n") and 1 == head.count(b"\r\n\r\n")
    return head[:-4].split(b"\r\n")


@pytest.mark.parametrize(
    "value",
    [
        b"JSESSIONID=x; Path=/",
        b"jsessionid=x",
        b" JSESSIONID = x",
        b"JSESSIONID=; Max-Age=0",
        b"JSESSIONID",
        b"=JSESSIONID=x",
        b"seraph.rememberme.cookie=x",
        b"__Host-lychgate-jira=evil; Path=/; Secure",
        b"__HOST-LYCHGATE-x=evil",
        b"=__Host-lychgate-jira=evil",
        b"__Secure-lychgate-x=evil",
        b"lychgate-jira=evil",
    ],
)
def test_guarded_cookies_and_ours_do_not_come_down(value: bytes) -> None:
    assert [b"HTTP/1.1 200 OK"] == down([(b"Set-Cookie", value), (b"SET-COOKIE", value), (b"Set-Cookie2", value)])


def test_the_guarded_ones_stay_with_us() -> None:
    fields: Pairs = [
        (b"set-cookie", b"JSESSIONID=x; Path=/"),
        (b"Set-Cookie", b"a=b"),
        (b"Set-Cookie", b"__Host-lychgate-jira=evil"),
        (b"X", b"JSESSIONID=x"),
    ]
    assert (b"JSESSIONID=x; Path=/",) == guarded_set_cookies(lines_of(fields), GUARDED)


def test_other_fields_come_down_as_they_are() -> None:
    fields: Pairs = [
        (b"set-cookie", b"a=b; Path=/"),
        (b"ETag", b'W/"x"'),
        (b"X-A", b"1"),
        (b"x-a", b"2"),
        (b"Set-Cookie", b"a=c"),
        (b"E", b""),
    ]
    assert [b"HTTP/1.1 200 OK", *[name + b": " + value for name, value in fields]] == down(fields)
    assert [b"ETag", b"X-A", b"x-a", b"E"] == [
        line.partition(b":")[0] for line in down(fields, Return(guarded=GUARDED, cookies=False))[1:]
    ]


def test_hop_by_hop_fields_of_an_answer_end_here() -> None:
    fields: Pairs = [
        (name.encode(), b"x") for name in ("Connection", "Keep-Alive", "Trailer", "TE", "Upgrade", "Content-Length")
    ]
    fields += [
        (b"Connection", b"X-Private, close"),
        (b"x-private", b"1"),
        (b"Transfer-Encoding", b"gzip"),
        (b"Date", b"d"),
    ]
    assert [b"HTTP/1.1 200 OK", b"Date: d"] == down(fields)


@pytest.mark.parametrize(
    ("status", "back", "framing"),
    [
        (200, Return(guarded=GUARDED, length=5), [b"Content-Length: 5"]),
        (200, Return(guarded=GUARDED, length=5, chunked=True), [b"Content-Length: 5"]),
        (200, Return(guarded=GUARDED, chunked=True), [b"Transfer-Encoding: chunked"]),
        (200, Return(guarded=GUARDED, chunked=True, bodiless=True), []),
        (200, Return(guarded=GUARDED, close=True), [b"Connection: close"]),
        (304, Return(guarded=GUARDED, length=5, bodiless=True), [b"Content-Length: 5"]),
        (304, Return(guarded=GUARDED, chunked=True), []),
        (204, Return(guarded=GUARDED, length=0), []),
        (204, Return(guarded=GUARDED, length=0, chunked=True), []),
        (103, Return(guarded=GUARDED, length=0, chunked=True), []),
        (101, Return(guarded=GUARDED, bodiless=True), []),
    ],
)
def test_an_answer_has_one_framing(status: int, back: Return, framing: list[bytes]) -> None:
    assert framing == down([(b"Content-Length", b"9"), (b"Transfer-Encoding", b"chunked")], back, status)[1:]


ADDRESSES = [
    (b"/a;jsessionid=1A2B.node1", b"/a"),
    (b"https://jira.example.com/a;JSESSIONID=x/b;jsessionid=y?c=d;e#f", b"https://jira.example.com/a/b?c=d;e#f"),
    (b"/a;jsessionid=x;v=1", b"/a;v=1"),
    (b"/a;seraph.rememberme.cookie=x?y", b"/a?y"),
    (b"/a;jsessionid=", b"/a"),
    (b"5;url=/a;jsessionid=x", b"5;url=/a"),
    (b'</a;jsessionid=x>; rel="next", </b;JSessionId=y>; rel="prev"', b'</a>; rel="next", </b>; rel="prev"'),
    (b"/a?b=;c", b"/a?b=;c"),
    (b"/a;jsessionidx=1", b"/a;jsessionidx=1"),
    (b"/jsessionid=1", b"/jsessionid=1"),
    (b"/a;b/jsessionid=1?jsessionid=2&c=;x", b"/a;b/jsessionid=1?jsessionid=2&c=;x"),
]


@pytest.mark.parametrize("name", [b"Location", b"content-location", b"Refresh", b"Link"])
@pytest.mark.parametrize(("value", "left"), ADDRESSES)
def test_no_session_comes_down_in_an_address(name: bytes, value: bytes, left: bytes) -> None:
    """Rule 16, D8: what a browser is not to hold stands in no address either."""
    assert [b"HTTP/1.1 200 OK", name + b": " + left] == down([(name, value)])
    named = down([(b"Connection", b"X-Gone"), (name, value), (b"X-Gone", b"1")])
    assert [b"HTTP/1.1 200 OK", name + b": " + left] == named
    # A transparent portal keeps nothing from anybody.
    assert name + b": " + value == down([(name, value)], Return(guarded=frozenset()))[1]


@given(st.text('/;?#=ajsession ."<>', max_size=40))
def test_nothing_else_of_an_address_changes(text: str) -> None:
    value = text.strip(" ").encode()
    if b";jsessionid=" not in value.lower():
        assert b"Location: " + value == down([(b"Location", value)])[1].rstrip(b" ") + b" " * (not value)


sessions = [b";JSESSIONID=1A2B.node1", b";jsessionid=", b";Seraph.RememberMe.cookie=x%2Fy"]
others = [b"/a", b"/jsessionid=1", b";v=1", b";jsessionid", b";xjsessionid=1", b"?b=c", b"&jsessionid=d", b"#e"]
others += [b'>; rel="n"', b", </f", b"; x=y"]
pieces = st.sampled_from([*sessions, *others])


@given(st.lists(pieces, max_size=12))
def test_sessions_leave_an_address_and_everything_else_stays(parts: list[bytes]) -> None:
    value = b"/x" + b"".join(parts)
    left = b"/x" + b"".join(part for part in parts if part not in sessions)
    for name in (b"Location", b"LINK"):
        assert [b"HTTP/1.1 200 OK", name + b": " + left] == down([(name, value)])
    assert [b"HTTP/1.1 200 OK", b"X-Other: " + value] == down([(b"X-Other", value)])


def test_lines_are_remembered_but_for_cookies() -> None:
    known = answer_lines()
    for _ in range(2):
        assert b"ETag" == known[b"ETag: x"].raw[:4]
        assert b"a=b" == known[b"Set-Cookie: a=b"].value
    assert [b"ETag: x"] == list(known)


@given(st.lists(st.sampled_from([b"A: 1", b"B: 2", b"Location: /x;jsessionid=1", b"Content-Length: 3"]), max_size=8))
def test_a_known_line_says_what_an_unknown_one_says(raw: list[bytes]) -> None:
    known = answer_lines()
    first = [known[line] for line in raw]
    again = [known[line] for line in raw]
    fresh = [AnswerLine(line) for line in raw]
    told = [[(line.raw, line.name, line.value, line.part) for line in lines] for lines in (first, again, fresh)]
    assert told[0] == told[1] == told[2]
