"""Prometheus metrics: own counters in plain dictionaries, exported by a collector, because the hot path counts too.

Labels come from the configuration and from enumerations only, never from request data (rule 63).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from sidecar.adapters.metric_kinds import Asked, Counter, Listed, Read, Timer, cumulative
from sidecar.adapters.told_metrics import ToldMetrics
from sidecar.domain.events import Event
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histograms in seconds."""


SWITCHED = 101
_CLASSES = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx")
_REFUSED = frozenset({"denied", "failed"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Histogram:
    """Counts of one label set: one slot per bound and one beyond."""

    __slots__ = ("slots", "total")

    def __init__(self) -> None:
        self.slots = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        return cumulative(BOUNDS, self.slots)


class Times:
    """The histograms of one portal."""

    __slots__ = ("first_byte", "overhead", "took", "waited")

    def __init__(self) -> None:
        self.took = Histogram()
        self.first_byte = Histogram()
        self.waited = Histogram()
        self.overhead = Histogram()


class Metrics(Collector):
    """Implements `flows.telling.Meter` and `flows.provisioning.AccountMeter`, and listens to audit events."""

    def __init__(self, version: str, build: Mapping[str, str] | None = None) -> None:
        """*build* says what the program is made of, under further labels of `lychgate_build_info`."""
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._build = {"version": version, **(build or {})}
        self._in_flight = 0
        self._requests: defaultdict[tuple[str, str, str, str, str, str], int] = defaultdict(int)
        self._times: defaultdict[str, Times] = defaultdict(Times)
        self._refused: defaultdict[str, int] = defaultdict(int)
        self._events: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._steps: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._reloads: defaultdict[str, int] = defaultdict(int)
        self._refused_file = False
        self._renewals: defaultdict[str, int] = defaultdict(int)
        self._refused_secrets = False
        self._stripped: defaultdict[str, int] = defaultdict(int)
        self._cookies: defaultdict[str, int] = defaultdict(int)
        self._told = ToldMetrics()
        self._calls = Counter("lychgate_provider_requests", "Requests to providers.", "provider", "endpoint", "result")
        self._answers = Timer("lychgate_provider_seconds", "How long they took.", BOUNDS, "provider", "endpoint")
        self._state = Timer("lychgate_state_seconds", "Work of the state store.", BOUNDS, "store", "result")
        self._hooks = Timer("lychgate_hook_seconds", "Work of hooks.", BOUNDS, "application", "hook", "result")
        self._connects = Timer("lychgate_upstream_connect_seconds", "New connections.", BOUNDS, "application", "result")
        self._dances = Timer(
            "lychgate_landing_seconds", "Walks of a product's sign-on.", BOUNDS, "application", "result"
        )
        self._lag = Timer("lychgate_event_loop_lag_seconds", "How late the event loop was.", BOUNDS)
        self._asked: dict[str, Asked | Listed] = {}

    def gauge(self, name: str, help_text: str, label: str, read: Read) -> None:
        """A gauge that is read when Prometheus asks."""
        self._asked[name] = Asked(name, help_text, label, read, counts=False)

    def gauges(
        self, name: str, help_text: str, labels: tuple[str, ...], read: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        """A gauge with several labels that is read when Prometheus asks."""
        self._asked[name] = Listed(name, help_text, labels, read)

    def counter(self, name: str, help_text: str, label: str, read: Read) -> None:
        """A counter that somebody else keeps, read when Prometheus asks."""
        self._asked[name] = Asked(name, help_text, label, read, counts=True)

    def began(self) -> None:
        """A request came in."""
        self._in_flight += 1

    def withdrew(self) -> None:
        """It is begun again by another way, and counted there."""
        self._in_flight -= 1

    def request(self, record: RequestRecord, took: float) -> None:
        """A request is over."""
        self._in_flight -= 1
        portal, outcome = record.portal, record.outcome
        method = "read" if record.method in _READS else "write"
        self._requests[record.application, portal, record.rule, method, outcome, _CLASSES[record.status // 100]] += 1
        if record.stripped:
            self._stripped[portal] += 1
        if record.cookies:
            self._cookies[portal] += 1
        if record.status == SWITCHED:
            # A tunnel lives as long as its page; its length says nothing of speed.
            return
        times = self._times[portal]
        histogram = times.took
        histogram.slots[bisect_left(BOUNDS, took)] += 1
        histogram.total += took
        first_byte = record.first_byte
        if first_byte:
            histogram = times.first_byte
            histogram.slots[bisect_left(BOUNDS, first_byte)] += 1
            histogram.total += first_byte
            waited = record.waited
            histogram = times.waited
            histogram.slots[bisect_left(BOUNDS, waited)] += 1
            histogram.total += waited
            ours = max(0.0, took - waited)
            histogram = times.overhead
            histogram.slots[bisect_left(BOUNDS, ours)] += 1
            histogram.total += ours
        if outcome in _REFUSED:
            self._refused[record.reason] += 1

    def turned_away(self, reason: Reason) -> None:
        """A client was refused before it had brought a request."""
        self._refused[reason] += 1

    def step(self, application: str, kind: str, result: str) -> None:
        """An account step was tried."""
        self._steps[application, kind, result] += 1

    def hook(self, application: str, name: str, result: str, took: float) -> None:
        """What a first request starts was run: the connector's work under the name `accounts`, or a webhook."""
        self._hooks.observe(took, application, name, result)

    def connected(self, application: str, result: str, took: float) -> None:
        """A new connection to an application was tried; *result* is `ok` or `failed`."""
        self._connects.observe(took, application, result)

    def danced(self, application: str, result: str, took: float) -> None:
        """A product's own sign-on was walked; *result* is `ok`, `failed` or `unreachable`."""
        self._dances.observe(took, application, result)

    def reloaded(self, result: str) -> None:
        """A configuration was to be replaced. *result* is `done`, `refused` or `restart_needed`."""
        self._reloads[result] += 1
        self._refused_file = result != "done"

    def renewed(self, result: str) -> None:
        """Other secrets were to be put in force. *result* is `done` or `refused`."""
        self._renewals[result] += 1
        self._refused_secrets = result != "done"

    def event(self, event: Event) -> None:
        """An audit event was told."""
        self._events[event.code, event.application, event.reason] += 1
        self._told.event(event)

    def provider_call(self, provider: str, endpoint: str, result: str, took: float) -> None:
        """A provider was asked for something; *result* is `ok` or a reason."""
        self._calls.add(provider, endpoint, result)
        self._answers.observe(took, provider, endpoint)

    def state_work(self, store: str, result: str, took: float) -> None:
        """The state store did something; *result* is `ok`, `failed` or `refused`."""
        self._state.observe(took, store, result)

    def lag(self, seconds: float) -> None:
        """The event loop woke somebody so late."""
        self._lag.observe(seconds)

    def render(self) -> tuple[str, bytes]:
        """Content type and body for the scrape."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)

    def collect(self) -> Iterable[Metric]:
        """All families, made at the scrape."""
        build = GaugeMetricFamily("lychgate_build_info", "The running program.", labels=list(self._build))
        build.add_metric(list(self._build.values()), 1)
        yield build
        yield GaugeMetricFamily("lychgate_requests_in_flight", "Requests being served.", value=self._in_flight)
        yield _counter(
            "lychgate_requests",
            "Requests by what became of them.",
            ("application", "portal", "rule", "method", "outcome", "code"),
            self._requests.items(),
        )
        yield _histogram("lychgate_request_seconds", "From the head of a request to its end.", self._of("took"))
        yield _histogram("lychgate_upstream_first_byte_seconds", "Wait for the application.", self._of("first_byte"))
        yield _histogram("lychgate_upstream_seconds", "Time at the application.", self._of("waited"))
        yield _histogram("lychgate_overhead_seconds", "Time that is ours, not the application's.", self._of("overhead"))
        refused = {(reason,): count for reason, count in self._refused.items()}
        yield _counter("lychgate_refusals", "Refused and failed requests by reason.", ("reason",), refused.items())
        yield _counter("lychgate_events", "Audit events.", ("code", "application", "reason"), self._events.items())
        yield _counter(
            "lychgate_account_steps", "Steps at accounts.", ("application", "step", "result"), self._steps.items()
        )
        reloads = {(result,): count for result, count in self._reloads.items()}
        yield _counter(
            "lychgate_config_reloads", "New configurations by what became of them.", ("result",), reloads.items()
        )
        yield GaugeMetricFamily(
            "lychgate_config_refused", "1 while the last new configuration is not in force.", value=self._refused_file
        )
        renewals = {(result,): count for result, count in self._renewals.items()}
        yield _counter(
            "lychgate_secrets_renewals", "Other secrets by what became of them.", ("result",), renewals.items()
        )
        yield GaugeMetricFamily(
            "lychgate_secrets_refused", "1 while the last other secrets are not in force.", value=self._refused_secrets
        )
        stripped = {(portal,): count for portal, count in self._stripped.items()}
        yield _counter("lychgate_stripped_requests", "Requests with identity headers.", ("portal",), stripped.items())
        cookies = {(portal,): count for portal, count in self._cookies.items()}
        yield _counter("lychgate_stripped_cookies", "Requests with cookies of ours.", ("portal",), cookies.items())
        yield from self._told.families()
        for kept in (self._calls, self._answers, self._state, self._hooks, self._connects, self._dances, self._lag):
            yield kept.family()
        for asked in self._asked.values():
            yield asked.family()

    def _of(self, which: Literal["took", "first_byte", "waited", "overhead"]) -> dict[str, Histogram]:
        """The histograms of one kind by portal; those in which nothing was counted are left out."""
        found = {portal: getattr(times, which) for portal, times in self._times.items()}
        return {portal: histogram for portal, histogram in found.items() if any(histogram.slots)}


def _counter(
    name: str, help_text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help_text, labels=labels)
    for key, count in values:
        family.add_metric([str(part) for part in key], count)
    return family


def _histogram(name: str, help_text: str, values: Mapping[str, Histogram]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, help_text, labels=["portal"])
    for portal, histogram in values.items():
        family.add_metric([portal], histogram.buckets(), histogram.total)
    return family
