"""The address of the state."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from sidecar.adapters.state.settings import StateSettings


@pytest.mark.parametrize(
    ("text", "directory"),
    [("file:///var/lib/lychgate", Path("/var/lib/lychgate")), ("memory", None), ("memory:", None)],
)
def test_addresses(text: str, directory: Path | None) -> None:
    assert directory == StateSettings.parse(text).directory


def test_postgresql_is_known_and_not_yet_there() -> None:
    with pytest.raises(ValidationError, match="later release") as caught:
        TypeAdapter(StateSettings).validate_python("postgresql://u:pw@db/x")
    assert "pw@db" not in str(caught.value.errors(include_input=False))


@pytest.mark.parametrize("value", ["", "/var/lib/x", "file:///", "file://x", "redis://x", 5, None])
def test_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="no address of a state"):
        TypeAdapter(StateSettings).validate_python(value)
