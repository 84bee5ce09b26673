"""SessionStore, for every kind of store: an ended session never comes back, and a late write never wins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.stores import State
from sidecar.domain.identity import Person
from sidecar.domain.revocation import By, Name
from sidecar.domain.session import Session
from sidecar.flows.sessions import StateError
from tests.adapters.state.conftest import Opener
from tests.adapters.state.samples import ANNA, BERT, KEY, OTHER_KEY, SEALER, a_session, at, next_of

HOUR = 3600


def named(key: str, *, sub: str | None = None, email: str | None = None, **changes: Any) -> Session:
    """A session of Anna with other names."""
    session = a_session(key, **changes)
    claims = {**session.identity.claims, **({} if email is None else {"email": email})}
    return replace(session, identity=replace(session.identity, sub=sub, claims=claims))


def sid(value: str) -> Name:
    return Name(ANNA.issuer, By.SID, value)


async def test_a_session_comes_back_as_it_was_added(state: State) -> None:
    session = a_session()
    await state.sessions.add(session)
    assert await state.sessions.get(session.key) == (session, session.created_at)


async def test_an_unknown_key_has_no_session(state: State) -> None:
    assert await state.sessions.get("nobody") is None
    assert await state.sessions.end("nobody") is None
    assert await state.sessions.replace(next_of(a_session("nobody"))) is False
    await state.sessions.touch("nobody", at(1))
    assert await state.sessions.get("nobody") is None


async def test_a_key_is_given_once(state: State) -> None:
    await state.sessions.add(a_session())
    with pytest.raises(StateError):
        await state.sessions.add(a_session(person=BERT))
    assert await state.sessions.get("a1") == (a_session(), at(0))


async def test_replace_writes_the_next_version(state: State) -> None:
    first = a_session()
    second = next_of(first, refresh_token="other", checked_at=at(60), ends_at=at(99))
    await state.sessions.add(first)
    await state.sessions.touch(first.key, at(50))
    assert await state.sessions.replace(second) is True
    assert await state.sessions.get(first.key) == (second, at(50))


async def test_of_two_writers_that_read_the_same_version_one_wins(state: State) -> None:
    first = a_session()
    await state.sessions.add(first)
    writes = [next_of(first, refresh_token=f"token-{number}") for number in range(20)]
    answers = await asyncio.gather(*(state.sessions.replace(write) for write in writes))
    assert answers.count(True) == 1
    assert await state.sessions.get(first.key) == (writes[answers.index(True)], at(0))


async def test_a_write_that_skips_a_version_is_refused(state: State) -> None:
    first = a_session()
    await state.sessions.add(first)
    assert await state.sessions.replace(next_of(next_of(first))) is False
    assert await state.sessions.replace(first) is False


async def test_a_refresh_that_comes_after_the_logout_revives_nothing(state: State) -> None:
    session = a_session(sid="s")
    await state.sessions.add(session)
    assert await state.sessions.end(session.key) == session
    assert await state.sessions.replace(next_of(session)) is False
    await state.sessions.touch(session.key, at(10))
    assert await state.sessions.get(session.key) is None
    assert await state.sessions.of_person("jira", ANNA) == ()
    assert await state.sessions.named(sid("s")) == ()


async def test_refresh_and_logout_at_once_leave_no_session_in_any_order(state: State) -> None:
    for number in range(40):
        session = a_session(f"k{number}")
        await state.sessions.add(session)
        work: list[Awaitable[object]] = [
            state.sessions.replace(next_of(session)),
            state.sessions.touch(session.key, at(9)),
        ]
        work.insert(number % 3, state.sessions.end(session.key))
        await asyncio.gather(*work)
        assert await state.sessions.get(session.key) is None


async def test_ending_gives_the_session_to_one_caller(state: State) -> None:
    session = a_session()
    await state.sessions.add(session)
    answers = await asyncio.gather(*(state.sessions.end(session.key) for _ in range(10)))
    assert [answer for answer in answers if answer] == [session]


async def test_last_seen_never_moves_back(state: State) -> None:
    await state.sessions.add(a_session())
    for seconds, expected in ((30, 30), (10, 30), (-10, 30), (31, 31)):
        await state.sessions.touch("a1", at(seconds))
        assert await state.sessions.get("a1") == (a_session(), at(expected))


async def test_the_sessions_of_a_person_come_the_oldest_first(state: State) -> None:
    for key, seconds in (("c", 30), ("a", 20), ("b", 10), ("d", 20)):
        await state.sessions.add(a_session(key, created_at=at(seconds)))
    await state.sessions.add(a_session("bert", person=BERT))
    await state.sessions.add(a_session("wiki", application="wiki"))
    assert await state.sessions.of_person("jira", ANNA) == ("b", "a", "d", "c")
    assert await state.sessions.of_person("wiki", ANNA) == ("wiki",)
    assert await state.sessions.of_person("jira", Person(ANNA.subject, ANNA.issuer)) == ()


async def test_those_that_were_longest_unused_come_first_and_all_are_counted(state: State) -> None:
    assert (0, ()) == (await state.sessions.count(), await state.sessions.unused(5))
    for key in ("a", "b", "c", "d"):
        await state.sessions.add(a_session(key))
    await state.sessions.touch("a", at(50))
    await state.sessions.touch("c", at(20))
    await state.sessions.touch("d", at(5))
    assert ("b", "d", "c") == await state.sessions.unused(3)
    assert ("b", "d", "c", "a") == await state.sessions.unused(9)
    await state.sessions.end("b")
    assert (3, ("d",)) == (await state.sessions.count(), await state.sessions.unused(1))


async def test_issuer_and_subject_do_not_run_into_each_other(state: State) -> None:
    await state.sessions.add(a_session("one", person=Person("https://a/b", "c")))
    await state.sessions.add(a_session("two", person=Person("https://a/", "bc")))
    assert await state.sessions.of_person("jira", Person("https://a/", "bc")) == ("two",)


async def test_the_sessions_of_a_sid_are_those_of_its_issuer_at_every_application(state: State) -> None:
    await state.sessions.add(a_session("one", sid="s"))
    await state.sessions.add(a_session("two", sid="s", application="wiki"))
    await state.sessions.add(a_session("three", sid="t"))
    await state.sessions.add(a_session("four", sid="s", person=Person("https://elsewhere", "x")))
    await state.sessions.add(a_session("five"))
    assert sorted(await state.sessions.named(sid("s"))) == ["one", "two"]


async def test_a_sid_that_a_refresh_changed_is_found_under_the_new_one(state: State) -> None:
    await state.sessions.add(a_session("one", sid="old"))
    await state.sessions.replace(next_of(a_session("one", sid="new")))
    assert await state.sessions.named(sid("old")) == ()
    assert await state.sessions.named(sid("new")) == ("one",)


@pytest.mark.parametrize("sub", [None, "pairwise"], ids=["by its key", "where the key is another claim"])
async def test_the_sessions_of_a_subject_are_found_at_every_application(state: State, sub: str | None) -> None:
    await state.sessions.add(named("one", sub=sub))
    await state.sessions.add(named("two", sub=sub, application="wiki"))
    await state.sessions.add(a_session("three", person=BERT))
    await state.sessions.add(a_session("four", person=Person("https://elsewhere", ANNA.subject)))
    assert ("one", "two") == await state.sessions.named(Name(ANNA.issuer, By.SUBJECT, sub or ANNA.subject))
    assert sub is None or () == await state.sessions.named(Name(ANNA.issuer, By.SUBJECT, ANNA.subject))


async def test_the_sessions_of_an_address_are_found_whatever_its_letter_case(state: State) -> None:
    await state.sessions.add(named("one", email="Anna@Example.com"))
    await state.sessions.add(named("two", email="bert@example.com"))
    await state.sessions.add(a_session("three"))
    assert ("one",) == await state.sessions.named(Name(ANNA.issuer, By.EMAIL, "anna@example.com"))
    await state.sessions.replace(next_of(named("one", email="anna@example.org")))
    assert () == await state.sessions.named(Name(ANNA.issuer, By.EMAIL, "anna@example.com"))


async def test_the_sweep_removes_what_is_dead_and_nothing_else(state: State) -> None:
    ended = a_session("ended", ends_at=at(HOUR))
    idle = a_session("idle")
    live = a_session("live")
    for session in (ended, idle, live):
        await state.sessions.add(session)
    for key, seen in (("ended", HOUR - 1), ("live", 1)):
        await state.sessions.touch(key, at(seen))
    swept = await state.sessions.sweep(at(HOUR), HOUR)
    assert sorted(session.key for session in swept) == ["ended", "idle"]
    assert await state.sessions.get("live") == (live, at(1))
    assert live.is_live(at(HOUR), at(1), HOUR) and not idle.is_live(at(HOUR), at(0), HOUR)
    assert await state.sessions.get("idle") is None
    assert await state.sessions.sweep(at(HOUR), HOUR) == ()


async def test_the_sweep_removes_many(state: State) -> None:
    for number in range(600):
        await state.sessions.add(a_session(f"k{number}"))
    assert len(await state.sessions.sweep(at(HOUR), HOUR)) == 600
    assert await state.sessions.of_person("jira", ANNA) == ()


async def test_sessions_outlive_the_process(reopen: Opener) -> None:
    async with reopen(SEALER) as state:
        await state.sessions.add(a_session("kept", sid="s"))
        await state.sessions.touch("kept", at(7))
        await state.sessions.add(a_session("ended"))
        await state.sessions.end("ended")
    async with reopen(SEALER) as state:
        assert await state.sessions.get("kept") == (a_session("kept", sid="s"), at(7))
        assert await state.sessions.named(sid("s")) == ("kept",)
        assert await state.sessions.get("ended") is None


async def test_another_key_reads_nothing_and_still_ends_and_sweeps(reopen: Opener) -> None:
    async with reopen(SEALER) as state:
        await state.sessions.add(a_session("one"))
        await state.sessions.add(a_session("two"))
    async with reopen(Sealer([OTHER_KEY])) as state:
        assert await state.sessions.get("one") is None
        assert await state.sessions.end("one") is None
        assert await state.sessions.of_person("jira", ANNA) == ("two",)
        assert await state.sessions.sweep(at(HOUR), HOUR) == ()
        assert await state.sessions.of_person("jira", ANNA) == ()


async def test_a_rotated_key_still_reads_what_the_old_one_wrote(reopen: Opener) -> None:
    async with reopen(SEALER) as state:
        await state.sessions.add(a_session("old"))
    async with reopen(Sealer([OTHER_KEY, KEY])) as state:
        assert await state.sessions.get("old") == (a_session("old"), at(0))
        await state.sessions.add(a_session("new"))
    async with reopen(Sealer([OTHER_KEY])) as state:
        assert await state.sessions.get("old") is None
        assert await state.sessions.get("new") == (a_session("new"), at(0))
