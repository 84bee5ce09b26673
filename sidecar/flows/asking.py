"""Small questions of our own to an application, over the same way as people's requests. Used by `flows.dance`."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.core.cookies import cookies_up
from sidecar.domain.session import Jar
from sidecar.flows.heard import Heard
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
        heard = Heard(LARGEST)
        await self.upstream.exchange(Outgoing(method="GET", head=b"\r\n".join(lines) + b"\r\n\r\n"), heard)
        if heard.head is None or heard.torn:
            raise UpstreamError("body", "an answer to a question of our own broke off")
        return Reply(heard.head, heard.content)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its head, and the beginning of its body."""

    head: AnswerHead
    body: bytes
