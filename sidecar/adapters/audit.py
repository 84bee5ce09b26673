"""Writes audit events: one JSON object a line, or one readable line for a terminal.

The envelope keeps its names (design, section 7). Chains, checkpoints and further sinks build on `AuditLog.write`.
"""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

from sidecar.domain.events import Event
from sidecar.domain.reason import Reason
from sidecar.flows.telling import Clock

LOG = logging.getLogger(__name__)
SCHEMA = 1

Line = Callable[[dict[str, object]], str]
"""Makes a line of a record."""


@dataclass(slots=True)
class AuditLog:
    """Implements `flows.telling.Audit` on text streams.

    Attributes:
        sinks: Streams with the way lines are written to each; flushed at every line.
        listeners: Called with every event: the metrics count them.
        session_mark: Makes the keyed hash by which a session is shown; its store key stays inside.
        failures: Lines that a sink did not take.
    """

    clock: Clock
    instance: str
    version: str
    config_hash: Callable[[], str]
    sinks: tuple[tuple[TextIO, Line], ...]
    listeners: tuple[Callable[[Event], None], ...] = ()
    session_mark: Callable[[str], str] = str
    failures: int = field(default=0, init=False)
    sequence: int = field(default=0, init=False)

    def tell(self, event: Event) -> None:
        """Write the event to every sink. One that fails is counted and told on standard error; the request goes on."""
        for listener in self.listeners:
            listener(event)
        self.sequence += 1
        record = self.record(event)
        for stream, line in self.sinks:
            try:
                stream.write(line(record) + "\n")
                stream.flush()
            except (OSError, ValueError) as error:
                self.failures += 1
                LOG.error("an audit event was lost (%s): %s", event.code.value, error)

    def record(self, event: Event) -> dict[str, object]:
        """The envelope: what, when, where, who, outcome, and under which policy (NIST SP 800-53r5, AU-3)."""
        record: dict[str, object] = {
            "schema": SCHEMA,
            "time": datetime.fromtimestamp(self.clock.now(), UTC).isoformat().replace("+00:00", "Z"),
            "sequence": self.sequence,
            "instance": self.instance,
            "version": self.version,
            "config": self.config_hash()[:16],
            "code": event.code.value,
            "outcome": event.outcome,
        }
        if event.reason is not Reason.OK:
            record["reason"] = event.reason.value
        if event.person is not None:
            record["person"] = {"iss": event.person.issuer, "sub": event.person.subject}
        named = ("username", "application", "portal", "provider", "rule", "request", "source")
        record.update({name: getattr(event, name) for name in named if getattr(event, name)})
        record.update(
            {name: list(value) for name in ("before", "after") if (value := getattr(event, name)) is not None}
        )
        if event.session:
            record["session"] = self.session_mark(event.session)
        if event.facts:
            record["facts"] = dict(event.facts)
        return record


def json_line(record: dict[str, object]) -> str:
    """ASCII only: control and bidi characters are escaped (rule 66)."""
    return json.dumps(record, ensure_ascii=True, separators=(",", ":"))


def text_line(record: dict[str, object]) -> str:
    """For people at a terminal: time, code, who, what changed."""
    time = str(record["time"])[11:19]
    who = record.get("username") or _subject(record)
    parts = [f"{time}  {record['code']:<22}", _plain(who) if who else ""]
    for name in ("application", "portal", "provider", "reason"):
        if name in record:
            parts.append(f"{name}={_plain(record[name])}")
    if record.get("before") or record.get("after"):
        parts.append(f"{_plain(record.get('before', []))} -> {_plain(record.get('after', []))}")
    facts = record.get("facts")
    if isinstance(facts, dict):
        parts.extend(f"{name}={_plain(value)}" for name, value in facts.items() if value is not False)
    return "  ".join(part for part in parts if part)


def _subject(record: dict[str, object]) -> object:
    person = record.get("person")
    return person["sub"] if isinstance(person, dict) else ""


def _plain(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return "".join(ch if unicodedata.category(ch)[0] not in "C" else f"\\u{ord(ch):04x}" for ch in text)
