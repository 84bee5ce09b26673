"""Trails for tests: a clock that moves when told, outputs that fail when told, and a whole trail in a folder."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.adapters.audit.begin import take_up
from sidecar.adapters.audit.chain import Chain
from sidecar.adapters.audit.forms import ChainedForm
from sidecar.adapters.audit.keys import CheckpointKey
from sidecar.adapters.audit.log import AuditLog
from sidecar.adapters.audit.outputs import Stream, Witness
from sidecar.adapters.audit.record import Envelope
from sidecar.adapters.audit.segments import Limits, Segments, sealed_beside
from sidecar.adapters.audit.sink import Bounds, Sink, SinkPolicy
from sidecar.adapters.audit.verify import Line, Result, Verifier
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Person
from tests.flows.fakes import FakeClock

KEY = CheckpointKey.derived("k" * 32)
KEYS = {KEY.name: KEY.public}
ENVELOPE = Envelope(instance="pod-1", version="1.2.3", session_mark=lambda text: f"keyed-{len(text)}")
ROOMY = Limits(1 << 30, 1 << 30, 1000, 1 << 30)
ADA = Person("https://id.example", "7")


def event(number: int = 0, code: Code = Code.SESSION_ENDED) -> Event:
    """Something that happened to a person."""
    return Event(code=code, request=f"r-{number}", person=ADA, username="ada", portal="agents", session="0" * 16)


def stranger(number: int = 0) -> Event:
    """Something that anybody can cause."""
    return Event(code=Code.ACCESS_DENIED, outcome="failure", request=f"r-{number}", source="192.0.2.7", portal="agents")


def form(chain: Chain, records: int = 10, seconds: int = 60) -> ChainedForm:
    return ChainedForm(ENVELOPE, chain, KEY, records, seconds)


def streamed(stream: io.StringIO, clock: FakeClock, records: int = 1000) -> Sink:
    """A sink into memory."""
    return Sink("stdout", SinkPolicy.DROP, form(Chain("0" * 16), records), Stream(stream), clock)


@dataclass
class Trail:
    """A trail in a folder, opened and closed as often as a test likes."""

    folder: Path
    policy: SinkPolicy = SinkPolicy.REQUIRED
    limits: Limits = ROOMY
    bounds: Bounds = field(default_factory=Bounds)
    records: int = 10
    clock: FakeClock = field(default_factory=FakeClock)

    @property
    def path(self) -> Path:
        return self.folder / "audit.jsonl"

    @property
    def witness(self) -> Path:
        return self.folder / "elsewhere.jsonl"

    def open(self) -> AuditLog:
        segments = Segments(self.path, self.limits)
        chain, begin = take_up(segments, self.clock.now())
        sink = Sink(
            "file",
            self.policy,
            form(chain, self.records),
            segments,
            self.clock,
            bounds=self.bounds,
            witness=Witness(self.witness),
            begin=begin,
        )
        return AuditLog(self.clock, lambda: "c0ffee" * 10, [sink])

    async def write(self, count: int) -> None:
        """Open, tell, close."""
        log = self.open()
        for number in range(count):
            log.tell(event(number))
        await log.close()

    @property
    def files(self) -> list[Path]:
        # A crash between sealing a segment and beginning the next leaves the sealed ones only.
        return [*sealed_beside(self.path), *filter(Path.exists, [self.path])]

    @property
    def lines(self) -> list[bytes]:
        return [line for path in self.files for line in path.read_bytes().splitlines(keepends=True)]

    @property
    def records_told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.endswith(b"}\n")]

    def replace(self, lines: Sequence[bytes]) -> None:
        """Write other lines than those that were told."""
        self.path.write_bytes(b"".join(lines))

    def verify(self, *, elsewhere: bool = True, part: bool = False) -> Result:
        """Raises: BrokenError."""
        second = _read(self.witness) if elsewhere and self.witness.exists() else None
        lines = [line for path in self.files for line in _read(path)]
        return Verifier(KEYS, second, part=part).run(lines)


def _read(path: Path) -> list[Line]:
    lines = path.read_bytes().splitlines(keepends=True)
    return [Line(f"{path.name}:{number}", line) for number, line in enumerate(lines, 1)]
