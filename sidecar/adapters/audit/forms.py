"""How a sink writes what it is told: chained JSON with checkpoints, or one readable line. Used by the sink's thread."""

from __future__ import annotations

from typing import Protocol

from sidecar.adapters.audit.chain import Chain
from sidecar.adapters.audit.keys import CheckpointKey
from sidecar.adapters.audit.record import Envelope, Told, text_line
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import UnixSeconds


class Form(Protocol):
    """Makes lines."""

    def line(self, told: Told) -> bytes:
        """The line of an event, with its line break."""
        ...

    def is_due(self, now: UnixSeconds) -> bool:
        """Whether a checkpoint should follow."""
        ...

    def checkpoint(self, now: UnixSeconds) -> bytes:
        """A line that signs all before it; empty if there is nothing new to sign."""
        ...


class TextForm:
    """For a terminal: no chain, no checkpoints."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope

    def line(self, told: Told) -> bytes:
        """Time, code, who, what changed."""
        return text_line(self._envelope.record(told)).encode() + b"\n"

    def is_due(self, now: UnixSeconds) -> bool:
        """Never."""
        return False

    def checkpoint(self, now: UnixSeconds) -> bytes:
        """None."""
        return b""


class ChainedForm:
    """One JSON object a line, chained; signed after so many records, or so long after the first unsigned one."""

    def __init__(self, envelope: Envelope, chain: Chain, key: CheckpointKey, records: int, seconds: int) -> None:
        self._envelope = envelope
        self.chain = chain
        self._key = key
        self._records = records
        self._seconds = seconds
        self._unsigned = 0
        self._since = UnixSeconds(0)

    def renew(self, key: CheckpointKey) -> None:
        """From now on *key* signs, also what came before and is not signed yet."""
        self._key = key

    def line(self, told: Told) -> bytes:
        """The next record."""
        line = self.chain.link(self._envelope.record(told))
        if not self._unsigned:
            self._since = told.time
        self._unsigned += 1
        return line

    def is_due(self, now: UnixSeconds) -> bool:
        """A clock that was set back makes it due as well."""
        late = not self._since <= now < self._since + self._seconds
        return bool(self._unsigned) and (late or self._unsigned >= self._records)

    def checkpoint(self, now: UnixSeconds) -> bytes:
        """It names its key; the signature covers its place in the chain, and so all before it."""
        if not self._unsigned:
            return b""
        # Read once: another thread may renew it.
        key = self._key
        event = Event(code=Code.AUDIT_CHECKPOINT, facts={"key": key.name, "records": self._unsigned})
        self._unsigned = 0
        return self.chain.link(self._envelope.record(Told(event, now)), key)
