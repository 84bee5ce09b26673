"""REST of issues: 404 with Jira's text, 401 for anonymous, an empty search instead of a refusal."""

from __future__ import annotations

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
