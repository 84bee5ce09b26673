"""adapters.state.snapshot: beside a running gate a command sees what is kept, and changes nothing of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sidecar.adapters.state.schema import LEDGER
from sidecar.adapters.state.snapshot import copied_state
from sidecar.adapters.state.sqlite import open_state
from sidecar.domain.ledger import Pin
from sidecar.flows.sessions import StateError
from tests.adapters.state.samples import ANNA, BERT, SEALER, a_session, at

PIN = Pin(application="jira", username="anna", spelling="Anna", person=ANNA, created=True, at=at(1))


async def test_a_copy_shows_the_state_of_a_running_gate_and_reaches_nothing(tmp_path: Path) -> None:
    async with open_state(tmp_path / "state", SEALER) as live:
        await live.ledger.init("jira", at(0))
        await live.ledger.pin(PIN)
        await live.sessions.add(a_session("one"))
        async with copied_state(tmp_path / "state", SEALER) as copy:
            assert PIN == await copy.ledger.pin_of("jira", ANNA)
            assert ("one",) == await copy.sessions.of_person("jira", ANNA)
            await copy.ledger.unpin("jira", "anna")
            await copy.ledger.pin(Pin(application="jira", username="b", spelling="b", person=BERT, created=True, at=1))  # type: ignore[arg-type]
        assert PIN == await live.ledger.pin_of("jira", ANNA)
        assert None is await live.ledger.pin_of("jira", BERT)


async def test_a_copy_of_a_state_at_rest_is_the_same(tmp_path: Path) -> None:
    async with open_state(tmp_path / "state", SEALER) as live:
        await live.ledger.init("jira", at(0))
        await live.ledger.pin(PIN)
    async with copied_state(tmp_path / "state", SEALER) as copy:
        assert PIN == await copy.ledger.pin_of("jira", ANNA)


async def test_where_nothing_is_the_copy_is_empty_and_nothing_is_made(tmp_path: Path) -> None:
    for directory in (None, tmp_path / "state"):
        async with copied_state(directory, SEALER) as copy:
            assert not await copy.ledger.usable("jira")
    assert not (tmp_path / "state").exists()


async def test_an_older_ledger_is_read_and_stays_old(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    with closing(sqlite3.connect(directory / "ledger.sqlite3", isolation_level=None)) as old:
        for statement in LEDGER.steps[0]:
            old.execute(statement)
        old.execute("INSERT INTO meta VALUES ('jira', 1)")
        old.execute(f"PRAGMA application_id = {LEDGER.application_id}")
        old.execute("PRAGMA user_version = 1")
        old.execute("PRAGMA journal_mode = WAL")
    async with copied_state(directory, SEALER) as copy:
        assert await copy.ledger.usable("jira")
        assert () == await copy.ledger.journal_since("jira", at(0))
    with closing(sqlite3.connect(directory / "ledger.sqlite3")) as old:
        assert (1,) == old.execute("PRAGMA user_version").fetchone()


async def test_what_is_no_ledger_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"no ledger at all" * 100)
    with pytest.raises(StateError):
        async with copied_state(tmp_path, SEALER):
            raise AssertionError("a copy of garbage")
