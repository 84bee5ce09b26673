"""Strangers in their thousands while a sink is in trouble: the policy holds as it would without them, and when the
trouble is over everything is there that was promised. `AUDIT_FLOOD` says how many there are."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sidecar.adapters.audit.chain import Chain
from sidecar.adapters.audit.log import AuditLog
from sidecar.adapters.audit.outputs import Stream
from sidecar.adapters.audit.sink import Bounds, Sink, SinkPolicy
from sidecar.adapters.audit.verify import Line, Verifier
from sidecar.domain.events import Code
from sidecar.flows.telling import AuditError
from tests.adapters.audit.test_full_disk import no_room
from tests.adapters.audit.trails import KEYS, Trail, event, form, stranger
from tests.flows.fakes import FakeClock

FLOOD = int(os.environ.get("AUDIT_FLOOD", "10000"))
PEOPLE = 40
QUEUE = 100
"""The people find room in it; the strangers would not."""


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - a thread does not set events of a loop
            await asyncio.sleep(0.01)


async def flood(log: AuditLog, sink: str) -> bool:
    """Strangers, people between them, and a change that must be told; whether it was refused."""
    one = stranger()
    for number in range(FLOOD):
        log.tell(one)
        if number % (FLOOD // PEOPLE) == 0:
            log.tell(event(number, Code.LOGIN_SUCCEEDED))
    assert log.waiting()[sink] <= QUEUE
    try:
        await log.sure(event(FLOOD, Code.SESSION_CREATED))
    except AuditError:
        return True
    return False


def check(records: Sequence[dict[str, Any]]) -> None:
    """All people in their order, and every stranger in a number."""
    people = [record["request"] for record in records if record["code"] == "login.success"]
    assert [f"r-{number}" for number in range(0, FLOOD, FLOOD // PEOPLE)] == people
    denied = sum(record["code"] == "access.denied" for record in records)
    counted = sum(record["facts"]["count"] for record in records if record["code"] == "audit.counted")
    assert FLOOD == denied + counted
    assert denied <= 10


@pytest.mark.parametrize("policy", list(SinkPolicy))
async def test_a_full_disk(tmp_path: Path, policy: SinkPolicy) -> None:
    trail = Trail(tmp_path, policy=policy, bounds=Bounds(queue=QUEUE, patience=0.3))
    log = trail.open()
    await log.sure(event(0, Code.USER_CREATED))
    assert log.settle()
    with no_room(trail.path):
        log.tell(event(0, Code.USER_UPDATED))
        log.tell(event(0, Code.USER_UPDATED))
        await until(lambda: bool(log.failing()["file"]))
        # Only `required` waits for the disk; for the others there is room, the strangers take none.
        assert (policy is SinkPolicy.REQUIRED) is await flood(log, "file")
        assert 0 == log.lost()["file"]
    await log.close()

    check(trail.records_told)
    assert 0 == trail.verify().unsigned


async def test_a_reader_of_standard_output_that_is_slow() -> None:
    reader, writer = os.pipe()
    taken = bytearray()

    def read() -> None:
        while piece := os.read(reader, 1 << 16):
            taken.extend(piece)

    bounds = Bounds(queue=QUEUE, patience=0.3)
    slow = threading.Thread(target=read)
    with os.fdopen(writer, "w") as stream:
        sink = Sink("stdout", SinkPolicy.BLOCK, form(Chain("0" * 16)), Stream(stream), FakeClock(), bounds=bounds)
        log = AuditLog(FakeClock(), str, [sink])
        while len(sink) < 10:
            # A pipe holds some hundred records before it holds anybody up.
            log.tell(event(0, Code.SESSION_REFRESHED))
            await asyncio.sleep(0.001)
        assert not await flood(log, "stdout")
        slow.start()
        await log.close()
        assert 0 == log.lost()["stdout"]
    slow.join(10)
    os.close(reader)

    lines = bytes(taken).splitlines(keepends=True)
    check([json.loads(line) for line in lines])
    Verifier(KEYS).run(Line("stdout", line) for line in lines)


async def test_a_pipe_that_is_closed() -> None:
    """Nothing can be promised where nobody reads; but nobody waits, and nothing grows."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        bounds = Bounds(queue=QUEUE, patience=0.3, farewell=0.2)
        sink = Sink("stdout", SinkPolicy.BLOCK, form(Chain("0" * 16)), Stream(stream), FakeClock(), bounds=bounds)
        log = AuditLog(FakeClock(), str, [sink])
        log.tell(event(0, Code.USER_CREATED))
        await until(lambda: bool(log.failing()["stdout"]))
        assert not await flood(log, "stdout")
        assert 0 == log.lost()["stdout"]
        await log.close()
