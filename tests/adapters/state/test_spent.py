"""SpentStates and Markers, for every kind of store: used once is used, revoked is revoked, until their time is over."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.adapters.state.stores import State
from tests.adapters.state.conftest import Opener
from tests.adapters.state.samples import SEALER, at


async def test_a_state_is_spent_once(state: State) -> None:
    assert await state.spent.spend("one", at(600)) is True
    assert await state.spent.spend("one", at(700)) is False
    assert await state.spent.spend("two", at(600)) is True


async def test_of_fifty_callbacks_at_once_one_wins(state: State) -> None:
    answers = await asyncio.gather(*(state.spent.spend("state", at(600)) for _ in range(50)))
    assert sorted(answers) == [False] * 49 + [True]


async def test_a_sweep_forgets_a_state_only_when_its_time_is_over(state: State) -> None:
    await state.spent.spend("one", at(600))
    await state.sessions.sweep(at(599), 60)
    assert await state.spent.spend("one", at(600)) is False
    await state.sessions.sweep(at(600), 60)
    assert await state.spent.spend("one", at(900)) is True


async def test_what_is_over_goes_however_much_of_it_there_is(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.adapters.state.postgres.sessions.OVER_BATCH", 3)
    await asyncio.gather(*(state.spent.spend(f"s{number}", at(600)) for number in range(9)))
    await asyncio.gather(*(state.markers.mark(f"m{number}", at(5), at(600)) for number in range(7)))
    kept = [await state.spent.spend("later", at(601)), await state.spent.spend("s0", at(700))]
    assert [True, False] == kept
    assert () == await state.sessions.sweep(at(600), 60)
    assert [True] * 9 == [await state.spent.spend(f"s{number}", at(900)) for number in range(9)]
    assert await state.spent.spend("later", at(900)) is False


async def test_a_marker_is_found_until_its_time_is_over(state: State) -> None:
    assert await state.markers.marked_at("anna", at(0)) is None
    await state.markers.mark("anna", at(5), at(100))
    assert await state.markers.marked_at("anna", at(99)) == at(5)
    assert await state.markers.marked_at("anna", at(100)) is None
    assert await state.markers.marked_at("bert", at(6)) is None


async def test_a_second_marker_only_widens(state: State) -> None:
    await state.markers.mark("anna", at(5), at(100))
    await state.markers.mark("anna", at(3), at(50))
    assert await state.markers.marked_at("anna", at(99)) == at(5)
    await state.markers.mark("anna", at(7), at(200))
    assert await state.markers.marked_at("anna", at(199)) == at(7)


async def test_a_sweep_forgets_a_marker_only_when_its_time_is_over(state: State) -> None:
    await state.markers.mark("anna", at(5), at(100))
    await state.sessions.sweep(at(99), 60)
    assert await state.markers.marked_at("anna", at(99)) == at(5)
    await state.sessions.sweep(at(100), 60)
    assert await state.markers.marked_at("anna", at(99)) is None


async def test_both_outlive_the_process(reopen: Opener) -> None:
    async with reopen(SEALER) as state:
        await state.spent.spend("one", at(600))
        await state.markers.mark("anna", at(5), at(100))
    async with reopen(SEALER) as state:
        assert await state.spent.spend("one", at(600)) is False
        assert await state.markers.marked_at("anna", at(6)) == at(5)
