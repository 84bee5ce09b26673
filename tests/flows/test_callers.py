"""Dialogues of programs with `flows.callers`: what is asked anew, what is remembered, and when it ends."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sidecar.core.access_tokens import Access
from sidecar.domain.decision import Place, Traits
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.policy import JwtPolicy, Policy
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import By, Revocation
from sidecar.flows.barrier import Barrier
from sidecar.flows.callers import MOST, Caller, Callers
from sidecar.flows.login import LoginError
from tests.flows.fakes import NOON, FakeClock, MemoryMarkers, make_policy


class FakeTokens:
    """Answers what it is told to, and counts."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked = 0
        self.refuses: Reason | None = None
        self.life = 3600
        self.claims: dict[str, Any] = {"sub": "ada", "preferred_username": "ada", "groups": ["staff"]}
        self.issuer = ""
        self.gate: asyncio.Event | None = None

    async def check(self, token: str, audiences: frozenset[str], shape: str) -> Access:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.refuses is not None:
            raise LoginError(self.refuses, "not today")
        now = self.clock.time
        claims: Mapping[str, object] = {"iss": self.issuer, **self.claims}
        return Access(claims=claims, issued_at=UnixSeconds(now), expires_at=UnixSeconds(now + self.life))


class Site:
    """One application whose portal takes tokens of its own provider."""

    def __init__(self, **jwt: Any) -> None:
        self.clock = FakeClock()
        self.markers = MemoryMarkers()
        self.barrier = Barrier(self.markers, self.clock)
        self.tokens = FakeTokens(self.clock)
        self.policy = self._policy(jwt)
        self.portal = self.policy.applications["jira"].default_portal
        self.provider = self.portal.providers[0]
        self.tokens.issuer = self.policy.providers[self.provider].issuer
        self.callers = Callers({self.provider: self.tokens}, self.barrier, lambda: self.policy, self.clock)

    @staticmethod
    def _policy(jwt: dict[str, Any]) -> Policy:
        policy = make_policy()
        jira = policy.applications["jira"]
        terms = JwtPolicy(
            shapes={jira.default_portal.providers[0]: "generic"}, **{"audiences": frozenset({"api"}), **jwt}
        )
        changed = replace(jira, api=replace(jira.api, jwt=terms))
        return replace(policy, applications={**policy.applications, "jira": changed})

    @property
    def place(self) -> Place:
        traits = Traits(
            closed=False,
            logout=False,
            login=False,
            password=False,
            polling=False,
            machine=True,
            public=False,
            matching=((),),
        )
        application = self.policy.applications["jira"]
        return Place(application=application, portal=self.portal, shared="", path="/x", below="/x", traits=traits)

    def field(self, mark: str = "a", issuer: str = "") -> str:
        payload = json.dumps({"iss": issuer or self.tokens.issuer}).encode()
        return f"Bearer e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.{mark}"

    async def ask(self, mark: str = "a", source: str = "192.0.2.7", issuer: str = "") -> Caller | None:
        return await self.callers.find(self.place, self.field(mark, issuer), source)

    async def refusal(self, **how: str) -> Reason:
        with pytest.raises(LoginError) as caught:
            await self.ask(**how)
        return caught.value.reason


async def test_a_token_is_asked_about_once_and_by_all_of_it() -> None:
    site = Site()
    first, again, other = await site.ask("a"), await site.ask("a"), await site.ask("b")
    assert first is again
    assert first is not None
    assert other is not first
    assert (2, Person(site.tokens.issuer, "ada")) == (site.tokens.asked, first.session.identity.person)


async def test_many_at_the_same_time_ask_once() -> None:
    site = Site()
    site.tokens.gate = asyncio.Event()
    asking = [asyncio.create_task(site.ask()) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    site.tokens.gate.set()
    found = await asyncio.gather(*asking[1:])
    assert (1, 1) == (site.tokens.asked, len({id(one) for one in found}))


@pytest.mark.parametrize(("life", "last"), [(600, 600), (86_400, 900)])
async def test_it_is_asked_anew_at_its_end_and_at_the_recheck(life: int, last: int) -> None:
    site = Site()
    site.tokens.life = life
    await site.ask()
    site.clock.time = NOON + last - 1
    await site.ask()
    assert 1 == site.tokens.asked
    site.clock.time = NOON + last
    site.tokens.refuses = Reason.TOKEN_NOT_ACCEPTED
    assert Reason.TOKEN_NOT_ACCEPTED is await site.refusal()
    assert 2 == site.tokens.asked


async def test_another_policy_forgets_what_was_found() -> None:
    site = Site()
    await site.ask()
    site.policy = replace(site.policy, hash="another")
    await site.ask()
    assert 2 == site.tokens.asked


async def test_a_refusal_stands_for_some_seconds_and_a_failure_of_the_outside_does_not() -> None:
    site = Site()
    site.tokens.refuses = Reason.TOKEN_NOT_ACCEPTED
    for _ in range(3):
        assert Reason.TOKEN_NOT_ACCEPTED is await site.refusal()
    assert 1 == site.tokens.asked
    site.clock.time += 11
    site.tokens.refuses = Reason.PROVIDER_UNREACHABLE
    assert Reason.PROVIDER_UNREACHABLE is await site.refusal()
    site.tokens.refuses = None
    assert await site.ask() is not None


async def test_garbage_fills_no_memory() -> None:
    site = Site()
    site.tokens.refuses = Reason.TOKEN_NOT_ACCEPTED
    for number in range(MOST + 50):
        await site.refusal(mark=f"m{number}")
    assert (MOST, 0, 0) == (len(site.callers._refused), len(site.callers._known), len(site.callers._tasks))


@pytest.mark.parametrize(("later", "barred"), [(0, True), (60, True), (-60, True), (-61, False)])
async def test_a_revocation_counts_for_what_is_remembered(later: int, barred: bool) -> None:
    site = Site()
    site.clock.time = NOON
    await site.ask()
    revocation = Revocation(
        issuer=site.tokens.issuer, by=By.SUBJECT, value="ada", at=UnixSeconds(NOON + later), issued_at=None,
    )  # fmt: skip
    await site.barrier.mark(revocation, UnixSeconds(NOON + 99_999))
    if barred:
        assert Reason.TOKEN_NOT_ACCEPTED is await site.refusal()
    else:
        assert await site.ask() is not None


async def test_a_stranger_is_refused() -> None:
    site = Site()
    known = site.policy.providers[site.provider]
    fenced = replace(known, fence={"tid": frozenset({"ours"})})
    site.policy = replace(site.policy, providers={**site.policy.providers, site.provider: fenced})
    assert Reason.TOKEN_NOT_ACCEPTED is await site.refusal()
    site.tokens.claims["tid"] = "ours"
    assert await site.ask("b") is not None


@pytest.mark.parametrize(
    ("source", "welcome"),
    [("192.0.2.7", True), ("::ffff:192.0.2.7", True), ("198.51.100.1", False), ("", False), ("unix:", False)],
)
async def test_only_from_the_named_networks(source: str, welcome: bool) -> None:
    site = Site(addresses=("192.0.2.0/24",))
    if welcome:
        assert await site.ask(source=source) is not None
    else:
        assert (Reason.TOKEN_NOT_ACCEPTED, 0) == (await site.refusal(source=source), site.tokens.asked)


async def test_whose_it_is_not_costs_nothing() -> None:
    site = Site()
    assert await site.ask(issuer="https://evil.example") is None
    site.portal = replace(site.portal, providers=("another",))
    assert (Reason.TOKEN_NOT_ACCEPTED, 0) == (await site.refusal(), site.tokens.asked)
