"""The contract of listings: everybody at Jira, Confluence, Crowd, and Jira as user server, as the connector reads them
one by one; or no list at all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from sidecar.domain.account import Account, Deactivate
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Connector, Registry
from sidecar.flows.listing import Listing, Lists, RollConnector, UnreadGroupError, read_roll
from tests.adapters.accounts.standins import ADMIN, WAYS, StandIn, crowd

JSON = (("Content-Type", "application/json"),)
LISTS = {
    "jira": "/rest/api/2/user/list",
    "confluence": "/rest/api/user/list",
    "crowd": "/rest/usermanagement/1/search",
    "user_server": "/rest/usermanagement/1/search",
}
MEMBERS = {
    "jira": "/rest/api/2/group/member",
    "confluence": "/rest/api/group/users/member",
    "crowd": "/rest/usermanagement/1/group/user",
    "user_server": "/rest/usermanagement/1/group/user",
}
ODD = ["o'neill", "Jürgen", "o+tag@example.com", "50%", "a b", "a#b", "a?b;c", "a&b=c", "ñ.日本", "a..b", "...", "a/b"]
ODD_GROUPS = ["köln", "o'higgins", "a & b", "50%", "x?y#z", "..x", "Büro Süd"]


@pytest.fixture(params=WAYS)
async def standin(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    async with WAYS[request.param]() as made:
        yield made


def listing_of(connector: Connector) -> Listing:
    assert isinstance(connector, Lists)
    return connector.listing()


async def refusal(listing: Listing, group: str = "") -> AccountError:
    """Why there is no list of everybody, or of the members of a group."""
    with pytest.raises(AccountError) as caught:
        await (listing.members(group) if group else listing.people())
    return caught.value


async def test_everybody_is_on_the_list_as_the_connector_reads_them(standin: StandIn) -> None:
    for number, name in enumerate(ODD):
        standin.add(name, *ODD_GROUPS[: number % len(ODD_GROUPS)], active=number % 3 > 0)
    standin.make(["empty"])
    async with standin.connected() as connector:
        roll = await read_roll(listing_of(connector), ["missing", "Empty"], every=True)
        for name in ODD:
            assert await connector.read(name) == await RollConnector(roll).read(name.upper()), name
        own = await RollConnector(roll).read(ADMIN)
    assert {*map(str.lower, ODD), *([ADMIN] if standin.own else [])} == set(roll.accounts)
    assert standin.own == (own is not None and own.own)
    assert (frozenset({"missing"}), 0, ()) == (roll.absent, roll.unlisted, roll.unread)


@pytest.mark.parametrize("people", [99, 100, 101, 1001])
async def test_long_lists_are_read_to_the_last(standin: StandIn, people: int) -> None:
    for number in range(people):
        standin.add(f"Person.{number:04}", "users", active=number % 3 > 0)
    async with standin.connected() as connector:
        listing = listing_of(connector)
        found, members = await listing.people(), await listing.members("USERS")
    assert people + standin.own == len({one.username for one in found}) == len(found)
    assert {f"person.{number:04}" for number in range(people)} == members
    assert len(standin.server.calls) < 50


async def test_many_groups_are_listed_to_the_last(standin: StandIn) -> None:
    made = [f"group-{number:04}" for number in range(1001)]
    standin.make(made)
    async with standin.connected() as connector:
        names, count = await listing_of(connector).groups()
    assert (True, count) == (set(made) <= set(names), len(names))


async def test_a_group_that_is_not_there_has_no_members_at_all(standin: StandIn) -> None:
    standin.make(["empty"])
    async with standin.connected() as connector:
        listing = listing_of(connector)
        assert (None, frozenset()) == (await listing.members("nowhere"), await listing.members("empty"))


@pytest.mark.parametrize("group", ["a/b", "a\\b", ".."])
async def test_a_group_without_an_address_is_named_and_never_taken_for_another(standin: StandIn, group: str) -> None:
    standin.add("alice", group, "a")
    async with standin.connected() as connector:
        listing = listing_of(connector)
        if standin.in_queries:
            assert frozenset({"alice"}) == await listing.members(group)
            return
        assert isinstance(await refusal(listing, group), UnreadGroupError)
        roll = await read_roll(listing, [], every=True)
    assert ((group,), {"a"}) == (roll.unread, set(roll.accounts["alice"].groups) - {"confluence-users"})


async def test_directories_are_told_or_said_to_be_untold(standin: StandIn) -> None:
    async with standin.connected() as connector:
        listing = listing_of(connector)
        told = await listing.shadowed()
    assert (standin.name == "jira") == (told is not None)
    assert (told is None) == any("director" in sentence for sentence in listing.untold)
    assert (not standin.mail) == any("e-mail" in sentence for sentence in listing.untold)


async def test_an_account_is_found_by_its_key_under_another_name(standin: StandIn) -> None:
    standin.add("Alice", "users", active=False)
    user = standin.people.find("alice")
    assert user is not None
    async with standin.connected() as connector:
        assert isinstance(connector, Registry)
        before = await connector.read("alice")
        del standin.people.users["alice"]
        user.username = "alison"
        standin.people.users["alison"] = user
        assert before is not None and before.key is not None
        found: Account | None = await connector.by_key(before.key)
        assert (None, None) == (await connector.read("alice"), await connector.by_key("no-such-key"))
    assert replace(before, username="alison") == found


@pytest.mark.parametrize(
    "body", ["[]", "{}", '{"values": [{}], "isLast": true}', '{"results": [{}], "size": 1, "limit": 100}',
             '{"results": [], "size": 1, "limit": 100}', '{"users": [{"name": "a"}]}', '{"users": null}', "<html>"]
)  # fmt: skip
async def test_what_is_no_list_is_an_error(standin: StandIn, body: str) -> None:
    async with standin.connected() as connector:
        await connector.read("nobody")
        standin.server.fail_next(LISTS[standin.name], 200, body, 9, JSON)
        error = await refusal(listing_of(connector))
    assert (Reason.CONNECTOR_REFUSED, False) == (error.reason, error.retry)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, Reason.CONNECTOR_REFUSED), (403, Reason.CONNECTOR_REFUSED), (503, Reason.CONNECTOR_UNREACHABLE)],
)
async def test_a_refusal_is_never_an_empty_list(standin: StandIn, status: int, reason: Reason) -> None:
    standin.add("alice", "users")
    async with standin.connected() as connector:
        await connector.read("alice")
        for place, group in ((LISTS, ""), (MEMBERS, "users")):
            standin.server.fail_next(place[standin.name], status, "{}", 9, JSON)
            assert reason is (await refusal(listing_of(connector), group)).reason
            standin.server.faults.clear()


async def test_looking_changes_nothing(standin: StandIn) -> None:
    standin.add("alice", "users")
    async with standin.connected() as connector:
        roll = await read_roll(listing_of(connector), [], every=True)
        with pytest.raises(AccountError, match="looking only"):
            await RollConnector(roll).apply(Deactivate("alice"))
    assert {"GET"} == {call.method for call in standin.server.calls}


async def test_a_list_that_changes_while_it_is_read_is_read_again_and_then_given_up() -> None:
    async with WAYS["confluence"]() as standin:
        for number in range(150):
            standin.add(f"p{number:03}")
        people = [{"username": name, "status": "active"} for name in sorted(standin.people.users)]
        # Somebody before the end of the first page is gone when the second one is asked for.
        first = {"results": people[1:100] + people[:1], "size": 100, "limit": 100, "_links": {"next": "x"}}
        async with standin.connected() as connector:
            listing = listing_of(connector)
            await connector.read("p001")
            standin.server.fail_next(LISTS["confluence"], 200, json.dumps(first), 1, JSON)
            assert 151 == len(await listing.people())
            standin.server.fail_next(LISTS["confluence"], 200, json.dumps(first), 9, JSON)
            assert "changes while it is read" in (await refusal(listing)).detail


async def test_persons_without_an_account_are_left_out_and_what_follows_a_short_page_is_not() -> None:
    async with WAYS["confluence"]() as standin:
        for number in range(150):
            standin.add(f"p{number:03}")
        short = {
            "results": [{"type": "unknown", "displayName": "Gone"}, {"username": "p000", "status": "deactivated"}],
            "size": 2,
            "limit": 100,
            "_links": {"next": "/rest/api/user/list?start=100"},
        }
        async with standin.connected() as connector:
            standin.server.fail_next(LISTS["confluence"], 200, json.dumps(short), 1, JSON)
            found = {one.username: one.active for one in await listing_of(connector).people()}
    assert ({"p000": False}, 52) == ({name: on for name, on in found.items() if not on}, len(found))


async def test_a_confluence_before_the_list_is_said_to_be_one() -> None:
    async with WAYS["confluence"]() as standin, standin.connected() as connector:
        standin.server.fail_next(LISTS["confluence"], 404, "<html>", 1, (("Content-Type", "text/html"),))
        assert "8.4" in (await refusal(listing_of(connector))).detail


async def test_members_by_nesting_are_members_as_the_connector_reads_them() -> None:
    async with crowd({"team": ("users",), "users": ("all",)}) as standin:
        standin.make(["all"])
        standin.add("alice", "team")
        standin.add("bob", "users")
        async with standin.connected() as connector:
            roll = await read_roll(listing_of(connector), ["all"], every=True)
            for name in ("alice", "bob"):
                assert await connector.read(name) == roll.accounts[name]
    assert {"team", "users", "all"} == set(roll.accounts["alice"].groups)
