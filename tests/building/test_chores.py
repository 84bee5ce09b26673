"""building.chores: what is done every minute is done every minute, whatever else fails; the last outcome is kept."""

from __future__ import annotations

import logging

import pytest

from sidecar.building.chores import Chores, Done
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.sessions import StateError
from tests.flows.fakes import FakeClock


@pytest.mark.parametrize(
    "failures",
    [(), (0,), (1,), (0, 1)],
    ids=["nothing fails", "the state", "a fault of ours", "both"],
)
async def test_nothing_that_fails_keeps_the_rest_from_its_turn(
    failures: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []

    async def state() -> None:
        done.append(0)
        if 0 in failures:
            raise StateError("down")

    async def fault() -> None:
        done.append(1)
        if 1 in failures:
            raise KeyError("gone")

    async def last() -> None:
        done.append(2)

    clock = FakeClock()
    chores = Chores({"state": state, "fault": fault, "last": last}, clock)
    with caplog.at_level(logging.ERROR):
        await chores.round()

    assert ([0, 1, 2], len(failures)) == (done, len(caplog.records))
    expected = {
        "state": "down" if 0 in failures else "",
        "fault": "a fault of Lychgate; the log has more" if 1 in failures else "",
        "last": "",
    }
    assert {name: Done(UnixSeconds(clock.now()), failed) for name, failed in expected.items()} == chores.last
