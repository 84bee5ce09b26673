"""REST of accounts answers with the statuses and error bodies of Atlassian's document."""

from __future__ import annotations

import pytest

from sidecar.demo.jira import SharedSecret
from sidecar.demo.jira.settings import JiraConfig
from tests.demo.jira.conftest import Browser

USER = "/rest/api/2/user"
NEW = {"name": "Dora", "emailAddress": "dora@example.com", "displayName": "Dora Dean"}


async def test_a_user_is_read_by_name_and_by_key(browser: Browser) -> None:
    by_name = await (await browser.admin("GET", f"{USER}?username=ALICE&expand=groups")).json()
    key = by_name["key"]
    by_key = await (await browser.admin("GET", f"{USER}?key={key}")).json()
    assert ("alice", "alice@example.com", True) == (
        by_name["name"],
        by_name["emailAddress"],
        by_name["active"],
    )
    assert ["jira-software-users"] == [item["name"] for item in by_name["groups"]["items"]]
    assert ("alice", 1, []) == (
        by_key["name"],
        by_key["groups"]["size"],
        by_key["groups"]["items"],
    )
    assert key.startswith("JIRAUSER")


async def test_an_inactive_user_is_read_as_inactive(browser: Browser) -> None:
    found = await (await browser.admin("GET", f"{USER}?username=carol")).json()
    assert found["active"] is False


async def test_an_unknown_user_is_404_with_jiras_text(browser: Browser) -> None:
    answer = await browser.admin("GET", f"{USER}?username=x")
    assert answer.status == 404
    assert await answer.json() == {"errorMessages": ["The user named 'x' does not exist"], "errors": {}}
    assert (await browser.admin("GET", f"{USER}?key=JIRAUSER1")).status == 404
    assert (await browser.admin("GET", USER)).status == 400


async def test_create_lower_cases_and_joins_the_default_groups(browser: Browser) -> None:
    answer = await browser.admin("POST", USER, NEW)
    assert answer.status == 201
    made = browser.jira.state.users["dora"]
    assert ({"jira-software-users"}, True) == (made.groups, made.active)
    assert (await answer.json())["name"] == "dora"


async def test_create_without_applications_takes_no_seat(browser: Browser) -> None:
    assert (await browser.admin("POST", USER, NEW | {"applicationKeys": []})).status == 201
    assert browser.jira.state.users["dora"].groups == set()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Alice"}, "username"),
        ({"name": ""}, "username"),
        ({"name": "a<b"}, "username"),
        ({"emailAddress": ""}, "email"),
        ({"emailAddress": "nonsense"}, "email"),
        ({"displayName": " "}, "fullname"),
        ({"applicationKeys": ["bamboo"]}, "applicationKeys"),
    ],
)
async def test_create_refuses_with_a_field(browser: Browser, change: dict[str, object], field: str) -> None:
    before = set(browser.jira.state.users)
    answer = await browser.admin("POST", USER, NEW | change)
    assert answer.status == 400
    assert [field] == list((await answer.json())["errors"])
    assert before == set(browser.jira.state.users)


async def test_only_sent_fields_are_updated(browser: Browser) -> None:
    answer = await browser.admin("PUT", f"{USER}?username=carol", {"active": True, "name": "carol"})
    assert answer.status == 200
    carol = browser.jira.state.users["carol"]
    assert (True, "Carol Cooper") == (carol.active, carol.display_name)


async def test_an_update_of_nothing_is_400(browser: Browser) -> None:
    answer = await browser.admin("PUT", f"{USER}?username=carol", {})
    assert answer.status == 400
    assert (await answer.json())["errorMessages"] == ["error.no.value.found.to.be.changed"]


async def test_a_rename_keeps_key_groups_and_session(browser: Browser) -> None:
    cookies = await browser.landed("alice")
    key = browser.jira.state.users["alice"].key
    assert (await browser.admin("PUT", f"{USER}?username=alice", {"name": "Alicia"})).status == 200
    assert browser.jira.state.users["alicia"].key == key
    myself = await browser.ask("GET", "/rest/api/2/myself", cookies=cookies)
    assert (await myself.json())["name"] == "alicia"


async def test_delete_removes_the_user(browser: Browser) -> None:
    assert (await browser.admin("DELETE", f"{USER}?username=bob")).status == 204
    assert (await browser.admin("GET", f"{USER}?username=bob")).status == 404


async def test_ending_sessions_makes_the_next_request_anonymous(browser: Browser) -> None:
    cookies = await browser.landed("alice")
    assert (await browser.admin("DELETE", f"{USER}/session/alice")).status == 200
    assert (await browser.admin("DELETE", f"{USER}/session/nobody")).status == 404
    assert (await browser.ask("GET", "/rest/api/2/myself", cookies=cookies)).status == 401


async def test_ending_sessions_ends_remembered_log_ins_too(browser: Browser) -> None:
    cookie = {"seraph.rememberme.cookie": browser.jira.state.remember("alice")}
    await browser.admin("DELETE", f"{USER}/session/alice")
    assert (await browser.ask("GET", "/rest/api/2/myself", cookies=cookie)).status == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_only_administrators_change_accounts(browser: Browser, method: str) -> None:
    token = {"Authorization": f"Bearer {browser.jira.state.add_token('alice')}"}
    where = USER if method == "POST" else f"{USER}?username=bob"
    answers = [await browser.ask(method, where, headers=headers, json=NEW) for headers in ({}, token)]
    assert [401, 403] == [answer.status for answer in answers]
    assert [{"errorMessages", "errors"}] * 2 == [set(await answer.json()) for answer in answers]


async def test_a_read_only_directory_is_403(browser: Browser) -> None:
    browser.jira.state.users["bob"].read_only = True
    bob = await browser.admin("PUT", f"{USER}?username=bob", {"displayName": "B"})
    carol = await browser.admin("PUT", f"{USER}?username=carol", {"displayName": "C"})
    browser.jira.faults.directory_read_only = True
    created = await browser.admin("POST", USER, NEW)
    assert [403, 200, 403] == [bob.status, carol.status, created.status]


async def test_no_seat_is_400_with_an_entry_in_errors(browser: Browser) -> None:
    browser.jira.faults.seats_exhausted = True
    created = await browser.admin("POST", USER, NEW)
    joined = await browser.admin("POST", "/rest/api/2/group/user?groupname=jira-software-users", {"name": "admin"})
    assert [400, 201] == [created.status, joined.status]
    assert "applicationKeys" in (await created.json())["errors"]
    browser.jira.state.users["admin"].groups.discard("jira-software-users")
    browser.jira.state.add_user("erin")
    refused = await browser.admin("POST", "/rest/api/2/group/user?groupname=jira-software-users", {"name": "erin"})
    assert refused.status == 400
    assert "groups" in (await refused.json())["errors"]


async def test_search_is_a_substring_match_over_active_users(browser: Browser) -> None:
    async def names(query: str) -> list[str]:
        answer = await browser.admin("GET", f"{USER}/search?{query}")
        return [found["name"] for found in await answer.json()]

    assert await names("username=ARCH") == ["alice"]
    assert await names("username=carol") == []
    assert await names("username=carol&includeInactive=true") == ["carol"]
    assert (await browser.admin("GET", f"{USER}/search")).status == 400


async def test_search_shows_at_most_the_first_hundred(browser: Browser) -> None:
    for number in range(130):
        browser.jira.state.add_user(f"many{number:03}")
    first = await browser.admin("GET", f"{USER}/search?username=many&maxResults=1000")
    rest = await browser.admin("GET", f"{USER}/search?username=many&startAt=90&maxResults=50")
    assert [100, 10] == [len(await first.json()), len(await rest.json())]


async def test_myself_is_401_for_anonymous(browser: Browser) -> None:
    answer = await browser.ask("GET", "/rest/api/2/myself")
    assert answer.status == 401
    assert set(await answer.json()) == {"errorMessages", "errors"}


def test_a_context_path_must_look_like_one() -> None:
    for path in ("jira", "/jira/"):
        with pytest.raises(ValueError):
            JiraConfig(context_path=path, proof=SharedSecret("x"))
