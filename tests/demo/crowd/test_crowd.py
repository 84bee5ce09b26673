"""demo.crowd: the answers that Crowd's interface is described with, over its own people and over Jira's."""

from __future__ import annotations

from base64 import b64encode

import pytest

from sidecar.demo.crowd import CrowdConfig, crowd_people, serve_crowd
from sidecar.demo.jira import JiraState
from sidecar.demo.people import Directory
from tests.demo.asking import ask

ROOT = "/rest/usermanagement/1"
WHOLE = {"name": "alice", "first-name": "A", "last-name": "B", "display-name": "A B", "email": "a@b.de", "active": True}
NEW = {**WHOLE, "name": "dora", "password": {"value": "x"}}


def basic(name: str = "lychgate", password: str = "secret") -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


def some() -> Directory:
    people = crowd_people()
    people.add_user("Alice", "Alice Archer", groups=("users",))
    people.groups |= {"others", "all"}
    return people


CONFIG = CrowdConfig(applications={"lychgate": "secret"}, nesting={"users": ("all",)})


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "reason"),
    [
        ("GET", "/user?username=alice", None, 200, None),
        ("GET", "/user?username=nobody", None, 404, "USER_NOT_FOUND"),
        ("POST", "/user", NEW, 201, None),
        ("POST", "/user", {**NEW, "name": "ALICE"}, 400, "INVALID_USER"),
        ("POST", "/user", {**NEW, "last-name": ""}, 400, "INVALID_USER"),
        ("PUT", "/user?username=alice", WHOLE, 204, None),
        ("PUT", "/user?username=alice", {**WHOLE, "name": "bob"}, 400, "INVALID_USER"),
        ("PUT", "/user?username=nobody", WHOLE, 404, "USER_NOT_FOUND"),
        ("DELETE", "/user?username=alice", None, 204, None),
        ("POST", "/user/rename?username=alice", {"new-name": "alicia"}, 200, None),
        ("POST", "/user/group/direct?username=alice", {"name": "others"}, 201, None),
        ("POST", "/user/group/direct?username=alice", {"name": "users"}, 409, "MEMBERSHIP_ALREADY_EXISTS"),
        ("POST", "/user/group/direct?username=alice", {"name": "nowhere"}, 400, "GROUP_NOT_FOUND"),
        ("POST", "/user/group/direct?username=nobody", {"name": "users"}, 404, "USER_NOT_FOUND"),
        ("DELETE", "/user/group/direct?username=alice&groupname=users", None, 204, None),
        ("DELETE", "/user/group/direct?username=alice&groupname=others", None, 404, "MEMBERSHIP_NOT_FOUND"),
        ("DELETE", "/user/group/direct?username=alice&groupname=nowhere", None, 404, "GROUP_NOT_FOUND"),
        ("GET", "/group?groupname=users", None, 200, None),
        ("GET", "/group?groupname=nowhere", None, 404, "GROUP_NOT_FOUND"),
        ("POST", "/group", {"name": "fresh", "type": "GROUP"}, 201, None),
        ("POST", "/group", {"name": "users", "type": "GROUP"}, 400, "INVALID_GROUP"),
        ("DELETE", "/group?groupname=users", None, 204, None),
        ("GET", "/group/user/direct?groupname=users", None, 200, None),
        ("GET", "/group/user/nested?groupname=nowhere", None, 404, "GROUP_NOT_FOUND"),
        ("GET", "/user?key=nothing", None, 404, "USER_NOT_FOUND"),
        ("GET", "/search?entity-type=user&restriction=", None, 200, None),
        ("GET", "/search?entity-type=group", None, 200, None),
        ("GET", "/search?entity-type=cat", None, 400, "ILLEGAL_ARGUMENT"),
        ("GET", "/search", None, 400, "ILLEGAL_ARGUMENT"),
        ("GET", "/nothing", None, 404, None),
        ("PUT", "/group/user/direct?groupname=users", {}, 405, None),
    ],
)
async def test_each_request_has_its_status_and_reason(
    method: str, target: str, body: object, status: int, reason: str | None
) -> None:
    async with serve_crowd(some(), CONFIG) as server:
        found, content, _ = await ask(server.url, method, ROOT + target, basic(), body)
    said = content.get("reason") if isinstance(content, dict) else None
    assert (status, reason) == (found, said)


@pytest.mark.parametrize(
    ("headers", "addresses", "status"),
    [
        ({}, ("127.0.0.1",), 401),
        (basic(password="wrong"), ("127.0.0.1",), 401),
        (basic("alice"), ("127.0.0.1",), 401),
        ({"Authorization": "Basic *"}, ("127.0.0.1",), 401),
        ({"Authorization": "Bearer secret"}, ("127.0.0.1",), 401),
        (basic(), ("192.0.2.1",), 403),
        (basic(), ("127.0.0.1",), 200),
    ],
)
async def test_only_a_known_application_at_a_known_address_is_let_in(
    headers: dict[str, str], addresses: tuple[str, ...], status: int
) -> None:
    config = CrowdConfig(applications={"lychgate": "secret"}, addresses=addresses)
    async with serve_crowd(some(), config) as server:
        found, _, _ = await ask(server.url, "GET", f"{ROOT}/user?username=alice", headers)
    assert status == found


async def test_who_does_not_ask_for_json_gets_none() -> None:
    async with serve_crowd(some(), CONFIG) as server:
        xml = await ask(server.url, "GET", f"{ROOT}/user?username=alice", {**basic(), "Accept": "*/*"})
        form = await ask(server.url, "POST", f"{ROOT}/user", {**basic(), "Content-Type": "text/plain"}, NEW)
    assert (200, None, "application/xml") == (xml[0], xml[1], xml[2]["Content-Type"].partition(";")[0])
    assert 415 == form[0]


async def test_what_is_not_sent_is_empty_afterwards() -> None:
    people = some()
    async with serve_crowd(people, CONFIG) as server:
        await ask(server.url, "PUT", f"{ROOT}/user?username=alice", basic(), {"name": "alice"})
    user = people.users["alice"]
    assert ("", "", False) == (user.display_name, user.email, user.active)


async def test_nested_groups_and_pages() -> None:
    async with serve_crowd(some(), CONFIG) as server:
        seen = []
        for way in ("direct", "nested", "nested?start-index=1&max-results=1"):
            way, _, rest = way.partition("?")
            target = f"{ROOT}/user/group/{way}?username=alice&{rest}"
            _, body, _ = await ask(server.url, "GET", target, basic())
            assert isinstance(body, dict)
            seen.append([entry["name"] for entry in body["groups"]])
    assert [["users"], ["all", "users"], ["users"]] == seen


async def test_a_jira_serves_its_people_to_other_applications() -> None:
    state = JiraState.sample()
    async with serve_crowd(state, CrowdConfig(context_path="/jira", applications={"lychgate": "secret"})) as server:
        await ask(server.url, "POST", f"{ROOT}/user", basic(), NEW)
        await ask(
            server.url, "POST", f"{ROOT}/user/group/direct?username=dora", basic(), {"name": "jira-software-users"}
        )
    made = state.users["dora"]
    assert ("A B", {"jira-software-users"}, True) == (made.display_name, made.groups, made.key.startswith("JIRAUSER"))


async def test_a_search_has_names_alone_unless_whole_users_are_asked_for() -> None:
    async with serve_crowd(some(), CONFIG) as server:
        seen = {}
        for words in (
            "search?entity-type=user",
            "search?entity-type=user&expand=user",
            "group/user/nested?groupname=all",
        ):
            _, body, _ = await ask(server.url, "GET", f"{ROOT}/{words}", basic())
            assert isinstance(body, dict)
            seen[words] = [(user["name"], user.get("active")) for user in body["users"]]
    assert [[("Alice", None)], [("Alice", True)], [("Alice", None)]] == list(seen.values())
