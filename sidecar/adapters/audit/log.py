"""The audit trail itself: every event gets its time and order, strangers are counted, and all sinks are told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence

from sidecar.adapters.audit.crowd import Crowd, is_of_strangers
from sidecar.adapters.audit.record import Told
from sidecar.adapters.audit.sink import Sink
from sidecar.domain.events import Code, Event
from sidecar.flows.telling import Clock


class AuditLog:
    """Implements `flows.telling.SureAudit`."""

    def __init__(
        self,
        clock: Clock,
        config_hash: Callable[[], str],
        sinks: Sequence[Sink],
        listeners: Sequence[Callable[[Event], None]] = (),
        *,
        strangers: int = 100,
    ) -> None:
        """*listeners* hear every event, those that are only counted too; *strangers* is `Crowd`'s total."""
        self._clock = clock
        self._config_hash = config_hash
        self._sinks = tuple(sinks)
        self._listeners = tuple(listeners)
        self._crowd = Crowd(strangers)
        self._order = 0
        # The event loop tells; a sink's thread ends the minute of the crowd.
        self._lock = threading.Lock()
        for sink in self._sinks:
            sink.tick = self._tick
            sink.start()

    def listen(self, hear: Callable[[Event], None]) -> None:
        """From now on *hear* hears every event as well. It must not block and not raise."""
        self._listeners = (*self._listeners, hear)

    def tell(self, event: Event) -> None:
        """Hand the event to every sink. Does not block, does not raise; a sink that fails is told on standard error."""
        for told in self._admitted(event):
            for sink in self._sinks:
                sink.offer(told)

    async def sure(self, event: Event) -> None:
        """See `flows.telling.SureAudit`.

        Raises:
            AuditError: a sink that holds work up does not take the event.
        """
        intended = event.code is Code.CHANGE_INTENDED
        if intended and not any(sink.holds for sink in self._sinks):
            return
        for told in self._admitted(event):
            for sink in self._sinks:
                if sink.holds:
                    await sink.take(told)
                elif not intended:
                    sink.offer(told)

    def lost(self) -> Mapping[str, int]:
        """Events that a sink could not take, by sink."""
        return {sink.name: sink.lost for sink in self._sinks}

    def written(self) -> Mapping[str, int]:
        """Events that were written, those that only count others too, by sink."""
        return {sink.name: sink.written for sink in self._sinks}

    def waiting(self) -> Mapping[str, int]:
        """Events in a sink's queue, by sink."""
        return {sink.name: len(sink) for sink in self._sinks}

    def failing(self) -> Mapping[str, int]:
        """1 for a sink that cannot be written, by sink."""
        return {sink.name: int(sink.failing) for sink in self._sinks}

    def settle(self) -> bool:
        """Wait until all is written; False if it lasts too long. Blocks."""
        return all(sink.settle() for sink in self._sinks)

    async def close(self) -> None:
        """Write what there is, the strangers of this minute too, and end."""
        self._tick(at_once=True)
        _ = await asyncio.gather(*(asyncio.to_thread(sink.close) for sink in self._sinks))

    def _admitted(self, event: Event) -> list[Told]:
        for listener in self._listeners:
            listener(event)
        with self._lock:
            now, config = self._clock.now(), self._config_hash()[:16]
            told = [Told(counted, now, 0, config) for counted in self._crowd.over(now)]
            self._order += 1
            room = not any(sink.is_crowded() for sink in self._sinks)
            if not is_of_strangers(event) or self._crowd.admits(event, room=room):
                told.append(Told(event, now, self._order, config))
            return told

    def _tick(self, *, at_once: bool = False) -> None:
        with self._lock:
            now, config = self._clock.now(), self._config_hash()[:16]
            told = [Told(counted, now, 0, config) for counted in self._crowd.over(now, at_once=at_once)]
        for sink in self._sinks:
            for counted in told:
                sink.offer(counted)
