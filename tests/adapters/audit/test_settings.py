"""Where audit events go: in short and at length, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sidecar.adapters.audit.settings import AuditSettings


def test_defaults() -> None:
    settings = AuditSettings()
    assert ("json", "drop_with_gap_record", None, 100) == (
        settings.stdout.format,
        settings.stdout.policy,
        settings.file,
        settings.strangers,
    )


def test_a_format_and_a_path_stand_for_all_keys() -> None:
    short = AuditSettings.model_validate({"stdout": "text", "file": "/var/log/audit.jsonl"})
    long = AuditSettings.model_validate({"stdout": {"format": "text"}, "file": {"path": "/var/log/audit.jsonl"}})
    assert short == long


@pytest.mark.parametrize("path", ["audit.jsonl", "", "/var/log/", "/a\nb"])
@pytest.mark.parametrize("short", [True, False])
def test_file_is_an_absolute_path(path: str, *, short: bool) -> None:
    with pytest.raises(ValidationError, match="no absolute path"):
        AuditSettings.model_validate({"file": path if short else {"path": path}})


@pytest.mark.parametrize(
    "keys",
    [
        {"stdout": "xml"},
        {"stdout": True},
        {"stdout": {"policy": "required"}},
        {"file": 7},
        {"file": {"path": "/a", "policy": "maybe"}},
        {"file": {"path": "/a", "segment_size": "1KiB"}},
        {"file": {"path": "/a", "keep": 0}},
        {"file": {"path": "/a", "checkpoints": "/a"}},
        {"strangers": -1},
        {"key": "a literal key"},
    ],
)
def test_what_cannot_be_meant_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AuditSettings.model_validate(keys)
