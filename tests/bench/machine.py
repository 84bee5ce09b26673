"""What the numbers were measured on: the machine, and the versions of everything that took part."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

from tests.bench.processes import said_by
from tests.e2e.rigs import NODE_FOLDER


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> str:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{total / 2**30:.0f} GiB"


def load() -> str:
    """How busy the machine is, the mean of a minute."""
    return f"{os.getloadavg()[0]:.1f}"


def described() -> str:
    """The machine in a line."""
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{os.cpu_count()} cores of {_processor()}, {_memory()}, {platform.system()} {kernel}"


async def versions() -> dict[str, str]:
    """Of what stands around the peers."""
    wanted = json.loads((NODE_FOLDER / "package.json").read_text())["dependencies"]
    wrk = (await said_by("wrk", "-v")).partition(" [")[0].removeprefix("wrk ")
    return {
        "Python": platform.python_version(),
        "wrk": wrk,
        "oidc-provider": f"{wanted['oidc-provider']} (Node.js {(await said_by('node', '-v')).removeprefix('v')})",
    }
