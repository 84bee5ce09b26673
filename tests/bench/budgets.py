"""The budgets of the design, and whether a run met them; nothing passes or fails by what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from tests.bench.cases import LARGE, MAIN, ONE, Case
from tests.bench.readers import DOWNLOADS, SLOW, Beside
from tests.bench.rounds import Results, ratio

GATE = "Lychgate"
NGINX = "nginx"
BARE = "nginx, bare"
MOD_AUTH_OPENIDC = "mod_auth_openidc"
OAUTH2_PROXY = "oauth2-proxy"


class Verdict(StrEnum):
    """What is said of a budget."""

    MET = "met"
    NOT_MET = "**not met**"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Budget:
    """One line of the table."""

    text: str
    found: str
    verdict: Verdict


def _judged(text: str, value: float | None, shown: str, most: float) -> Budget:
    """*shown* is how the value is written."""
    if value is None:
        return Budget(text, "–", Verdict.NOT_MEASURED)
    return Budget(text, shown.format(value), Verdict.MET if value <= most else Verdict.NOT_MET)


def _times(results: Results, case: Case, other: str) -> float | None:
    ours, theirs = results.row(case, GATE), results.row(case, other)
    return ratio(ours, theirs) if ours and theirs else None


def added(results: Results, case: Case, other: str) -> float | None:
    """Milliseconds of p50 over *other*'s: the median of what each round by itself says."""
    ours, theirs = results.row(case, GATE), results.row(case, other)
    if ours is None or theirs is None:
        return None
    return median(one.p50 - two.p50 for one, two in zip(ours.samples, theirs.samples, strict=True))


def judge(results: Results, at_rest: int, beside: Beside | None = None) -> list[Budget]:
    """All budgets; *at_rest* is what the gate holds in memory, in bytes."""
    slow = beside.slow / 2**20 if beside else None
    pages = beside.together - beside.alone if beside else None
    shape = "CPU for each request of the main shape"
    times = "{:.2f} ×"
    return [
        _judged(f"{shape}: at most 3 × nginx's plain `proxy_pass`", _times(results, MAIN, BARE), times, 3.0),
        _judged(f"{shape}: the same against nginx with kept connections", _times(results, MAIN, NGINX), times, 3.0),
        _judged(f"{shape}: at most half of mod_auth_openidc's", _times(results, MAIN, MOD_AUTH_OPENIDC), times, 0.5),
        _judged(f"{shape}: below oauth2-proxy's", _times(results, MAIN, OAUTH2_PROXY), times, 1.0),
        _judged("p50 at one connection: at most 0.25 ms over nginx's", added(results, ONE, NGINX), "{:+.3f} ms", 0.25),
        _judged("CPU for 10 MiB: at most nginx's", _times(results, LARGE, NGINX), times, 1.0),
        _judged("memory at rest: below 80 MiB", at_rest / 2**20 or None, "{:.1f} MiB", 80.0),
        _judged(f"{SLOW} readers who do not read: less than 32 MiB", slow, "{:+.1f} MiB", 32.0),
        _judged(f"p99 of pages beside {DOWNLOADS} downloads: at most 20 ms more", pages, "{:+.2f} ms", 20.0),
    ]
