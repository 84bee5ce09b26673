"""adapters.audit: every event one line, whole and printable; a sink that fails stops nobody."""

from __future__ import annotations

import io
import json
import logging

import pytest

from sidecar.adapters.audit import AuditLog, Line, json_line, text_line
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.reason import Reason


class Noon:
    def now(self) -> UnixSeconds:
        return UnixSeconds(1_800_000_000)

    def monotonic(self) -> float:
        return 0.0


class Full(io.StringIO):
    """A disk without room."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


EVENT = Event(
    code=Code.GROUP_ADDED,
    reason=Reason.OK,
    request="r-1",
    source="192.0.2.7",
    person=Person("https://id.example", "7"),
    username="ada",
    application="jira",
    portal="agents",
    session="0123456789abcdef",
    before=(),
    after=("jira-users",),
    facts={"group": "jira-users", "path": "/x\u202e\x1b[2J\n"},
)


def log(*sinks: tuple[io.StringIO, Line]) -> AuditLog:
    return AuditLog(Noon(), "pod-1", "1.2.3", lambda: "c0ffee" * 10, sinks, (), lambda text: f"keyed-{len(text)}")


def test_the_envelope_says_what_when_where_who_and_under_which_policy() -> None:
    out = io.StringIO()
    log((out, json_line)).tell(EVENT)

    assert {
        "schema": 1,
        "time": "2027-01-15T08:00:00Z",
        "sequence": 1,
        "instance": "pod-1",
        "version": "1.2.3",
        "config": "c0ffeec0ffeec0ff",
        "code": "group.added",
        "outcome": "success",
        "person": {"iss": "https://id.example", "sub": "7"},
        "username": "ada",
        "application": "jira",
        "portal": "agents",
        "request": "r-1",
        "source": "192.0.2.7",
        "session": "keyed-16",
        "before": [],
        "after": ["jira-users"],
        "facts": {"group": "jira-users", "path": "/x\u202e\x1b[2J\n"},
    } == json.loads(out.getvalue())


@pytest.mark.parametrize("line", [json_line, text_line])
def test_a_line_is_one_line_and_moves_no_cursor(line: Line) -> None:
    """Control and bidirectional characters are escaped (rule 66)."""
    out = io.StringIO()
    log((out, line)).tell(EVENT)

    assert 1 == out.getvalue().count("\n")
    assert out.getvalue().rstrip("\n").isprintable()
    assert "\u202e" not in out.getvalue()


def test_sequence_counts_and_listeners_hear() -> None:
    heard: list[Event] = []
    audit = log()
    audit.listeners = (heard.append,)
    for _ in range(3):
        audit.tell(EVENT)

    assert (3, [EVENT] * 3) == (audit.sequence, heard)


def test_a_sink_that_fails_is_counted_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    out = io.StringIO()
    audit = log((Full(), json_line), (out, json_line))
    with caplog.at_level(logging.ERROR):
        audit.tell(EVENT)

    assert 1 == audit.failures
    assert "group.added" in caplog.text
    assert "group.added" in out.getvalue()
