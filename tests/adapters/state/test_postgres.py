"""What only PostgreSQL can do wrong: instances side by side, a database that is gone, slow, foreign or a copy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from sidecar.adapters.state.postgres import database as database_module
from sidecar.adapters.state.postgres.database import Way
from sidecar.adapters.state.postgres.line import PostgresLine
from sidecar.adapters.state.postgres.schema import STEPS
from sidecar.adapters.state.postgres.store import open_alone, open_shared, open_to_look
from sidecar.adapters.state.stores import Shared, State
from sidecar.domain.identity import Person
from sidecar.domain.ledger import Pin
from sidecar.flows.accounts import PinConflictError
from sidecar.flows.ends import REACH
from sidecar.flows.leases import OneAtATime
from sidecar.flows.sessions import StateError
from tests.adapters.state.samples import ANNA, SEALER, a_session, at, next_of
from tests.postgres import PASSWORD, Server, connected, needs_postgres, server

pytestmark = needs_postgres

Two = tuple[State, State]


@pytest.fixture
async def way(postgres: Server) -> Way:
    return postgres.way(await postgres.new_database())


@pytest.fixture
async def two(way: Way) -> AsyncIterator[Two]:
    """Two instances."""
    async with open_shared(way, SEALER) as one, open_shared(way, SEALER) as other:
        yield one, other


def shared(state: State) -> Shared:
    assert state.shared is not None
    return state.shared


def a_pin(username: str, subject: str, key: str | None = None) -> Pin:
    return Pin(
        application="jira",
        username=username,
        spelling=username,
        person=Person("https://example.okta.com", subject),
        created=True,
        at=at(0),
        key=key,
    )


async def test_instances_that_start_at_once_make_the_tables_once(way: Way) -> None:
    async with AsyncExitStack() as stack:
        states = await asyncio.gather(*(stack.enter_async_context(open_shared(way, SEALER)) for _ in range(4)))
        _ = [await state.ledger.init("jira", at(0)) for state in states]
        assert all([await state.ledger.usable("jira") for state in states])


async def test_a_newer_version_is_left_alone(way: Way) -> None:
    async with open_shared(way, SEALER):
        pass
    async with connected(way) as connection:
        _ = await connection.execute("UPDATE schema_version SET version = $1", len(STEPS) + 1)
    for opening in (open_shared, open_to_look):
        with pytest.raises(StateError, match="newer Lychgate"):
            async with opening(way, SEALER):
                pass


@pytest.mark.parametrize("people", [0, 1])
async def test_sessions_of_an_unknown_age_count_as_unattended(way: Way, people: int) -> None:
    """A database that knew no pulse yet may have lain anywhere for a year."""
    async with open_shared(way, SEALER) as state:
        for number in range(people):
            await state.sessions.add(a_session(f"key{number}"))
    async with connected(way) as connection:
        _ = await connection.execute("DROP TABLE pulse")
        for statement in STEPS[1]:
            _ = await connection.execute(statement)
        age = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp() - at) FROM pulse")
    assert (people > 0) == (age > REACH)


@pytest.mark.parametrize("rival", [a_pin("anna", "00u2"), a_pin("anna2", "00u1"), a_pin("anna2", "00u2", "JIRAUSER1")])
async def test_of_two_instances_that_pin_the_same_one_wins(two: Two, rival: Pin) -> None:
    _ = await two[0].ledger.init("jira", at(0))
    for _ in range(10):
        pins = [(two[0], a_pin("anna", "00u1", "JIRAUSER1")), (two[1], rival)]
        answers = await asyncio.gather(*(state.ledger.pin(pin) for state, pin in pins), return_exceptions=True)
        lost = [answer for answer in answers if answer is not None]
        assert [PinConflictError] == [type(answer) for answer in lost]
        (kept,) = await two[0].ledger.pins("jira")
        await two[1].ledger.unpin("jira", kept.username)


async def test_a_state_is_spent_at_one_instance_only(two: Two) -> None:
    answers = await asyncio.gather(*(state.spent.spend("s", at(600)) for state in two * 10))
    assert 1 == answers.count(True)


async def test_a_refresh_at_one_and_a_sign_out_at_the_other_leave_no_session(two: Two) -> None:
    for number in range(20):
        session = a_session(f"k{number}")
        await two[0].sessions.add(session)
        _ = await asyncio.gather(two[0].sessions.replace(next_of(session)), two[1].sessions.end(session.key))
        assert await two[0].sessions.get(session.key) is None


async def test_every_change_is_heard_by_the_other_and_a_lost_race_is_not(two: Two) -> None:
    session, heard = a_session(), list[tuple[str, int]]()
    await two[0].sessions.add(session)
    async with shared(two[1]).line.open(lambda key, version: heard.append((key, version))) as call:
        assert await two[0].sessions.replace(next_of(session))
        assert not await two[0].sessions.replace(next_of(session))
        assert await two[0].sessions.end(session.key)
        assert await two[0].sessions.end(session.key) is None
        await two[0].sessions.add(a_session("b1"))
        assert 1 == len(await two[0].sessions.sweep(at(100_000), 60))
        await call.prove()
    assert [("a1", session.version + 1), ("a1", 0), ("b1", 0)] == heard


async def test_how_sessions_stand_is_told_for_many_at_once(two: Two) -> None:
    _ = [await two[0].sessions.add(a_session(f"k{number}")) for number in range(3)]
    assert await two[0].sessions.replace(next_of(a_session("k1")))
    await two[0].sessions.touch("k2", at(9))
    found = await shared(two[1]).confirms.stored(["k1", "k2", "gone"])
    first = a_session().version
    assert {"k1": (first + 1, at(0)), "k2": (first, at(9))} == {
        key: (one.version, one.seen) for key, one in found.items()
    }


async def test_what_is_held_at_one_waits_at_the_other(two: Two) -> None:
    order = list[str]()

    async def work(state: State, name: str) -> None:
        async with OneAtATime(shared(state).leases, name).turn("account", "jira", "anna"):
            order.append(f"{name} begins")
            await asyncio.sleep(0.05)
            order.append(f"{name} ends")

    _ = await asyncio.gather(*(work(state, name) for state, name in zip(two * 3, "abcdef", strict=True)))
    assert all(order[number][0] == order[number + 1][0] for number in range(0, 12, 2)), order


async def test_a_lease_of_the_dead_ends_by_itself_and_only_its_holder_gives_it_back(two: Two) -> None:
    leases = shared(two[0]).leases
    assert await leases.take("refresh/k", "dead", 1)
    assert not await leases.take("refresh/k", "living", 60)
    await leases.give_back("refresh/k", "living")
    assert not await leases.take("refresh/k", "living", 60)
    async with OneAtATime(shared(two[1]).leases, "living").turn("refresh", "k", patience=30):
        await leases.give_back("refresh/k", "dead")
        assert not await leases.take("refresh/k", "third", 60)


async def test_nobody_waits_for_ever_for_a_lease(two: Two) -> None:
    assert await shared(two[0]).leases.take("refresh/k", "somebody", 60)
    with pytest.raises(StateError, match="another instance"):
        async with OneAtATime(shared(two[1]).leases, "me").turn("refresh", "k", patience=0.1):
            pass


async def test_a_command_changes_nothing_beside_a_gate_and_no_gate_starts_beside_it(way: Way) -> None:
    async with PostgresLine(way).open(lambda _, __: None), PostgresLine(way).open(lambda _, __: None):
        with pytest.raises(StateError, match="in use by a running gate"):
            async with open_alone(way, SEALER):
                pass
    async with open_alone(way, SEALER):
        with pytest.raises(StateError, match="a command"):
            async with PostgresLine(way).open(lambda _, __: None):
                pass
        with pytest.raises(StateError, match="another command"):
            async with open_alone(way, SEALER):
                pass


async def test_who_looks_cannot_write_and_needs_tables(way: Way) -> None:
    with pytest.raises(StateError, match="ledger init"):
        async with open_to_look(way, SEALER):
            pass
    async with open_shared(way, SEALER) as state:
        _ = await state.ledger.init("jira", at(0))
    async with open_to_look(way, SEALER) as state:
        assert await state.ledger.usable("jira")
        with pytest.raises(StateError, match="read-only"):
            _ = await state.ledger.init("wiki", at(0))


@pytest.mark.parametrize("value", ["with\0nothing", "\ud800", "x" * 3000])
async def test_what_cannot_be_stored_is_an_error_without_the_value(two: Two, value: str) -> None:
    _ = await two[0].ledger.init("jira", at(0))
    with pytest.raises(StateError) as caught:
        await two[0].ledger.pin(a_pin(value * 1000, "00u1"))
    assert value[:8] not in str(caught.value)
    assert () == await two[0].ledger.pins("jira")


async def test_a_wrong_password_is_told_without_the_password(way: Way) -> None:
    wrong = Way(address=way.address, password=PASSWORD + "?")
    with pytest.raises(StateError, match="password authentication failed") as caught:
        async with open_shared(wrong, SEALER):
            pass
    assert PASSWORD not in str(caught.value)


async def test_the_password_of_the_moment_is_shown_with_every_connection(way: Way) -> None:
    shown = PASSWORD
    async with open_shared(replace(way, password=lambda: shown), SEALER) as state:
        await state.sessions.add(a_session())
        shown = "another"
        # What is open stays open, and the first that is new is refused.
        held = [state.sessions.get(a_session().key) for _ in range(3)]
        found = await asyncio.gather(*held, return_exceptions=True)
        assert any(isinstance(one, StateError) for one in found)
        shown = PASSWORD
        assert await state.sessions.get(a_session().key)


async def test_no_database_at_all(way: Way) -> None:
    nowhere = Way(address="postgresql://lychgate@127.0.0.1:1/x", timeout=2.0)
    with pytest.raises(StateError, match="cannot be reached"):
        async with open_shared(nowhere, SEALER):
            pass


async def test_a_closed_tab_does_not_stop_a_write(two: Two) -> None:
    session = a_session()
    adding = asyncio.create_task(two[0].sessions.add(session))
    await asyncio.sleep(0)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    for _ in range(100):
        if await two[1].sessions.get(session.key) is not None:
            break
        await asyncio.sleep(0.05)
    assert await two[1].sessions.get(session.key) is not None


async def test_a_database_that_answers_nothing_is_given_up_and_found_again() -> None:
    told = list[str]()
    with server() as own:
        way = own.way(await own.new_database(), timeout=1.0)
        async with open_shared(way, SEALER, lambda _, result, __: told.append(result)) as state:
            await state.sessions.add(a_session())
            told.clear()
            own.pause()
            try:
                began = time.monotonic()
                answers = await asyncio.gather(*(state.sessions.get("a1") for _ in range(30)), return_exceptions=True)
                waited = time.monotonic() - began
            finally:
                own.go_on()
            assert {StateError} == {type(answer) for answer in answers}
            assert waited < 30 * way.timeout / 2, "one after the other"
            with pytest.raises(StateError, match="a moment ago"):
                _ = await state.sessions.get("a1")
            assert {"failed", "refused"} == set(told)
            await asyncio.sleep(database_module.PAUSE + 0.1)
            for _ in range(50):
                try:
                    found = await state.sessions.get("a1")
                    break
                except StateError:
                    await asyncio.sleep(0.2)
            assert found is not None


async def test_no_more_than_the_bound_wait_for_the_database(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "WAITING", 3)
    answers = await asyncio.gather(*(two[0].sessions.count() for _ in range(8)), return_exceptions=True)
    assert [0, 0, 0] == answers[:3]
    assert {"too much waits"} == {"too much waits" if "too much waits" in str(one) else str(one) for one in answers[3:]}


async def test_a_database_that_was_killed_comes_back_with_everything_that_was_answered() -> None:
    with server(durable=True) as own:
        way = own.way(await own.new_database(), timeout=2.0)
        async with open_shared(way, SEALER) as state:
            added, enough = list[str](), asyncio.Event()

            async def write() -> None:
                for number in range(10_000):
                    session = a_session(f"k{number}")
                    try:
                        await state.sessions.add(session)
                    except StateError:
                        return
                    added.append(session.key)
                    if len(added) == 50:
                        enough.set()

            writing = asyncio.create_task(write())
            _ = await enough.wait()
            own.kill()
            await writing
            own.start()
            await asyncio.sleep(database_module.PAUSE + 0.1)
            found = await state.sessions.of_person("jira", ANNA)
            assert set(added) <= set(found)
