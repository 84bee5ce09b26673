"""adapters.state history: the youngest entries of a person or an account, bounded, sealed; the same in every store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.sqlite import open_state
from sidecar.adapters.state.stores import State
from sidecar.domain.history import Happened
from sidecar.domain.identity import Person
from tests.adapters.state.conftest import Opener
from tests.adapters.state.samples import ANNA, BERT, OTHER_KEY, SEALER, at


def happened(second: int, person: Person | None = ANNA, username: str = "anna", detail: str = "") -> Happened:
    return Happened(
        at=at(second),
        code="access.denied",
        outcome="failure",
        reason="not_in_group",
        person=person,
        username=username,
        application="jira",
        portal="agents",
        detail=detail or f"path: /{second}",
    )


async def test_entries_are_found_by_person_and_by_account_the_oldest_first(state: State) -> None:
    anna, nobodys, bert = happened(1), happened(2, None, "Anna"), happened(3, BERT, "bert")
    await state.history.add((anna, nobodys, bert), 50)

    assert (anna,) == tuple(await state.history.of((ANNA,), (), 50))
    assert (anna, nobodys) == tuple(await state.history.of((ANNA,), (("jira", "ANNA"),), 50))
    assert (nobodys,) == tuple(await state.history.of((ANNA,), (("jira", "anna"),), 1))
    assert () == tuple(await state.history.of((), (("wiki", "anna"),), 50))


async def test_a_person_has_only_so_many_and_takes_nobody_elses_place(state: State) -> None:
    await state.history.add((happened(0, BERT, "bert"),), 3)
    for second in range(1, 8):
        await state.history.add((happened(second), happened(second, None, "robot")), 3)

    found = await state.history.of((ANNA,), (), 50)
    assert [at(5), at(6), at(7)] == [one.at for one in found]
    assert [at(5), at(6), at(7)] == [one.at for one in await state.history.of((), (("jira", "robot"),), 50)]
    assert 1 == len(await state.history.of((BERT,), (), 50))


async def test_what_is_too_old_or_too_much_is_forgotten(state: State) -> None:
    await state.history.add(tuple(happened(second) for second in range(6)), 50)

    await state.history.prune(at(2), 3)

    assert [at(3), at(4), at(5)] == [one.at for one in await state.history.of((ANNA,), (), 50)]
    await state.history.prune(at(5), 3)
    assert [at(5)] == [one.at for one in await state.history.of((ANNA,), (), 50)]


async def test_without_the_key_there_is_nothing_to_read(reopen: Opener) -> None:
    async with reopen(SEALER) as state:
        await state.history.add((happened(1),), 50)
    async with reopen(SEALER) as state:
        assert (happened(1),) == tuple(await state.history.of((ANNA,), (), 50))
    async with reopen(Sealer([OTHER_KEY])) as state:
        assert () == tuple(await state.history.of((ANNA,), (), 50))


async def test_the_file_tells_no_names(tmp_path: Path) -> None:
    async with open_state(tmp_path / "state", SEALER) as state:
        await state.history.add((happened(1, detail="path: /browse/SECRET-1"),), 50)
    with closing(sqlite3.connect(tmp_path / "state" / "sessions.sqlite3")) as connection:
        rows = connection.execute("SELECT * FROM history").fetchall()
    assert 1 == len(rows)
    assert not any(word in repr(rows) for word in ("anna", "SECRET", ANNA.subject, "not_in_group"))
