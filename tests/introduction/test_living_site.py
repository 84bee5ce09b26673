"""A site of five thousand made by hand goes from report to observe to enforce: nobody is locked out, no membership is
lost, and undo restores the start."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.sqlite import State, open_state
from sidecar.commands.doors import door_of
from sidecar.commands.everybody import everybody_in
from sidecar.commands.looking import Sight, sight
from sidecar.config.load import Loaded
from sidecar.config.outside import cookie_keys
from sidecar.core.candidates import Candidate, candidate
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, serve_jira
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.accounts import AccountError
from sidecar.flows.observing import Observer
from sidecar.flows.telling import Trace
from tests.flows.fake_accounts import Counter as Steps
from tests.flows.fake_accounts import Listener
from tests.introduction.company import Colleague, Office, Shape, fill, shape, write_list

PEOPLE = 5000
"""On the list."""


@dataclass(slots=True)
class LivingSite:
    """Everything that runs."""

    jira: RunningJira
    office: Office
    colleagues: list[Colleague]

    @property
    def idp(self) -> Path:
        return self.office.folder / "users.csv"

    def whos(self, loaded: Loaded) -> list[Candidate]:
        """Everybody as a sign-in sees them."""
        application = loaded.policy.applications["jira"]
        door = door_of(application, None, None)
        rows = everybody_in(self.idp, loaded.policy.providers["staff"])
        now = UnixSeconds(int(time.time()))
        return [candidate(row.claims, application, door.portal, "staff", loaded.policy, now) for row in rows]

    async def come(self, at: Sight, whos: Sequence[Candidate]) -> Counter[str]:
        """All of them come, twenty at a time; how many were let in, and why the others were not."""
        accounts, gate, counts = at.accounts(), asyncio.Semaphore(20), Counter[str]()

        async def one(who: Candidate) -> None:
            async with gate:
                if who.order is None or who.identity is None:
                    counts[who.refused.value] += 1
                    return
                try:
                    await accounts.ensure(who.order, who.identity, Trace())
                    counts["in"] += 1
                except AccountError as error:
                    counts[error.reason.value] += 1

        await asyncio.gather(*map(one, whos))
        await accounts.close()
        return counts


@asynccontextmanager
async def living_site(folder: Path, people: int) -> AsyncIterator[LivingSite]:
    state = JiraState()
    colleagues, token = fill(state, people)
    async with serve_jira(state, JiraConfig(jira_seats=None)) as jira:
        site = LivingSite(jira, Office(folder, jira.origin, token, names="{apostrophe: true}"), colleagues)
        write_list(site.idp, colleagues)
        yield site


async def observed(site: LivingSite) -> Counter[str]:
    """Everybody passes through an observed portal."""
    audit, meter = Listener(), Steps()
    async with sight(site.office.loaded, site.office.loaded.policy.applications["jira"], apply=False) as at:
        observer = Observer(at.accounts(), audit, meter, at.clock)
        for who in site.whos(at.loaded):
            if who.order is not None and who.identity is not None:
                observer.watch(who.order, who.identity, Trace())
                if len(observer._tasks) >= 10:
                    await observer.close()
        await observer.close()
    return Counter("in" if event.reason.value == "ok" else event.reason.value for event in audit.events)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Memory where there is such a disk: a power cut is not what is tried here."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own below it
    if not memory.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as name:
        yield Path(name)


async def test_a_site_of_five_thousand_is_introduced_and_taken_back(folder: Path) -> None:
    async with living_site(folder, PEOPLE) as site:
        start, office = shape(site.jira.state), site.office
        assert 0 == (await office.run("ledger", "init")).exit_code
        report = await reported(site, start)

        # Pins and memberships are taken over; Jira does not notice.
        words = ("--application", "jira", "--idp", str(site.idp), "--apply")
        linked = await office.run("migrate", "link", *words)
        assert (0, True) == (linked.exit_code, f"{PEOPLE} were linked" in linked.stdout), linked.output
        assert 0 == (await office.run("migrate", "adopt-groups", *words, "--pattern", "jira-.+")).exit_code
        assert start == shape(site.jira.state)

        # Enforce: everybody comes who was said to.
        began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        counts = await enforced(site, site.whos(office.loaded))
        assert {"in": report["let_in"], **report["kept_out"]} == dict(counts)
        after = shape(site.jira.state)
        assert [] == [name for name in start if start[name][3] - after[name][3]]
        given = sum(len(after[name][3] - start[name][3]) for name in start)
        assert report["steps"]["join"] - report["joins"]["jira-canteen"] == given > 0
        assert ["jira-canteen"] == report["absent"]

        # Fifty people move to another team: they lose what the provider gave them, and nothing else.
        movers = [who for who in site.whos(office.loaded) if "jira-users" in _groups(who)][:50]
        await enforced(site, [_without(who, "jira-users") for who in movers])
        for name in (who.order.username for who in movers if who.order is not None):
            user = site.jira.state.users[name]
            assert after[name][3] - ({"jira-users"} if user.active else set()) == user.groups

        # Back: what was done since then, and then all of it.
        assert start != shape(site.jira.state)
        for since in (began, "2020-01-01"):
            undo = ("accounts", "undo", "--application", "jira", "--since", since, "--apply")
            done = await office.run(*undo)
            assert (0, start) == (done.exit_code, shape(site.jira.state))
        async with ledger(office) as state:
            assert ((), ()) == (await state.ledger.pins("jira"), await state.ledger.owned_groups("jira"))


async def reported(site: LivingSite, start: Shape) -> dict[str, Any]:
    """The report costs few calls, and an observed portal tells the same; nothing is changed by either."""
    site.jira.calls.clear()
    told = await site.office.run("migrate", "report", "--application", "jira", "--idp", str(site.idp), "--json")
    assert 0 == told.exit_code, told.output
    report: dict[str, Any] = json.loads(told.stdout)
    assert len(site.jira.calls) < PEOPLE / 10
    assert {"account_inactive": PEOPLE // 50} == report["kept_out"]
    assert (PEOPLE - PEOPLE // 50, PEOPLE // 50) == (report["statuses"]["matched"], report["statuses"]["inactive"])
    assert [] == report["unclaimed"] and 0 == report["steps"]["leave"] == report["steps"]["create"]
    assert {"in": report["let_in"], **report["kept_out"]} == await observed(site)
    assert {"GET"} == {call.method for call in site.jira.calls}
    assert start == shape(site.jira.state)
    return report


async def enforced(site: LivingSite, whos: Sequence[Candidate]) -> Counter[str]:
    """All of *whos* come to a portal in force."""
    loaded = site.office.loaded
    async with sight(loaded, loaded.policy.applications["jira"], apply=True) as at:
        return await site.come(at, whos)


@asynccontextmanager
async def ledger(office: Office) -> AsyncIterator[State]:
    """The state while no gate runs."""
    keys = [key.encode() for key in cookie_keys(office.loaded.config)]
    async with open_state(office.loaded.config.state.directory, Sealer(keys)) as state:
        yield state


def _groups(who: Candidate) -> tuple[str, ...]:
    return (who.order.groups or ()) if who.order is not None else ()


def _without(who: Candidate, group: str) -> Candidate:
    assert who.order is not None and who.order.groups is not None
    groups = tuple(name for name in who.order.groups if name != group)
    return replace(who, order=replace(who.order, groups=groups))
