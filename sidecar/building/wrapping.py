"""What is put around the parts of a gate where a site wants spans; nothing, where it does not.

`building.parts` chooses one of two. This one returns every part as it is, so that tracing costs nothing where it is
off; the other one is in `building.tracing`, and only that imports OpenTelemetry.
"""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.adapters.metrics import Metrics
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.flows.login import Provider
from sidecar.flows.telling import Meter
from sidecar.web.gateway import Gateway
from sidecar.web.lane import Lane
from sidecar.web.visit import Serving


class Wrapping:
    """No tracing: every part as it is.

    Attributes:
        gateway: Of which class the gateway is.
    """

    gateway: type[Gateway] = Gateway

    def providers(self, providers: Mapping[str, OidcProvider]) -> Mapping[str, Provider]:
        """The providers as sign-in, recheck and sign-out ask them."""
        return providers

    def applications(self, applications: Mapping[str, Serving]) -> Mapping[str, Serving]:
        """The parts that serve an application."""
        return applications

    def meter(self, metrics: Metrics) -> Meter:
        """What hears of every request."""
        return metrics

    def quick(self, lane: Lane, gateway: Gateway) -> Lane | None:
        """The quick way, if requests may take it; *gateway* is ready then."""
        return lane
