"""Load on one peer for some seconds, with `wrk`: every load ends by its own clock, and is stopped if it does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cases import Case

_GRACE = 15.0
"""Seconds that a load may take beyond its length before it is stopped."""

_SCRIPT = """\
wrk.method = {method}
{headers}
{body}
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(99)))
end
"""


class LoadError(Exception):
    """A load did not end well; what it said is in the message.

    Attributes:
        peer: Name of the peer that was loaded; whoever knows it writes it here.
    """

    peer = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load saw.

    Attributes:
        seconds: How long it went on.
        broken: How often a connection ended, or ten seconds did, without an answer.
        p50, p99: Milliseconds to the whole answer.
    """

    requests: int
    seconds: float
    broken: int
    p50: float
    p99: float


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which *part* of all lie; *ordered* is sorted and not empty."""
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def script(case: Case, headers: Mapping[str, str]) -> str:
    """The load as a script for wrk; JSON's strings are Lua's where they hold plain ASCII."""
    return _SCRIPT.format(
        method=json.dumps(case.method),
        headers="\n".join(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}" for k, v in headers.items()),
        body=f'wrk.body = string.rep("x", {case.body})' if case.body else "",
    )


async def ask_with_wrk(port: int, case: Case, headers: Mapping[str, str], seconds: int, folder: Path) -> Load:
    """Ask as fast as answers come, on as many connections as the case has.

    Raises:
        LoadError: wrk failed, or answers had another status than the case expects.
    """
    path = folder / "load.lua"
    path.write_text(script(case, headers))
    command = ["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(path)]
    process = await asyncio.create_subprocess_exec(
        *command,
        f"http://127.0.0.1:{port}{case.path}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds + _GRACE):
            text = (await process.communicate())[0].decode(errors="replace")
    except TimeoutError:
        raise LoadError(f"{case.title}: wrk did not end") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    result = next((line.split()[1:] for line in text.splitlines() if line.startswith("RESULT ")), None)
    if result is None:
        raise LoadError(f"{case.title}: {text[-500:]}")
    requests, duration, broken, wrong, p50, p99 = map(int, result)
    # wrk counts what is 400 or more as an error, whatever was expected.
    if wrong != (requests if case.status >= 400 else 0):
        raise LoadError(f"{case.title}: {wrong} of {requests} answers had an unexpected status")
    return Load(requests, duration / 1e6, broken, p50 / 1000, p99 / 1000)
