"""A site of five thousand made by hand goes from report to observe to enforce: nobody is locked out, no membership is
lost, and undo restores the start."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from sidecar.demo.jira import JiraConfig, JiraState, serve_jira
from tests.introduction.company import Office, Place, Shape, fill, shape, write_list
from tests.introduction.living import LivingSite, enforced, groups_of, ledger, observed, without

PEOPLE = 5000
"""On the list."""


@asynccontextmanager
async def living_site(folder: Path, people: int) -> AsyncIterator[LivingSite]:
    state = JiraState()
    colleagues = fill(state, people)
    async with serve_jira(state, JiraConfig(jira_seats=None)) as jira:
        place = Place(upstream=jira.origin, names="{apostrophe: true}")
        site = LivingSite(jira, state, Office(folder, place, state.add_token("lychgate")))
        write_list(site.idp, colleagues)
        yield site


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
        start, office = shape(site.people), site.office
        assert 0 == (await office.run("ledger", "init")).exit_code
        report = await reported(site, start)

        # Pins and memberships are taken over; Jira does not notice.
        words = ("--application", "jira", "--idp", str(site.idp), "--apply")
        linked = await office.run("migrate", "link", *words)
        assert (0, True) == (linked.exit_code, f"{PEOPLE} were linked" in linked.stdout), linked.output
        assert 0 == (await office.run("migrate", "adopt-groups", *words, "--pattern", "jira-.+")).exit_code
        assert start == shape(site.people)

        # Enforce: everybody comes who was said to.
        began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        counts = await enforced(site, site.whos(office.loaded))
        assert {"in": report["let_in"], **report["kept_out"]} == dict(counts)
        after = shape(site.people)
        assert [] == [name for name in start if start[name][3] - after[name][3]]
        given = sum(len(after[name][3] - start[name][3]) for name in start)
        assert report["steps"]["join"] - report["joins"]["jira-canteen"] == given > 0
        assert ["jira-canteen"] == report["absent"]

        # Fifty people move to another team: they lose what the provider gave them, and nothing else.
        movers = [who for who in site.whos(office.loaded) if "jira-users" in groups_of(who)][:50]
        await enforced(site, [without(who, "jira-users") for who in movers])
        for name in (who.order.username for who in movers if who.order is not None):
            user = site.people.users[name]
            assert after[name][3] - ({"jira-users"} if user.active else set()) == user.groups

        # Back: what was done since then, and then all of it.
        assert start != shape(site.people)
        for since in (began, "2020-01-01"):
            undo = ("accounts", "undo", "--application", "jira", "--since", since, "--apply")
            done = await office.run(*undo)
            assert (0, start) == (done.exit_code, shape(site.people))
        async with ledger(office) as state:
            assert ((), ()) == (await state.ledger.pins("jira"), await state.ledger.owned_groups("jira"))


async def reported(site: LivingSite, start: Shape) -> dict[str, Any]:
    """The report costs few calls, and an observed portal tells the same; nothing is changed by either."""
    site.server.calls.clear()
    told = await site.office.run("migrate", "report", "--application", "jira", "--idp", str(site.idp), "--json")
    assert 0 == told.exit_code, told.output
    report: dict[str, Any] = json.loads(told.stdout)
    assert len(site.server.calls) < PEOPLE / 10
    assert {"account_inactive": PEOPLE // 50} == report["kept_out"]
    assert (PEOPLE - PEOPLE // 50, PEOPLE // 50) == (report["statuses"]["matched"], report["statuses"]["inactive"])
    assert [] == report["unclaimed"] and 0 == report["steps"]["leave"] == report["steps"]["create"]
    assert {"in": report["let_in"], **report["kept_out"]} == await observed(site)
    assert {"GET"} == {call.method for call in site.server.calls}
    assert start == shape(site.people)
    return report
