"""Lineage: a store that was put back, or a copy that was behind, brings no ended session back; and nobody is signed out
where it was only away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.revocation import By, Revocation
from sidecar.domain.session import Session
from sidecar.flows import ends as ends_module
from sidecar.flows import lineage
from sidecar.flows.barrier import LATELY, Barrier
from sidecar.flows.ends import REACH, Ends
from sidecar.flows.lineage import Lineage, Pulse
from sidecar.flows.session_ports import StateError, Stored
from tests.flows.fakes import FakeClock, ListAudit, MemoryMarkers


class Store:
    """Pulse and sessions of a database that can be put back."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.number, self.at = 0, clock.time
        self.kept: set[str] = set()
        self.full = False
        self.causes: list[str] = []

    async def read(self) -> Pulse:
        return Pulse(self.number, self.clock.time - self.at)

    async def beat(self) -> int:
        if self.full:
            raise StateError("no room")
        self.number, self.at = self.number + 1, self.clock.time
        return self.number

    async def stored(self, keys: Sequence[str]) -> Mapping[str, Stored]:
        return {key: Stored(1, UnixSeconds(0)) for key in keys if key in self.kept}

    async def clear(self) -> int:
        count = len(self.kept)
        self.kept.clear()
        return count

    async def end(self, key: str, cause: str) -> Session | None:
        self.kept.discard(key)
        self.causes.append(cause)
        return None

    def backup(self) -> tuple[int, int, set[str]]:
        return self.number, self.at, set(self.kept)

    def put_back(self, backup: tuple[int, int, set[str]]) -> None:
        self.number, self.at, kept = backup
        self.kept = set(kept)


class Gate:
    """One instance."""

    def __init__(self, store: Store) -> None:
        self.ends, self.audit = Ends(store.clock), ListAudit()
        self.barrier = Barrier(MemoryMarkers(), store.clock)
        self.lineage = Lineage(store, store, store, self.barrier, self.ends, self.audit, store.clock)

    @property
    def cleared(self) -> list[tuple[object, object]]:
        return [(event.facts["cause"], event.facts["ended"]) for event in self.audit.of(Code.SESSIONS_CLEARED)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "PATIENCE", 0.0)


@pytest.fixture
def store() -> Store:
    return Store(FakeClock())


async def beaten(store: Store, gate: Gate, seconds: int) -> None:
    """Time passes, and the gate beats."""
    for _ in range(seconds // 30):
        store.clock.time += 30
        assert await gate.lineage.keep() is False


async def test_what_ended_since_a_young_backup_is_ended_again_and_the_others_stay(store: Store) -> None:
    gate = Gate(store)
    await gate.lineage.rejoin()
    await beaten(store, gate, 300)
    store.kept = {"ada", "stella"}
    backup = store.backup()
    store.kept.remove("stella")
    gate.ends.note("stella")
    await beaten(store, gate, 120)
    store.put_back(backup)
    await gate.lineage.rejoin()
    assert ({"ada"}, ["again"], []) == (store.kept, store.causes, gate.cleared)


async def test_a_sign_out_that_the_store_was_not_told_of_is_made_up_for(store: Store) -> None:
    gate = Gate(store)
    await gate.lineage.rejoin()
    store.kept = {"stella"}
    gate.ends.note("stella")
    await gate.lineage.rejoin()
    assert (set(), ["again"]) == (store.kept, store.causes)


@pytest.mark.parametrize("older", ["than what is remembered", "than this instance"])
async def test_an_older_backup_ends_all_sessions(store: Store, older: str) -> None:
    first = Gate(store)
    await first.lineage.rejoin()
    store.kept = {"ada", "stella"}
    backup = store.backup()
    await beaten(store, first, REACH + 60 if older == "than what is remembered" else 300)
    gate = first
    if older == "than this instance":
        gate = Gate(store)
        await gate.lineage.rejoin()
    await beaten(store, gate, 60)
    store.put_back(backup)
    await gate.lineage.rejoin()
    assert (set(), [("older", 2)]) == (store.kept, gate.cleared)


async def test_a_machine_that_is_put_back_with_the_clock_of_then_is_not_believed_how_old_it_is(store: Store) -> None:
    gate = Gate(store)
    await gate.lineage.rejoin()
    await beaten(store, gate, 60)
    store.kept = {"ada"}
    backup = store.backup()
    await beaten(store, gate, 2 * REACH)
    store.put_back(backup)
    store.at = store.clock.time - 5  # what its own clock makes of it
    await gate.lineage.rejoin()
    assert (set(), [("older", 1)]) == (store.kept, gate.cleared)


async def test_a_database_that_was_put_back_under_an_open_connection_is_noticed_at_the_next_beat(store: Store) -> None:
    gate = Gate(store)
    await gate.lineage.rejoin()
    store.kept = {"ada"}
    backup = store.backup()
    await beaten(store, gate, 2 * REACH)
    store.put_back(backup)
    assert await gate.lineage.keep() is False, "it asks twice a minute, and no more"
    store.clock.time += 30
    assert await gate.lineage.keep() is True
    assert (set(), [("older", 1)]) == (store.kept, gate.cleared)


async def test_a_database_that_was_only_away_costs_nobody_the_session(store: Store) -> None:
    gate = Gate(store)
    await gate.lineage.rejoin()
    store.kept = {"ada"}
    store.clock.time += 10 * REACH
    await gate.lineage.rejoin()
    assert ({"ada"}, []) == (store.kept, gate.cleared)


async def test_an_instance_that_starts_where_nobody_was_for_long_ends_all_sessions(store: Store) -> None:
    store.kept = {"ada"}
    store.clock.time += REACH + 1
    gate = Gate(store)
    await gate.lineage.rejoin()
    assert (set(), [("unattended", 1)]) == (store.kept, gate.cleared)


async def test_it_leaves_them_where_somebody_lived_through_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "PATIENCE", 0.05)
    old, new = Gate(store), Gate(store)
    await old.lineage.rejoin()
    store.kept = {"ada"}
    store.clock.time += 10 * REACH
    starting = asyncio.create_task(new.lineage.rejoin())
    await asyncio.sleep(0)
    await old.lineage.rejoin()
    await starting
    assert ({"ada"}, []) == (store.kept, old.cleared + new.cleared)


async def test_a_restart_within_minutes_costs_nobody_the_session(store: Store) -> None:
    store.kept = {"ada"}
    store.clock.time += REACH
    await Gate(store).lineage.rejoin()
    assert {"ada"} == store.kept


async def test_a_full_database_is_no_reason_to_believe_nothing(store: Store) -> None:
    gate = Gate(store)
    await gate.lineage.rejoin()
    store.full = True
    store.clock.time += 60
    assert await gate.lineage.keep() is False


async def test_revocations_of_the_last_minutes_are_said_again(store: Store) -> None:
    gate = Gate(store)
    await gate.lineage.rejoin()
    old, new = (
        Revocation(issuer="https://idp", by=By.SUBJECT, value=value, at=UnixSeconds(store.clock.time))
        for value in ("old", "new")
    )
    gate.barrier.told(old)
    store.clock.time += REACH
    gate.barrier.told(new)
    await gate.lineage.rejoin()
    assert [new] == list(gate.barrier.untold())


def test_ends_and_revocations_are_bounded_and_it_is_known_that_some_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    ends, barrier = Ends(clock), Barrier(MemoryMarkers(), clock)
    clock.time += 60
    assert ends.cover(60) and not ends.cover(61)
    for number in range(ends_module.MOST + 5):
        ends.note(f"k{number}")
        barrier.told(Revocation(issuer="i", by=By.SID, value=str(number), at=UnixSeconds(clock.time)))
    assert (ends_module.MOST, False) == (len(ends), ends.cover(1))
    barrier.say_again()
    assert LATELY == len(list(barrier.untold()))
