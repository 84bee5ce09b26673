"""flows.history: what is kept of people, what is not, and that neither a flood nor a store that fails costs more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.history import Happened
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.flows.history import KEPT, MOST, PER_PERSON, QUEUE, SAME, History
from sidecar.flows.sessions import StateError
from tests.flows.fakes import NOON, FakeClock

ADA = Person("https://id.example.com", "1")


class ListStore:
    """A store that remembers what it was asked, and fails while `down`."""

    def __init__(self) -> None:
        self.kept: list[Happened] = []
        self.asked: list[tuple[int, int]] = []
        self.down = False

    async def add(self, entries: Sequence[Happened], per_person: int) -> None:
        if self.down:
            raise StateError("down")
        self.kept += entries
        self.asked.append((len(entries), per_person))

    async def of(
        self, persons: Sequence[Person], accounts: Sequence[tuple[str, str]], limit: int
    ) -> Sequence[Happened]:
        return self.kept

    async def prune(self, before: UnixSeconds, most: int) -> None:
        self.asked.append((before, most))


def denied(reason: Reason = Reason.NOT_IN_GROUP, person: Person | None = ADA, **facts: Fact) -> Event:
    return Event(code=Code.ACCESS_DENIED, outcome="failure", reason=reason, person=person, portal="agents", facts=facts)


async def test_refusals_sign_ins_and_account_changes_are_kept_and_nothing_else() -> None:
    store = ListStore()
    history = History(store, FakeClock())
    for code in Code:
        history.hear(Event(code=code, person=ADA))
        history.hear(Event(code=code))

    await history.write()

    kept = {one.code for one in store.kept}
    assert {"login.success", "login.error", "access.denied", "group.removed", "user.created"} <= kept
    assert not kept & {"session.created", "api.caller", "api.passthrough", "config.loaded", "command.given"}
    assert {ADA} == {one.person for one in store.kept}


async def test_an_entry_says_what_the_event_did() -> None:
    store = ListStore()
    history = History(store, FakeClock())
    history.hear(denied(path="/secure/admin", detail="x" * 400))

    await history.write()

    (one,) = store.kept
    assert (NOON, "access.denied", "failure", "not_in_group") == (one.at, one.code, one.outcome, one.reason)
    assert one.detail.startswith("path: /secure/admin; detail: xxx")
    assert 300 == len(one.detail)


async def test_the_same_refusal_is_kept_once_a_minute() -> None:
    store, clock = ListStore(), FakeClock()
    history = History(store, clock)
    for _ in range(5):
        history.hear(denied())
    history.hear(denied(Reason.GROUPS_UNKNOWN))
    clock.time += SAME
    history.hear(denied())

    await history.write()

    assert ["not_in_group", "groups_unknown", "not_in_group"] == [one.reason for one in store.kept]


async def test_a_flood_costs_the_oldest_and_no_more_memory() -> None:
    store = ListStore()
    history = History(store, FakeClock())
    for number in range(QUEUE + 10):
        history.hear(denied(path=f"/{number}"))

    await history.write()

    assert [(QUEUE, PER_PERSON)] == store.asked
    assert "path: /10" == store.kept[0].detail


async def test_a_store_that_is_down_costs_history_only(caplog: pytest.LogCaptureFixture) -> None:
    store = ListStore()
    store.down = True
    history = History(store, FakeClock())
    history.hear(denied())
    await history.write()
    store.down = False
    history.hear(denied(path="/2"))

    await history.write()

    assert ["path: /2"] == [one.detail for one in store.kept]
    assert "1 entries of the history of people are lost" in caplog.text


async def test_it_is_written_together_a_moment_later_and_at_the_end() -> None:
    store = ListStore()
    history = History(store, FakeClock(), pause=0.01)
    history.start()
    history.hear(denied(path="/1"))
    history.hear(denied(path="/2"))
    assert [] == store.asked
    for _ in range(500):
        if store.asked:
            break
        await asyncio.sleep(0.01)
    assert [(2, PER_PERSON)] == store.asked
    history.hear(denied(path="/3"))

    await history.close()

    assert 3 == len(store.kept)


async def test_what_is_old_is_pruned() -> None:
    store = ListStore()
    await History(store, FakeClock()).prune()

    assert [(NOON - KEPT, MOST)] == store.asked
