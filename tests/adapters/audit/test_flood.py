"""A million refusals of strangers: neither the queue nor the disk nor memory takes more than its quota."""

from __future__ import annotations

import resource
from pathlib import Path

from tests.adapters.audit.trails import Trail, event, stranger

FLOOD = 1_000_000
A_SECOND = 10_000
"""Events that come in one."""


def _peak() -> int:
    """Bytes that this process has ever used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def test_a_flood_of_strangers_fills_nothing(tmp_path: Path) -> None:
    trail = Trail(tmp_path, records=1000)
    log = trail.open()
    log.tell(event(1))
    one, before = stranger(), _peak()
    for number in range(FLOOD):
        log.tell(one)
        if number % A_SECOND == 0:
            trail.clock.time += 1
            assert log.waiting()["file"] <= 100
    log.tell(event(2))
    await log.close()

    minutes = FLOOD // A_SECOND // 60 + 2
    records = trail.records_told
    told = [record for record in records if record["code"] == "access.denied"]
    counted = [record["facts"]["count"] for record in records if record["code"] == "audit.counted"]
    assert len(told) <= 10 * minutes
    assert FLOOD == len(told) + sum(counted)
    assert trail.path.stat().st_size < 100_000
    assert _peak() - before < 32 << 20
    assert ["r-1", "r-2"] == [record["request"] for record in records if record["code"] == "session.ended"]
    assert 0 == trail.verify().unsigned
