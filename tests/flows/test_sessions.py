"""flows.sessions: one browser's session is found cheaply, ends for good, and is never more than the store knows."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sidecar.adapters.seal import CookieSigner
from sidecar.domain.events import Code
from sidecar.flows.session_bounds import REMEMBERED
from sidecar.flows.sessions import Entry, StateError
from tests.flows.browsers import Gate
from tests.flows.fakes import NOON, TRACE, an_identity, an_opening, changed, make_policy

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


async def test_a_session_is_found_by_its_cookie_with_its_standing(gate: Gate) -> None:
    entry = await found(gate, await cookie_of(gate))
    assert (entry.session.application, entry.session.portal) == ("jira", "agents")
    assert entry.session.identity == an_identity()
    assert entry.standing is not None
    assert entry.standing.username == "alice"
    assert [event.session for event in gate.audit.of(Code.SESSION_CREATED)] == [entry.session.key[:16]]


async def test_the_cookie_is_neither_the_key_nor_in_the_store(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    token = gate.signer.unsign("session/jira", cookie)
    assert token is not None
    assert token not in repr(gate.store.kept)


async def test_what_is_not_ours_finds_nothing_and_asks_nobody(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    strange = CookieSigner([b"x" * 32]).sign("session/jira", "0" * 43)
    gate.diary.clear()
    for text in (None, "", "x", "é", "\udcff", cookie[:-1], "." + cookie, cookie * 40, strange):
        assert await gate.sessions.find("jira", text) is None
    assert gate.diary == []


async def test_the_cookie_of_one_application_is_none_for_another(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    token = gate.signer.unsign("session/jira", cookie)
    assert token is not None
    assert await gate.sessions.find("wiki", cookie) is None
    # Not even the same key under the other's signature.
    assert await gate.sessions.find("wiki", gate.signer.sign("session/wiki", token)) is None
    assert await gate.sessions.find("jira", gate.signer.sign("try/jira", token)) is None
    assert await gate.sessions.find("jira", cookie) is not None


async def test_a_found_session_is_a_dictionary_hit(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    first = await found(gate, cookie)
    gate.diary.clear()
    assert all([await found(gate, cookie) is first for _ in range(10)])
    assert gate.diary == []


@pytest.mark.parametrize(("wait", "cause"), [(1000, "idle"), (10_000, "absolute")])
async def test_an_idle_or_old_session_ends(gate: Gate, wait: int, cause: str) -> None:
    cookie = await cookie_of(gate)
    entry = await found(gate, cookie)
    while gate.clock.time < NOON + wait - 1:
        gate.clock.time = min(gate.clock.time + (999 if cause == "absolute" else wait - 1), NOON + wait - 1)
        entry = await found(gate, cookie)
        if cause == "absolute":
            gate.sessions.used(entry)
    closed: list[str] = []
    entry.closers.add(lambda: closed.append("stream"))
    gate.clock.time = NOON + wait
    assert await gate.sessions.find("jira", cookie) is None
    assert (gate.store.kept, gate.audit.causes(), closed) == ({}, [cause], ["stream"])
    assert await gate.sessions.find("jira", cookie) is None
    assert gate.audit.causes() == [cause]


async def test_finding_alone_does_not_extend(gate: Gate) -> None:
    """Polling is found but never `used` (rules of `core.decide`)."""
    cookie = await cookie_of(gate)
    for second in range(0, 1000, 50):
        gate.clock.time = NOON + second
        await found(gate, cookie)
    gate.clock.time = NOON + 1000
    assert await gate.sessions.find("jira", cookie) is None


async def test_the_store_hears_of_use_at_most_once_a_minute(gate: Gate) -> None:
    entry = await found(gate, await cookie_of(gate))
    for second in range(300):
        gate.clock.time = NOON + second
        gate.sessions.used(entry)
        if second % 60 == 30:
            await gate.sessions.sweep()
    await gate.settle()
    assert [line for line in gate.diary if line.startswith("touch")] == [f"touch {n}" for n in (60, 120, 180, 240)]
    await gate.sessions.close()
    assert gate.store.kept[entry.session.key][1] == NOON + 299


async def test_use_never_moves_the_idle_end_back(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    entry = await found(gate, cookie)
    gate.clock.time = NOON + 500
    gate.sessions.used(entry)
    gate.clock.time = NOON - 100
    gate.sessions.used(entry)
    gate.clock.time = NOON + 1499
    assert await gate.sessions.find("jira", cookie) is entry


async def test_after_a_restart_everything_comes_from_the_store(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    before = await found(gate, cookie)
    gate.sessions.keep_jar(before, "", JAR)
    gate.clock.time = NOON + 900
    gate.sessions.used(before)
    await gate.sessions.close()
    gate.restart()
    gate.clock.time = NOON + 1800
    entry = await found(gate, cookie)
    assert entry is not before
    assert entry.session == replace(before.session, jars={"": JAR})
    assert entry.seen == NOON + 900


async def test_thirty_requests_after_a_restart_read_the_store_once(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    gate.restart()
    gate.diary.clear()
    entries = await asyncio.gather(*(gate.sessions.find("jira", cookie) for _ in range(30)))
    assert gate.diary == ["get"]
    assert len({id(entry) for entry in entries}) == 1
    assert entries[0] is not None


async def test_a_read_whose_askers_are_gone_is_still_good_for_the_next(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    gate.restart()
    gate.diary.clear()
    held = gate.store.hold("get")
    asker = asyncio.create_task(gate.sessions.find("jira", cookie))
    await gate.settle()
    asker.cancel()
    await gate.settle()
    second = asyncio.create_task(gate.sessions.find("jira", cookie))
    await gate.settle()
    held.set()
    assert await second is not None
    assert gate.diary == ["get"]


async def test_a_session_that_ends_while_it_is_read_does_not_come_back(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    key = next(iter(gate.store.kept))
    gate.restart()
    held = gate.store.hold("get")
    reading = asyncio.create_task(gate.sessions.find("jira", cookie))
    await gate.settle()
    await gate.sessions.end(key, "user")
    held.set()
    assert await reading is None
    assert await gate.sessions.find("jira", cookie) is None


@pytest.mark.parametrize("turns", range(8))
async def test_whoever_waited_for_a_read_never_gets_an_ended_session(gate: Gate, turns: int) -> None:
    cookie = await cookie_of(gate)
    key = next(iter(gate.store.kept))
    gate.restart()
    held = gate.store.hold("get")

    async def got_an_ended_one() -> bool:
        entry = await gate.sessions.find("jira", cookie)
        return entry is not None and entry.ended

    reading = asyncio.create_task(got_an_ended_one())
    await gate.settle()
    held.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    await gate.sessions.end(key, "user")
    assert not await reading


async def test_a_session_read_while_the_store_is_ending_it_does_not_stay(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    held = gate.store.hold("end")
    ending = asyncio.create_task(gate.sessions.end(next(iter(gate.store.kept)), "user"))
    await gate.settle()
    entry = await gate.sessions.find("jira", cookie)
    held.set()
    await ending
    assert entry is not None
    assert entry.ended
    assert await gate.sessions.find("jira", cookie) is None


async def test_the_end_closes_what_is_open_and_is_told_once(gate: Gate) -> None:
    entry = await found(gate, await cookie_of(gate))
    closed: list[str] = []

    def fails() -> None:
        closed.append("broken")
        raise OSError("gone")

    entry.closers.add(fails)
    entry.closers.add(lambda: closed.append("tunnel"))
    ends = await asyncio.gather(*(gate.sessions.end(entry.session.key, "user", TRACE) for _ in range(5)))
    assert [end.light() for end in ends if end is not None] == [entry.session]
    assert sorted(closed) == ["broken", "tunnel"]
    (event,) = gate.audit.of(Code.SESSION_ENDED)
    assert (event.facts, event.request, event.source) == ({"cause": "user"}, "r-1", "192.0.2.7")


async def test_a_stream_that_opens_just_after_the_end_is_closed_too(gate: Gate) -> None:
    entry = await found(gate, await cookie_of(gate))
    await gate.sessions.end(entry.session.key, "user")
    closed: list[str] = []
    entry.closers.add(lambda: closed.append("late"))
    assert closed == ["late"]
    assert not entry.closers


async def test_an_end_goes_on_when_its_request_is_gone(gate: Gate) -> None:
    entry = await found(gate, await cookie_of(gate))
    held = gate.store.hold("end")
    asker = asyncio.create_task(gate.sessions.end(entry.session.key, "user"))
    await gate.settle()
    asker.cancel()
    await gate.settle()
    held.set()
    await gate.sessions.close()
    assert (gate.store.kept, gate.audit.causes()) == ({}, ["user"])


async def test_policy_changes_are_noticed_once(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    first = (await found(gate, cookie)).standing
    gate.policy = changed(gate.policy)
    second = (await found(gate, cookie)).standing
    third = (await found(gate, cookie)).standing
    assert first is not second
    assert second is third
    assert second is not None
    assert second.policy == gate.policy.hash


async def test_a_session_whose_portal_or_provider_is_gone_cannot_be_used(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    whole, jira = gate.policy, gate.application()
    agents, *others = jira.portals
    for portals in (tuple(others), (replace(agents, providers=("customers",)), *others)):
        applications = {**whole.applications, "jira": replace(jira, portals=portals)}
        gate.policy = changed(whole, applications=applications)
        assert await gate.sessions.find("jira", cookie) is None
    gate.policy = changed(whole, applications={"wiki": whole.applications["wiki"]})
    assert await gate.sessions.find("jira", cookie) is None
    gate.policy = whole
    assert await gate.sessions.find("jira", cookie) is not None


async def test_renewal_is_wanted_late_and_not_all_the_time(gate: Gate) -> None:
    entry = await gate.a_session()
    wanted = []
    for second in (0, 7999, 8000, 8001):
        gate.clock.time = NOON + second
        wanted.append(gate.sessions.wants_renewal(entry))
    assert wanted == [False, False, True, True]
    entry.renewal_tried = gate.clock.time
    assert not gate.sessions.wants_renewal(entry)
    gate.clock.time += 300
    assert gate.sessions.wants_renewal(entry)


async def test_the_sweep_ends_the_dead_and_nobody_else(gate: Gate) -> None:
    dead, used = await gate.a_session("dead"), await gate.a_session("used")
    closed: list[str] = []
    dead.closers.add(lambda: closed.append("dead"))
    used.closers.add(lambda: closed.append("used"))
    # The store does not hear of this last use before the sweep.
    gate.clock.time = NOON + 59
    gate.sessions.used(used)
    gate.clock.time = NOON + 1000
    await gate.sessions.sweep()
    assert gate.store.sessions == [used.session]
    assert (closed, gate.audit.causes(), gate.sessions.counts()) == (["dead"], ["idle"], {"jira": 1})
    gate.clock.time = NOON + 10_000
    await gate.sessions.sweep()
    assert (closed, gate.audit.causes()) == (["dead", "used"], ["idle", "absolute"])
    assert gate.sessions.counts() == {}


async def test_a_sweep_without_a_store_says_so_and_loses_nothing(gate: Gate) -> None:
    entry = await gate.a_session()
    gate.clock.time = NOON + 59
    gate.sessions.used(entry)
    gate.clock.time = NOON + 1000
    gate.store.down = True
    with pytest.raises(StateError):
        await gate.sessions.sweep()
    gate.store.down = False
    await gate.sessions.sweep()
    assert gate.store.sessions == [entry.session]


async def test_counts_are_by_application(gate: Gate) -> None:
    await gate.a_session()
    await gate.a_session("bob")
    await gate.a_session(application="wiki", portal="writers")
    assert gate.sessions.counts() == {"jira": 2, "wiki": 1}


async def test_nothing_opens_while_the_store_is_down(gate: Gate) -> None:
    cookie = await cookie_of(gate)
    gate.restart()
    gate.store.down = True
    with pytest.raises(StateError):
        await gate.sessions.find("jira", cookie)
    gate.store.down = False
    assert await gate.sessions.find("jira", cookie) is not None


async def test_an_end_that_the_store_did_not_hear_of_is_an_error(gate: Gate) -> None:
    entry = await gate.a_session()
    gate.store.down = True
    with pytest.raises(StateError):
        await gate.sessions.end(entry.session.key, "user")
    assert entry.ended
    assert gate.audit.causes() == []


async def test_a_note_that_fails_harms_no_request(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    cookie = await cookie_of(gate)
    entry = await found(gate, cookie)
    gate.store.down = True
    gate.clock.time = NOON + 100
    gate.sessions.used(entry)
    await gate.sessions.close()
    assert "did not take a note" in caplog.text
    assert await gate.sessions.find("jira", cookie) is entry


async def test_however_many_are_at_work_memory_is_bounded_and_nobody_is_signed_out(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.flows.session_bounds.REMEMBERED", 5)
    for module in ("session_bounds", "sessions"):
        monkeypatch.setattr(f"sidecar.flows.{module}.MOST_REMEMBERED", 10)
    cookies = []
    for number in range(30):
        gate.clock.time += 1
        cookies.append(await cookie_of(gate, f"p{number}"))
        assert len(gate.sessions._entries) <= 10
    for cookie in cookies:
        assert await gate.sessions.find("jira", cookie) is not None
        assert len(gate.sessions._entries) <= 10
    assert 30 == len(gate.store.kept)


async def test_memory_is_bounded_and_keeps_what_is_open(gate: Gate) -> None:
    gate.policy = make_policy(idle=100_000, absolute=100_000)
    cookie, streaming = await cookie_of(gate), await gate.a_session("bob")
    streaming.closers.add(lambda: None)
    entries = gate.sessions._entries
    entries.update(
        {
            str(number): Entry(streaming.session, seen=streaming.seen, noted=streaming.seen)
            for number in range(REMEMBERED)
        }
    )
    gate.clock.time = NOON + 3601
    await gate.sessions.sweep()
    assert list(entries.values()) == [streaming]
    assert await gate.sessions.find("jira", cookie) is not None
