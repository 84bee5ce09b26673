"""adapters.state.schema: a file of an earlier version is brought to ours, and loses nothing on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sidecar.adapters.state.database import hashed
from sidecar.adapters.state.schema import LEDGER, SESSIONS
from sidecar.adapters.state.sqlite import open_state
from sidecar.core.breaker import Breaker
from sidecar.core.records import session_to_bytes
from sidecar.domain.ledger import Pin
from sidecar.domain.revocation import By, Name
from tests.adapters.state.samples import ANNA, BERT, SEALER, a_session, at


@contextmanager
def opened(directory: Path) -> Iterator[sqlite3.Connection]:
    """The ledger as another program opens it, while Lychgate does not run."""
    with closing(sqlite3.connect(directory / "ledger.sqlite3", isolation_level=None)) as connection:
        yield connection


async def test_a_ledger_of_the_first_version_is_brought_to_ours_and_keeps_its_pins(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    with opened(directory) as connection:
        for statement in LEDGER.steps[0]:
            connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES ('jira', 1)")
        for name, person in (("anna", ANNA), ("bert", BERT)):
            row = ("jira", name, name, person.issuer, person.subject, 1, at(1))
            connection.execute("INSERT INTO pins VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute(f"PRAGMA application_id = {LEDGER.application_id}")
        connection.execute("PRAGMA user_version = 1")
    (directory / "ledger.sqlite3").chmod(0o600)
    for key in (None, "K1"):
        async with open_state(directory, SEALER) as state:
            pin = Pin(
                application="jira", username="anna", spelling="anna", person=ANNA, created=True, at=at(1), key=key
            )
            assert await state.ledger.pin_of("jira", ANNA) == pin
            bert = await state.ledger.pin_of("jira", BERT)
            assert bert is not None and bert.key is None
            await state.ledger.learn_key("jira", "anna", "K1")
            assert await state.ledger.readiness("jira", "anna", "agents") is None
    with opened(directory) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(LEDGER.steps),)


async def test_a_ledger_of_the_second_version_keeps_its_groups_and_learns_the_rest(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    with opened(directory) as connection:
        for statement in (*LEDGER.steps[0], *LEDGER.steps[1]):
            connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES ('jira', 1)")
        connection.execute("INSERT INTO owned_groups VALUES ('jira', 'anna', 'jira-users', 'agents', 1, 0)")
        connection.execute(f"PRAGMA application_id = {LEDGER.application_id}")
        connection.execute("PRAGMA user_version = 2")
    (directory / "ledger.sqlite3").chmod(0o600)
    async with open_state(directory, SEALER) as state:
        (entry,) = await state.ledger.owned("jira", "anna")
        assert ("jira-users", False, False) == (entry.group, entry.pending, entry.once)
        assert Breaker() == await state.ledger.breaker("jira")
        assert at(5) == await state.ledger.groups_unread("jira", ANNA, at(5))
    with opened(directory) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(LEDGER.steps),)


def _filled(connection: sqlite3.Connection) -> dict[str, dict[str, object]]:
    """A row in every table, the columns by their types; `jira` refers to `jira`."""
    rows: dict[str, dict[str, object]] = {}
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in sorted((name for name in tables if not name.startswith("sqlite_")), key=lambda name: name != "meta"):
        columns = {name: kind for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")}
        values: dict[str, object] = {name: 7 if kind == "INTEGER" else name for name, kind in columns.items()}
        values |= {name: "jira" for name in columns if name == "application"}
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))  # noqa: S608
        rows[table] = values
    return rows


@pytest.mark.parametrize("version", range(1, len(LEDGER.steps) + 1))
async def test_a_ledger_of_any_version_is_brought_to_ours_and_loses_no_value(tmp_path: Path, version: int) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    with opened(directory) as connection:
        for step in LEDGER.steps[:version]:
            for statement in step:
                connection.execute(statement)
        before = _filled(connection)
        connection.execute(f"PRAGMA application_id = {LEDGER.application_id}")
        connection.execute(f"PRAGMA user_version = {version}")
    (directory / "ledger.sqlite3").chmod(0o600)
    async with open_state(directory, SEALER) as state:
        assert await state.ledger.usable("jira")
    with opened(directory) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(LEDGER.steps),)
        for table, values in before.items():
            found = connection.execute(f"SELECT {', '.join(values)} FROM {table}").fetchall()  # noqa: S608
            assert [tuple(values.values())] == found, table


async def test_sessions_of_the_first_version_are_found_by_what_providers_call_their_people(tmp_path: Path) -> None:
    directory, session = tmp_path / "state", a_session("one")
    directory.mkdir(mode=0o700)
    with closing(sqlite3.connect(directory / "sessions.sqlite3", isolation_level=None)) as connection:
        for statement in SESSIONS.steps[0]:
            connection.execute(statement)
        record = SEALER.seal("session record", b"one", session_to_bytes(session))
        person = hashed(ANNA.issuer, ANNA.subject)
        row = ("one", "jira", person, None, session.created_at, session.ends_at, session.created_at, 1, record)
        connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute(f"PRAGMA application_id = {SESSIONS.application_id}")
        connection.execute("PRAGMA user_version = 1")
    (directory / "sessions.sqlite3").chmod(0o600)
    async with open_state(directory, SEALER) as state:
        assert ("one",) == await state.sessions.named(Name(ANNA.issuer, By.SUBJECT, ANNA.subject))
        assert (session, session.created_at) == await state.sessions.get("one")
