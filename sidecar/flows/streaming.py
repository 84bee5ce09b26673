"""The seam between `web` (HTTP in) and `upstream` (HTTP out); neither knows the other.

`web` hands an `Outgoing` request and an `Answer` to the `Upstream`; the upstream pushes the answer's bytes into
the `Sink` as they arrive. Nothing is buffered: back-pressure goes through `Sink.writing_paused` and `Sink.drain`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sidecar.core.answers import AnswerLine
from sidecar.domain.paths import PathSet

Fields = tuple[tuple[bytes, bytes], ...]
"""Header fields in the order and spelling in which they stood on the wire; duplicates kept."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may stand still, in seconds.

    Attributes:
        first_byte: Before its final head has come. A request body that is still moving is no standstill.
        idle_body: After it, whether the application or the receiver is to blame.
    """

    first_byte: float
    idle_body: float


@dataclass(frozen=True, slots=True)
class Patiences:
    """Paths for which an application is waited for longer or shorter than for others.

    Attributes:
        lines: Asked in order; the first whose paths match counts.
    """

    lines: tuple[tuple[PathSet, Patience], ...]

    def of(self, path: str) -> Patience | None:
        """The patience with the canonical *path* below the context path; None: that of all others."""
        for paths, patience in self.lines:
            if path in paths:
                return patience
        return None


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """One request to the application, ready to be written. A value, as `AnswerHead`.

    Attributes:
        method: The request method, upper case. `HEAD` changes how the answer ends.
        head: Request line and header fields as bytes, with the closing blank line.
        body: Pieces of the body, or None if there is none. The upstream closes the iterator when it stops early.
        chunked: Whether the body goes out in chunked coding; otherwise it is written as it comes
            (the head then carries its `Content-Length`).
        upgrade: Whether a 101 answer is expected and allowed.
        patience: How long the answer may stand still; None: as long as any.
        stranger: Whether nobody who signed in asks for it; such requests never have all places to themselves.
    """

    method: str
    head: bytes
    body: AsyncIterator[bytes] | None = None
    chunked: bool = False
    upgrade: bool = False
    patience: Patience | None = None
    stranger: bool = False


@dataclass(slots=True)
class AnswerHead:
    """The head of an answer as the application sent it. A value; frozen, it would cost a microsecond of every answer.

    Attributes:
        status: 100 to 599.
        reason: The reason phrase, without control bytes.
        lines: All header lines, untouched.
        special: Those that somebody may look at (`core.answers.specials`).
        length: The announced `Content-Length`, or None.
        chunked: Whether the answer is in chunked coding (the body is handed on decoded).
        bodiless: HEAD, 1xx, 204 or 304: no body follows whatever the fields say.
    """

    status: int
    reason: bytes
    lines: Sequence[AnswerLine]
    special: Sequence[AnswerLine]
    length: int | None
    chunked: bool
    bodiless: bool

    @property
    def leads_to(self) -> bytes:
        """Where a redirect leads, as the application says it; b"" if nowhere."""
        return next((line.value for line in self.special if line.name == b"location"), b"")

    def noted(self, name: bytes) -> bytes | None:
        """As `get`, for a name that `core.answers` notes: the few special lines are looked at, not all."""
        for line in self.special:
            if line.name == name:
                return line.value
        return None

    def get(self, name: bytes) -> bytes | None:
        """The value of the first field of that (lower-case) name."""
        for line in self.lines:
            if line.name == name:
                return line.value
        return None


class Sink(Protocol):
    """Where the answer's bytes go: in production the client's transport."""

    @property
    def writing_paused(self) -> bool:
        """Whether the receiver is behind; the caller then stops reading and waits on `drain`."""
        ...

    def write(self, data: bytes) -> None:
        """Push bytes. Never blocks, never raises; bytes to a closed receiver are dropped."""
        ...

    async def drain(self) -> None:
        """Wait until the receiver has caught up.

        Raises:
            ConnectionError: the receiver is gone.
        """
        ...

    def abort(self) -> None:
        """End the receiver's connection so that a truncated answer never looks complete."""
        ...


class Answer(Protocol):
    """What `web` wants to know of an answer, and what it makes of it. All calls come from the upstream, in order."""

    @property
    def sink(self) -> Sink:
        """Where the answer goes; the upstream watches its back-pressure."""
        ...

    def interim(self, head: AnswerHead) -> None:
        """A 1xx head other than 101 came (100, 103): pass it on or not."""
        ...

    def begin(self, head: AnswerHead) -> bool:
        """The final head came (101 included). Write the client's head to the sink and return True; or return
        False to refuse the answer: the upstream then drops it, closes the connection and returns normally."""
        ...

    def body(self, data: bytes) -> None:
        """A piece of the decoded body came: frame it and write it to the sink."""
        ...

    def end(self) -> None:
        """The answer is complete. Not called for an answer that broke off, nor for a 101."""
        ...

    def broke(self) -> None:
        """The application broke off behind the head, or the receiver is too slow or gone: abort the sink."""
        ...

    def flush(self) -> None:
        """All that came with one read was handed over: head, body and end may go out in one write."""
        ...


class Tunnel(Protocol):
    """The upstream's half of a connection after a 101."""

    def write(self, data: bytes) -> None:
        """Send bytes to the application."""
        ...

    @property
    def writing_paused(self) -> bool:
        """Whether the application is behind."""
        ...

    async def drain(self) -> None:
        """Wait until the application has caught up. Raises ConnectionError when it is gone."""
        ...

    async def pump(self, sink: Sink) -> None:
        """Push everything the application sends into *sink* until it ends its side or `close` is called."""
        ...

    def close(self) -> None:
        """End the connection to the application at once."""
        ...


@dataclass(slots=True)
class Outcome:
    """How an exchange ended.

    Attributes:
        state: `complete`; `refused` (by `Answer.begin`); `tunnel` (a 101 was accepted).
        tunnel: The upstream's half for `tunnel`, else None.
        received: Body bytes received from the application.
        first_byte: Seconds from writing the head to the first byte of the answer.
    """

    state: Literal["complete", "refused", "tunnel"]
    tunnel: Tunnel | None
    received: int
    first_byte: float


Stage = Literal["busy", "tunnels", "connect", "starting", "send", "head", "body", "timeout"]


class UpstreamError(Exception):
    """The application did not answer as HTTP demands, or was not asked.

    Attributes:
        stage: Not asked: `busy` (too many requests are there already), `tunnels` (too many WebSockets are open),
            `connect` (no connection could be had). Asked: `send`, `head` (no or a bad head), `body` (broke off after
            the head: the sink was aborted already), `timeout`. Either: `starting` (it says so itself).
        detail: A sentence for the log; no header values, no bodies.
    """

    def __init__(self, stage: Stage, detail: str) -> None:
        super().__init__(f"{stage}: {detail}")
        self.stage = stage
        self.detail = detail


Over = Callable[["Outcome | UpstreamError | None"], None]
"""Told how an exchange ended; None: the connection was dead, nothing came of it, and asking again does no harm."""


class Upstream(Protocol):
    """The way to one application."""

    def begin(self, request: Outgoing, answer: Answer, over: Over) -> Callable[[], None] | None:
        """Send a request that has no body over a connection that is at hand, without waiting for anything.

        Returns:
            What gives the exchange up (*over* is not called then), or None: there is no such connection, or it is not
            the time; nothing was sent.
        """
        ...

    async def exchange(self, request: Outgoing, answer: Answer) -> Outcome:
        """Send *request* and push the answer.

        Raises:
            UpstreamError: see there. Before `Answer.begin` returned True nothing has reached the sink.
            asyncio.CancelledError: the client is gone; the connection to the application was closed, not pooled.
        """
        ...

    async def close(self) -> None:
        """Close idle connections and refuse new exchanges."""
        ...
