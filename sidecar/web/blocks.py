"""What the lines below a request line say, read once: a browser sends the same block for all pictures of a page, for
all its scripts, for every poll. Kept with the policy's reading (`web.reading`), used by `web.lane`.
"""

from __future__ import annotations

from dataclasses import replace

from sidecar.core.cookies import Carried
from sidecar.core.headers import Head, Names, read_lines
from sidecar.core.lines import BadLineError, Remembered
from sidecar.domain.decision import RequestFacts
from sidecar.domain.policy import Application
from sidecar.domain.session import Jar
from sidecar.flows.sessions import Entry
from sidecar.flows.streaming import Fields
from sidecar.web.head import facts_of

REMEMBERED = 512
LONGEST_REMEMBERED = 8192
"""Bounds of what is remembered, in blocks and in bytes of each; two generations of them are kept."""

_NOT_PLAIN = (
    *(b"content-length", b"transfer-encoding", b"content-type", b"expect", b"upgrade", b"authorization"),
    b"sec-websocket-key1",
)
_NOTHING = Head()


class Tail:
    """The last head that was made for an application out of a block, without its target and its request id."""

    __slots__ = ("_chain", "_entry", "_fields", "_jar", "text")

    def __init__(self, entry: Entry | None, jar: Jar, fields: Fields, chain: str, text: bytes) -> None:
        self._entry = entry
        self._jar = jar
        self._fields = fields
        self._chain = chain
        self.text = text

    def fits(self, entry: Entry | None, jar: Jar, fields: Fields, chain: str) -> bool:
        """Whether the next head is the same: by identity, which is quick and never wrong."""
        return self._entry is entry and self._jar is jar and self._fields is fields and self._chain == chain


class Block:
    """What one block says; nothing of it is ever changed, but for the last tail made of it.

    Attributes:
        plain: Whether a request with it is for the quick way.
        host: As the client spells it.
        facts: Those of a GET for "/".
    """

    __slots__ = ("_carried", "facts", "head", "host", "plain", "tail")

    def __init__(self, head: Head | None) -> None:
        self.plain = head is not None
        self.head = head or _NOTHING
        self.host = self.head.get(b"host")
        self.facts = facts_of("GET", "/", self.head, has_body=False)
        self.tail: Tail | None = None
        self._carried: Carried | None = None

    @property
    def forget(self) -> bool:
        """What is not plain is read again by aiohttp, and need not be known here."""
        return not self.plain

    def facts_for(self, method: str, target: str) -> RequestFacts:
        """The facts of a request with this block."""
        return replace(self.facts, method=method, target=target)

    def carried_at(self, application: Application, guarded: frozenset[bytes]) -> Carried:
        """What the `Cookie` field says at an application."""
        carried = self._carried
        if carried is None or carried.application != application.cookie:
            field = self.head.cookies[0] if self.head.cookies else b""
            carried = self._carried = Carried(field, application.cookie, guarded)
            self.tail = None
        return carried

    def carried_for(self, guarded: frozenset[bytes]) -> list[bytes]:
        """What of the cookies may go up, as `carried_at` found."""
        return self._carried.up if self._carried is not None else []

    @property
    def bad_cookies(self) -> bool:
        """Whether a cookie that a browser may not present was among them, as `carried_at` found."""
        return self._carried is not None and self._carried.bad


def blocks_for(names: Names) -> Remembered[Block]:
    """A memory of blocks, as these names read them."""
    return Remembered(lambda raw: _read(raw, names), REMEMBERED, LONGEST_REMEMBERED)


def _read(raw: bytes, names: Names) -> Block:
    """Read a block: from the end of the request line to the blank line, both included."""
    if raw.find(b"\r\n\r\n") != len(raw) - 4:
        return Block(None)
    try:
        head = read_lines(raw[2:-4].split(b"\r\n"), names)
    except BadLineError:
        return Block(None)
    noted = head.noted
    odd = head.twice or head.stripped or len(head.cookies) > 1 or any(name in noted for name in _NOT_PLAIN)
    if odd or not noted.get(b"host") or noted.get(b"connection", "keep-alive").lower() != "keep-alive":
        return Block(None)
    return Block(head)
