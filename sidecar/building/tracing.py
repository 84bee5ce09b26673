"""The parts of a gate with spans around them. Imported by `building.parts` when a site configures tracing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

from sidecar.adapters.metrics import Metrics
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.adapters.tracing import build
from sidecar.building.wrapping import Wrapping
from sidecar.config.model_tracing import TracingSettings
from sidecar.flows.login import Provider
from sidecar.flows.spans import Spans, TracedAccounts, TracedNodes, TracedProvider
from sidecar.flows.telling import Meter
from sidecar.web.gateway import Gateway
from sidecar.web.lane import Lane
from sidecar.web.traced import TracedGateway, TracedMeter
from sidecar.web.visit import Serving


class Watched(Wrapping):
    """Spans around every part."""

    gateway = TracedGateway

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def providers(self, providers: Mapping[str, OidcProvider]) -> Mapping[str, Provider]:
        """See `Wrapping`."""
        return {name: TracedProvider(provider, name, self._spans) for name, provider in providers.items()}

    def applications(self, applications: Mapping[str, Serving]) -> Mapping[str, Serving]:
        """See `Wrapping`."""
        return {name: self._serving(name, serving) for name, serving in applications.items()}

    def meter(self, metrics: Metrics) -> Meter:
        """See `Wrapping`."""
        return TracedMeter(metrics, self._spans)

    def quick(self, lane: Lane, gateway: Gateway) -> Lane | None:
        """None: the quick way has no room for spans."""
        if isinstance(gateway, TracedGateway):
            gateway.spans = self._spans
        return None

    def _serving(self, name: str, serving: Serving) -> Serving:
        nodes = TracedNodes(serving.nodes, name, self._spans)
        return replace(
            serving,
            nodes=nodes,
            only=nodes.only,
            accounts=TracedAccounts(serving.accounts, self._spans),
        )


def watched(settings: TracingSettings, stack: AsyncExitStack) -> Wrapping:
    """As the site wants it."""
    tracing = build(endpoint=settings.endpoint, service=settings.service, ratio=settings.ratio)
    stack.push_async_callback(tracing.close)
    return Watched(tracing)
