"""One sink: a bounded queue, a policy, and a thread that writes in the order in which it was told.

Offered to by `log` from the event loop, which is never held up. What a sink has taken it writes, however often it has
to try; what it could not take stands in a gap record at the place where it is missing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from sidecar.adapters.audit.forms import Form
from sidecar.adapters.audit.outputs import Output, Witness
from sidecar.adapters.audit.pen import Pen
from sidecar.adapters.audit.record import Told
from sidecar.domain.events import HELD, Code, Event, Fact
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.telling import AuditError, Clock

LOG = logging.getLogger(__name__)
BATCH = 256
"""Events that are written at once at most."""
_TICK = 1.0
_PAUSES = (0.05, 1.0)
"""Shortest and longest pause between two tries, in seconds."""


class SinkPolicy(StrEnum):
    """What happens when a sink is slow or fails."""

    DROP = "drop_with_gap_record"
    BLOCK = "block"
    REQUIRED = "required"


@dataclass(slots=True)
class _Lost:
    """Events that were not taken, since the last gap record."""

    count: int
    first: int
    last: int

    def event(self) -> Event:
        facts: dict[str, Fact] = {"cause": "queue", "lost": self.count, "first": self.first, "last": self.last}
        return Event(code=Code.AUDIT_GAP, outcome="failure", facts=facts)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Who waits for the disk, or for a place."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]
    for_disk: bool

    def tell(self, error: AuditError | None = None) -> None:
        # The loop is closed when the process ends without closing the trail: then nobody waits.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle, error)

    def _settle(self, error: AuditError | None) -> None:
        if not self.future.done():
            if error is None:
                self.future.set_result(None)
            else:
                self.future.set_exception(error)


_Item = tuple[Told, _Waiting | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much a sink holds, and how long it lets wait.

    Attributes:
        queue: Events. What is held up (`HELD`) may take twice as many places, because it is told after it was done.
        patience: Seconds that work waits for a place or for the disk.
        farewell: Seconds at the end in which everything must be written.
    """

    queue: int = 10_000
    patience: float = 5.0
    farewell: float = 5.0


class Sink:
    """Begun with `start`, ended with `close`.

    Attributes:
        lost: Events that were not taken.
        written: Events that were.
        failing: Whether the last try to write failed.
        tick: Called about once a second.
    """

    def __init__(
        self,
        name: str,
        policy: SinkPolicy,
        form: Form,
        output: Output,
        clock: Clock,
        *,
        bounds: Bounds | None = None,
        witness: Witness | None = None,
        begin: tuple[bytes, Sequence[Event]] = (b"", ()),
    ) -> None:
        """*begin*, bytes and events, is written before everything else."""
        self.name = name
        self.policy = policy
        self.lost = 0
        self.written = 0
        self.failing = False
        self.tick: Callable[[], None] = lambda: None
        self._output = output
        self._clock = clock
        self._bounds = bounds or Bounds()
        self._pen = Pen(form, output, clock, witness, begin)
        self._queue: deque[_Item] = deque()
        self._gap: _Lost | None = None
        self._rooms: list[_Waiting] = []
        self._promised: list[_Waiting] = []
        self._changed = threading.Condition()
        self._alone = threading.Lock()
        self._busy = False
        self._deadline: float | None = None
        self._failed_at = 0.0
        self._rendered = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write. What never lets wait needs no thread."""
        if self._output.waits:
            # A daemon: a process that is being killed does not wait for it.
            self._thread = threading.Thread(target=self._serve, name=f"lychgate-audit-{self.name}", daemon=True)
            self._thread.start()

    @property
    def holds(self) -> bool:
        """Whether work waits for it."""
        return self.policy is not SinkPolicy.DROP

    def __len__(self) -> int:
        return len(self._queue)

    def is_crowded(self) -> bool:
        """Whether strangers should keep out."""
        return self.failing or len(self._queue) * 2 >= self._bounds.queue

    def offer(self, told: Told) -> None:
        """Take an event, or count it as lost. Does not block."""
        most = self._bounds.queue * (2 if self.holds and told.event.code in HELD else 1)
        with self._changed:
            if len(self._queue) >= most or self._deadline is not None:
                self._lose(told)
            else:
                self._enter(told, None)
        self._at_once()

    async def take(self, told: Told) -> None:
        """Take an event for certain: into the queue, and where the policy is `required` onto the disk.

        Raises:
            AuditError: not within the patience.
        """
        try:
            async with asyncio.timeout(self._bounds.patience):
                while (waiting := self._try_to_take(told)) is not None:
                    await waiting.future
                    if waiting.for_disk:
                        return
        except TimeoutError:
            raise AuditError(f"the audit trail ({self.name}) does not take what it must have") from None

    def settle(self, timeout: float = 5.0) -> bool:
        """Wait until all is written that was told; False if it lasts longer. Blocks: for commands and tests."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._busy, timeout)

    def close(self) -> None:
        """Write what there is, sign it, and end. Blocks, for `Bounds.farewell` at most."""
        with self._changed:
            self._deadline = time.monotonic() + self._bounds.farewell
            self._changed.notify_all()
        if self._thread is None:
            while self._queue and self._round():
                pass
            self._end()
            return
        self._thread.join(self._bounds.farewell + _TICK)
        if self._thread.is_alive() or self._queue:
            LOG.error("the audit trail (%s) ends without %s events: nobody takes them", self.name, len(self._queue))

    def _try_to_take(self, told: Told) -> _Waiting | None:
        """What is to be waited for: the disk, or a place and another try; None if it is taken."""
        loop = asyncio.get_running_loop()
        with self._changed:
            full = len(self._queue) >= self._bounds.queue
            late = self.failing and time.monotonic() - self._failed_at > self._bounds.patience
            if self._deadline is not None or (late and (full or self.policy is SinkPolicy.REQUIRED)):
                raise AuditError(f"the audit trail ({self.name}) does not take anything")
            for_disk = self.policy is SinkPolicy.REQUIRED and not full
            waiting = _Waiting(loop, loop.create_future(), for_disk) if full or for_disk else None
            if full and waiting is not None:
                self._rooms.append(waiting)
            else:
                self._enter(told, waiting)
        self._at_once()
        return waiting

    def _enter(self, told: Told, waiting: _Waiting | None) -> None:
        if self._gap is not None:
            self._queue.append((Told(self._gap.event(), self._clock.now()), None))
            self._gap = None
        self._queue.append((told, waiting))
        self._changed.notify_all()

    def _lose(self, told: Told) -> None:
        self.lost += 1
        if self._gap is None:
            LOG.error("audit events are lost (%s): the queue is full", self.name)
            self._gap = _Lost(0, told.order, told.order)
        self._gap.count += 1
        self._gap.last = told.order

    def _at_once(self) -> None:
        if not self._output.waits:
            with self._alone:
                self._round()

    def _serve(self) -> None:
        try:
            self._work()
        except BaseException:
            self.failing = True
            LOG.exception("the audit trail (%s) has ended by a fault of ours", self.name)
            raise

    def _work(self) -> None:
        while self._deadline is None or self._queue or self._gap is not None:
            with self._changed:
                if not self._queue and self._gap is None and self._deadline is None:
                    self._changed.wait(_TICK)
            if not self._round() and self._is_over():
                break
            self.tick()
        self._end()

    def _round(self) -> bool:
        """Write a batch; False if what is rendered cannot be written yet."""
        if not self._flush():
            return False
        now = self._clock.now()
        batch = self._batch()
        self._pen.render([told for told, _ in batch], now)
        self._rendered += len(batch)
        self._promised += [waiting for _, waiting in batch if waiting is not None]
        done = self._flush()
        if done and self._pen.is_full(now):
            done = self._seal(now)
        with self._changed:
            self._busy = not done
            self._changed.notify_all()
        return done

    def _seal(self, now: UnixSeconds) -> bool:
        self._pen.sign(now)
        if not self._flush():
            return False
        self._pen.turn_over(now)
        done = self._flush()
        self._pen.clear_away()
        return done

    def _batch(self) -> list[_Item]:
        with self._changed:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            if not self._queue and self._gap is not None:
                batch.append((Told(self._gap.event(), self._clock.now()), None))
                self._gap = None
            self._busy = bool(batch)
            rooms, self._rooms = self._rooms, []
        for room in rooms:
            room.tell()
        return batch

    def _flush(self) -> bool:
        """Until it is done; given up at the deadline, and at once where there is no thread to wait in."""
        pause = _PAUSES[0]
        while True:
            try:
                self._pen.write(at_once=bool(self._promised))
            except (OSError, ValueError) as error:
                self._note_failure(error)
                if self._thread is None or self._is_over():
                    return False
                time.sleep(pause)
                pause = min(pause * 2, _PAUSES[1])
            else:
                break
        if self.failing:
            self.failing = False
            LOG.warning("the audit trail (%s) is written again", self.name)
        self.written = self._rendered
        promised, self._promised = self._promised, []
        for waiting in promised:
            waiting.tell()
        return True

    def _note_failure(self, error: Exception) -> None:
        if not self.failing:
            self.failing, self._failed_at = True, time.monotonic()
            LOG.error("the audit trail (%s) cannot be written: %s; tried again until it can", self.name, error)

    def _is_over(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _end(self) -> None:
        if self._flush():
            self._pen.sign(self._clock.now())
            _ = self._flush()
        for waiting in (*self._promised, *self._rooms):
            waiting.tell(AuditError("the gate is stopping"))
        self._output.close()
