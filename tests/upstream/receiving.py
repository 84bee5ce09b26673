"""The other end for the tests: a sink and an answer that write down what they are told."""

from __future__ import annotations

import asyncio

from sidecar.flows.streaming import AnswerHead


class RecordingSink:
    """A `Sink` whose receiver is as slow as the test wants."""

    def __init__(self) -> None:
        self.writing_paused = False
        self.written = bytearray()
        self.aborted = False
        self.gone = False
        self.drains = 0
        self.draining = 0
        self._caught_up = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        self.drains += 1
        self.draining += 1
        try:
            await self._caught_up.wait()
        finally:
            self.draining -= 1
        if self.gone:
            raise ConnectionResetError("the receiver is gone")

    def abort(self) -> None:
        self.aborted = True

    def pause(self) -> None:
        self.writing_paused = True
        self._caught_up.clear()

    def resume(self, *, gone: bool = False) -> None:
        self.writing_paused = False
        self.gone = gone
        self._caught_up.set()


class RecordingAnswer:
    """An `Answer` that keeps its parts in order; it refuses the head if *accept* is False.

    Attributes:
        pause_at: Body bytes after which the sink says that the receiver is behind.
        moved: Set when anything came.
    """

    def __init__(self, *, accept: bool = True, pause_at: int | None = None) -> None:
        self.sink = RecordingSink()
        self.accept = accept
        self.pause_at = pause_at
        self.interims: list[AnswerHead] = []
        self.heads: list[AnswerHead] = []
        self.content = b""
        self.ends = 0
        self.moved = asyncio.Event()

    def interim(self, head: AnswerHead) -> None:
        self.interims.append(head)
        self.moved.set()

    def begin(self, head: AnswerHead) -> bool:
        self.heads.append(head)
        self.moved.set()
        return self.accept

    def body(self, data: bytes) -> None:
        self.content += data
        self.moved.set()
        if self.pause_at is not None and len(self.content) >= self.pause_at:
            self.pause_at = None
            self.sink.pause()

    def end(self) -> None:
        self.ends += 1

    def broke(self) -> None:
        self.sink.abort()

    def flush(self) -> None:
        """Everything is taken at once anyway."""

    @property
    def head(self) -> AnswerHead:
        (head,) = self.heads
        return head
