"""flows.sessions: what replaces or changes a session: fresh keys, jars written by compare-and-set, the bound."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.sessions import Entry, StateError
from tests.flows.browsers import Gate
from tests.flows.fakes import NOON, TRACE, an_identity, an_opening, make_policy

JAR = (("JSESSIONID", "one"),)


@pytest.fixture
def gate() -> Gate:
    return Gate(policy=make_policy(idle=1000, absolute=10_000, per_person=3))


async def cookie_of(gate: Gate, who: str = "alice", **options: str) -> str:
    _, cookie = await gate.sessions.open(an_opening(who, **options), None, TRACE)
    return cookie


async def found(gate: Gate, cookie: str | None, application: str = "jira") -> Entry:
    entry = await gate.sessions.find(application, cookie)
    assert entry is not None
    return entry


async def test_jars_are_written_together_and_in_order(gate: Gate) -> None:
    entry = await found(gate, await cookie_of(gate))
    gate.diary.clear()
    for number in range(30):
        gate.sessions.keep_jar(entry, "", (("JSESSIONID", str(number)),))
        if number % 10 == 0:
            await asyncio.sleep(0)
    await gate.sessions.close()
    (kept,) = gate.store.sessions
    assert kept.jars == {"": (("JSESSIONID", "29"),)} == entry.session.jars
    # The whole record is read for each write: its tokens are in the store alone.
    assert gate.diary == ["get", "replace"] * gate.diary.count("replace")
    assert len(gate.diary) <= 6
    assert gate.store.kept[entry.session.key][0].id_token == "an.id.token"
    assert kept == entry.session


async def test_jars_of_several_nodes_stand_side_by_side(gate: Gate) -> None:
    entry = await found(gate, await cookie_of(gate))
    gate.sessions.keep_jar(entry, "a", JAR)
    gate.sessions.keep_jar(entry, "b", ())
    await gate.sessions.close()
    assert gate.store.sessions[0].jars == {"a": JAR, "b": ()}


async def test_a_jar_does_not_undo_what_another_process_wrote(gate: Gate) -> None:
    entry = await found(gate, await cookie_of(gate))
    key = entry.session.key
    elsewhere = replace(
        entry.session, identity=an_identity(department="x"), checked_at=UnixSeconds(NOON + 5), version=2
    )
    held = gate.store.hold("replace")
    gate.sessions.keep_jar(entry, "", JAR)
    await gate.settle()
    gate.store.kept[key] = elsewhere, gate.store.kept[key][1]
    held.set()
    await gate.sessions.close()
    assert gate.store.sessions == [replace(elsewhere, jars={"": JAR}, version=3)]


async def test_a_jar_gives_up_against_somebody_who_writes_all_the_time(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await found(gate, await cookie_of(gate))
    before = gate.store.replace

    async def overtaken(session: object) -> bool:
        kept, seen = gate.store.kept[entry.session.key]
        gate.store.kept[entry.session.key] = replace(kept, version=kept.version + 1), seen
        return await before(session)  # type: ignore[arg-type]

    gate.store.replace = overtaken  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING):
        gate.sessions.keep_jar(entry, "", JAR)
        await gate.sessions.close()
    assert gate.diary.count("replace") == 5
    assert "did not take a note" in caplog.text


async def test_a_jar_after_the_end_revives_nothing(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    entry = await found(gate, cookie)
    held = gate.store.hold("replace")
    gate.sessions.keep_jar(entry, "", JAR)
    await gate.settle()
    await gate.sessions.end(entry.session.key, "user")
    gate.sessions.keep_jar(entry, "", (("JSESSIONID", "two"),))
    gate.clock.time = NOON + 100
    gate.sessions.used(entry)
    held.set()
    await gate.sessions.close()
    gate.sessions.keep_jar(entry, "", JAR)
    await gate.sessions.close()
    assert gate.store.kept == {}
    assert await gate.sessions.find("jira", cookie) is None


async def test_a_jar_that_could_not_be_written_is_written_with_the_next(gate: Gate) -> None:
    entry = await found(gate, await cookie_of(gate))
    gate.store.down = True
    gate.sessions.keep_jar(entry, "a", JAR)
    await gate.settle()
    gate.store.down = False
    gate.sessions.keep_jar(entry, "b", JAR)
    await gate.sessions.close()
    assert gate.store.sessions[0].jars == {"a": JAR, "b": JAR}


async def test_a_renewal_carries_cookies_and_streams_over_under_a_fresh_key(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    old = await found(gate, cookie)
    gate.sessions.keep_jar(old, "", JAR)
    closed: list[str] = []
    old.closers.add(lambda: closed.append("download"))
    session, fresh = await gate.sessions.open(an_opening(), old, TRACE)
    new = await found(gate, fresh)
    assert session.key != old.session.key
    assert session.form_token != old.session.form_token
    assert (new.session.jars, closed, gate.audit.causes()) == ({"": JAR}, [], ["replaced"])
    assert await gate.sessions.find("jira", cookie) is None
    # A request of the old session that is still on its way belongs to the new one.
    old.closers.add(lambda: closed.append("late"))
    assert closed == []
    await gate.sessions.end(session.key, "user")
    assert sorted(closed) == ["download", "late"]


@pytest.mark.parametrize(("who", "portal"), [("bob", "agents"), ("alice", "partners")])
async def test_another_person_or_portal_gets_no_cookies_and_closes_the_streams(
    gate: Gate, who: str, portal: str
) -> None:
    cookie = await cookie_of(gate)
    old = await found(gate, cookie)
    gate.sessions.keep_jar(old, "", JAR)
    closed: list[str] = []
    old.closers.add(lambda: closed.append("download"))
    session, fresh = await gate.sessions.open(an_opening(who, portal), old, TRACE)
    assert (session.jars, closed, gate.audit.causes()) == ({}, ["download"], ["replaced"])
    assert await gate.sessions.find("jira", cookie) is None
    assert (await found(gate, fresh)).session == session
    assert gate.store.sessions == [session]


async def test_a_session_that_was_ended_meanwhile_hands_nothing_over(gate: Gate) -> None:
    old = await found(gate, await cookie_of(gate))
    gate.sessions.keep_jar(old, "", JAR)
    await gate.sessions.end(old.session.key, "user")
    session, _ = await gate.sessions.open(an_opening(), old, TRACE)
    assert session.jars == {}


async def test_the_oldest_sessions_of_a_person_end_beyond_the_bound(gate: Gate) -> None:
    cookies = [await cookie_of(gate)]
    for _ in range(4):
        gate.clock.time += 1
        cookies.append(await cookie_of(gate))
    other = await cookie_of(gate, "bob")
    wiki = await cookie_of(gate, application="wiki", portal="writers")
    alive = [await gate.sessions.find("jira", cookie) is not None for cookie in cookies]
    assert alive == [False, False, True, True, True]
    assert await gate.sessions.find("jira", other) is not None
    assert await gate.sessions.find("wiki", wiki) is not None
    assert gate.audit.causes() == ["bound", "bound"]
    assert len(gate.store.kept) == 5


async def test_beyond_the_bound_in_all_those_end_that_were_longest_unused(gate: Gate) -> None:
    gate.policy = make_policy(idle=10_000, absolute=10_000, most=3)
    cookies = {}
    for name in ("alice", "bob", "carol"):
        cookies[name] = await cookie_of(gate, name)
        gate.clock.time += 60
    gate.sessions.used(await found(gate, cookies["alice"]))
    await gate.settle()
    for name in ("dave", "erin"):
        gate.clock.time += 60
        cookies[name] = await cookie_of(gate, name)
    alive = [name for name, cookie in cookies.items() if await gate.sessions.find("jira", cookie) is not None]
    assert (["alice", "dave", "erin"], ["bound", "bound"]) == (alive, gate.audit.causes())
    assert (3, 3) == (len(gate.store.kept), gate.sessions.stored - 1)


async def test_the_store_is_counted_near_the_bound_and_once_a_minute_only(gate: Gate) -> None:
    gate.policy = make_policy(idle=10_000, absolute=10_000, most=3)
    counted = []
    for name in ("alice", "bob", "carol", "dave"):
        gate.store.diary.clear()
        _ = await cookie_of(gate, name)
        counted.append("count" in gate.store.diary)
    assert [True, False, False, True] == counted
    # What other instances began is known from then on.
    gate.store.kept.clear()
    await gate.sessions.sweep()
    assert 0 == gate.sessions.stored


@pytest.mark.parametrize(
    ("broken", "old_lives"), [({"add"}, True), ({"end"}, True), ({"of_person"}, False), ({"of_person", "end"}, True)]
)
async def test_nobody_is_signed_in_while_the_store_fails(gate: Gate, broken: set[str], old_lives: bool) -> None:
    cookie = await cookie_of(gate)
    old = await found(gate, cookie)
    gate.store.broken = broken
    with pytest.raises(StateError):
        await gate.sessions.open(an_opening("bob"), old, TRACE)
    await gate.settle()
    gate.store.broken = set()
    # Whatever could not be undone in the store: no process knows of it, and no browser has its cookie.
    assert "bob" not in {entry.session.identity.person.subject for entry in gate.sessions._entries.values()}
    assert (await gate.sessions.find("jira", cookie) is not None) is old_lives
    if "end" not in broken:
        assert [s.identity.person.subject for s in gate.store.sessions] == ["alice"] * old_lives
    told = [event.code for event in gate.audit.events if event.person == an_identity("bob").person]
    assert told in ([], [Code.SESSION_CREATED], [Code.SESSION_CREATED, Code.SESSION_ENDED])


async def test_parallel_sign_ins_of_one_person_respect_the_bound(gate: Gate) -> None:
    gate.policy = make_policy(per_person=1)
    opened = await asyncio.gather(*(gate.sessions.open(an_opening(), None, TRACE) for _ in range(10)))
    alive = [await gate.sessions.find("jira", cookie) for _, cookie in opened]
    assert len([entry for entry in alive if entry is not None]) <= 1
    assert sum(gate.sessions.counts().values()) <= 1
