"""Switches of directories and tokens: late, deaf to `active`, with an end, with a bucket that fills."""

from __future__ import annotations

from sidecar.demo.jira.faults import RateLimit
from tests.demo.jira.conftest import TOKEN, Browser

USER = "/rest/api/2/user"
ALICE = f"{USER}?username=alice"


async def test_a_late_directory_has_an_account_and_does_not_show_it(browser: Browser) -> None:
    browser.jira.faults.late.add("zoe")
    body = {"name": "Zoe", "displayName": "Zoe", "emailAddress": "zoe@example.com", "applicationKeys": []}
    assert [201, 400] == [(await browser.admin("POST", USER, body)).status for _ in range(2)]
    assert 404 == (await browser.admin("GET", f"{USER}?username=zoe")).status
    join = await browser.admin("POST", "/rest/api/2/group/user?groupname=jira-software-users", {"name": "zoe"})
    assert (404, ["The user named 'zoe' does not exist"]) == (join.status, (await join.json())["errorMessages"])
    browser.jira.faults.clear()
    assert 200 == (await browser.admin("GET", f"{USER}?username=zoe")).status


async def test_a_deaf_directory_answers_well_and_does_nothing(browser: Browser) -> None:
    browser.jira.faults.active_ignored = True
    assert 200 == (await browser.admin("PUT", ALICE, {"active": False, "displayName": "A"})).status
    assert (True, "A") == (browser.jira.state.users["alice"].active, browser.jira.state.users["alice"].display_name)
    browser.jira.faults.clear()
    await browser.admin("PUT", ALICE, {"active": False})
    assert not browser.jira.state.users["alice"].active


async def test_tokens_tell_their_end_and_never_themselves(browser: Browser) -> None:
    browser.jira.state.token_ends[TOKEN] = "2027-01-01T00:00:00.000+0000"
    answer = await browser.admin("GET", "/rest/pat/latest/tokens")
    assert ["2027-01-01T00:00:00.000+0000"] == [entry["expiringAt"] for entry in await answer.json()]
    assert TOKEN not in await answer.text()


async def test_a_bucket_fills_as_fast_as_it_says(browser: Browser) -> None:
    limit = browser.jira.faults.rate_limit = RateLimit(limit=10, remaining=1, interval=5, fill=2)
    answers = [await browser.admin("GET", ALICE) for _ in range(3)]
    assert ([200, 429, 429], 2) == ([answer.status for answer in answers], limit.refused)
    assert ("2", "5", "5") == tuple(
        answers[-1].headers[name] for name in ("X-RateLimit-FillRate", "X-RateLimit-Interval-Seconds", "Retry-After")
    )
    limit.refill(100)
    assert 10 == limit.remaining
