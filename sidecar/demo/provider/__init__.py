"""The demo's own OpenID provider: a page of buttons instead of passwords.

The demo command and the tests start it with `serve_provider`.
It binds to a loopback address only, keeps nothing, and makes its keys anew in every run.
It shows what a provider does, and with a `Fault` what a bad one does. It proves no conformance.
"""

from __future__ import annotations

from sidecar.demo.provider.faults import Fault
from sidecar.demo.provider.logout import Delivery
from sidecar.demo.provider.model import Client, Person, Provider
from sidecar.demo.provider.server import RunningProvider, serve_provider

__all__ = ["Client", "Delivery", "Fault", "Person", "Provider", "RunningProvider", "serve_provider"]
