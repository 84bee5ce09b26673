"""Settings of the audit trail."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from sidecar.adapters.settings import Settings, fault


class AuditSettings(Settings):
    """Where audit events go."""

    stdout: Literal["json", "text", "off"] = Field(
        default="json", description="Audit events on standard output: one JSON object a line, readable text, or none."
    )
    file: str | None = Field(
        default=None, description="Absolute path of a file to which events are added as well, one JSON object a line."
    )

    @field_validator("file")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is not None and (not value.startswith("/") or value.endswith("/") or not value.isprintable()):
            raise fault("is no absolute path of a file", "write it as /var/log/lychgate/audit.jsonl")
        return value
