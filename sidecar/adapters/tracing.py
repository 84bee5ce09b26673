"""Spans by OpenTelemetry, sent over OTLP/HTTP. The only user of `opentelemetry`; imported when the site configures it.

Implements `flows.spans.Spans`. Which attributes a span has is decided there where it is begun; nothing of a person, no
path and no query is among them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import requests
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sidecar import __version__
from sidecar.flows.spans import Attribute, Kind

LOG = logging.getLogger(__name__)
TIMEOUT = 5
"""Seconds for one delivery; what is not taken then is dropped. Nobody waits for it but the sender's own thread."""
QUEUE = 4096
_KINDS = {
    Kind.SERVER: trace.SpanKind.SERVER,
    Kind.INTERNAL: trace.SpanKind.INTERNAL,
    Kind.CLIENT: trace.SpanKind.CLIENT,
}


class Tracing:
    """The spans of one process."""

    def __init__(self, exporter: SpanExporter, *, service: str, ratio: float) -> None:
        """*ratio* of the traces that begin here are kept; what a proxy in front began is kept as it decided."""
        # Given in full: the environment of the process adds nothing.
        resource = Resource({"service.name": service, "service.version": __version__})
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE))
        self._tracer = self._provider.get_tracer("lychgate", __version__)
        self._words = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, kind: Kind = Kind.INTERNAL, **attributes: Attribute) -> Iterator[None]:
        """See `Spans.span`."""
        span = self._tracer.start_span(name, kind=_KINDS[kind], attributes=attributes)
        token = context.attach(trace.set_span_in_context(span))
        try:
            yield
        except BaseException as error:
            # The class alone: an error's words may name a person.
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            context.detach(token)
            span.end()

    @contextmanager
    def request(self, fields: Mapping[str, str]) -> Iterator[None]:
        """See `Spans.request`."""
        token = context.attach(self._words.extract(fields, context.Context()))
        try:
            with self.span("request", Kind.SERVER):
                yield
        finally:
            context.detach(token)

    def note(self, **attributes: Attribute) -> None:
        """See `Spans.note`."""
        trace.get_current_span().set_attributes(attributes)

    def fields(self) -> Mapping[str, str]:
        """See `Spans.fields`."""
        carrier: dict[str, str] = {}
        self._words.inject(carrier)
        return carrier

    async def close(self) -> None:
        """Send what there is, for a few seconds at most."""
        await asyncio.to_thread(self._provider.shutdown)


def build(*, endpoint: str, service: str, ratio: float) -> Tracing:
    """Spans that go to a collector at *endpoint*."""
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    return Tracing(OTLPSpanExporter(endpoint=endpoint, timeout=TIMEOUT, session=session), service=service, ratio=ratio)
