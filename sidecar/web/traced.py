"""The gateway with a span for each request, and for its session and decision. Imported when a site configures tracing.

The trace context of a client counts only if a proxy that the site trusts stands between (rule 8).
"""

from __future__ import annotations

from aiohttp import web

from sidecar.domain.decision import Decision, Place
from sidecar.domain.record import RequestRecord
from sidecar.flows.sessions import Entry
from sidecar.flows.spans import Attribute, Spans
from sidecar.flows.telling import Meter
from sidecar.web.gateway import Gateway
from sidecar.web.visit import Visit

_WORDS = ("traceparent", "tracestate")
_LONGEST = 512


class TracedMeter:
    """Counts requests as *meter* does, and says on the request's span what became of it."""

    def __init__(self, meter: Meter, spans: Spans) -> None:
        self._meter = meter
        self._spans = spans

    def began(self) -> None:
        """See `Meter.began`."""
        self._meter.began()

    def withdrew(self) -> None:
        """See `Meter.withdrew`."""
        self._meter.withdrew()

    def request(self, record: RequestRecord, took: float) -> None:
        """See `Meter.request`."""
        told: dict[str, Attribute] = {
            "http.request.method": record.method if record.method in _METHODS else "_OTHER",
            "http.response.status_code": record.status,
            "lychgate.request": record.request,
            "lychgate.application": record.application,
            "lychgate.portal": record.portal,
            "lychgate.rule": record.rule,
            "lychgate.outcome": record.outcome,
            "lychgate.reason": record.reason.value,
        }
        self._spans.note(**told)
        self._meter.request(record, took)


class TracedGateway(Gateway):
    """Every request goes this way: the quick one has no room for spans."""

    spans: Spans

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """See `Gateway`."""
        trusted = self._teller.trusts(request.remote or "", self._readings.now().policy)
        fields = {name: request.headers.get(name, "")[:_LONGEST] for name in _WORDS} if trusted else {}
        with self.spans.request(fields):
            return await super().__call__(request)

    async def _decide(self, visit: Visit, place: Place) -> Decision:
        with self.spans.span("decision", portal=place.portal.name):
            decision = await super()._decide(visit, place)
            self.spans.note(decision=type(decision).__name__)
            return decision

    async def _session(self, visit: Visit, place: Place) -> Entry | None:
        with self.spans.span("session", application=place.application.name):
            entry = await super()._session(visit, place)
            self.spans.note(found=entry is not None)
            return entry


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"})
"""Anything else is the client's own word."""
