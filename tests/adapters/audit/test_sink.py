"""adapters.audit.sink: order, bounds and policies, with real threads; slow and broken outputs hold nobody up."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from sidecar.adapters.audit.chain import Chain
from sidecar.adapters.audit.log import AuditLog
from sidecar.adapters.audit.outputs import Stream
from sidecar.adapters.audit.sink import Bounds, Sink, SinkPolicy
from sidecar.adapters.audit.verify import Line, Verifier
from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.telling import AuditError
from tests.adapters.audit.trails import KEYS, event, form, stranger
from tests.flows.fakes import FakeClock


class Tap:
    """An output that is open, shut, or without room; it takes a few bytes at a time."""

    waits = True

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.full = False
        self.synced = 0
        self.closed = False
        self.taken = bytearray()

    def write(self, data: memoryview) -> int:
        self.open.wait(10)
        if self.full:
            raise OSError(28, "No space left on device")
        self.taken += data[:100]
        return len(data[:100])

    def sync(self) -> None:
        self.synced = len(self.taken)

    def is_full(self, now: UnixSeconds) -> bool:
        return False

    def close(self) -> None:
        self.closed = True

    @property
    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in bytes(self.taken).splitlines(keepends=True) if line.endswith(b"\n")]

    @property
    def requests(self) -> list[object]:
        return [record["request"] for record in self.records if "request" in record]

    def verify(self) -> None:
        Verifier(KEYS).run(Line("tap", line) for line in bytes(self.taken).splitlines(keepends=True))


def gate(tap: Tap, policy: SinkPolicy = SinkPolicy.DROP, queue: int = 100, patience: float = 0.2) -> AuditLog:
    bounds = Bounds(queue=queue, patience=patience, farewell=5)
    return AuditLog(FakeClock(), str, [Sink("file", policy, form(Chain("0" * 16)), tap, FakeClock(), bounds=bounds)])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - a thread does not set events of a loop
            await asyncio.sleep(0.01)


async def test_all_is_written_in_its_order_and_signed_at_the_end() -> None:
    tap = Tap()
    audit = gate(tap, queue=5000)
    for number in range(2000):
        audit.tell(event(number))
    await audit.close()

    assert [f"r-{number}" for number in range(2000)] == tap.requests
    assert "audit.checkpoint" == tap.records[-1]["code"]
    assert (len(tap.taken), True) == (tap.synced, tap.closed)
    tap.verify()


async def test_a_slow_output_holds_nobody_up_and_what_is_missing_is_said_where_it_is_missing() -> None:
    tap = Tap()
    audit = gate(tap)
    tap.open.clear()
    audit.tell(event())
    await until(lambda: not audit.waiting()["file"])
    began = time.monotonic()
    for number in range(1, 10_001):
        audit.tell(event(number))
    assert time.monotonic() - began < 5
    assert (100, 9900) == (audit.waiting()["file"], audit.lost()["file"])

    tap.open.set()
    assert audit.settle()
    audit.tell(event(77_777))
    await audit.close()
    assert [f"r-{number}" for number in [*range(101), 77_777]] == tap.requests
    gap = next(record for record in tap.records if record["code"] == "audit.gap")
    assert {"cause": "queue", "lost": 9900, "first": 102, "last": 10_001} == gap["facts"]
    assert [101, 77_777] == [int(str(_beside(tap, gap, step)).removeprefix("r-")) + (step < 0) for step in (-1, 1)]
    tap.verify()


def _beside(tap: Tap, gap: dict[str, object], step: int) -> object:
    told = [record for record in tap.records if record["code"] != "audit.checkpoint"]
    return told[told.index(gap) + step]["request"]


async def test_nothing_that_was_taken_is_lost_while_the_disk_is_full() -> None:
    tap = Tap()
    audit = gate(tap)
    audit.tell(event(0))
    assert audit.settle()
    tap.full = True
    for number in range(1, 50):
        audit.tell(event(number))
    await until(lambda: bool(audit.failing()["file"]))
    tap.full = False
    await until(lambda: not audit.failing()["file"])
    await audit.close()

    assert [f"r-{number}" for number in range(50)] == tap.requests
    assert 0 == audit.lost()["file"]
    tap.verify()


async def test_required_means_on_the_disk_before_it_is_said_to_be() -> None:
    tap = Tap()
    audit = gate(tap, SinkPolicy.REQUIRED)
    await audit.sure(event(1, Code.CHANGE_INTENDED))

    assert ["r-1"] == tap.requests
    assert tap.synced == len(tap.taken) > 0
    await audit.close()


@pytest.mark.parametrize("policy", [SinkPolicy.REQUIRED, SinkPolicy.BLOCK])
async def test_work_that_must_be_told_is_refused_when_the_trail_cannot_take_it(policy: SinkPolicy) -> None:
    tap = Tap()
    tap.full = True
    audit = gate(tap, policy, queue=4)
    for number in range(10):
        audit.tell(event(number, Code.LOGIN_SUCCEEDED))
    await until(lambda: bool(audit.failing()["file"] and audit.waiting()["file"] >= 4) or not audit.settle())
    for number in range(10):
        audit.tell(event(number, Code.LOGIN_SUCCEEDED))
    with pytest.raises(AuditError):
        await audit.sure(event(99, Code.CHANGE_INTENDED))

    tap.full = False
    assert audit.settle()
    await audit.sure(event(100, Code.CHANGE_INTENDED))
    await audit.close()
    assert "r-100" in tap.requests
    tap.verify()


async def test_block_waits_for_a_place_only() -> None:
    tap = Tap()
    audit = gate(tap, SinkPolicy.BLOCK, queue=4, patience=5)
    tap.open.clear()
    await audit.sure(event(0, Code.SESSION_CREATED))
    await until(lambda: not audit.waiting()["file"])
    for number in range(1, 5):
        await audit.sure(event(number, Code.SESSION_CREATED))
    late = asyncio.create_task(audit.sure(event(5, Code.SESSION_CREATED)))
    await asyncio.sleep(0.05)
    assert not late.done()
    tap.open.set()
    await late
    await audit.close()

    assert [f"r-{number}" for number in range(6)] == tap.requests


async def test_what_was_done_already_is_not_dropped_where_work_waits() -> None:
    """A change of an account is told after it was done: it takes a place beyond the bound; others do not."""
    tap = Tap()
    audit = gate(tap, SinkPolicy.BLOCK, queue=10)
    tap.open.clear()
    audit.tell(event(0))
    await until(lambda: not audit.waiting()["file"])
    for number in range(30):
        audit.tell(event(number, Code.LOGIN_SUCCEEDED))
    for number in range(9):
        audit.tell(event(100 + number, Code.USER_CREATED))
    assert (20, 20) == (audit.waiting()["file"], audit.lost()["file"])
    tap.open.set()
    await audit.close()

    assert [f"r-{100 + number}" for number in range(9)] == tap.requests[-9:]


async def test_strangers_keep_out_of_a_crowded_queue() -> None:
    tap = Tap()
    audit = gate(tap)
    tap.open.clear()
    audit.tell(event(0))
    await until(lambda: not audit.waiting()["file"])
    for number in range(50):
        audit.tell(event(number))
    audit.tell(stranger(1))
    assert 50 == audit.waiting()["file"]
    tap.open.set()
    await audit.close()

    assert 1 == sum(record["code"] == "audit.counted" for record in tap.records)


async def test_a_pipe_that_nobody_reads_holds_nobody_up_and_the_end_is_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader, writer = os.pipe()
    bounds = Bounds(queue=100, patience=0.2, farewell=0.3)
    with os.fdopen(writer, "w") as stream:
        sink = Sink("stdout", SinkPolicy.DROP, form(Chain("0" * 16)), Stream(stream), FakeClock(), bounds=bounds)
        audit = AuditLog(FakeClock(), str, [sink])
        for number in range(5000):
            audit.tell(event(number))
        await audit.close()
        assert "nobody takes them" in caplog.text
        # Whoever reads at last gets whole lines, in their order.
        os.set_blocking(reader, False)
        taken = bytearray()
        while sink._thread is not None and sink._thread.is_alive():
            with suppress(BlockingIOError):
                taken += os.read(reader, 1 << 16)
    os.close(reader)
    lines = bytes(taken).splitlines()
    assert [f"r-{number}" for number in range(10)] == [json.loads(line)["request"] for line in lines[:10]]


async def test_a_closed_pipe_stops_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    bounds = Bounds(queue=100, farewell=0.2)
    with os.fdopen(writer, "w") as stream:
        sink = Sink("stdout", SinkPolicy.DROP, form(Chain("0" * 16)), Stream(stream), FakeClock(), bounds=bounds)
        audit = AuditLog(FakeClock(), str, [sink])
        for number in range(1000):
            audit.tell(event(number))
        await until(lambda: bool(audit.failing()["stdout"]))
        assert audit.waiting()["stdout"] <= 100
        await audit.close()
