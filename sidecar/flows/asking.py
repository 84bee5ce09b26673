"""Small questions of our own to an application, over the same way as people's requests. Used by `flows.dance`."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.core.cookies import cookies_up
from sidecar.domain.session import Jar
from sidecar.flows.streaming import AnswerHead, Outgoing, Upstream, UpstreamError

LARGEST = 64 * 1024
"""Bytes of an answer that are looked at."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Where and how an application is asked.

    Attributes:
        host: What it expects as `Host`.
        forwarded: The lines that tell it its public address.
    """

    upstream: Upstream
    host: bytes
    forwarded: tuple[bytes, ...]

    async def get(self, target: str, jar: Jar) -> Reply:
        """What a GET with these cookies brings.

        Raises:
            UpstreamError: no whole answer.
        """
        cookies = cookies_up((), jar)
        lines = [
            b"GET " + target.encode("ascii") + b" HTTP/1.1",
            b"Host: " + self.host,
            *self.forwarded,
            b"User-Agent: Lychgate",
            b"Accept: text/html,application/json;q=0.9",
            *([b"Cookie: " + cookies] if cookies is not None else []),
        ]
        heard = _Heard()
        await self.upstream.exchange(Outgoing(method="GET", head=b"\r\n".join(lines) + b"\r\n\r\n"), heard)
        if heard.head is None or heard.torn:
            raise UpstreamError("body", "an answer to a question of our own broke off")
        return Reply(heard.head, heard.content)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its head, and the beginning of its body."""

    head: AnswerHead
    body: bytes


class _Nowhere:
    """A `flows.streaming.Sink` that leads nowhere."""

    writing_paused = False

    def write(self, data: bytes) -> None:
        """Drop it."""

    async def drain(self) -> None:
        """Nobody is behind."""

    def abort(self) -> None:
        """Nobody is there."""


class _Heard:
    """A `flows.streaming.Answer` that is kept."""

    def __init__(self) -> None:
        self.sink = _Nowhere()
        self.head: AnswerHead | None = None
        self.content = b""
        self.torn = False

    def interim(self, head: AnswerHead) -> None:
        """Says nothing."""

    def begin(self, head: AnswerHead) -> bool:
        """Take whatever comes."""
        self.head = head
        return True

    def body(self, data: bytes) -> None:
        """Keep what is not too much."""
        self.content += data[: LARGEST - len(self.content)]

    def end(self) -> None:
        """It is whole."""

    def broke(self) -> None:
        """It is not."""
        self.torn = True

    def flush(self) -> None:
        """Nothing waits."""
