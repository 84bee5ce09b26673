"""Crowd's clients of others, unmodified, take the gate for their Crowd server: PyPI `Crowd` and `atlassian-python-api`,
npm `atlassian-crowd-client`, and a site under `django-crowd-auth` that stands behind the gate where a product would.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from atlassian import Crowd
from crowd import CrowdServer
from requests import HTTPError

from sidecar.flows.crowd_tokens import COOKIE
from tests.e2e.conftest import require
from tests.e2e.rigs import NODE_FOLDER, NODE_NEEDED, npm_ready
from tests.web.rig import LANDING, Browser, Site, World, free_port, world
from tests.web.test_crowd import token_of

LONGEST = 60
PATH, GROUP = "/browse/KEY-1", "jira-software-users"
LINES = [{"from": "okta-jira-users", "to": GROUP}, {"from": "okta-canteen", "to": "cooks"}]
ACCOUNTS = {"directory": True, "create": True, "groups": {"map": LINES}}
EVERYBODY = {"require": {"any_group": ["okta-jira-users", "okta-canteen"]}}


@asynccontextmanager
async def _scene(folder: Path, **settings: Any) -> AsyncIterator[World]:
    site = Site(proof="crowd", support={"usernames": {}}, **settings)
    async with world(folder, site) as made:
        yield made


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[World]:
    async with _scene(tmp_path, crowd={"directory": True}, accounts=ACCOUNTS) as made:
        yield made


def _base(world: World) -> str:
    return f"http://127.0.0.1:{world.site.landing_port}/jira"


async def _users(world: World) -> list[tuple[str, bool, list[str]]]:
    """The directory of now: nothing that a client writes is to be found there."""

    def ask() -> list[tuple[str, bool, list[str]]]:
        client = CrowdServer(_base(world), "lychgate", LANDING, timeout=10)
        found = client.search("user", "name", "")
        return [(user["name"], user["active"], client.get_groups(user["name"])) for user in found["users"]]

    return await asyncio.to_thread(ask)


async def test_pypi_crowd_is_told_who_is_there_and_may_change_nothing(scene: World) -> None:
    async with scene.browser() as browser:
        assert 200 == (await browser.sign_in("nina"))[0]
        token = token_of(scene, "nina")
        await asyncio.to_thread(_ask_by_pypi, CrowdServer(_base(scene), "lychgate", LANDING, timeout=10), token)
        stranger = CrowdServer(_base(scene), "lychgate", LANDING + "x", timeout=10)
        assert [False, None, None] == await asyncio.to_thread(_as_a_stranger, stranger, token)
        assert [("nina", True, [GROUP])] == await _users(scene)
        await asyncio.to_thread(_ask_by_atlassian, Crowd(_base(scene), "lychgate", LANDING))
        with pytest.raises(HTTPError) as refused:
            await asyncio.to_thread(Crowd(_base(scene), "lychgate", "another").user, "nina")
        assert 401 == refused.value.response.status_code
        # Nothing of all that has touched the session; the log-out does.
        assert 200 == (await browser.go(scene.url + PATH))[0]
        client = CrowdServer(_base(scene), "lychgate", LANDING, timeout=10)
        assert True is await asyncio.to_thread(client.terminate_session, token)
        assert None is await asyncio.to_thread(client.validate_session, token)
        assert 302 == (await browser.go(scene.url + PATH))[0]
    assert ["product"] == [event["facts"]["cause"] for event in scene.told("session.ended")]


def _ask_by_pypi(client: CrowdServer, token: str) -> None:
    assert client.auth_ping()
    assert {"domain": "", "secure": False, "name": COOKIE} == client.get_cookie_conf()
    for remote, proxy in (("127.0.0.1", None), ("203.0.113.9", None), ("203.0.113.9", "198.51.100.7")):
        session = client.validate_session(token, remote, proxy)
        assert ("nina", token, "nina@example.com") == (
            session["user"]["name"], session["token"], session["user"]["email"],
        )  # fmt: skip
    assert [None, None] == [client.validate_session(forged) for forged in (token[:-1], "A" * 43)]
    whole = client.get_user("NINA")
    assert ("nina", "Nina", "New", "Nina New", True) == tuple(
        whole[name] for name in ("name", "first-name", "last-name", "display-name", "active")
    )
    assert (True, None, None) == (client.user_exists("nina"), client.user_exists("eve"), client.get_user("eve"))
    assert [GROUP] == client.get_groups("nina") == client.get_nested_groups("nina")
    assert (["nina"], None) == (client.get_nested_group_users(GROUP), client.get_nested_group_users("nothing"))
    assert {GROUP: {"users": ["nina"], "groups": []}} == client.get_memberships()
    found = [client.search(kind, name, text) for kind, name, text in (
        ("user", "email", "NINA@"), ("user", "email", "eve@"), ("group", "name", "software"),
    )]  # fmt: skip
    assert [["nina"], []] == [[user["name"] for user in one["users"]] for one in found[:2]]
    assert [GROUP] == [group["name"] for group in found[2]["groups"]]
    # It is the password server, and knows none.
    assert [None, None] == [client.auth_user("nina", "x"), client.get_session("nina", "x")]
    # And everything stays as it is.
    assert False is client.add_user("eve", password="x", email="eve@example.com")
    assert None is client.set_active("nina", False)
    refusals = [
        client.add_user_to_group("nina", "jira-administrators"), client.remove_user_from_group("nina", GROUP),
        client.change_password("nina", "x"), client.send_password_reset_link("nina"),
        client.set_user_attribute("nina", "a", "b"),
    ]  # fmt: skip
    assert [False] * 5 == refusals
    said = [client.create_group("mine"), client.remove_group(GROUP), client.update_group(GROUP, {"active": False})]
    said += [client.add_child_group("mine", GROUP), client.remove_child_group("mine", GROUP)]
    assert {"the directory is read-only"} == set(said)


def _ask_by_atlassian(client: Crowd) -> None:
    assert ("nina", True) == (client.user("NINA")["name"], client.user("nina")["active"])
    assert [GROUP] == client.user_groups("nina") == client.nested_user_groups("nina")
    assert ["nina"] == client.group_members(GROUP) == client.nested_group_members(GROUP)
    assert [True, False] == [client.is_user_in_group(name, GROUP) for name in ("nina", "eve")]
    assert GROUP == client.group(GROUP)["name"]
    for change in (
        lambda: client.user_create("eve", True, "E", "E", "E E", "eve@example.com", "x"),
        lambda: client.user_deactivate("nina"), lambda: client.user_delete("nina"),
        lambda: client.group_add_user("nina", "mine"), lambda: client.group_remove_user("nina", GROUP),
        lambda: client.user_update_password("nina", "x"), lambda: client.group_delete(GROUP),
    ):  # fmt: skip
        with pytest.raises(HTTPError) as refused:
            change()
        assert 403 == refused.value.response.status_code


def _as_a_stranger(client: CrowdServer, token: str) -> list[object]:
    return [client.auth_ping(), client.validate_session(token), client.get_user("nina")]


def _named(**wanted: object) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and wanted.items() <= value.items()


READ_ONLY, NO_PASSWORDS = {"error": "APPLICATION_PERMISSION_DENIED"}, {"error": "INVALID_USER_AUTHENTICATION"}
NOT_THERE = {"error": "MEMBERSHIP_NOT_FOUND"}
FACTORS = {"factors": {"validationFactors": [{"name": "remote_address", "value": "203.0.113.9"}]}}
XML = f'<membership group="{GROUP}"><users><user name="nina" /></users><groups /></membership>'
ASKED: list[tuple[list[Any], Any]] = [
    (["config.cookie"], {"value": {"domain": "", "secure": False, "name": COOKIE}}),
    (["session.getUser", "TOKEN"], _named(username="nina", email="nina@example.com", active=True)),
    (["session.validate", "TOKEN", FACTORS], _named(token="TOKEN")),
    (["session.validate", "FORGED", FACTORS], {"error": "INVALID_SSO_TOKEN"}),
    (["session.getUser", "FORGED"], {"error": "INVALID_SSO_TOKEN"}),
    (["session.create", "nina", "x"], NO_PASSWORDS),
    (["session.createUnvalidated", "nina", FACTORS], NO_PASSWORDS),
    (["authentication.authenticate", "nina", "x"], NO_PASSWORDS),
    (["user.get", "NINA", True], _named(username="nina", firstname="Nina", lastname="New", displayname="Nina New")),
    (["user.get", "eve"], {"error": "USER_NOT_FOUND"}),
    (["user.groups.list", "nina"], {"value": [GROUP]}),
    (["user.groups.list", "nina", True, 0, 1], {"value": [GROUP]}),
    (["user.groups.list", "nina", False, 1, 10], {"value": []}),
    (["user.groups.get", "nina", GROUP, True], {"value": GROUP}),
    (["user.groups.get", "nina", "jira-administrators"], NOT_THERE),
    (["group.get", GROUP, True], _named(groupname=GROUP, active=True)),
    (["group.get", "nothing"], {"error": "GROUP_NOT_FOUND"}),
    (["group.users.list", GROUP, True], {"value": ["nina"]}),
    (["group.users.list", "nothing"], {"error": "GROUP_NOT_FOUND"}),
    (["group.users.get", GROUP, "nina"], {"value": "nina"}),
    (["group.users.get", GROUP, "eve"], NOT_THERE),
    (["group.children.list", GROUP, True], {"value": []}),
    (["group.parents.list", GROUP], {"value": []}),
    (["group.children.get", GROUP, "jira-administrators"], NOT_THERE),
    (["group.parents.get", GROUP, "jira-administrators", True], NOT_THERE),
    (["group.membership"], lambda value: XML in value),
    (["search.user", "", True], lambda value: ["nina"] == [one["username"] for one in value]),
    (["search.group", ""], {"value": [GROUP]}),
    (["search.user", 'email = "nina@example.com"'], {"error": "ILLEGAL_ARGUMENT"}),
    (["user.create", {"user": "eve"}], READ_ONLY),
    (["user.update", "nina", {"user": "nina"}], READ_ONLY),
    (["user.rename", "nina", "eve"], READ_ONLY),
    (["user.remove", "nina"], READ_ONLY),
    (["user.password.set", "nina", "x"], READ_ONLY),
    (["user.groups.add", "nina", "jira-administrators"], READ_ONLY),
    (["user.groups.remove", "nina", GROUP], READ_ONLY),
    (["group.users.add", "jira-administrators", "nina"], READ_ONLY),
    (["group.remove", GROUP], READ_ONLY),
]


async def _by_node(world: World, calls: list[list[Any]], password: str = LANDING) -> list[dict[str, Any]]:
    require(npm_ready(), NODE_NEEDED)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("node", str(NODE_FOLDER / "crowd.mjs"), stdin=pipe, stdout=pipe)
    told = {"url": _base(world), "name": "lychgate", "password": password, "calls": calls}
    async with asyncio.timeout(LONGEST):
        out, _ = await process.communicate(json.dumps(told).encode() + b"\n")
    found: list[dict[str, Any]] = json.loads(out)
    return found


@pytest.mark.node
async def test_npm_atlassian_crowd_client_is_told_who_is_there_and_may_change_nothing(scene: World) -> None:
    async with scene.browser() as browser:
        assert 200 == (await browser.sign_in("nina"))[0]
        token = token_of(scene, "nina")

        def real(text: str) -> Any:
            return json.loads(text.replace('"TOKEN"', json.dumps(token)).replace('"FORGED"', json.dumps(token[::-1])))

        found = await _by_node(scene, [real(json.dumps(call)) for call, _ in ASKED])
        for (call, wanted), got in zip(ASKED, found, strict=True):
            if callable(wanted):
                said = json.dumps(got.get("value", got)).replace(token, "TOKEN")
                assert wanted(json.loads(said)), (call, got)
            else:
                assert (call, wanted) == (call, got)
        calls = [["session.getUser", token], ["user.get", "nina"], ["config.cookie"]]
        strange = await _by_node(scene, calls, "another password than that")
        assert [{"error": "APPLICATION_ACCESS_DENIED"}] * 3 == strange
        assert [("nina", True, [GROUP])] == await _users(scene)
        assert 200 == (await browser.go(scene.url + PATH))[0]
        # All sessions of the user but that one, then that one.
        ends = [["session.removeAll", "nina", token], ["session.getUser", token], ["session.remove", token]]
        kept, user, gone, again = await _by_node(scene, [*ends, ["session.getUser", token]])
        assert ({"value": None}, "nina", {"value": None}) == (kept, user["value"]["username"], gone)
        assert {"error": "INVALID_SSO_TOKEN"} == again
        assert 302 == (await browser.go(scene.url + PATH))[0]


@asynccontextmanager
async def _django(world: World, port: int) -> AsyncIterator[str]:
    """The site as a process of its own; gives its address."""
    pipe = asyncio.subprocess.PIPE
    arguments = (sys.executable, "-m", "tests.e2e.django_site", str(port), str(world.folder))
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe)
    assert process.stdin is not None and process.stdout is not None
    told = {"crowd_url": _base(world), "app_name": "lychgate", "app_pass": LANDING, "timeout": 10}
    try:
        process.stdin.write(json.dumps(told).encode() + b"\n")
        async with asyncio.timeout(LONGEST):
            assert b"ready\n" == await process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        async with asyncio.timeout(LONGEST):
            await process.stdout.read()
            await process.wait()


async def _direct(url: str, **headers: str) -> Any:
    """Straight to the site, past the gate."""
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers=headers) as client,
        client.get(url) as answer,
    ):
        return await answer.json()


async def _page(browser: Browser, world: World, method: str = "GET", **options: Any) -> Any:
    status, _, text = await browser.go(world.url + PATH, method, **options)
    return (status, json.loads(text)) if status == 200 and text else (status, None)


async def test_a_site_under_django_crowd_auth_behind_the_gate_serves_everybody_as_themselves(tmp_path: Path) -> None:
    port = free_port()
    upstream = f"http://127.0.0.1:{port}"
    async with (
        _scene(tmp_path, upstream=upstream, jira={"accounts": ACCOUNTS}, agents=EVERYBODY) as world,
        _django(world, port) as site,
        world.browser() as first,
        world.browser() as second,
    ):
        status, _, text = await first.sign_in("nina")
        nina = {"name": "nina", "groups": [GROUP], "sent": 0}
        otto = {"name": "otto", "groups": ["cooks"], "sent": 0}
        assert (200, nina) == (status, json.loads(text))
        status, _, text = await second.sign_in("otto")
        assert (200, otto) == (status, json.loads(text))
        for _ in range(2):
            assert [(200, nina), (200, otto)] == [await _page(one, world) for one in (first, second)]
        script = {"headers": {"X-Requested-With": "XMLHttpRequest", "Accept": "application/json"}}
        assert (200, nina) == await _page(first, world, **script)
        assert (200, {**nina, "sent": 9}) == await _page(first, world, "POST", data=b"as it is.")
        assert 200 == (await _page(first, world, "HEAD"))[0]
        assert not [line for line in first.seen if COOKIE in line or "JSESSIONID" in line]
        # Past the gate nobody is believed: neither a name, nor a token that is none, nor a password.
        nobody = {"name": None, "groups": [], "sent": 0}
        for headers in ({"X-Lychgate-User": "nina"}, {"Cookie": f"{COOKIE}={'A' * 43}"}):
            assert nobody == await _direct(site + PATH, **headers)
        assert {"name": None} == await _direct(f"{site}/log-in?username=nina&password=x")
        # What the product takes over at its synchronisation is the directory.
        assert {"nina": [GROUP], "otto": ["cooks"]} == await _direct(f"{site}/synchronise")
        (jar,) = [
            jar
            for entry in world.gate.sessions._entries.values()
            for seat, jar in entry.session.jars.items()
            if seat.endswith("nina")
        ]
        cookies = "; ".join(f"{name}={value}" for name, value in jar)
        assert {COOKIE, "JSESSIONID"} == set(dict(jar)) and nina == await _direct(site + PATH, Cookie=cookies)
        await first.sign_out()
        assert nobody == await _direct(site + PATH, Cookie=cookies)
        # Somebody else in the same browser, and she herself again.
        for name, wanted in (("otto", otto), ("nina", nina)):
            status, _, text = await first.sign_in(name)
            assert (200, wanted) == (status, json.loads(text))
            assert (200, otto) == await _page(second, world)
            await first.sign_out()
    assert [] == world.told("landing.failed") + world.told("landing.mismatch")
