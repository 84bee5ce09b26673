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


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("postgresql://lychgate@db/lychgate", ("db",)),
        ("postgresql://lychgate@db.example.com:5433/lychgate", ("db.example.com:5433",)),
        ("postgres://l@db1:5432,db2:5433/l", ("db1:5432", "db2:5433")),
        ("postgresql://l@[::1]:5432/l", ("[::1]:5432",)),
    ],
)
def test_databases(text: str, hosts: tuple[str, ...]) -> None:
    found = StateSettings.parse(text)
    assert (None, text, hosts, text, True) == (found.directory, found.database, found.hosts, str(found), found.lasts)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:pw@db/x",
        "postgresql://u@db/x?sslmode=disable&password=pw",
        "postgresql://u@db",
        "postgresql://db/x",
        "postgresql://u@db/x#pw",
        "postgresql:///x",
        "postgresql://u@db:port/x",
        "postgresql://u@db/x pw",
        "postgresql+asyncpg://u:pw@db/x",
    ],
)
def test_a_database_with_a_password_or_options_in_its_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValidationError, match=r"no address of a (database|state)") as caught:
        TypeAdapter(StateSettings).validate_python(text)
    assert "pw" not in str(caught.value.errors(include_input=False))


@pytest.mark.parametrize("value", ["", "/var/lib/x", "file:///", "file://x", "redis://x", 5, None])
def test_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="no address of a state"):
        TypeAdapter(StateSettings).validate_python(value)
