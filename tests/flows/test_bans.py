"""flows.bans: what is banned has no session, whoever banned it and whenever; a request of anybody else asks nothing."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.core.bans import verdict
from sidecar.domain.ban import Ban, Kind, Mark
from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.flows.bans import Bans
from sidecar.flows.login import LoginError
from sidecar.flows.session_ports import StateError
from tests.flows.browsers import Gate
from tests.flows.fakes import NOON, TRACE, MemoryBans, an_identity, an_opening

ALICE = an_identity().person
PERSON = Mark(Kind.PERSON, "", ALICE.issuer, ALICE.subject)
ACCOUNT = Mark(Kind.ACCOUNT, "", "", "alice")
PROVIDER = Mark(Kind.PROVIDER, "", "", "staff")


def a_ban(mark: Mark = PERSON) -> Ban:
    return Ban(mark=mark, at=UnixSeconds(NOON), reason="why", uid=0)


@pytest.fixture
def gate() -> Gate:
    gate = Gate()
    gate.bans.hearing.append(gate.sessions.review_bans)
    return gate


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        (PERSON, Reason.BLOCKED),
        (ACCOUNT, Reason.BLOCKED),
        (PROVIDER, Reason.PROVIDER_REVOKED),
        (Mark(Kind.PERSON, "jira", ALICE.issuer, ALICE.subject), Reason.BLOCKED),
        (Mark(Kind.ACCOUNT, "jira", "", "alice"), Reason.BLOCKED),
        (Mark(Kind.PERSON, "wiki", ALICE.issuer, ALICE.subject), Reason.OK),
        (Mark(Kind.ACCOUNT, "wiki", "", "alice"), Reason.OK),
        (Mark(Kind.ACCOUNT, "", "", "Alice"), Reason.OK),
        (Mark(Kind.PERSON, "", "https://other.example", ALICE.subject), Reason.OK),
        (Mark(Kind.PROVIDER, "", "", "customers"), Reason.OK),
        (Mark(Kind.KEY, "", "", "alice"), Reason.OK),
    ],
)
def test_whom_a_ban_means(mark: Mark, reason: Reason) -> None:
    assert reason is verdict({mark}, "jira", an_identity(), "ALICE")


def test_who_has_no_account_name_is_banned_as_a_person_only() -> None:
    assert Reason.OK is verdict({ACCOUNT}, "jira", an_identity(), None)
    assert Reason.BLOCKED is verdict({PERSON}, "jira", an_identity(), None)


@pytest.mark.parametrize("mark", [PERSON, ACCOUNT, PROVIDER])
async def test_a_ban_ends_what_is_in_memory_and_lets_nobody_in(gate: Gate, mark: Mark) -> None:
    _, cookie = await gate.sessions.open(an_opening(), None, TRACE)
    entry = await gate.sessions.find("jira", cookie)
    assert entry is not None
    closed: list[int] = []
    entry.closers.add(lambda: closed.append(1))

    assert await gate.bans.add(a_ban(mark))

    assert ([1], None) == (closed, await gate.sessions.find("jira", cookie))
    assert [{"cause": "blocked"}] == [event.facts for event in gate.audit.of(Code.SESSION_ENDED)]
    with pytest.raises(LoginError) as caught:
        await gate.sessions.open(an_opening(), None, TRACE)
    await gate.settle()
    assert (mark is PROVIDER, {}) == (caught.value.reason is Reason.PROVIDER_REVOKED, gate.store.kept)

    assert await gate.bans.lift(mark)
    assert await gate.sessions.open(an_opening(), None, TRACE)


async def test_what_is_in_the_store_alone_is_no_session_while_the_ban_holds(gate: Gate) -> None:
    _, cookie = await gate.sessions.open(an_opening(), None, TRACE)
    gate.restart()
    gate.banned.kept[PERSON] = a_ban()
    await gate.bans.refresh()

    assert await gate.sessions.find("jira", cookie) is None
    assert gate.sessions.at_hand("jira", cookie, UnixSeconds(NOON)) is None


@pytest.mark.parametrize("verb", ["add", "marked_at"])
async def test_a_ban_that_comes_while_somebody_signs_in_wins(gate: Gate, verb: str) -> None:
    held = {"add": gate.store, "marked_at": gate.markers}[verb].hold(verb)
    opening = asyncio.create_task(gate.sessions.open(an_opening(), None, TRACE))
    await gate.settle()
    assert await gate.bans.add(a_ban())
    held.set()

    with pytest.raises(LoginError) as caught:
        await opening
    await gate.settle()
    assert {} == gate.store.kept
    assert caught.value.reason in {Reason.BLOCKED, Reason.SESSION_REVOKED}


async def test_others_go_on_untouched_and_nothing_is_asked_for_them(gate: Gate) -> None:
    _, cookie = await gate.sessions.open(an_opening("bob"), None, TRACE)
    assert await gate.sessions.find("jira", cookie) is not None
    await gate.bans.add(a_ban())
    gate.diary.clear()

    assert await gate.sessions.find("jira", cookie) is not None
    assert gate.sessions.at_hand("jira", cookie, UnixSeconds(NOON)) is not None
    assert [] == gate.diary


async def test_what_another_gate_banned_is_heard_once() -> None:
    store, heard = MemoryBans(), list[int]()
    one, other = Bans(store), Bans(store)

    async def hear() -> None:
        heard.append(len(other))

    other.hearing.append(hear)
    assert await one.add(a_ban())
    for _ in range(3):
        await other.refresh()
    assert not await one.add(a_ban())
    assert await one.lift(PERSON)
    assert not await one.lift(PERSON)
    await other.refresh()

    assert ([1, 0], ()) == (heard, other.all())


async def test_who_could_not_act_on_a_ban_keeps_nobody_else_from_it_and_is_told_again() -> None:
    store, heard = MemoryBans(), list[str]()
    bans = Bans(store)

    async def fail_at_first() -> None:
        heard.append("first")
        if len(heard) == 1:
            raise StateError("not now")

    async def hear() -> None:
        heard.append("second")

    bans.hearing += [fail_at_first, hear]
    store.kept[PERSON] = a_ban()
    with pytest.raises(StateError):
        await bans.refresh()
    assert ["first", "second"] == heard
    for _ in range(2):
        await bans.refresh()
    assert ["first", "second"] * 2 == heard


async def test_of_several_bans_each_is_kept_though_somebody_could_not_act_on_them() -> None:
    store = MemoryBans()
    bans, account = Bans(store), Mark(Kind.ACCOUNT, "jira", "", "alice")

    async def fail() -> None:
        raise StateError("not now")

    bans.hearing.append(fail)
    with pytest.raises(StateError):
        await bans.add(a_ban(), a_ban(account))
    assert {PERSON, account} == set(store.kept)
    assert bans.is_account_blocked("jira", "alice", None)


async def test_a_store_that_does_not_answer_leaves_none_of_the_banned_in_memory(gate: Gate) -> None:
    cookies = [(await gate.sessions.open(an_opening(), None, TRACE))[1] for _ in range(3)]
    for cookie in cookies:
        assert await gate.sessions.find("jira", cookie) is not None
    gate.banned.kept[PERSON] = a_ban()
    gate.store.down = True
    with pytest.raises(StateError):
        await gate.bans.refresh()
    assert 0 == sum(gate.sessions.counts().values())


async def test_a_change_of_keys_long_ago_costs_nobody_the_session_when_somebody_else_is_banned(gate: Gate) -> None:
    _, early = await gate.sessions.open(an_opening("bob"), None, TRACE)
    gate.sessions.forget_cookies()
    _, late = await gate.sessions.open(an_opening("carol"), None, TRACE)
    entries = [await gate.sessions.find("jira", cookie) for cookie in (early, late)]
    await gate.bans.add(a_ban())
    assert entries == [await gate.sessions.find("jira", cookie) for cookie in (early, late)]
    assert [False, False] == [entry.ended for entry in entries if entry is not None]


async def test_an_account_is_blocked_by_its_name_or_by_whom_it_is_tied_to() -> None:
    bans = Bans(MemoryBans())
    assert not bans.is_account_blocked("jira", "alice", ALICE)

    await bans.add(a_ban())
    assert bans.is_account_blocked("jira", "al", ALICE)
    assert not bans.is_account_blocked("jira", "alice", None)

    await bans.add(a_ban(Mark(Kind.ACCOUNT, "jira", "", "alice")))
    assert bans.is_account_blocked("jira", "Alice", None)
    assert not bans.is_account_blocked("wiki", "Alice", None)
