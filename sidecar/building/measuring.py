"""What is measured of the gate as a whole: its build, its configuration, the providers' keys, certificates, the event
loop. Used by `app`.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import http_parser
from cryptography import x509

from sidecar import __version__
from sidecar.adapters.lag import watch_lag
from sidecar.adapters.metrics import Metrics
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.building.reloading import InForce
from sidecar.config.model import Config
from sidecar.core.kept import held
from sidecar.flows.owned import stopped
from sidecar.flows.telling import Clock
from sidecar.upstream.client import Connect


def new_metrics() -> Metrics:
    """Metrics that say what the running program is made of."""
    compiled = http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy
    build = {"python": platform.python_version(), "aiohttp": aiohttp.__version__, "c_parser": str(compiled).lower()}
    return Metrics(__version__, build)


def timed(connect: Connect, told: Callable[[str, float], None]) -> Connect:
    """*connect*, and *told* hears whether it was `ok` or `failed`, and its seconds."""

    async def opened(protocol: Callable[[], asyncio.BaseProtocol], /) -> object:
        began, result = time.monotonic(), "failed"
        try:
            connection = await connect(protocol)
            result = "ok"
        finally:
            told(result, time.monotonic() - began)
        return connection

    return opened


def measure(
    metrics: Metrics, in_force: InForce, providers: Mapping[str, OidcProvider], clock: Clock, stack: AsyncExitStack
) -> None:
    """Begin to measure; it ends with *stack*."""
    metrics.gauge(
        "lychgate_kept", "Entries kept in memory.", "what", lambda: {what: now for what, (now, _) in held().items()}
    )
    metrics.gauge(
        "lychgate_kept_most",
        "Most of them that can be.",
        "what",
        lambda: {what: most for what, (_, most) in held().items()},
    )
    metrics.gauge("lychgate_config_info", "The policy in force.", "hash", lambda: {in_force.policy.hash[:16]: 1})
    metrics.gauge(
        "lychgate_config_loaded_timestamp_seconds",
        "When it was loaded.",
        "hash",
        lambda: {in_force.policy.hash[:16]: float(in_force.since)},
    )
    metrics.gauge("lychgate_provider_keys", "Usable keys of a provider.", "provider", lambda: _counts(providers))
    metrics.gauge(
        "lychgate_provider_keys_fetched_timestamp_seconds",
        "When a provider's keys were fetched.",
        "provider",
        lambda: _fetched(providers, clock),
    )
    metrics.gauge(
        "lychgate_certificate_expiry_timestamp_seconds",
        "When the first certificate of a client certificate's file ends.",
        "application",
        lambda: dict(_expiries(in_force.config)),
    )
    metrics.gauge(
        "lychgate_landing_certificate_expiry_timestamp_seconds",
        "When the first certificate of the landing's file ends.",
        "listener",
        lambda: dict(_landing(in_force.config)),
    )
    metrics.gauge(
        "lychgate_client_secret_expiry_timestamp_seconds",
        "When a client secret ends, as the configuration says.",
        "provider",
        lambda: dict(_secrets(in_force.config)),
    )
    watching = asyncio.create_task(watch_lag(metrics.lag))
    stack.push_async_callback(stopped, watching)


def _counts(providers: Mapping[str, OidcProvider]) -> Mapping[str, float]:
    return {name: provider.keys()[0] for name, provider in providers.items()}


def _fetched(providers: Mapping[str, OidcProvider], clock: Clock) -> Mapping[str, float]:
    ages = {name: provider.keys()[1] for name, provider in providers.items()}
    return {name: clock.now() - age for name, age in ages.items() if age is not None}


def _expiries(config: Config) -> Iterable[tuple[str, float]]:
    """Read at every scrape: a file that was renewed is seen."""
    for name, application in config.applications.items():
        path = application.upstream.client_certificate
        ends = _first_end(path) if path is not None else None
        if ends is not None:
            yield name, ends


def _landing(config: Config) -> Iterable[tuple[str, float]]:
    path = config.listen.landing_certificate
    ends = _first_end(path) if path is not None else None
    if ends is not None:
        yield "landing", ends


def _secrets(config: Config) -> Iterable[tuple[str, float]]:
    """No provider tells it: what the operator wrote down."""
    for name, provider in config.providers.items():
        if provider.client_secret_ends is not None:
            yield name, datetime.combine(provider.client_secret_ends, datetime.min.time(), UTC).timestamp()


def _first_end(path: str) -> float | None:
    try:
        found = x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError):
        # Whoever uses it says so, and what is not there has no end.
        return None
    return min(one.not_valid_after_utc.timestamp() for one in found)
