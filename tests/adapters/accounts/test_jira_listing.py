"""adapters.accounts.jira_listing at the stand-in Jira: everybody is on the list, in few calls, or there is no list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.accounts.jira import JiraConnector
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, serve_jira
from sidecar.domain.account import Account
from sidecar.flows.accounts import AccountError
from sidecar.flows.listing import Listing, Lists, Roll, RollConnector, read_roll


@asynccontextmanager
async def jira(people: int, version: str = "10.3.24") -> AsyncIterator[tuple[RunningJira, Listing]]:
    """A Jira with its connector's account and so many others, every third of them inactive."""
    state = JiraState()
    state.add_user("lychgate", groups=("jira-administrators",))
    token = state.add_token("lychgate")
    for number in range(people):
        state.add_user(f"Person.{number}", groups=("all", f"team-{number % 3}"), active=number % 3 > 0)
    async with serve_jira(state, JiraConfig(version=version)) as running, open_session() as session:
        connector = JiraConnector(session, running.url, lambda: token)
        assert isinstance(connector, Lists)
        yield running, connector.listing()


async def test_everybody_is_listed_in_pages_active_or_not() -> None:
    async with jira(1100) as (running, listing):
        people = await listing.people()
        assert 1101 == len({one.username for one in people})
        assert 367 == sum(not one.active for one in people)
        assert ["lychgate"] == [one.username for one in people if one.own]
        assert 3 == running.count("GET", "/rest/api/2/user/list")


async def test_a_jira_without_the_list_is_searched_unless_it_cuts_the_search() -> None:
    async with jira(60, "9.12.5") as (_, listing):
        assert 61 == len(await listing.people())
    async with jira(200, "10.1.0") as (_, listing):
        with pytest.raises(AccountError, match="at most"):
            await listing.people()


async def test_groups_have_all_their_members_and_unknown_ones_none() -> None:
    async with jira(130) as (running, listing):
        members = await listing.members("ALL")
        assert members is not None and 130 == len(members) and "person.0" in members
        assert 3 == running.count("GET", "/rest/api/2/group/member")
        assert await listing.members("nobody-s") is None
        names, count = await listing.groups()
        assert {"all", "team-0", "jira-administrators"} <= set(names) and len(names) == count


async def test_a_group_that_changes_while_it_is_read_is_no_list() -> None:
    async with jira(10) as (running, listing):
        body = '{"values": [{"name": "a"}], "isLast": true, "total": 2}'
        answer = (("Content-Type", "application/json"),)
        running.fail_next("/rest/api/2/group/member", 200, body, times=1, headers=answer)
        members = await listing.members("all")
        assert members is not None and 10 == len(members)
        running.fail_next("/rest/api/2/group/member", 200, body, times=2, headers=answer)
        with pytest.raises(AccountError, match="change while they are read"):
            await listing.members("all")


@pytest.mark.parametrize("body", ["[]", "{}", '{"values": [{}], "isLast": true}', '{"values": []}', "<html>"])
async def test_what_is_no_list_is_an_error(body: str) -> None:
    async with jira(1) as (running, listing):
        running.fail_next("/rest/api/2/user/list", 200, body, headers=(("Content-Type", "application/json"),))
        with pytest.raises(AccountError):
            await listing.people()


async def test_names_of_several_directories_are_told_with_their_directories() -> None:
    async with jira(1) as (running, listing):
        running.state.duplicates["Person.0"] = (("Jira Internal Directory", False), ("LDAP", True))
        assert {"person.0": ("Jira Internal Directory", "LDAP")} == dict(await listing.shadowed())


async def test_a_roll_has_the_groups_that_were_asked_for() -> None:
    async with jira(9) as (running, listing):
        running.state.add_user("gone", groups=("Old",))
        running.state.add_user("Weiß", groups=("team-1",))
        running.state.add_user("weiss", groups=("team-2",))
        roll = await read_roll(listing, ["Team-1", "missing"])
        assert frozenset({"team-1"}) == roll.accounts["person.4"].groups
        assert (frozenset({"missing"}), 0) == (roll.absent, roll.unlisted)
        assert frozenset() == roll.accounts["gone"].groups
        whole = await read_roll(listing, [], every=True)
        assert (frozenset({"all", "team-1"}), frozenset({"old"})) == (
            whole.accounts["person.4"].groups,
            whole.accounts["gone"].groups,
        )
        # Jira compares in lower case: ß is not ss.
        assert [{"team-1"}, {"team-2"}] == [set((await _of(whole, name)).groups) for name in ("WEIß", "weiss")]
        found = await RollConnector(whole).read("PERSON.4")
        assert found is not None and "person.4" == found.username


async def _of(roll: Roll, name: str) -> Account:
    found = await RollConnector(roll).read(name)
    assert found is not None
    return found
