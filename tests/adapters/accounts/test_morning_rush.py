"""A thousand people in a morning, fifty groups each, against a stand-in Jira that limits how often it is asked.

Time is the test's: whoever waits for Jira's limit moves it on. What is counted are calls, refusals and rounds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.accounts.jira import JiraConnector
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, serve_jira
from sidecar.demo.jira.faults import RateLimit
from sidecar.domain.policy import GroupMapping
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.provisioning import Accounts
from sidecar.flows.reach import Reach
from tests.adapters.accounts.small_jira import TOKEN, SmallJira
from tests.adapters.accounts.test_pace import Time
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, Directory, World, agent, make_policy

FIFTY = tuple(f"okta-g{number:02}" for number in range(50))
NEW, PEOPLE, REQUESTS = 30, 1000, 2
SOFTWARE = "jira-software-users"


class Morning(Time):
    """Time that fills the bucket as it passes."""

    def __init__(self, limit: RateLimit) -> None:
        super().__init__()
        self.limit = limit
        self.filled = self.time

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        intervals = int((self.time - self.filled) / self.limit.interval)
        if intervals > 0:
            self.filled += intervals * self.limit.interval
            self.limit.refill(intervals)


@asynccontextmanager
async def a_morning(limit: RateLimit) -> AsyncIterator[tuple[World, RunningJira, Morning]]:
    state = JiraState()
    state.add_user("lychgate", "Lychgate", groups=("jira-administrators",))
    token = state.add_token("lychgate")
    groups = [f"jira-g{number:02}" for number in range(50)]
    state.groups.update(groups)
    world, time = World(Directory()), Morning(limit)
    world.policy = make_policy(ACCOUNTS, replace(GROUPS, needed=frozenset({"jira-g00"})))
    for number in range(NEW, PEOPLE):
        name = f"p{number:04}"
        state.add_user(name, name.title(), groups=groups)
        world.pin(agent(name), name, key=state.users[name].key)
    async with serve_jira(state, JiraConfig(jira_seats=None)) as jira, open_session(seconds=60) as session:
        connector = JiraConnector(session, jira.url, lambda: token, clock=time, sleep=time.sleep)
        reach = {"jira": Reach(connector, (), 120.0, connector)}
        world.clock.time = time.time
        world.flow = Accounts(lambda: world.policy, reach, world.ledger, world.audit, time, world.meter)
        jira.faults.rate_limit = limit
        yield world, jira, time


async def rush(world: World, names: list[str]) -> list[str]:
    """Everybody's first page with its requests; who was asked to come again."""
    people = [agent(name, groups=FIFTY) for name in names for _ in range(REQUESTS)]
    outcomes = await asyncio.gather(*(world.visit(person) for person in people), return_exceptions=True)
    again = set()
    for person, outcome in zip(people, outcomes, strict=True):
        if isinstance(outcome, AccountError):
            assert (Reason.CONNECTOR_UNREACHABLE, True) == (outcome.reason, outcome.retry), outcome
            again.add(person.person.subject)
        else:
            assert person.person.subject == outcome
    return sorted(again)


@pytest.mark.parametrize(("fill", "most_rounds"), [(100_000, 1), (500, 4)])
async def test_a_thousand_people_in_a_morning(fill: int, most_rounds: int) -> None:
    limit = RateLimit(limit=fill, remaining=fill, interval=1, fill=fill)
    async with a_morning(limit) as (world, jira, time):
        waiting, rounds = [f"p{number:04}" for number in range(PEOPLE)], 0
        while waiting:
            waiting = await rush(world, waiting)
            rounds += 1
            assert rounds <= most_rounds, len(waiting)
            # The page asks again by itself.
            await time.sleep(5)
        reads = jira.count("GET", "/rest/api/2/user?")
        served = [call for call in jira.calls if call.status != 429]
    steps = Counter((event.code.value, event.username, event.facts.get("group")) for event in world.audit.events)
    assert [] == [step for step, times in steps.items() if times > 1 and not step[0].startswith("account.")]
    wanted = {f"jira-g{number:02}" for number in range(50)}
    assert all(wanted == jira.state.users[f"p{number:04}"].groups for number in range(PEOPLE))
    posts = Counter(call.target.partition("?")[0] for call in served if call.method == "POST")
    assert {"/rest/api/2/user": NEW, "/rest/api/2/group/user": NEW * 50} == posts
    if most_rounds == 1:
        # One look each, and a second one at those who are new; the token's owner and the seats once for all.
        assert (PEOPLE + NEW, 0) == (reads, limit.refused)
        assert PEOPLE + NEW + NEW * 51 + 2 == len(jira.calls)
    else:
        # Jira said "too often" once for what was under way, and not again for every call.
        assert limit.refused < len(served) / 10
    assert 1 == jira.count("GET", "/rest/api/2/applicationrole") or most_rounds > 1


class Rounds(SmallJira):
    """Answers all that came while nothing else was on its way at the same time: one round trip."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[int] = []
        self.waiting = 0
        self.go = asyncio.Event()
        self.releasing: asyncio.Task[None] | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.waiting += 1
        go = self.go
        if self.waiting == 1:
            self.releasing = asyncio.create_task(self._release())
        _ = await go.wait()
        return await super().handle(request)

    async def _release(self) -> None:
        known = 0
        while known != self.waiting:
            known = self.waiting
            await asyncio.sleep(0.1)
        self.rounds.append(self.waiting)
        self.waiting = 0
        self.go.set()
        self.go = asyncio.Event()


async def test_a_new_person_with_ten_groups_costs_three_round_trips() -> None:
    jira, world = Rounds(), World(Directory())
    jira.roles = [{"key": "software", "groups": ["jira-g0"], "remainingSeats": 5, "hasUnlimitedSeats": False}]
    jira.groups |= {f"jira-g{number}": set() for number in range(10)}
    groups = replace(
        GROUPS, mapping=(GroupMapping(source="okta-(.+)", target="jira-$1"),), needed=frozenset({"jira-g0"})
    )
    world.policy = make_policy(ACCOUNTS, groups)
    async with RawTestServer(jira.handle) as server, open_session(seconds=60) as session:
        connector = JiraConnector(session, str(server.make_url("/jira")), lambda: TOKEN)
        reach = {"jira": Reach(connector, (), 60.0, connector)}
        world.flow = Accounts(lambda: world.policy, reach, world.ledger, world.audit, world.clock, world.meter)
        person = agent(groups=tuple(f"okta-g{number}" for number in range(10)))
        assert "alice" == await world.visit(person)
    # The account, the token's owner and the seats; the creation; ten groups and a look.
    assert [3, 1, 11] == jira.rounds
    assert all({"alice"} == jira.groups[f"jira-g{number}"] for number in range(10))
