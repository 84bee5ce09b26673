"""Settings of tracing. Apart from its adapter, which needs OpenTelemetry."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from sidecar.adapters.settings import Settings, Word
from sidecar.adapters.urls import http_url


def _endpoint(value: str) -> str:
    http_url(value)
    return value


class TracingSettings(Settings):
    """Spans by OpenTelemetry. Needs the extra `lychgate[tracing]`."""

    endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(
        description="Address of the collector for OTLP over HTTP, with its path: `http://127.0.0.1:4318/v1/traces`."
    )
    service: Word = Field(default="lychgate", description="`service.name` of the spans.")
    ratio: float = Field(
        default=1.0,
        ge=0.0,
        le=1.0,
        description="Which part of the traces that begin here is kept. What a trusted proxy began is kept if the proxy "
        "keeps it.",
    )
