"""Whether an application says of itself that it is starting: its status page, asked only when it fails.

Jira and Confluence listen long before they can serve, and answer everything with 503 meanwhile; `<context>/status`
then says `{"state": "STARTING"}`. Used by `client` only.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sidecar.flows.streaming import Outgoing, UpstreamError

EVERY = 3.0
"""Seconds between two questions, at least."""

LONGEST = 2.0
"""Seconds for one answer, at most; so long may a request that failed wait for its page."""

LARGEST = 4096
"""Bytes of the answer that are looked at."""

UNKNOWN = "UNKNOWN"
_WORD = re.compile(r"[A-Z_]{1,32}")


@dataclass(frozen=True, slots=True)
class StatusPage:
    """Where an application tells its state.

    Attributes:
        target: Path with the context path.
        host: What it expects as `Host`.
    """

    target: bytes
    host: bytes

    def question(self) -> Outgoing:
        """The request for it."""
        head = b"GET %b HTTP/1.1\r\nHost: %b\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        return Outgoing(method="GET", head=head % (self.target, self.host))

    def is_asked_by(self, request: Outgoing) -> bool:
        """Whether a client asks for the page itself, as probes do."""
        return request.head.partition(b"\r\n")[0].split(b" ")[1].partition(b"?")[0] == self.target


class Startup:
    """What is known of it.

    Attributes:
        starting: What the application said when it was last asked.
    """

    def __init__(self, ask: Callable[[], Awaitable[bytes]]) -> None:
        """*ask* fetches the status page; it may raise UpstreamError."""
        self._ask = ask
        self._asked_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self.starting = False

    def suspect(self) -> None:
        """The application failed: ask it, unless that was done just now."""
        if self._task is None and asyncio.get_running_loop().time() - self._asked_at >= EVERY:
            self._task = asyncio.create_task(self._look())

    async def is_starting(self) -> bool:
        """As `suspect`, and wait for the answer. A question is shared by all who wait for it, and outlives them."""
        self.suspect()
        if self._task is not None:
            await asyncio.wait((self._task,))
        return self.starting

    async def close(self) -> None:
        """Ask no more."""
        self._asked_at = float("inf")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                self.starting = _says_so(await self._ask())
        except (UpstreamError, TimeoutError):
            self.starting = False
        finally:
            self._asked_at = max(self._asked_at, asyncio.get_running_loop().time())
            self._task = None


def _says_so(body: bytes) -> bool:
    return said(body) == "STARTING"


def said(body: bytes) -> str:
    """The word of the page, such as `RUNNING`; `UNKNOWN` if it has none that a product would use."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return UNKNOWN
    word = content.get("state") if isinstance(content, dict) else None
    return word if isinstance(word, str) and _WORD.fullmatch(word) else UNKNOWN
