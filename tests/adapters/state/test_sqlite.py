"""adapters.state.sqlite: whatever happens to the process or the files, nothing is half done and nothing is replaced."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sidecar.adapters.state.database import hashed
from sidecar.adapters.state.ledger import SqliteLedger
from sidecar.adapters.state.sessions import SqliteSessions
from sidecar.adapters.state.sqlite import open_state
from sidecar.domain.ledger import Pin
from sidecar.flows.sessions import StateError
from tests.adapters.state.samples import ANNA, SEALER, a_session, at, next_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextmanager
def tool(directory: Path, name: str = "sessions") -> Iterator[sqlite3.Connection]:
    """The file as another program opens it, while Lychgate does not run."""
    with closing(sqlite3.connect(directory / f"{name}.sqlite3", isolation_level=None)) as connection:
        yield connection


async def made(directory: Path) -> None:
    """Make the state and leave one session and one pin in it."""
    async with open_state(directory, SEALER) as state:
        await state.sessions.add(a_session())
        await state.ledger.init("jira", at(0))
        await state.ledger.pin(
            Pin(application="jira", username="anna", spelling="Anna", person=ANNA, created=True, at=at(1))
        )


async def refusal(directory: Path) -> str:
    """What is said when the state cannot be opened."""
    with pytest.raises(StateError) as raised:
        async with open_state(directory, SEALER):
            pass
    return str(raised.value)


# Who may read


async def test_the_files_and_the_directory_are_for_their_owner_only(directory: Path) -> None:
    before = os.umask(0)
    try:
        async with open_state(directory, SEALER) as state:
            await state.sessions.add(a_session())
            await state.ledger.init("jira", at(0))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    finally:
        os.umask(before)
    names = {"lock"} | {f"{name}.sqlite3{log}" for name in ("ledger", "sessions") for log in ("", "-wal", "-shm")}
    assert modes == dict.fromkeys(names, 0o600)


async def test_a_file_that_was_opened_to_others_is_closed_again(directory: Path) -> None:
    await made(directory)
    (directory / "sessions.sqlite3").chmod(0o644)
    async with open_state(directory, SEALER):
        assert stat.S_IMODE((directory / "sessions.sqlite3").stat().st_mode) == 0o600


async def test_a_directory_that_anybody_can_write_is_refused(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o777)
    assert "name a new directory below it" in await refusal(directory)
    assert list(directory.iterdir()) == []


async def test_a_path_that_is_a_file_is_refused(directory: Path) -> None:
    directory.write_text("")
    assert "must be ours to write" in await refusal(directory)


async def test_nothing_personal_or_secret_stands_in_the_sessions_file(directory: Path) -> None:
    async with open_state(directory, SEALER) as state:
        await state.sessions.add(a_session(sid="the-sid"))
        await state.spent.spend("the-state", at(600))
        await state.markers.mark("the-subject", at(0), at(600))
    content = (directory / "sessions.sqlite3").read_bytes()
    for text in (ANNA.subject, ANNA.issuer, "the-sid", "the-state", "the-subject", "refresh-token", "jira-admins"):
        assert text.encode() not in content


# Records


async def test_two_swapped_records_are_no_sessions(directory: Path) -> None:
    async with open_state(directory, SEALER) as state:
        for key in ("one", "two", "three"):
            await state.sessions.add(a_session(key))
    with tool(directory) as connection:
        (one,), (two,) = connection.execute("SELECT record FROM sessions WHERE key IN ('one', 'two') ORDER BY key")
        connection.execute("UPDATE sessions SET record = ? WHERE key = 'one'", (two,))
        connection.execute("UPDATE sessions SET record = ? WHERE key = 'two'", (one,))
    async with open_state(directory, SEALER) as state:
        assert await state.sessions.get("one") is None
        assert await state.sessions.get("two") is None
        assert await state.sessions.get("three") == (a_session("three"), at(0))


@pytest.mark.parametrize(
    "change", ["x'00'", "x''", "substr(record, 1, 100)", "record || x'00'", "'text'", "zeroblob(90)"]
)
async def test_a_record_that_was_tampered_with_is_no_session(directory: Path, change: str) -> None:
    await made(directory)
    with tool(directory) as connection:
        connection.execute(f"UPDATE sessions SET record = {change}")  # noqa: S608 - the tampering is the test
    async with open_state(directory, SEALER) as state:
        assert await state.sessions.get("a1") is None
        assert await state.sessions.end("a1") is None


# Files


@pytest.mark.parametrize("name", ["sessions", "ledger"])
async def test_a_file_of_a_newer_version_is_refused_and_left_alone(directory: Path, name: str) -> None:
    await made(directory)
    with tool(directory, name) as connection:
        connection.execute("PRAGMA user_version = 99")
    text = await refusal(directory)
    assert "newer Lychgate (version 99" in text
    assert "start the newer one" in text
    with tool(directory, name) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)


@pytest.mark.parametrize("name", ["sessions", "ledger"])
async def test_a_file_of_another_program_is_refused(directory: Path, name: str) -> None:
    directory.mkdir()
    with tool(directory, name) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    assert "is not Lychgate's" in await refusal(directory)


async def test_the_two_files_cannot_be_mistaken_for_each_other(directory: Path) -> None:
    await made(directory)
    (directory / "sessions.sqlite3").rename(directory / "ledger.sqlite3")
    assert "is not Lychgate's ledger file" in await refusal(directory)


@pytest.mark.parametrize("keep", [0, 1, 99, 4096, 8192, -4096, -1])
async def test_a_ledger_that_was_cut_is_refused_and_left_alone(directory: Path, keep: int) -> None:
    await made(directory)
    path = directory / "ledger.sqlite3"
    path.write_bytes(path.read_bytes()[:keep])
    before = path.read_bytes()
    text = await refusal(directory)
    assert "ledger.sqlite3 is damaged" in text
    assert "Restore it from the backup" in text
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", [0, 5, 100, 103, 4096, 3 * 4096])
async def test_a_ledger_with_overwritten_bytes_is_refused(directory: Path, place: int) -> None:
    await made(directory)
    path = directory / "ledger.sqlite3"
    content = bytearray(path.read_bytes())
    content[place : place + 64] = b"\xa5" * 64
    path.write_bytes(content)
    text = await refusal(directory)
    assert "ledger.sqlite3 is damaged" in text
    assert path.read_bytes() == content


async def test_a_damaged_sessions_file_says_that_only_sign_ins_are_lost(directory: Path) -> None:
    await made(directory)
    (directory / "sessions.sqlite3").write_bytes(b"not a database at all" * 500)
    assert "everybody signs in again" in await refusal(directory)


async def test_a_missing_ledger_whose_log_is_there_is_refused(directory: Path) -> None:
    await made(directory)
    (directory / "ledger.sqlite3").rename(directory / "ledger.sqlite3-wal")
    assert "is missing, but its -wal" in await refusal(directory)
    assert not (directory / "ledger.sqlite3").exists()


async def test_a_ledger_that_was_moved_away_starts_undeclared(directory: Path) -> None:
    await made(directory)
    (directory / "ledger.sqlite3").rename(directory / "old")
    async with open_state(directory, SEALER) as state:
        assert await state.ledger.usable("jira") is False


async def test_a_crash_while_the_files_are_made_is_cleared_away(directory: Path) -> None:
    directory.mkdir()
    (directory / "ledger.sqlite3.new").write_bytes(b"half")
    await made(directory)
    assert sorted(path.name for path in directory.iterdir()) == ["ledger.sqlite3", "lock", "sessions.sqlite3"]


async def test_the_ledger_is_written_through_and_all_files_keep_a_log(directory: Path) -> None:
    async with open_state(directory, SEALER) as state:
        assert isinstance(state.ledger, SqliteLedger) and isinstance(state.sessions, SqliteSessions)
        for database, level in ((state.ledger._database, 2), (state.sessions._database, 1)):
            for pragma, value in (("synchronous", level), ("journal_mode", "wal"), ("foreign_keys", 1)):
                found = await database.do(partial(read_pragma, pragma))
                assert (pragma, found) == (pragma, value)


def read_pragma(name: str, connection: sqlite3.Connection) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


async def test_a_failing_database_is_a_state_error_and_half_a_transaction_is_nothing(directory: Path) -> None:
    async with open_state(directory, SEALER) as state:
        assert isinstance(state.sessions, SqliteSessions)

        def half(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO spent (state, until) VALUES (?, 1)", (hashed("one"),))
            connection.execute("INSERT INTO nowhere VALUES (1)")

        with pytest.raises(StateError, match="sessions: SQLITE_ERROR: no such table"):
            await state.sessions._database.do(half)
        assert await state.spent.spend("one", at(1)) is True


async def test_a_number_or_text_that_cannot_be_stored_is_a_state_error(directory: Path) -> None:
    async with open_state(directory, SEALER) as state:
        with pytest.raises(StateError, match="cannot be stored"):
            await state.spent.spend("one", at(2**70))
        with pytest.raises(StateError, match="cannot be stored"):
            await state.ledger.init("\ud800", at(0))


async def test_last_seen_never_moves_back(directory: Path) -> None:
    async with open_state(directory, SEALER) as state:
        for seconds in (5, 9, 7):
            await state.ledger.seen("jira", "anna", at(seconds))
    with tool(directory, "ledger") as connection:
        assert connection.execute("SELECT * FROM last_seen").fetchall() == [("jira", "anna", at(9))]


# Cancellation


async def test_cancelled_writes_are_whole_or_were_never_accepted(directory: Path) -> None:
    chance = random.Random(3)  # noqa: S311 - a repeatable order
    sessions = [a_session(f"k{number}") for number in range(200)]
    async with open_state(directory, SEALER) as state:
        tasks = [asyncio.create_task(state.sessions.add(session)) for session in sessions]
        await asyncio.sleep(0)
        for task in chance.sample(tasks, 150):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(task.cancelled() for task in tasks) > 0
        # Every task had handed its job over before it was cancelled.
        for session in sessions:
            assert await state.sessions.get(session.key) == (session, at(0))


async def test_a_cancelled_opening_leaves_the_directory_free(directory: Path) -> None:
    async def opening() -> None:
        async with open_state(directory, SEALER):
            await asyncio.sleep(60)

    for turns in range(12):
        task = asyncio.create_task(opening())
        for _ in range(turns):
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with open_state(directory, SEALER) as state:
            assert await state.sessions.get("nobody") is None


# Processes

HOLD = """
import asyncio, sys
from pathlib import Path
from sidecar.adapters.state.sqlite import open_state
from tests.adapters.state.samples import SEALER

async def main():
    async with open_state(Path(sys.argv[1]), SEALER):
        print("open", flush=True)
        sys.stdin.read()

asyncio.run(main())
"""

WRITE = """
import asyncio, sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from sidecar.adapters.state.sqlite import open_state
from sidecar.domain.identity import Person
from sidecar.domain.ledger import Pin
from tests.adapters.state.samples import ANNA, SEALER, a_session, at, next_of

async def main():
    async with open_state(Path(sys.argv[1]), SEALER) as state:
        await state.ledger.init("jira", at(0))
        for number in range(20_000):
            name = f"k{number}"
            session = a_session(name)
            person = Person(ANNA.issuer, name)
            await state.sessions.add(session)
            await state.sessions.replace(next_of(session, form_token=name))
            await state.ledger.pin(
                Pin(application="jira", username=name, spelling=name, person=person, created=True, at=at(number))
            )
            print(number, flush=True)

asyncio.run(main())
"""


@contextmanager
def process(script: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", script, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def line_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


async def test_a_second_process_is_refused_and_the_first_lives_on(directory: Path) -> None:
    with process(HOLD, directory) as child:
        assert line_of(child) == "open"
        text = await refusal(directory)
        assert f"in use by another process ({child.pid})" in text
        assert child.poll() is None
        child.communicate("", timeout=30)
        assert child.returncode == 0
    async with open_state(directory, SEALER) as state:
        assert await state.sessions.get("a1") is None


async def test_a_second_opening_in_the_same_process_is_refused(directory: Path) -> None:
    async with open_state(directory, SEALER) as state:
        assert "in use by another process" in await refusal(directory)
        await state.sessions.add(a_session())
        assert await state.sessions.get("a1") == (a_session(), at(0))


@pytest.mark.parametrize("writes", [1, 40, 300])
async def test_what_was_written_before_a_kill_is_there_and_nothing_is_half(directory: Path, writes: int) -> None:
    with process(WRITE, directory) as child:
        for number in range(writes):
            assert line_of(child) == str(number)
        child.kill()
        child.wait(30)
    async with open_state(directory, SEALER) as state:
        for number in range(writes):
            name = f"k{number}"
            session = a_session(name)
            assert await state.sessions.get(name) == (next_of(session, form_token=name), at(0))
            pin = await state.ledger.pin_on("jira", name)
            assert pin is not None
            assert await state.ledger.pin_of("jira", replace(ANNA, subject=name)) == pin
        keys = await state.sessions.of_person("jira", ANNA)
        assert [key for key in keys if await state.sessions.get(key) is None] == []
