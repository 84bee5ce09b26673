"""Sessions ended from outside: nothing that was revoked lives on, nothing begins from before, and nothing else ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from sidecar.core.logout_tokens import Notice
from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import By, Name, Revocation
from sidecar.flows.login import LoginError
from sidecar.flows.sessions import Entry, StateError
from tests.flows.browsers import Browser, Gate
from tests.flows.fakes import TRACE

STAFF = "https://staff.example"


def of(gate: Gate, value: str = "alice", by: By = By.SUBJECT, *, issued_at: int | None = None) -> Revocation:
    return Revocation(
        issuer=STAFF,
        by=by,
        value=value,
        at=gate.clock.now(),
        issued_at=None if issued_at is None else UnixSeconds(issued_at),
    )


async def revoke(gate: Gate, revocation: Revocation | None = None) -> int:
    return await gate.revocations.revoke(revocation or of(gate), "staff", "back_channel", TRACE)


async def is_alive(gate: Gate, entry: Entry) -> bool:
    return entry.session.key in gate.store.kept and not entry.ended


async def test_all_sessions_of_a_person_end_at_all_applications_and_nobody_else_s() -> None:
    gate = Gate()
    theirs = [
        await gate.a_session(),
        await gate.a_session(),
        await gate.a_session(portal="writers", application="wiki"),
    ]
    other = await gate.a_session("bob")
    closed: list[int] = []
    for number, entry in enumerate(theirs):
        entry.closers.add(lambda number=number: closed.append(number))  # type: ignore[misc]
    assert 3 == await revoke(gate)
    assert ([0, 1, 2], [False] * 3, True) == (
        closed,
        [await is_alive(gate, entry) for entry in theirs],
        await is_alive(gate, other),
    )
    assert ["revoked"] * 3 == gate.audit.causes()
    (told,) = gate.audit.of(Code.SESSIONS_REVOKED)
    assert {"door": "back_channel", "by": "sub", "ended": 3} == told.facts


async def test_a_session_that_only_the_store_remembers_ends_too() -> None:
    gate = Gate()
    await gate.a_session()
    gate.restart()
    assert 1 == await revoke(gate)
    assert {} == gate.store.kept


async def test_a_sign_in_that_began_before_is_refused_and_the_next_one_is_not() -> None:
    gate = Gate()
    browser = Browser(gate)
    tab = await browser.at_provider()
    gate.clock.time += 5
    assert 0 == await revoke(gate)
    gate.clock.time += 5
    with pytest.raises(LoginError) as caught:
        await browser.come_back(tab)
    await gate.settle()
    assert (Reason.SESSION_REVOKED, {}) == (caught.value.reason, gate.store.kept)
    assert Reason.SESSION_REVOKED is gate.audit.of(Code.LOGIN_FAILED)[-1].reason
    assert [] == gate.audit.of(Code.SESSION_CREATED)
    await browser.signs_in()


async def test_an_authentication_that_the_provider_remembers_is_refused_until_there_is_a_new_one() -> None:
    gate = Gate()
    began = gate.clock.time
    gate.providers["staff"].auth_time = began - 50
    gate.clock.time += 5
    await revoke(gate, of(gate, issued_at=began))
    gate.clock.time += 60
    browser = Browser(gate)
    with pytest.raises(LoginError, match="session_revoked"):
        await browser.signs_in()
    gate.providers["staff"].auth_time = began + 1
    await browser.signs_in()


async def test_clocks_that_differ_lock_nobody_out() -> None:
    """The provider is three minutes behind us: the next sign-in is judged by its own clock."""
    gate = Gate()
    behind = gate.clock.time - 180
    await revoke(gate, of(gate, issued_at=behind))
    gate.clock.time += 2
    gate.providers["staff"].auth_time = behind + 1
    await Browser(gate).signs_in()


async def test_a_marker_outlives_every_session_that_could_come_from_before() -> None:
    gate = Gate()
    await revoke(gate)
    limits = gate.policy.limits
    assert all(until >= gate.clock.time + limits.absolute + 600 for _, until in gate.markers.kept.values())


@pytest.mark.parametrize("verb", ["add", "marked_at", "spend"])
async def test_a_revocation_while_a_session_begins(verb: str) -> None:
    """Wherever the sign-in stands when the word comes, no session is left of it."""
    gate = Gate()
    browser = Browser(gate)
    tab = await browser.at_provider()
    outside = {"add": gate.store, "marked_at": gate.markers, "spend": gate.spent}[verb]
    goes_on = outside.hold(verb)
    coming = asyncio.create_task(browser.come_back(tab))
    await gate.settle()
    ending = asyncio.create_task(revoke(gate))
    await gate.settle()
    goes_on.set()
    await asyncio.gather(coming, ending, return_exceptions=True)
    assert isinstance(coming.exception(), LoginError)
    await gate.settle()
    assert ({}, {}) == (gate.store.kept, dict(gate.sessions._entries))


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_at_every_moment_of_a_beginning(turns: int) -> None:
    gate = Gate()
    browser = Browser(gate)
    tab = await browser.at_provider()
    coming = asyncio.create_task(browser.come_back(tab))
    for _ in range(turns):
        await asyncio.sleep(0)
    await revoke(gate)
    await asyncio.gather(coming, return_exceptions=True)
    await gate.settle()
    assert ({}, {}) == (gate.store.kept, dict(gate.sessions._entries))


@pytest.mark.parametrize("turns", range(0, 40, 2))
async def test_at_every_moment_of_a_change(turns: int) -> None:
    """A refresh under way: the session stays dead."""
    gate = Gate()
    entry = await gate.a_session()
    changing = asyncio.create_task(gate.sessions.change(entry, lambda session: session))
    for _ in range(turns):
        await asyncio.sleep(0)
    await revoke(gate)
    _ = await changing
    await gate.settle()
    assert ({}, {}, True) == (gate.store.kept, dict(gate.sessions._entries), entry.ended)


async def test_a_change_that_brings_a_name_which_was_revoked_meanwhile() -> None:
    """The refreshed token names another `sid`; who revoked that one found no session under it yet."""
    gate = Gate()
    entry = await gate.a_session()
    goes_on = gate.store.hold("replace")
    identity = replace(entry.session.identity, sid="new")
    changing = asyncio.create_task(gate.sessions.change(entry, lambda session: replace(session, identity=identity)))
    await gate.settle()
    assert 0 == await revoke(gate, of(gate, "new", By.SID))
    goes_on.set()
    assert (False, True, {}) == (await changing, entry.ended, gate.store.kept)


async def test_a_silent_renewal_does_not_outlive_a_revocation() -> None:
    gate = Gate()
    browser = Browser(gate)
    await browser.signs_in()
    tab = await browser.at_provider(silent=True)
    gate.clock.time += 1
    await revoke(gate)
    arrival = await browser.come_back(tab)
    await gate.settle()
    assert (None, {}) == (arrival.session_cookie, gate.store.kept)


async def test_a_store_that_is_down_ends_what_is_in_memory_and_is_told_later() -> None:
    gate = Gate()
    entry, other = await gate.a_session(), await gate.a_session("bob")
    gate.store.down = gate.markers.down = True
    with pytest.raises(StateError):
        await revoke(gate)
    assert (True, False, 2) == (entry.ended, other.ended, len(gate.store.kept))
    gate.store.down = gate.markers.down = False
    assert await gate.sessions._load(entry.session.key) is None
    await gate.revocations.retry()
    assert ([other.session.key], []) == (list(gate.store.kept), list(gate.barrier.untold()))


async def test_who_signs_in_again_before_the_store_could_be_told_stays() -> None:
    gate = Gate()
    await gate.a_session()
    gate.markers.down = True
    with pytest.raises(StateError):
        await revoke(gate)
    gate.markers.down = False
    gate.clock.time += 10
    again = await Browser(gate).signs_in()
    await gate.revocations.retry()
    assert [again.session.key] == list(gate.store.kept)


async def test_without_markers_nobody_signs_in() -> None:
    gate = Gate()
    gate.markers.down = True
    with pytest.raises(StateError):
        await Browser(gate).signs_in()
    await gate.settle()
    assert ({}, {}) == (gate.store.kept, dict(gate.sessions._entries))


async def test_a_notice_counts_once_and_where_nobody_can_say_it_counts() -> None:
    gate = Gate()
    assert 0 == await act_on(gate)
    with pytest.raises(LoginError, match="used before"):
        await act_on(gate)
    assert 0 == await act_on(gate, "customers")
    gate.spent.down = True
    assert 0 == await act_on(gate)


async def test_a_notice_that_could_not_be_finished_may_come_again() -> None:
    """The provider was told 503: its second try must not be taken for a replay, and means whom the first one meant."""
    gate = Gate()
    await gate.a_session()
    gate.markers.down = True
    with pytest.raises(StateError):
        await act_on(gate)
    gate.markers.down = False
    gate.clock.time += 10
    again = await Browser(gate).signs_in()
    assert 1 == await act_on(gate)
    assert [again.session.key] == list(gate.store.kept)
    with pytest.raises(LoginError, match="used before"):
        await act_on(gate)


async def act_on(gate: Gate, provider: str = "staff") -> int:
    """A notice about Alice comes in."""
    notice = Notice(issuer=STAFF, by=By.SUBJECT, value="alice", token="t-1", issued_at=gate.clock.now())
    return await gate.revocations.act_on(notice, of(gate), provider, "back_channel", TRACE)


async def test_a_door_without_proof_keeps_nothing_for_whom_it_does_not_know() -> None:
    gate = Gate()
    await gate.a_session()
    end: Callable[[str], Awaitable[int]] = lambda sid: gate.revocations.end_known(  # noqa: E731
        Name(STAFF, By.SID, sid), "staff", "front_channel", TRACE
    )
    assert (0, {}, 1) == (await end("unknown"), gate.markers.kept, len(gate.store.kept))


async def test_the_application_s_own_sessions_end_as_well() -> None:
    gate = Gate()
    await gate.a_session()
    await gate.a_session("bob")
    await revoke(gate)
    await gate.settle()
    assert ["end_sessions alice"] == [line for line in gate.diary if line.startswith("end_sessions")]
    (told,) = gate.audit.of(Code.PRODUCT_SESSIONS_ENDED)
    assert ("success", "alice") == (told.outcome, told.username)


async def test_an_application_that_does_not_answer_holds_nothing_up() -> None:
    gate = Gate()
    entry = await gate.a_session()
    gate.product.down = True
    await gate.sign_outs.end(gate.application(), entry, "user", TRACE)
    await gate.settle()
    (told,) = gate.audit.of(Code.PRODUCT_SESSIONS_ENDED)
    assert ("failure", Reason.CONNECTOR_UNREACHABLE, {}) == (told.outcome, told.reason, gate.store.kept)
