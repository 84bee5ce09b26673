"""flows.recheck: claims grow no older than the site allows, by one call however many wait, and never by accident."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from sidecar.core.ages import GRACE, ClaimsAge
from sidecar.domain.events import Code
from sidecar.domain.identity import Claim, Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import KEPT
from sidecar.flows.login import LoginError, Tokens
from sidecar.flows.recheck import PAUSE, Recheck
from sidecar.flows.sessions import RENEWAL_PAUSE, Entry, StateError
from tests.flows.browsers import Gate
from tests.flows.fakes import TRACE, FakeProvider, an_opening

RECHECK = 900


class Refreshing(FakeProvider):
    """A provider with rotation: every refresh token is good once."""

    def __init__(self) -> None:
        super().__init__("staff", "https://staff.example")
        self.claims: dict[str, Claim] = {"iss": self.issuer, "sub": "alice", "preferred_username": "alice"}
        self.good = "rt-0"
        self.calls = 0

    async def refresh(self, refresh_token: str, person: Person, now: UnixSeconds) -> Tokens:
        self.calls += 1
        await self._call("refresh")
        if refresh_token != self.good:
            raise LoginError(Reason.CODE_REFUSED, "invalid_grant")
        self.good = f"rt-{self.calls}"
        return Tokens(claims=self.claims, id_token="", refresh_token=self.good)


@dataclass
class World:
    """A gate, a person with a refresh token, and a clock that stands where the claims are just too old."""

    gate: Gate = field(default_factory=Gate)
    provider: Refreshing = field(default_factory=Refreshing)

    def __post_init__(self) -> None:
        gate = self.gate
        self.recheck = Recheck({"staff": self.provider}, gate.sessions, lambda: gate.policy, gate.audit, gate.clock)

    async def person(self, refresh_token: str | None = "rt-0", **identity: object) -> Entry:
        opening = an_opening()
        opening = replace(opening, refresh_token=refresh_token, identity=replace(opening.identity, **identity))  # type: ignore[arg-type]
        _, cookie = await self.gate.sessions.open(opening, None, TRACE)
        entry = await self.gate.sessions.find("jira", cookie)
        assert entry is not None
        self.gate.clock.time += RECHECK
        return entry

    def say(self, **claims: Claim) -> None:
        self.provider.claims = {**self.provider.claims, **claims}


async def test_young_claims_and_sessions_without_a_refresh_token_are_left_alone() -> None:
    world = World()
    entry = await world.person()

    assert world.recheck.is_due(entry)
    world.gate.clock.time -= 1
    assert not world.recheck.is_due(entry)
    assert not world.recheck.is_due(await world.person(refresh_token=None))


async def test_thirty_requests_make_one_call_and_all_see_the_new_groups() -> None:
    world = World()
    world.say(groups=("b", "a"))
    entry = await world.person(groups=("old",))
    found = await asyncio.gather(*(world.recheck.confirm(entry, TRACE) for _ in range(30)))

    assert ([True] * 30, 1) == (found, world.provider.calls)
    assert ("a", "b") == entry.session.identity.groups
    whole = await world.gate.sessions.whole(entry)
    assert whole is not None and ("rt-1", KEPT) == (whole.refresh_token, entry.session.refresh_token)
    assert entry.standing is None
    assert not world.recheck.is_due(entry)
    stored = await world.gate.store.get(entry.session.key)
    assert stored is not None
    assert entry.session == stored[0].light()
    assert 1 == len(world.gate.audit.of(Code.SESSION_REFRESHED))


async def test_groups_that_are_no_longer_told_are_unknown_not_empty() -> None:
    world = World()
    entry = await world.person(groups=("old",))
    await world.recheck.confirm(entry, TRACE)

    assert entry.session.identity.groups is None


async def test_how_somebody_signed_in_is_kept() -> None:
    """A refreshed answer need not repeat `auth_time`, `acr` and `sid`; a step-up must not be forgotten for that."""
    world = World()
    entry = await world.person(auth_time=UnixSeconds(7), acr="mfa", sid="s1")
    await world.recheck.confirm(entry, TRACE)
    identity = entry.session.identity

    assert (7, "mfa", "s1") == (identity.auth_time, identity.acr, identity.sid)


async def test_a_refresh_is_no_sign_in() -> None:
    """What a provider says of the act of signing in when it refreshes neither steps anybody up nor down."""
    world = World()
    world.say(auth_time=1_900_000_000, acr="mfa")
    entry = await world.person(auth_time=UnixSeconds(7))
    await world.recheck.confirm(entry, TRACE)

    assert (7, None) == (entry.session.identity.auth_time, entry.session.identity.acr)


async def test_a_pause_does_not_make_the_grace_longer() -> None:
    world = World()
    world.provider.failing = LoginError(Reason.PROVIDER_UNREACHABLE, "no answer")
    entry = await world.person()
    world.gate.clock.time += GRACE - 1

    assert (ClaimsAge.DUE, True) == (world.recheck.age(entry), await world.recheck.confirm(entry, TRACE))
    world.gate.clock.time += 1
    assert (ClaimsAge.STALE, True) == (world.recheck.age(entry), world.recheck.is_due(entry))
    assert not await world.recheck.confirm(entry, TRACE)


async def test_a_restart_does_not_begin_the_grace_anew() -> None:
    world = World()
    world.provider.failing = LoginError(Reason.PROVIDER_UNREACHABLE, "no answer")
    entry = await world.person()
    assert await world.recheck.confirm(entry, TRACE)
    world.gate.restart()
    world.gate.clock.time += GRACE
    again = await world.gate.sessions._load(entry.session.key)
    assert again is not None
    assert ClaimsAge.STALE is world.recheck.age(again)


async def test_a_rotated_token_that_the_store_did_not_take_is_not_lost() -> None:
    world = World()
    entry = await world.person()
    world.gate.store.broken.add("replace")
    with pytest.raises(StateError):
        await world.recheck.confirm(entry, TRACE)
    world.gate.store.broken.clear()
    await world.recheck.retry()
    whole = await world.gate.sessions.whole(entry)
    assert whole is not None and ("rt-1", 1) == (whole.refresh_token, world.provider.calls)
    assert not world.recheck.is_due(entry)


async def test_what_was_not_saved_is_saved_before_the_next_refresh() -> None:
    world = World()
    entry = await world.person()
    world.gate.store.broken.add("replace")
    with pytest.raises(StateError):
        await world.recheck.confirm(entry, TRACE)
    world.gate.store.broken.clear()
    assert await world.recheck.confirm(entry, TRACE)
    whole = await world.gate.sessions.whole(entry)
    assert whole is not None and whole.refresh_token == world.provider.good
    assert [] == world.gate.audit.causes()


async def test_what_was_not_saved_of_a_session_that_ended_is_forgotten() -> None:
    world = World()
    entry = await world.person()
    world.gate.store.broken.add("replace")
    with pytest.raises(StateError):
        await world.recheck.confirm(entry, TRACE)
    world.gate.store.broken.clear()
    await world.gate.sessions.end(entry.session.key, "user")
    await world.recheck.retry()
    assert ({}, {}) == (world.gate.store.kept, world.recheck._unsaved)


async def test_what_a_request_saved_meanwhile_does_not_stop_the_minutely_work() -> None:
    world = World()
    entries = [await world.person(), await world.person()]
    for entry in entries:
        world.provider.good = "rt-0"
        world.gate.store.broken.add("replace")
        with pytest.raises(StateError):
            await world.recheck.confirm(entry, TRACE)
        world.gate.store.broken.clear()
    saving = world.gate.store.hold("replace")
    minutely = asyncio.create_task(world.recheck.retry())
    await world.gate.settle()
    await world.gate.sessions.end(entries[1].session.key, "user")
    assert not await world.recheck.confirm(entries[1], TRACE)
    saving.set()
    await minutely
    assert {} == world.recheck._unsaved


async def test_a_logout_during_a_refresh_leaves_the_session_dead() -> None:
    world = World()
    entry = await world.person()
    answers = world.provider.hold("refresh")
    waiting = [asyncio.create_task(world.recheck.confirm(entry, TRACE)) for _ in range(50)]
    await world.gate.settle()
    await world.gate.sessions.end(entry.session.key, "user")
    answers.set()
    assert ([False] * 50, {}, 1) == (await asyncio.gather(*waiting), world.gate.store.kept, world.provider.calls)


async def test_without_a_refresh_token_the_browser_is_asked_once_in_a_while() -> None:
    world = World()
    entry = await world.person(refresh_token=None)
    now = world.gate.clock.now()
    assert (False, True) == (world.recheck.is_due(entry), world.recheck.wants_browser(entry, now))
    entry.renewal_tried = now
    assert not world.recheck.wants_browser(entry, UnixSeconds(now + RENEWAL_PAUSE - 1))
    assert world.recheck.wants_browser(entry, UnixSeconds(now + RENEWAL_PAUSE))
    assert not world.recheck.wants_browser(await world.person(), world.gate.clock.now())


async def test_a_refused_refresh_ends_the_session() -> None:
    world = World()
    entry = await world.person(refresh_token="spent before")

    assert not await world.recheck.confirm(entry, TRACE)
    assert entry.ended
    assert ["recheck"] == world.gate.audit.causes()
    assert Reason.CODE_REFUSED is world.gate.audit.of(Code.SESSION_REFRESHED)[0].reason


async def test_somebody_else_ends_the_session() -> None:
    world = World()
    world.say(sub="mallory")
    entry = await world.person()

    assert not await world.recheck.confirm(entry, TRACE)
    assert entry.ended


async def test_a_stranger_by_now_ends_the_session() -> None:
    world = World()
    staff = replace(world.gate.policy.providers["staff"], fence={"tid": frozenset({"ours"})})
    world.gate.policy = replace(world.gate.policy, providers={**world.gate.policy.providers, "staff": staff})
    entry = await world.person()

    assert not await world.recheck.confirm(entry, TRACE)


async def test_a_silent_provider_is_forgiven_for_a_bounded_while() -> None:
    world = World()
    world.provider.failing = LoginError(Reason.PROVIDER_UNREACHABLE, "no answer")
    entry = await world.person()

    assert await world.recheck.confirm(entry, TRACE)
    assert not world.recheck.is_due(entry)
    world.gate.clock.time += PAUSE
    assert world.recheck.is_due(entry)
    assert await world.recheck.confirm(entry, TRACE)
    world.gate.clock.time += GRACE
    assert not await world.recheck.confirm(entry, TRACE)
    assert entry.ended


async def test_a_refresh_never_brings_back_what_a_sign_out_removed() -> None:
    world = World()
    entry = await world.person()
    held = world.provider.hold("refresh")
    waiting = asyncio.create_task(world.recheck.confirm(entry, TRACE))
    await world.gate.settle()
    await world.gate.sessions.end(entry.session.key, "user")
    held.set()

    assert not await waiting
    assert await world.gate.store.get(entry.session.key) is None


async def test_a_closed_tab_does_not_lose_the_new_refresh_token() -> None:
    """With rotation a second use of the spent token kills the family, so the first answer must be kept."""
    world = World()
    entry = await world.person()
    held = world.provider.hold("refresh")
    waiting = asyncio.create_task(world.recheck.confirm(entry, TRACE))
    await world.gate.settle()
    waiting.cancel()
    held.set()
    await world.recheck.close()
    stored = await world.gate.store.get(entry.session.key)

    assert stored is not None
    assert ("rt-1", 1) == (stored[0].refresh_token, world.provider.calls)


async def test_the_applications_cookies_survive_a_recheck() -> None:
    world = World()
    entry = await world.person()
    held = world.provider.hold("refresh")
    waiting = asyncio.create_task(world.recheck.confirm(entry, TRACE))
    await world.gate.settle()
    world.gate.sessions.keep_jar(entry, "", (("JSESSIONID", "1"),))
    held.set()
    await waiting
    await world.gate.settle()
    stored = await world.gate.store.get(entry.session.key)
    jars: Mapping[str, object] = {"": (("JSESSIONID", "1"),)}

    assert stored is not None
    assert (jars, jars, "rt-1") == (entry.session.jars, stored[0].jars, stored[0].refresh_token)
