"""Where audit events go."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sidecar.adapters.audit_settings import AuditSettings


def test_defaults() -> None:
    assert ("json", None) == (AuditSettings().stdout, AuditSettings().file)


@pytest.mark.parametrize("path", ["audit.jsonl", "", "/var/log/", "/a\nb"])
def test_file_is_an_absolute_path(path: str) -> None:
    assert "/var/log/audit.jsonl" == AuditSettings(file="/var/log/audit.jsonl").file
    with pytest.raises(ValidationError, match="no absolute path"):
        AuditSettings(file=path)
