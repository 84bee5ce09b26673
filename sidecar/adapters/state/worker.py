"""One thread that does all work with the database, in the order in which it was asked for.

A job that was accepted is done whole, whether or not somebody still waits for its answer: a closed tab cancels the
request, never the write. Used by `database` and opened by `sqlite`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Self, TypeVar

from sidecar.flows.sessions import StateError

T = TypeVar("T")
Told = Callable[[str, str, float], None]
"""Hears whose job it was, what became of it (`ok`, `failed`, or `refused`: not begun), and its seconds, the wait for
its turn too."""


class Worker:
    """An asynchronous context manager around the thread.

    Attributes:
        stack: What the thread closes when it ends, for example connections. To be used inside of jobs only.
    """

    def __init__(self, *, bound: int = 1024, told: Told | None = None) -> None:
        """*bound* is the number of jobs that may wait; *told* hears of every job, in the event loop."""
        self.stack = ExitStack()
        self._bound = bound
        self._told = told or _unheard
        self._waiting = 0
        self._closed = False
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # A daemon: a process that is being killed does not wait for it. What is committed stays.
        self._thread = threading.Thread(target=self._serve, name="lychgate-state", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more jobs, do the waiting ones, close the stack."""
        self._closed = True
        self._jobs.put(None)
        await asyncio.shield(self._ended)

    async def run(self, job: Callable[[], T], store: str = "files") -> T:
        """The answer of *job*, done in the thread for *store*; its exception is raised here.

        Raises:
            StateError: the worker is closed, or too many jobs wait. Then *job* is not done.
        """
        if self._closed or self._waiting >= self._bound:
            self._told(store, "refused", 0.0)
        if self._closed:
            raise StateError("the state store is closed")
        if self._waiting >= self._bound:
            raise StateError(f"the state store is too slow: {self._waiting} jobs wait")
        self._waiting += 1
        answer: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(partial(self._do, job, answer, store, self._loop.time()))
        return await answer

    def _serve(self) -> None:
        try:
            with self.stack:
                while job := self._jobs.get():
                    job()
        finally:
            self._tell(self._end)

    def _do(self, job: Callable[[], T], answer: asyncio.Future[T], store: str, began: float) -> None:
        try:
            result = job()
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            self._tell(partial(self._settle, answer, partial(answer.set_exception, error), store, "failed", began))
        else:
            self._tell(partial(self._settle, answer, partial(answer.set_result, result), store, "ok", began))

    def _settle(
        self, answer: asyncio.Future[T], settle: Callable[[], None], store: str, result: str, began: float
    ) -> None:
        self._waiting -= 1
        self._told(store, result, self._loop.time() - began)
        if not answer.done():
            settle()

    def _end(self) -> None:
        self._closed = True
        if not self._ended.done():
            self._ended.set_result(None)

    def _tell(self, news: Callable[[], None]) -> None:
        # The loop is closed when the process ends without closing the store: then nobody waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(news)


def _unheard(_: str, __: str, ___: float) -> None:
    return
