"""A process that writes is killed a hundred times: what was promised is on the disk, and the trail is whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.audit.trails import Trail

WRITER = """
import asyncio, sys
from pathlib import Path
from sidecar.adapters.audit.segments import Limits
from sidecar.domain.events import Code
from tests.adapters.audit.trails import Trail, event

async def main():
    log = Trail(Path(sys.argv[1]), limits=Limits(20_000, 1 << 30, 10_000, 1 << 30)).open()
    number = int(sys.argv[2])
    while True:
        log.tell(event(number))
        await log.sure(event(number, Code.CHANGE_INTENDED))
        # Said only after it was promised.
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
        number += 1

asyncio.run(main())
"""
KILLS = 100
ROOT = Path(__file__).parents[3]


def _killed(folder: Path, number: int, chance: random.Random) -> list[int]:
    """What one process had promised when it was killed."""
    command = [sys.executable, "-c", WRITER, str(folder), str(number)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(chance.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines(keepends=True)
    return [int(line) for line in [first, *rest] if line.endswith("\n")]


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
