"""adapters.state.journal: entries come back as they were written, once each, and not older than they may become."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sidecar.adapters.state.schema import LEDGER
from sidecar.adapters.state.sqlite import open_state
from sidecar.adapters.state.stores import State
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Deed, Detail, Entry
from sidecar.domain.ledger import Pin
from tests.adapters.state.conftest import Opener
from tests.adapters.state.samples import ANNA, SEALER, at


def entry(
    name: str = "anna", deed: Deed = Deed.JOIN, seconds: int = 0, *, application: str = "jira", pending: bool = False,
    before: Mapping[str, Detail] | None = None,
) -> Entry:  # fmt: skip
    return Entry(
        application=application, username=name, deed=deed, at=at(seconds), group="Jïra’s", pending=pending,
        before=before or {}, after={"portal": "agents"},
    )  # fmt: skip


async def test_entries_come_back_whole_in_order_and_by_application(state: State) -> None:
    first, second = entry(before={"email": "ä@example.com", "at": 7, "own": True}), entry("bert", Deed.LEAVE, 5)
    numbers = await state.ledger.begin((first, second, entry(application="wiki")))
    found = await state.ledger.journal_since("jira", at(0))

    assert list(numbers[:2]) == [one.number for one in found]
    assert [(e.username, e.deed, e.group, dict(e.before), dict(e.after)) for e in found] == [
        ("anna", Deed.JOIN, "Jïra’s", {"email": "ä@example.com", "at": 7, "own": True}, {"portal": "agents"}),
        ("bert", Deed.LEAVE, "Jïra’s", {}, {"portal": "agents"}),
    ]
    assert ["bert"] == [e.username for e in await state.ledger.journal_since("jira", at(1))]


async def test_entries_are_settled_undone_and_forgotten(state: State) -> None:
    ledger = state.ledger
    done, void, unsure = await ledger.begin([entry(pending=True, seconds=second) for second in (0, 1, 2)])
    await ledger.settle([done], [void])
    assert [(done, False), (unsure, True)] == [(e.number, e.pending) for e in await ledger.journal_since("jira", at(0))]

    await ledger.undone([done], at(9))
    assert [unsure] == [e.number for e in await ledger.journal_since("jira", at(0))]
    assert 1 == await ledger.prune("jira", at(2))
    assert 0 == await ledger.prune("wiki", at(99))
    assert [unsure] == [e.number for e in await ledger.journal_since("jira", at(0))]


async def test_the_journal_outlives_the_process(reopen: Opener) -> None:
    async with reopen(SEALER) as state:
        numbers = await state.ledger.begin([entry()])
    async with reopen(SEALER) as state:
        assert list(numbers) == [e.number for e in await state.ledger.journal_since("jira", UnixSeconds(0))]


async def test_a_ledger_from_before_the_journal_keeps_its_pins_and_begins_an_empty_one(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    journal = next(i for i, step in enumerate(LEDGER.steps) if "CREATE TABLE journal" in "".join(step))
    with closing(sqlite3.connect(directory / "ledger.sqlite3", isolation_level=None)) as connection:
        for statement in (text for step in LEDGER.steps[:journal] for text in step):
            connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES ('jira', 1)")
        row = ("jira", "anna", "anna", ANNA.issuer, ANNA.subject, 1, at(1), "K1")
        connection.execute(
            "INSERT INTO pins (application, username, spelling, issuer, subject, created, at, account_key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        connection.execute(f"PRAGMA application_id = {LEDGER.application_id}")
        connection.execute(f"PRAGMA user_version = {journal}")
    (directory / "ledger.sqlite3").chmod(0o600)
    async with open_state(directory, SEALER) as state:
        pin = Pin(application="jira", username="anna", spelling="anna", person=ANNA, created=True, at=at(1), key="K1")
        assert pin == await state.ledger.pin_of("jira", ANNA)
        assert () == await state.ledger.journal_since("jira", UnixSeconds(0))
        assert 1 == len(await state.ledger.begin([entry()]))
