"""The product takes its users and groups from Lychgate: who they are follows from sign-ins, nothing can be written, and
changes are told by event tokens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.conftest import Worlds
from tests.web.rig import World
from tests.web.test_crowd import ask
from tests.web.test_headless import cookie_of

PATH = "/browse/KEY-1"
XML = {"Accept": "application/xml", "Content-Type": "application/xml"}


async def _world(worlds: Worlds, **settings: Any) -> World:
    more = {"crowd": {"directory": True}, "accounts": {"directory": True}, "support": {"usernames": {}}, **settings}
    return await worlds(proof="crowd", **more)


async def test_somebody_new_lands_without_any_token_of_an_administrator(worlds: Worlds) -> None:
    world = await _world(worlds)
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("nina")
        assert 200 == status, text
    assert ("nina", "crowd") == (world.arrived[-1].username, world.arrived[-1].how)
    assert {"jira-software-users"} == world.jira.state.users["nina"].groups
    assert not [call for call in world.jira.calls if call.header("Authorization")]
    assert 1 == len(world.told("user.created"))


async def test_what_the_products_client_asks(worlds: Worlds) -> None:
    world = await _world(worlds)
    assert 200 == (await world.page(PATH, await cookie_of(world, "nina"))).status
    status, users = await ask(world, "POST", "/search?entity-type=user&start-index=0&max-results=1&expand=user")
    assert (200, ["nina"]) == (status, [user["name"] for user in users["users"]])
    assert ("Nina New", True) == (users["users"][0]["display-name"], users["users"][0]["active"])
    _, groups = await ask(world, "POST", "/search?entity-type=group&expand=group&max-results=-1")
    assert ["jira-software-users"] == [group["name"] for group in groups["groups"]]
    for path in ("/user/group/direct?username=NINA", "/user/group/nested?username=nina&expand=group"):
        assert ["jira-software-users"] == [one["name"] for one in (await ask(world, "GET", path))[1]["groups"]]
    _, members = await ask(world, "GET", "/group/user/direct?groupname=Jira-Software-Users")
    assert ["nina"] == [one["name"] for one in members["users"]]
    for path in ("/group/child-group/direct", "/group/parent-group/nested"):
        assert [] == (await ask(world, "GET", f"{path}?groupname=jira-software-users"))[1]["groups"]
    key = users["users"][0]["key"]
    assert "nina" == (await ask(world, "GET", f"/user?key={key}"))[1]["name"]
    _, text = await ask(world, "GET", "/group/membership", headers=XML)
    whole = '<membership group="jira-software-users"><users><user name="nina" /></users><groups /></membership>'
    assert whole in text


@pytest.mark.parametrize(
    ("name", "mode", "value", "found"),
    [
        ("name", "EXACTLY_MATCHES", "NINA", True),
        ("email", "CONTAINS", "@", True),
        ("active", "EXACTLY_MATCHES", "true", True),
        ("name", "STARTS_WITH", "in", False),
        ("displayName", "ENDS_WITH", "new", True),
        ("nothing", "EXACTLY_MATCHES", "", False),
    ],
)
async def test_a_search_finds_what_its_restriction_says(
    worlds: Worlds, name: str, mode: str, value: str, found: bool
) -> None:
    world = await _world(worlds)
    assert 200 == (await world.page(PATH, await cookie_of(world, "nina"))).status
    restriction = (
        f"<property-search-restriction><property><name>{name}</name><type>STRING</type></property>"
        f"<match-mode>{mode}</match-mode><value>{value}</value></property-search-restriction>"
    )
    both = (
        f'<boolean-search-restriction boolean-logic="and"><restrictions>{restriction}{restriction}</restrictions>'
        "</boolean-search-restriction>"
    )
    for body in (restriction, both):
        status, text = await ask(world, "POST", "/search?entity-type=user", body=body, headers=XML)
        assert (200, found) == (status, 'name="nina"' in text)


@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]><null-search-restriction>&a;</null-search-restriction>',
        "<null-search-restriction>",
        "<other/>",
        "<boolean-search-restriction><restrictions>" * 40 + "</restrictions></boolean-search-restriction>" * 40,
        "\x00",
    ],
)
async def test_a_search_that_cannot_be_read_is_refused(worlds: Worlds, body: str) -> None:
    world = await _world(worlds)
    assert 400 == (await ask(world, "POST", "/search?entity-type=user", body=body, headers=XML))[0]


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("POST", "/user", 403, "APPLICATION_PERMISSION_DENIED"),
        ("PUT", "/user?username=nina", 403, "APPLICATION_PERMISSION_DENIED"),
        ("DELETE", "/user?username=nina", 403, "APPLICATION_PERMISSION_DENIED"),
        ("PUT", "/user/password?username=nina", 403, "APPLICATION_PERMISSION_DENIED"),
        ("POST", "/user/group/direct?username=nina", 403, "APPLICATION_PERMISSION_DENIED"),
        ("POST", "/group", 403, "APPLICATION_PERMISSION_DENIED"),
        ("DELETE", "/group/user/direct?groupname=g&username=nina", 403, "APPLICATION_PERMISSION_DENIED"),
        ("GET", "/user?username=nobody", 404, "USER_NOT_FOUND"),
        ("GET", "/user/group/direct?username=nobody", 404, "USER_NOT_FOUND"),
        ("POST", "/authentication/notify?username=nobody", 404, "USER_NOT_FOUND"),
        ("GET", "/group?groupname=nothing", 404, "GROUP_NOT_FOUND"),
        ("GET", "/group/user/nested?groupname=nothing", 404, "GROUP_NOT_FOUND"),
        ("POST", "/webhook", 404, "UNSUPPORTED_OPERATION"),
        ("GET", "/event/1:2", 400, "EVENT_TOKEN_EXPIRED"),
        ("GET", "/event/x", 400, "EVENT_TOKEN_EXPIRED"),
        ("GET", "/search?start-index=x", 400, "ILLEGAL_ARGUMENT"),
        ("GET", "/search?restriction=name%3Dnina", 400, "ILLEGAL_ARGUMENT"),
    ],
)
async def test_nothing_is_written_and_what_is_not_there_is_said(
    worlds: Worlds, method: str, path: str, status: int, reason: str
) -> None:
    world = await _world(worlds)
    found, error = await ask(world, method, path, body="{}" if method != "GET" else "")
    assert (status, reason) == (found, error["reason"])


async def test_changes_are_told_since_a_token(worlds: Worlds) -> None:
    world = await _world(worlds)
    _, began = await ask(world, "GET", "/event")
    # Whoever asks is answered; nobody is told to lean on it.
    assert began["incrementalSynchronisationAvailable"] is False
    assert 200 == (await world.page(PATH, await cookie_of(world, "nina"))).status
    _, text = await ask(world, "GET", f"/event/{began['newEventToken']}", headers=XML)
    assert ["<groupEvent", "<userEvent", "<userMembershipEvent"] == sorted(
        ("<groupEvent", "<userEvent", "<userMembershipEvent"), key=text.index
    )
    assert '<childUser name="nina"' in text and '<group name="jira-software-users" /></parentGroups>' in text
    _, now = await ask(world, "GET", "/event")
    _, nothing = await ask(world, "GET", f"/event/{now['newEventToken']}")
    assert [] == nothing["events"] and now["newEventToken"] != began["newEventToken"]
    await world.restart()
    status, error = await ask(world, "GET", f"/event/{now['newEventToken']}")
    assert (400, "EVENT_TOKEN_EXPIRED") == (status, error["reason"])
    # The users themselves outlive the process.
    assert "nina" == (await ask(world, "GET", "/user?username=nina"))[1]["name"]


async def test_a_directory_that_is_synchronised_late_is_waited_for_and_not_for_ever(worlds: Worlds) -> None:
    world = await _world(worlds, crowd={"directory": False}, accounts={"directory": True, "sync_wait": "1h"})
    cookie = await cookie_of(world, "nina")
    # The product asks whose the token is, and does not fetch the user.
    answer = await world.page(PATH, cookie)
    assert 503 == answer.status and "directory_sync_pending" in answer.text and "nina" not in world.jira.state.users
    # Once it has asked for everybody and still does not let her in, waiting helps no more.
    assert 200 == (await ask(world, "POST", "/search?entity-type=user&expand=user"))[0]
    answer = await world.page(PATH, cookie)
    assert 502 == answer.status and "landing_failed" in answer.text


async def test_without_a_directory_it_is_empty_and_that_will_do(worlds: Worlds) -> None:
    world = await worlds(proof="crowd")
    assert 200 == (await world.page(PATH, await cookie_of(world))).status
    status, text = await ask(world, "POST", "/search?entity-type=user&max-results=1&expand=user", headers=XML)
    assert 200 == status and text.endswith('<users expand="user" />')
