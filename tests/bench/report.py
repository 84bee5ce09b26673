"""The page docs/benchmarks.md: what was measured, on what, how, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.budgets import NGINX, Budget
from tests.bench.cases import CASES, GROUPS, Case
from tests.bench.readers import DOWNLOADS, SLOW, Beside
from tests.bench.rounds import Results, Row, ratio
from tests.bench.upstream import ANSWER_FIELDS

_WORDS = Path(__file__).with_name("page.md")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page says beside the measurements.

    Attributes:
        versions: Of everything that took part, by name.
        absent: Peers that could not run, with the reason.
        rest: Resident bytes of each peer before any load.
        beside: What large answers cost each peer.
        shown: Configurations, by peer.
    """

    machine: str
    date: str
    load: str
    rounds: int
    seconds: int
    versions: Mapping[str, str]
    absent: Mapping[str, str]
    rest: Mapping[str, int]
    beside: Mapping[str, Beside]
    shown: Mapping[str, str]


def mib(size: float) -> str:
    """Bytes as MiB."""
    return f"{size / 2**20:.1f}"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table; all columns but the first stand to the right."""
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *lines)) + "\n"


def _cells(row: Row, nginx: Row | None) -> list[str]:
    times = ratio(row, nginx) if nginx else None
    known = [sample.cpu for sample in row.samples if sample.cpu is not None]
    return [
        "–" if row.cpu is None else f"{row.cpu:.1f}",
        f"{min(known):.1f} to {max(known):.1f}" if known else "–",
        "–" if times is None else f"{times:.2f}",
        f"{row.middle(lambda sample: sample.rate):.0f}",
        f"{row.middle(lambda sample: sample.p50):.3f}",
        f"{row.middle(lambda sample: sample.p99):.3f}",
        "–" if row.cpu is None else mib(row.peak),
    ]


_COLUMNS = ("peer", "CPU µs", "lowest to highest", "× nginx", "requests/s", "p50 ms", "p99 ms", "peak MiB")


def case_table(case: Case, results: Results, names: Sequence[str]) -> str:
    """The rows of one case; a peer without numbers has the reason instead."""
    nginx = results.row(case, NGINX)
    lines, notes = [], []
    for name in names:
        row = results.row(case, name)
        if row is not None:
            lines.append([name, *_cells(row, nginx)])
            lost = sum(sample.broken for sample in row.samples)
            if lost:
                notes.append(f"{name}: {lost} times a connection was closed, or waited 10 s, without an answer.")
        elif reason := results.missing.get((case.key, name)):
            notes.append(f"{name}: {reason}.")
    return table(_COLUMNS, lines) + "".join(f"\n{note}\n" for note in notes)


def budget_table(budgets: Sequence[Budget]) -> str:
    """What was promised, and what came out."""
    return table(("budget", "measured", "verdict"), [(line.text, line.found, line.verdict) for line in budgets])


def page(results: Results, budgets: Sequence[Budget], facts: Facts, names: Sequence[str]) -> str:
    """The whole page."""
    absent = "".join(f"\n{name} was not measured: {why}." for name, why in facts.absent.items())
    return _WORDS.read_text("utf-8").format(
        run=f"On {facts.date}, on {facts.machine}; load of the machine before the run: {facts.load}.{absent}",
        versions=table(("what", "version"), list(facts.versions.items())),
        budgets=budget_table(budgets),
        rounds=facts.rounds,
        seconds=facts.seconds,
        fields=ANSWER_FIELDS,
        groups=len(GROUPS),
        results="\n".join(f"### {case.title}\n\n{case_table(case, results, names)}" for case in CASES),
        rest=table(("peer", "MiB"), [(name, mib(size)) for name, size in facts.rest.items()]),
        beside=table(
            ("peer", "slow readers, MiB", "p99 alone, ms", "p99 beside downloads, ms"),
            [(n, mib(b.slow), f"{b.alone:.2f}", f"{b.together:.2f}") for n, b in facts.beside.items()],
        ),
        slow=SLOW,
        downloads=DOWNLOADS,
        configurations="\n\n".join(f"### {name}\n\n```text\n{text.strip()}\n```" for name, text in facts.shown.items()),
    )
