"""A real file that cannot grow (RLIMIT_FSIZE): work that must be told is refused, all else goes on, nothing is lost."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.adapters.audit.sink import Bounds, SinkPolicy
from sidecar.domain.events import Code
from sidecar.flows.telling import AuditError
from tests.adapters.audit.trails import Trail, event


@contextmanager
def no_room(path: Path) -> Iterator[None]:
    """No file of this process may grow beyond a few bytes more than *path* has: a line is cut in its middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("policy", list(SinkPolicy))
async def test_a_full_disk_holds_the_policy_and_recovers(tmp_path: Path, policy: SinkPolicy) -> None:
    trail = Trail(tmp_path, policy=policy, bounds=Bounds(queue=50, patience=0.3))
    log = trail.open()
    await log.sure(event(0, Code.SESSION_CREATED))
    assert log.settle()
    refused = []
    with no_room(trail.path):
        for number in range(1, 201):
            log.tell(event(number, Code.LOGIN_SUCCEEDED))
        async with asyncio.timeout(5):
            while not log.failing()["file"]:  # noqa: ASYNC110 - a thread does not set events of a loop
                await asyncio.sleep(0.01)
        for number in range(201, 301):
            log.tell(event(number, Code.LOGIN_SUCCEEDED))
        try:
            await log.sure(event(999, Code.CHANGE_INTENDED))
        except AuditError:
            refused.append(policy)
        lost = log.lost()["file"]
        assert lost > 0
    await log.close()

    assert ([] if policy is SinkPolicy.DROP else [policy]) == refused
    result = trail.verify()
    assert 0 == result.unsigned
    gaps = [record["facts"] for record in trail.records_told if record["code"] == "audit.gap"]
    assert lost <= sum(gap["lost"] for gap in gaps)
    orders = [record["order"] for record in trail.records_told if record.get("order")]
    missing = {order for gap in gaps for order in range(gap["first"], gap["last"] + 1)}
    assert sorted(orders) == orders
    assert set() == set(range(1, 302)) - set(orders) - missing


async def test_a_full_disk_at_the_end_leaves_a_torn_line_that_the_next_start_names(tmp_path: Path) -> None:
    trail = Trail(tmp_path, policy=SinkPolicy.DROP, bounds=Bounds(farewell=0.2))
    log = trail.open()
    log.tell(event(0))
    assert log.settle()
    with no_room(trail.path):
        log.tell(event(1))
        await log.close()
    assert trail.verify().torn
    await trail.write(1)

    assert 1 == len(trail.verify().notes)
