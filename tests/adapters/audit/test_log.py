"""adapters.audit.log: every event one line, whole and printable; strangers are counted; nobody is held up."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from dataclasses import replace

import pytest

from sidecar.adapters.audit.chain import Chain
from sidecar.adapters.audit.forms import Form, TextForm
from sidecar.adapters.audit.log import AuditLog
from sidecar.adapters.audit.outputs import Stream
from sidecar.adapters.audit.record import Envelope
from sidecar.adapters.audit.sink import Sink, SinkPolicy
from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.identity import Person, SignedIn, UnixSeconds
from sidecar.domain.reason import Reason
from tests.adapters.audit.trails import ENVELOPE, event, form, stranger, streamed
from tests.flows.fakes import FakeClock

EVENT = Event(
    code=Code.GROUP_ADDED,
    request="r-1",
    source="192.0.2.7",
    proxies=("10.0.0.1", "10.0.0.2"),
    signed_in=SignedIn(sid="s-1\u202e", acr="mfa", auth_time=UnixSeconds(1_800_000_000)),
    attempt="0123456789ab",
    person=Person("https://id.example", "7"),
    username="ada",
    application="jira",
    portal="agents",
    session="0123456789abcdef",
    before=(),
    after=("jira-users",),
    facts={"group": "jira-users", "account": "/x\u202e\x1b[2J\n"},
)


class Full(io.StringIO):
    """A disk without room, until there is some."""

    room = False

    def write(self, text: str) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        return super().write(text)


def log(*sinks: Sink, clock: FakeClock | None = None, strangers: int = 100) -> AuditLog:
    return AuditLog(clock or FakeClock(), lambda: "c0ffee" * 10, sinks, strangers=strangers)


def sink(stream: io.StringIO, way: Form | None = None, clock: FakeClock | None = None, name: str = "stdout") -> Sink:
    return Sink(name, SinkPolicy.DROP, way or form(Chain("0" * 16), 1000), Stream(stream), clock or FakeClock())


def told(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_envelope_says_what_when_where_who_and_under_which_policy() -> None:
    out = io.StringIO()
    log(sink(out)).tell(EVENT)
    record = told(out)[0]

    assert 64 == len(str(record.pop("hash")))
    assert {
        "schema": 1,
        "chain": "0" * 16,
        "sequence": 1,
        "previous": "0" * 64,
        "code": "group.added",
        "time": "2027-01-15T08:00:00Z",
        "order": 1,
        "instance": "pod-1",
        "version": "1.2.3",
        "config": "c0ffeec0ffeec0ff",
        "outcome": "success",
        "person": {"iss": "https://id.example", "sub": "7"},
        "username": "ada",
        "application": "jira",
        "portal": "agents",
        "request": "r-1",
        "source": "192.0.2.7",
        "proxies": ["10.0.0.1", "10.0.0.2"],
        "sid": "s-1\u202e",
        "acr": "mfa",
        "auth_time": "2027-01-15T08:00:00Z",
        "attempt": "keyed-12",
        "before": [],
        "after": ["jira-users"],
        "session": "keyed-16",
        "facts": {"group": "jira-users", "account": "/x\u202e\x1b[2J\n"},
    } == record


@pytest.mark.parametrize("way", [form(Chain("0" * 16)), TextForm(ENVELOPE)])
def test_a_line_is_one_line_and_moves_no_cursor(way: Form) -> None:
    """Control and bidirectional characters are escaped (rule 66)."""
    out = io.StringIO()
    log(sink(out, way)).tell(EVENT)

    assert 1 == out.getvalue().count("\n")
    assert out.getvalue().rstrip("\n").isprintable()
    assert "\u202e" not in out.getvalue()


def test_listeners_hear_what_is_told_and_what_is_only_counted() -> None:
    heard: list[Event] = []
    audit = AuditLog(FakeClock(), str, [], [heard.append], strangers=0)
    audit.tell(EVENT)
    audit.tell(stranger())

    assert [EVENT, stranger()] == heard


async def test_a_sink_that_fails_stops_nobody_and_loses_nothing_when_it_can_be_written_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    out, full = io.StringIO(), Full()
    audit = log(sink(full, name="full"), sink(out))
    with caplog.at_level(logging.ERROR):
        for number in range(3):
            audit.tell(event(number))

    assert {"full": 1, "stdout": 0} == audit.failing()
    assert 1 == caplog.text.count("No space left on device")
    assert ["r-0", "r-1", "r-2"] == [record["request"] for record in told(out)]
    full.room = True
    await audit.close()
    assert ["r-0", "r-1", "r-2"] == [record["request"] for record in told(full) if "request" in record]


def test_what_the_catalogue_does_not_have_is_not_written(declared_facts: list[str]) -> None:
    out = io.StringIO()
    log(sink(out)).tell(replace(EVENT, facts={"group": "jira-users", "password": "x"}))

    assert {"group": "jira-users"} == told(out)[0]["facts"]
    assert ["group.added: facts that the catalogue does not have: password"] == declared_facts
    declared_facts.clear()


def test_persons_are_hidden_by_one_switch() -> None:
    out = io.StringIO()
    hidden = Envelope(instance="pod-1", version="1", pseudonym=lambda text: f"{len(text):x}")
    way = form(Chain("0" * 16))
    way._envelope = hidden
    audit = log(sink(out, way))
    words: dict[str, Fact] = {"account": "Ada", "detail": "the account is linked, as ada", "step": "join"}
    audit.tell(replace(EVENT, code=Code.ACCOUNT_FAILED, facts=words))
    audit.tell(replace(EVENT, username="ADA"))
    first, second = told(out)

    assert {"iss": "https://id.example", "sub": "~1b"} == first["person"] == second["person"]
    assert ("~3", "~3", {"account": "~3", "step": "join"}) == (first["username"], second["username"], first["facts"])
    assert "~4" == first["sid"]
    assert "ada" not in out.getvalue().casefold() and "s-1" not in out.getvalue()


def test_the_first_ten_of_a_kind_are_told_and_the_rest_of_the_minute_is_counted() -> None:
    out, clock = io.StringIO(), FakeClock()
    clock.time -= clock.time % 60
    audit = log(sink(out, clock=clock), clock=clock)
    for number in range(250):
        audit.tell(stranger(number))
        audit.tell(replace(stranger(number), reason=Reason.NOT_IN_GROUP))
        audit.tell(event(number))
    clock.time += 60
    audit.tell(event())
    records = told(out)

    assert 20 == sum(record["code"] == "access.denied" for record in records)
    assert 251 == sum(record["code"] == "session.ended" for record in records)
    counted = [record for record in records if record["code"] == "audit.counted"]
    assert [240, 240] == [record["facts"]["count"] for record in counted]  # type: ignore[index]
    assert {"counted": "access.denied", "count": 240, "minute": "2027-01-15T08:00:00Z"} == counted[0]["facts"]
    assert [None, "not_in_group"] == [record.get("reason") for record in counted]
    assert ["agents"] * 2 == [record["portal"] for record in counted]


def test_all_kinds_together_have_a_bound_and_people_are_never_counted_together() -> None:
    out = io.StringIO()
    audit = log(sink(out), strangers=25)
    for code in (Code.LOGIN_STARTED, Code.LOGIN_FAILED, Code.ACCESS_DENIED, Code.API_PASSTHROUGH):
        for number in range(20):
            audit.tell(replace(stranger(number), code=code))
            audit.tell(replace(event(number), code=code))
            audit.tell(replace(stranger(number), code=code, session="0" * 16))
    records = told(out)

    assert 25 == sum("person" not in record and "session" not in record for record in records)
    assert 160 == sum("session" in record for record in records)


async def test_what_was_counted_is_told_at_the_end() -> None:
    out = io.StringIO()
    audit = log(sink(out), strangers=0)
    audit.tell(stranger())
    await audit.close()

    assert ["audit.counted", "audit.checkpoint"] == [record["code"] for record in told(out)]


async def test_an_intention_is_written_only_where_work_waits_for_it() -> None:
    out, held = io.StringIO(), io.StringIO()
    both = log(sink(out), Sink("file", SinkPolicy.REQUIRED, form(Chain("1" * 16)), Stream(held), FakeClock()))
    for code in (Code.CHANGE_INTENDED, Code.SESSION_CREATED):
        await both.sure(event(code=code))
    alone = io.StringIO()
    await log(sink(alone)).sure(event(code=Code.CHANGE_INTENDED))

    assert ["session.created"] == [record["code"] for record in told(out)]
    await asyncio.sleep(0)
    assert ["change.intended", "session.created"] == [record["code"] for record in told(held)]
    assert "" == alone.getvalue()


def test_the_helper_writes_into_memory() -> None:
    out = io.StringIO()
    log(streamed(out, FakeClock())).tell(EVENT)
    assert 1 == len(told(out))
