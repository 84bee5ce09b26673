"""Kinds of metrics that are counted where no request waits: counters and times by label values.

Used by `adapters.metrics`; the hot path has counts of its own there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

Bounds = tuple[float, ...]
Read = Callable[[], Mapping[str, float]]
"""Values by the value of one label."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is read where it stands, when Prometheus asks. *counts*: it only grows, and is a counter."""

    name: str
    help_text: str
    label: str
    read: Read
    counts: bool

    def family(self) -> GaugeMetricFamily | CounterMetricFamily:
        """For the scrape."""
        kind = CounterMetricFamily if self.counts else GaugeMetricFamily
        family = kind(self.name, self.help_text, labels=[self.label])
        for value, count in self.read().items():
            family.add_metric([value], count)
        return family


@dataclass(frozen=True, slots=True)
class Listed:
    """A gauge with several labels, read where it stands when Prometheus asks."""

    name: str
    help_text: str
    labels: tuple[str, ...]
    read: Callable[[], Mapping[tuple[str, ...], float]]

    def family(self) -> GaugeMetricFamily:
        """For the scrape."""
        family = GaugeMetricFamily(self.name, self.help_text, labels=self.labels)
        for values, count in self.read().items():
            family.add_metric(values, count)
        return family


class Counter:
    """Counts by label values."""

    def __init__(self, name: str, help_text: str, *labels: str) -> None:
        self._name = name
        self._help = help_text
        self._labels = labels
        self._counts: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def add(self, *values: str) -> None:
        """One more."""
        self._counts[values] += 1

    def family(self) -> CounterMetricFamily:
        """For the scrape."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for values, count in self._counts.items():
            family.add_metric(list(map(str, values)), count)
        return family


class Timer:
    """Durations by label values. *bounds* are upper bounds in seconds."""

    def __init__(self, name: str, help_text: str, bounds: Bounds, *labels: str) -> None:
        self._name = name
        self._help = help_text
        self._bounds = bounds
        self._labels = labels
        self._slots: dict[tuple[str, ...], list[int]] = {}
        self._sums: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def observe(self, seconds: float, *values: str) -> None:
        """It took so long."""
        slots = self._slots.get(values)
        if slots is None:
            slots = self._slots[values] = [0] * (len(self._bounds) + 1)
        slots[bisect_left(self._bounds, seconds)] += 1
        self._sums[values] += seconds

    def family(self) -> HistogramMetricFamily:
        """For the scrape."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        for values, slots in self._slots.items():
            family.add_metric(list(map(str, values)), cumulative(self._bounds, slots), self._sums[values])
        return family


def cumulative(bounds: Bounds, slots: list[int]) -> list[tuple[str, float]]:
    """As Prometheus wants buckets."""
    found: list[tuple[str, float]] = []
    count = 0
    for bound, slot in zip((*map(str, bounds), "+Inf"), slots, strict=True):
        count += slot
        found.append((bound, count))
    return found
