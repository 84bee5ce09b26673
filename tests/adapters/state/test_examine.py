"""adapters.state.examine and adapters.state.postgres.examine: what is seen of a store; looking changes nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.adapters.state.examine import look_at_files
from sidecar.adapters.state.postgres.examine import look_at_server
from sidecar.adapters.state.postgres.schema import STEPS
from sidecar.adapters.state.postgres.store import open_shared
from sidecar.adapters.state.schema import LEDGER, SESSIONS
from sidecar.adapters.state.sqlite import open_state
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.session_ports import StateError
from tests.adapters.state.samples import SEALER
from tests.postgres import Server, needs_postgres
from tests.postgres_copies import caught_up, copy_of


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_files_beside_a_gate_and_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with open_state(folder, SEALER) as state:
        _ = await state.ledger.init("jira", UnixSeconds(1))
        # What is not in the file yet, but in its log, is seen all the same.
        beside = look_at_files(folder)
    before = contents(folder)
    alone = look_at_files(folder)
    assert before == contents(folder)
    versions = {"ledger.sqlite3": (len(LEDGER.steps),) * 2, "sessions.sqlite3": (len(SESSIONS.steps),) * 2}
    assert [(frozenset({"jira"}), versions, (), ())] * 2 == [
        (seen.initialised, seen.versions, seen.unwritable, seen.damaged) for seen in (beside, alone)
    ]
    assert alone.room > 0


async def test_files_that_are_foreign_cut_or_of_another_version(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with open_state(folder, SEALER):
        pass
    with closing(sqlite3.connect(folder / "sessions.sqlite3")) as connection:
        _ = connection.execute(f"PRAGMA user_version = {len(SESSIONS.steps) + 1}")
    assert (len(SESSIONS.steps) + 1, len(SESSIONS.steps)) == look_at_files(folder).versions["sessions.sqlite3"]
    (folder / "sessions.sqlite3").write_bytes(b"no database at all" * 1000)
    (folder / "ledger.sqlite3").write_bytes((folder / "ledger.sqlite3").read_bytes()[:100])
    seen = look_at_files(folder)
    assert ["ledger.sqlite3", "sessions.sqlite3"] == sorted(text.partition(":")[0] for text in seen.damaged)
    assert seen.initialised is None


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert () == look_at_files(tmp_path / "new").unwritable
    assert look_at_files(tmp_path / "not" / "there").unwritable
    assert not (tmp_path / "new").exists()


@needs_postgres
async def test_a_server(postgres: Server) -> None:
    way = postgres.way(await postgres.new_database())
    empty = await look_at_server(way)
    assert ((0, len(STEPS)), frozenset(), False) == (empty.version, empty.initialised, empty.standby)
    async with open_shared(way, SEALER) as state:
        _ = await state.ledger.init("jira", UnixSeconds(1))
        seen = await look_at_server(way)
    assert ((len(STEPS), len(STEPS)), frozenset({"jira"})) == (seen.version, seen.initialised)
    assert seen.major >= 14 and seen.took > 0 and seen.behind is None


@needs_postgres
async def test_a_server_that_is_gone(postgres: Server) -> None:
    with pytest.raises(StateError, match="refused"):
        _ = await look_at_server(postgres.way("nowhere"))


@needs_postgres
async def test_a_standby_is_told_from_its_primary_whichever_is_named_first(postgres: Server) -> None:
    name = await postgres.new_database()
    with copy_of(postgres) as copy:
        alone = await look_at_server(copy.way(name))
        hosts = f"127.0.0.1:{copy.port},127.0.0.1:{postgres.port}"
        both = await look_at_server(replace(copy.way(name), address=f"postgresql://lychgate@{hosts}/{name}"))
        await caught_up(postgres, copy)
        primary = await look_at_server(postgres.way(name))
    assert (True, False, False) == (alone.standby, both.standby, primary.standby)
    # Seen by whoever may see it; nobody wrote, so nothing can be behind for long.
    assert primary.behind is None or primary.behind < 30
