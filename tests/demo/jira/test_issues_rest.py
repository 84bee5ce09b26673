"""REST of issues: 404 with Jira's text, 401 for anonymous, an empty search instead of a refusal."""

from __future__ import annotations

import pytest

from tests.demo.jira.conftest import Browser


async def test_issue_rest(browser: Browser) -> None:
    found = await browser.admin("GET", "/rest/api/2/issue/KEY-1")
    missing = await browser.admin("GET", "/rest/api/2/issue/KEY-99")
    anonymous = await browser.ask("GET", "/rest/api/2/issue/KEY-1")
    assert [200, 404, 401] == [answer.status for answer in (found, missing, anonymous)]
    assert (await found.json())["fields"]["attachment"][0]["filename"] == "gate.txt"
    assert (await missing.json())["errorMessages"] == ["Issue Does Not Exist"]


async def test_search_shows_anonymous_nothing(browser: Browser) -> None:
    everything = await browser.admin("GET", "/rest/api/2/search")
    nothing = await browser.ask("GET", "/s/x/_/rest/api/2/search")
    assert [4, 0] == [(await answer.json())["total"] for answer in (everything, nothing)]


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({}, {"project", "issuetype", "summary"}),
        ({"project": {"key": "NO"}, "issuetype": {"name": "Task"}, "summary": "x"}, {"project"}),
        ({"project": {"key": "KEY"}, "issuetype": {}, "summary": " "}, {"issuetype", "summary"}),
        ({"project": "KEY", "issuetype": {"id": "1"}, "summary": "x"}, {"project"}),
    ],
)
async def test_an_issue_needs_its_fields(browser: Browser, fields: dict[str, object], errors: set[str]) -> None:
    answer = await browser.admin("POST", "/rest/api/2/issue", json={"fields": fields})
    assert (400, errors, 4) == (answer.status, set((await answer.json())["errors"]), len(browser.jira.state.issues))


async def test_an_issue_is_made_and_commented(browser: Browser) -> None:
    fields = {"project": {"key": "KEY"}, "issuetype": {"name": "Task"}, "summary": "Paint it"}
    made = await browser.admin("POST", "/rest/api/2/issue", json={"fields": fields})
    assert (201, "KEY-5") == (made.status, (await made.json())["key"])
    where = "/rest/api/2/issue/KEY-5/comment"
    said = [await browser.admin("POST", where, json={"body": body}) for body in ("Green", " ")]
    assert [201, 400, 401] == [*(answer.status for answer in said), (await browser.ask("GET", where)).status]
    found = await (await browser.admin("GET", where)).json()
    assert (1, "Green", "admin") == (
        found["total"],
        found["comments"][0]["body"],
        found["comments"][0]["author"]["name"],
    )
    assert [405, 404, 200, 404] == [
        (await browser.admin(method, target)).status
        for method, target in (
            ("GET", "/rest/api/2/issue"),
            ("GET", "/rest/api/2/issue/KEY-5/other"),
            ("GET", "/rest/api/2/project/KEY"),
            ("GET", "/rest/api/2/project/NO"),
        )
    ]
