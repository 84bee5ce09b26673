"""Interleaved rounds: in each one every peer is loaded once, one after the other, and each round begins elsewhere.

The machine is shared and never quiet, so that only what happened close together is compared: ratios are made within
a round, and the median of the rounds counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.bench.cases import Case, Kind
from tests.bench.load import Load, LoadError, ask_with_wrk
from tests.bench.peers import Peer
from tests.bench.sockets import ask_with_sockets

_SETTLE = 0.2
"""Seconds after a load in which connections close; that work is counted as well."""

_LOOK = 0.5
"""Seconds between two looks at a peer's memory."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One peer under one case for some seconds.

    Attributes:
        cpu: Microseconds of CPU of the peer's processes for each request; None for the application itself.
        rate: Requests a second.
        p50, p99: Milliseconds.
        peak: Most resident bytes that were seen.
    """

    cpu: float | None
    rate: float
    p50: float
    p99: float
    peak: int
    broken: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """All samples of one peer under one case, in the order of rounds."""

    samples: Sequence[Sample]

    def middle(self, read: Callable[[Sample], float]) -> float:
        """The median over the rounds."""
        return median(map(read, self.samples))

    @property
    def cpu(self) -> float | None:
        """Microseconds for each request, the median; None where nothing is counted."""
        known = [sample.cpu for sample in self.samples if sample.cpu is not None]
        return median(known) if known else None

    @property
    def peak(self) -> int:
        """The most of all rounds."""
        return max(sample.peak for sample in self.samples)


def ratio(row: Row, other: Row) -> float | None:
    """How many times the CPU of *other*: the median of what each round by itself says."""
    pairs = [one.cpu / two.cpu for one, two in zip(row.samples, other.samples, strict=True) if one.cpu and two.cpu]
    return median(pairs) if pairs else None


@dataclass(slots=True)
class Results:
    """Rows by case and peer, and why some are not there."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    missing: dict[tuple[str, str], str] = field(default_factory=dict)

    def row(self, case: Case, name: str) -> Row | None:
        """One row, if it was measured."""
        return self.rows.get((case.key, name))


async def sample(peer: Peer, case: Case, seconds: int, folder: Path) -> Sample:
    """Load one peer once."""
    peaks = [0]
    watching = asyncio.create_task(_watch(peer, peaks))
    before = peer.service.cpu() if peer.service else 0.0
    try:
        load = await _ask(peer, case, seconds, folder)
    finally:
        watching.cancel()
    await asyncio.sleep(_SETTLE)
    spent = peer.service.cpu() - before if peer.service else None
    cpu = None if spent is None else spent * 1e6 / max(load.requests, 1)
    return Sample(cpu, load.requests / load.seconds, load.p50, load.p99, max(peaks), load.broken)


async def _ask(peer: Peer, case: Case, seconds: int, folder: Path) -> Load:
    headers = peer.headers(case)
    try:
        if case.kind is Kind.SOCKET:
            return await ask_with_sockets(peer.port, case, headers, seconds)
        return await ask_with_wrk(peer.port, case, headers, seconds, folder)
    except LoadError as error:
        error.peer = peer.name
        raise


async def _watch(peer: Peer, peaks: list[int]) -> None:
    while peer.service is not None:
        await asyncio.sleep(_LOOK)
        peaks.append(peer.service.memory())


async def measure(
    peers: Sequence[Peer], case: Case, rounds: int, seconds: int, folder: Path, tell: Callable[[str, Sample], None]
) -> dict[str, Row]:
    """All rounds of one case. *tell* hears every sample as it comes."""
    samples: dict[str, list[Sample]] = {peer.name: [] for peer in peers}
    for peer in peers:
        await _ask(peer, case, 1, folder)  # connections, caches and pools are warm before anything counts
    for number in range(rounds):
        start = number % len(peers)
        for peer in (*peers[start:], *peers[:start]):
            taken = await sample(peer, case, seconds, folder)
            samples[peer.name].append(taken)
            tell(peer.name, taken)
    return {name: Row(taken) for name, taken in samples.items()}
