"""demo.confluence: the answers that Confluence's document gives, down to statuses and error bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from sidecar.demo.confluence import ConfluenceConfig, ConfluenceState, serve_confluence
from sidecar.demo.jira import SsoConfig
from sidecar.demo.jira.listening import Listening
from tests.demo.asking import ask

ADMIN, ALICE = "token-of-admin", "token-of-alice"
NEW = {"userName": "dora", "fullName": "Dora Diaz", "email": "dora@example.com", "password": "x" * 20}

Table = list[tuple[str | None, str, str, object, int]]


def made() -> ConfluenceState:
    state = ConfluenceState.sample()
    state.add_token("admin", ADMIN)
    state.add_token("alice", ALICE)
    return state


@pytest.fixture
async def server() -> AsyncIterator[Listening]:
    async with serve_confluence(made(), ConfluenceConfig(seats=4, secret="proof")) as running:
        yield running


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


TABLE: Table = [
    (None, "GET", "/rest/api/user?username=alice", None, 403),
    (ALICE, "GET", "/rest/api/user?username=alice", None, 200),
    (ALICE, "GET", "/rest/api/user?username=nobody", None, 404),
    (ALICE, "GET", "/rest/api/user?key=unknown", None, 404),
    (None, "GET", "/rest/api/user/current", None, 200),
    (ALICE, "GET", "/rest/api/user/memberof?username=nobody", None, 404),
    (ALICE, "GET", "/rest/api/user/list", None, 403),
    (ADMIN, "GET", "/rest/api/user/list", None, 200),
    (None, "POST", "/rest/api/admin/user", NEW, 401),
    (ALICE, "POST", "/rest/api/admin/user", NEW, 403),
    (ADMIN, "POST", "/rest/api/admin/user", NEW, 201),
    (ADMIN, "POST", "/rest/api/admin/user", {**NEW, "userName": "Dora"}, 400),
    (ADMIN, "POST", "/rest/api/admin/user", {**NEW, "fullName": "<b>"}, 400),
    (ADMIN, "POST", "/rest/api/admin/user", {**NEW, "email": "dora"}, 400),
    (ADMIN, "POST", "/rest/api/admin/user", {**NEW, "notifyViaEmail": True}, 400),
    (ADMIN, "POST", "/rest/api/admin/user", {**NEW, "password": ""}, 400),
    (ADMIN, "POST", "/rest/api/admin/user", {**NEW, "userName": "alice"}, 409),
    (ADMIN, "PUT", "/rest/api/admin/user/alice", {"email": "a@example.com"}, 204),
    (ADMIN, "PUT", "/rest/api/admin/user/nobody", {"email": "a@example.com"}, 404),
    (ADMIN, "PUT", "/rest/api/admin/user/alice/disable", None, 204),
    (ADMIN, "PUT", "/rest/api/admin/user/alice/enable", None, 204),
    (ADMIN, "PUT", "/rest/api/admin/user/alice/other", None, 404),
    (ADMIN, "PUT", "/rest/api/user/alice/group/confluence-users", None, 204),
    (ADMIN, "DELETE", "/rest/api/user/bob/group/confluence-administrators", None, 204),
    (ADMIN, "PUT", "/rest/api/user/alice/group/nowhere", None, 404),
    (ALICE, "PUT", "/rest/api/user/alice/group/confluence-administrators", None, 403),
    (ADMIN, "PUT", "/rest/api/user/alice/group/a%2Fb", None, 400),
    (ADMIN, "POST", "/rest/api/admin/group", {"name": "fresh"}, 200),
    (ADMIN, "POST", "/rest/api/admin/group", {"name": "confluence-users"}, 409),
    (ADMIN, "POST", "/rest/api/admin/group", {"name": " "}, 400),
    (ADMIN, "DELETE", "/rest/api/admin/group/confluence-administrators", None, 400),
    (ADMIN, "DELETE", "/rest/api/admin/group/confluence-users", None, 204),
    (ALICE, "GET", "/rest/api/group/confluence-users", None, 200),
    (ALICE, "GET", "/rest/api/group/confluence-users/member", None, 403),
    (ADMIN, "GET", "/rest/api/permissions/user/alice", None, 200),
    (ALICE, "GET", "/rest/api/permissions/user/alice", None, 403),
    (ADMIN, "GET", "/rest/license/1.0/license/remainingSeats", None, 200),
    (None, "GET", "/rest/api/server-information", None, 401),
    (ADMIN, "GET", "/rest/api/group/nowhere/member", None, 404),
    (ADMIN, "GET", "/rest/api/group/a%2Fb/member", None, 400),
    (None, "GET", "/rest/api/user/list", None, 401),
    (ALICE, "GET", "/rest/api/content/65537", None, 200),
    (ALICE, "GET", "/rest/api/content/1", None, 404),
    (ALICE, "POST", "/rest/api/content", {"type": "page", "title": "A", "space": {"key": "NO"}}, 404),
    (ALICE, "POST", "/rest/api/content", {"type": "page", "title": "", "space": {"key": "DEV"}}, 400),
    (ADMIN, "GET", "/rest/api/nothing", None, 404),
    (ADMIN, "POST", "/rest/api/user", {}, 405),
]


@pytest.mark.parametrize(("token", "method", "target", "body", "status"), TABLE)
async def test_each_request_has_its_status(
    server: Listening, token: str | None, method: str, target: str, body: object, status: int
) -> None:
    found, content, _ = await ask(server.url, method, target, bearer(token), body)
    assert status == found
    if isinstance(content, dict) and "statusCode" in content:
        assert {"statusCode": status, "reason": content["reason"]}.items() <= content.items()
        assert {"authorized", "valid", "errors", "successful"} == set(content["data"])


async def test_a_person_has_no_address_and_a_status_only_if_asked_for(server: Listening) -> None:
    _, plain, _ = await ask(server.url, "GET", "/rest/api/user?username=CAROL", bearer(ALICE))
    _, whole, _ = await ask(server.url, "GET", "/rest/api/user?username=carol&expand=status", bearer(ALICE))
    assert isinstance(plain, dict)
    assert isinstance(whole, dict)
    assert ("carol", False, False) == (plain["username"], "status" in plain, "example.com" in str(whole["displayName"]))
    assert ("deactivated", False) == (whole["status"], any("mail" in key.lower() for key in whole))


async def test_a_dead_token_is_served_as_anonymous() -> None:
    async with serve_confluence(made()) as server:
        server.faults.dead_tokens.add(ALICE)
        status, body, headers = await ask(server.url, "GET", "/rest/api/user/current", bearer(ALICE))
    assert isinstance(body, dict)
    assert (200, "anonymous", "AUTHENTICATED_FAILED") == (status, body["type"], headers["X-Seraph-LoginReason"])


async def test_groups_come_in_pages() -> None:
    state = made()
    state.people.add_user("many", groups=[f"g{number:03}" for number in range(401)])
    names: list[str] = []
    async with serve_confluence(state) as server:
        for start, follows in ((0, True), (200, True), (400, False)):
            target = f"/rest/api/user/memberof?username=many&start={start}&limit=1000"
            _, body, _ = await ask(server.url, "GET", target, bearer(ALICE))
            assert isinstance(body, dict)
            assert (200, len(body["results"]), follows) == (body["limit"], body["size"], "next" in body["_links"])
            names += [entry["name"] for entry in body["results"]]
    assert [f"g{number:03}" for number in range(401)] == names


@pytest.mark.parametrize(("version", "statuses"), [("9.0.0", (405, 404)), ("9.2.5", (405, 200)), ("9.4.0", (204, 200))])
async def test_a_version_has_what_it_has(version: str, statuses: tuple[int, int]) -> None:
    async with serve_confluence(made(), ConfluenceConfig(version=version)) as server:
        update, _, _ = await ask(server.url, "PUT", "/rest/api/admin/user/bob", bearer(ADMIN), {"fullName": "B"})
        granted, _, _ = await ask(server.url, "GET", "/rest/api/permissions/user/bob", bearer(ADMIN))
    assert statuses == (update, granted)


@pytest.mark.parametrize(
    ("version", "statuses"), [("8.3.0", (404, 200)), ("9.4.0", (200, 200)), ("10.0.3", (200, 403))]
)
async def test_a_version_lists_what_it_lists(version: str, statuses: tuple[int, int]) -> None:
    async with serve_confluence(made(), ConfluenceConfig(version=version)) as server:
        everybody, _, _ = await ask(server.url, "GET", "/rest/api/user/list?expand=status", bearer(ADMIN))
        members, _, _ = await ask(server.url, "GET", "/rest/api/group/confluence-users/member", bearer(ALICE))
    assert statuses == (everybody, members)


async def test_no_seat_is_402(server: Listening) -> None:
    statuses = [
        (await ask(server.url, "POST", "/rest/api/admin/user", bearer(ADMIN), {**NEW, "userName": name}))[0]
        for name in ("dora", "emil")
    ]
    assert [201, 402] == statuses


@pytest.mark.parametrize(("proof", "name"), [("proof", "alice"), ("wrong", "anonymous"), ("", "anonymous")])
async def test_the_header_counts_with_its_proof_only(server: Listening, proof: str, name: str) -> None:
    sent = {"X-Wiki-Person": "alice", **({"X-Wiki-Key": proof} if proof else {})}
    _, _, headers = await ask(server.url, "GET", "/display/DEV", sent)
    assert name == headers["X-AUSERNAME"]


async def test_the_editors_socket_says_who_is_there_echoes_and_is_for_people_only() -> None:
    state = made()
    session = state.open_session("alice")
    path = "/synchrony-proxy/v1/bayeux-sync1"
    async with serve_confluence(state, ConfluenceConfig(sso=SsoConfig("http://127.0.0.1:1", "a", "b"))) as server:
        async with ClientSession() as client:
            headers = {"Cookie": f"JSESSIONID={session.id}"}
            async with client.ws_connect(server.url + path, headers=headers) as channel:
                assert {"event": "hello", "username": "alice"} == await channel.receive_json()
                await channel.send_str("grüß")
                assert "grüß" == await channel.receive_str()
                await channel.send_bytes(b"\x00\xff")
                assert b"\x00\xff" == await channel.receive_bytes()
            with pytest.raises(WSServerHandshakeError) as refused:
                await client.ws_connect(server.url + path)
            assert 401 == refused.value.status
        assert 400 == (await ask(server.url, "GET", path, bearer(ALICE)))[0]
