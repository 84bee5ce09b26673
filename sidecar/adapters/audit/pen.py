"""What a sink's thread writes with: lines are made, written whole however often it takes, signed, and sealed.

A line that was made is written as it is: its hash is in the next one. Used by `sink` only, in one thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from sidecar.adapters.audit.forms import Form
from sidecar.adapters.audit.outputs import Output, Witness
from sidecar.adapters.audit.record import Told
from sidecar.adapters.audit.segments import Segments
from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.telling import Clock

LOG = logging.getLogger(__name__)
SYNC_EVERY = 1.0
"""Seconds between two times that the disk is waited for, if nobody waits with it."""


class Pen:
    """Holds what was made and is not written yet: one batch at most."""

    def __init__(
        self,
        form: Form,
        output: Output,
        clock: Clock,
        witness: Witness | None,
        begin: tuple[bytes, Sequence[Event]],
    ) -> None:
        self._form = form
        self._output = output
        self._witness = witness
        self._marks = b""
        self._dirty = False
        self._synced = time.monotonic()
        self._doomed: list[Path] = []
        self._unwritten, events = begin
        self.render([Told(event, clock.now()) for event in events], clock.now())

    def render(self, batch: Sequence[Told], now: UnixSeconds) -> None:
        """Make the lines, with checkpoints between them where they are due."""
        made = bytearray(self._unwritten)
        for told in batch:
            try:
                made += self._form.line(told)
            except Exception:  # a record that cannot be made must not end the trail
                LOG.exception("an audit event cannot be written: %s", told.event.code.value)
            made += self._due(now)
        made += self._due(now)
        self._unwritten = bytes(made)

    def sign(self, now: UnixSeconds) -> None:
        """A checkpoint, if there is anything to sign."""
        mark = self._form.checkpoint(now)
        self._unwritten += mark
        self._marks += mark

    def _due(self, now: UnixSeconds) -> bytes:
        mark = self._form.checkpoint(now) if self._form.is_due(now) else b""
        self._marks += mark
        return mark

    def write(self, *, at_once: bool) -> None:
        """Write what was made; *at_once*: through to the disk, and otherwise so now and then.

        Raises:
            OSError, ValueError: some of it is not written. The next call goes on at that byte.
        """
        while self._unwritten:
            self._dirty = True
            count = self._output.write(memoryview(self._unwritten))
            self._unwritten = self._unwritten[count:]
        due = time.monotonic() - self._synced >= SYNC_EVERY
        if self._dirty and (at_once or self._marks or due):
            self._output.sync()
            self._dirty, self._synced = False, time.monotonic()
        if self._marks and self._witness is not None:
            self._note(self._witness)
        self._marks = b""

    def is_full(self, now: UnixSeconds) -> bool:
        """Whether the output should be sealed."""
        return self._output.is_full(now)

    def turn_over(self, now: UnixSeconds) -> None:
        """Seal the segment and begin another; name in the new one those that are not kept any longer."""
        output = self._output
        if not isinstance(output, Segments):
            return
        try:
            output.seal(output.first_sequence(), now)
            self._doomed = output.too_many(now)
            last = max((output.last_sequence(path) for path in self._doomed), default=0)
        except OSError as error:
            LOG.error("a segment of the audit trail cannot be sealed: %s", error)
            return
        if self._doomed:
            facts: dict[str, Fact] = {
                "segments": tuple(path.name for path in self._doomed),
                "last": last,
            }
            self.render([Told(Event(code=Code.AUDIT_RETIRED, facts=facts), now)], now)

    def clear_away(self) -> None:
        """Delete what was named, once that is written."""
        if self._doomed and not self._unwritten and isinstance(self._output, Segments):
            try:
                self._output.sync()
                self._output.remove(self._doomed)
            except OSError as error:
                LOG.error("old segments of the audit trail cannot be deleted: %s", error)
            self._doomed = []

    def _note(self, witness: Witness) -> None:
        try:
            witness.note(self._marks)
        except OSError as error:
            LOG.error("a checkpoint of the audit trail cannot be written to its second place: %s", error)
