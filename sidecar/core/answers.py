"""The head of an answer: what of the application's goes on to the client (D8; RFC 9110, section 7.6.1).

`upstream.parser` reads the lines, `web.answer` makes the client's head. Lines that pass, pass as the bytes that came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sidecar.core.cookies import OWN_PREFIXES, set_cookie_name
from sidecar.core.lines import Remembered, split_line

PLAIN, NOTED, ADDRESS, SET_COOKIE, CONNECTION, LENGTH, CODING, DROPPED = range(8)
"""What is done with a line. A plain one passes and nobody looks at it; a noted one passes and somebody does; an address
with parameters may hold a session."""

_NONE: frozenset[bytes] = frozenset()
_ADDRESSES = frozenset(b"location content-location refresh link".split())

_PARTS = {
    b"set-cookie": SET_COOKIE,
    b"connection": CONNECTION,
    b"content-length": LENGTH,
    b"transfer-encoding": CODING,
    **dict.fromkeys(
        (b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"proxy-authenticate", b"set-cookie2"),
        DROPPED,
    ),
    **dict.fromkeys((*_ADDRESSES, b"x-ausername", b"x-seraph-loginreason"), NOTED),
}
_NOT_SIMPLE = frozenset({SET_COOKIE, ADDRESS})
_MAY_PASS = frozenset({PLAIN, NOTED, ADDRESS, SET_COOKIE})


class AnswerLine:
    """One line of an answer's head; never changed.

    Attributes:
        raw: As it came, without the line end.
        name: Lower case.
        value: Without the blanks around it.
        part: See `PLAIN` and the others.
        tokens: The words of a `Connection` line, lower case.
    """

    __slots__ = ("name", "part", "raw", "tokens", "value")

    def __init__(self, raw: bytes) -> None:
        name, self.value = split_line(raw)
        self.raw = raw
        self.name = name.lower()
        self.part = _PARTS.get(self.name, PLAIN)
        if self.name in _ADDRESSES and b";" in raw:
            self.part = ADDRESS
        self.tokens = _tokens(self.value) if self.part == CONNECTION else _NONE

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnswerLine) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    @property
    def forget(self) -> bool:
        """Cookies are secrets of one person."""
        return self.part == SET_COOKIE


def answer_lines() -> Remembered[AnswerLine]:
    """A memory of lines: one for each application, so that none learns what another one says."""
    return Remembered(AnswerLine)


def lines_of(fields: Iterable[tuple[bytes, bytes]]) -> tuple[AnswerLine, ...]:
    """Lines from names and values."""
    return tuple(AnswerLine(name + b": " + value) for name, value in fields)


@dataclass(slots=True)
class Return:
    """How an answer comes down. A value; frozen, it would cost a microsecond of every answer.

    Attributes:
        guarded: Case-folded names of cookies that never reach a browser: the product's sessions and remember-me.
        cookies: Whether the application's other cookies pass.
        length: Announced length, or None.
        chunked: Whether we send the body in chunked coding.
        bodiless: Whether no body follows.
        close: Whether the connection ends with this answer.
    """

    guarded: frozenset[bytes]
    cookies: bool = True
    length: int | None = None
    chunked: bool = False
    bodiless: bool = False
    close: bool = False


def specials(lines: Iterable[AnswerLine]) -> list[AnswerLine]:
    """The few lines that somebody looks at."""
    return [line for line in lines if line.part]


def answer_head(
    status: int,
    reason: bytes,
    lines: Sequence[AnswerLine],
    special: Sequence[AnswerLine],
    back: Return,
    extra: Sequence[bytes] = (),
) -> bytes:
    """The client's head: the application's lines in their order, hop-by-hop ones and guarded cookies removed.

    Args:
        special: Those of *lines* that `specials` finds.
        extra: Lines of ours, whole.
    """
    named, simple = _NONE, True
    for line in special:
        part = line.part
        if part == CONNECTION:
            named |= line.tokens
        elif part in _NOT_SIMPLE:
            simple = False
    if named:
        named -= _ORDINARY
    out = [_status_line(status, reason)]
    if simple and not named:
        out += [line.raw for line in lines if line.part <= NOTED]
    else:
        out += [_passed(line, back) for line in lines if line.part in _MAY_PASS and _passes(line, named, back)]
    out += extra
    if status >= 200 and status != 204:
        if back.length is not None:
            out.append(b"Content-Length: %d" % back.length)
        elif back.chunked and status != 304 and not back.bodiless:
            out.append(b"Transfer-Encoding: chunked")
    if back.close:
        out.append(b"Connection: close")
    out.append(b"\r\n")
    return b"\r\n".join(out)


_ORDINARY = frozenset({b"close", b"keep-alive", b"upgrade", b"set-cookie"})
"""Words of `Connection` that name no field to remove; a cookie is never removed by them."""


@lru_cache(maxsize=256)
def _status_line(status: int, reason: bytes) -> bytes:
    return b"HTTP/1.1 %d %b" % (status, reason)


def _passes(line: AnswerLine, named: frozenset[bytes], back: Return) -> bool:
    if line.name in named:
        return False
    return line.part != SET_COOKIE or (back.cookies and not _is_guarded(line.value, back.guarded))


def _passed(line: AnswerLine, back: Return) -> bytes:
    """The line without `;jsessionid=…` in its addresses (rule 16): the application's sessions are ours to keep (D8)."""
    if line.part != ADDRESS or not back.guarded:
        return line.raw
    return _session_parameter(back.guarded).sub(b"", line.raw)


def _tokens(value: bytes) -> frozenset[bytes]:
    return frozenset(token.strip(b" \t").lower() for token in value.split(b",")) - {b""}


def _is_guarded(value: bytes, guarded: frozenset[bytes]) -> bool:
    name = set_cookie_name(value)
    return name in guarded or name.startswith(OWN_PREFIXES)


@lru_cache(maxsize=16)
def _session_parameter(guarded: frozenset[bytes]) -> re.Pattern[bytes]:
    """Tomcat's path parameter is named like its cookie, in whatever case a reader accepts, or `jsessionid`."""
    names = b"|".join(re.escape(name) for name in sorted(guarded | {b"jsessionid"}))
    return re.compile(rb"(?i);(?:%b)=[^;/?#&\s\"'<>,]*" % names)


def guarded_set_cookies(lines: Iterable[AnswerLine], guarded: frozenset[bytes]) -> tuple[bytes, ...]:
    """The `Set-Cookie` values that stay with us."""
    return tuple([line.value for line in lines if line.part == SET_COOKIE and set_cookie_name(line.value) in guarded])
