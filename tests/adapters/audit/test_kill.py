"""A process that writes is killed a hundred times: what was promised is on the disk, and the trail is whole."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from sidecar.adapters.audit.segments import Limits
from sidecar.domain.events import Code
from tests.adapters.audit.trails import Trail, event

KILLS = 100

PROCESSES = multiprocessing.get_context("forkserver")
"""Each of them is a process of its own that has read its modules already."""
PROCESSES.set_forkserver_preload([__name__])


async def _promise(folder: Path, number: int, says: Connection) -> None:
    log = Trail(folder, limits=Limits(20_000, 1 << 30, 10_000, 1 << 30)).open()
    while True:
        log.tell(event(number))
        await log.sure(event(number, Code.CHANGE_INTENDED))
        # Said only after it was promised.
        says.send(number)
        number += 1


def _writer(folder: Path, number: int, says: Connection) -> None:
    asyncio.run(_promise(folder, number, says))


def _killed(folder: Path, number: int, chance: random.Random) -> list[int]:
    """What one process had promised when it was killed."""
    hears, says = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_writer, args=(folder, number, says))
    process.start()
    says.close()
    promised: list[int] = [hears.recv()]
    time.sleep(chance.uniform(0, 0.02))
    process.kill()
    process.join()
    assert -signal.SIGKILL == process.exitcode
    # To the end, or to a word that breaks off.
    try:
        while True:
            promised.append(hears.recv())
    except (EOFError, OSError):
        hears.close()
    return promised


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where the machine has such a place: what a killed process has written stays in both, and waiting for a
    disk a thousand times proves nothing more."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


async def test_nothing_that_was_promised_is_lost_when_the_process_is_killed(folder: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - moments to kill at
    promised: list[int] = []
    for _ in range(KILLS):
        promised += _killed(folder, promised[-1] + 1 if promised else 0, chance)
        trail = Trail(folder)
        # As the next start finds it: whole up to a record that may break off.
        trail.verify()
    await trail.write(0)

    result = trail.verify()
    intended = {record["request"] for record in trail.records_told if record["code"] == "change.intended"}
    assert KILLS <= len(promised)
    assert set() == {f"r-{number}" for number in promised} - intended
    assert (1, 0) == (len(result.chains), result.unsigned)
