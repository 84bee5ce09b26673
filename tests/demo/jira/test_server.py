"""What a test can read and switch on a running stand-in."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession, ClientTimeout, ServerDisconnectedError, WSMsgType

from sidecar.demo.jira import JiraState, RateLimit, serve_jira
from tests.demo.jira.conftest import Browser


async def test_calls_tell_what_arrived_and_as_whom_it_was_served(browser: Browser) -> None:
    headers = [("X-Twice", "a"), ("X-Twice", "b")]
    await browser.ask("POST", "/login.jsp?x=%41", raw=True, data={"a": "1"}, headers=headers)
    call = browser.jira.calls[-1]
    assert ("POST", "/login.jsp?x=%41", 200, 3) == (
        call.method,
        call.target,
        call.status,
        call.body_length,
    )
    assert ["a", "b"] == call.header_values("x-twice")
    assert (None, "none") == (call.username, call.how)
    assert call.header("X-None") is None
    await browser.admin("GET", "/rest/api/2/myself")
    assert [1, 1, 2, 0] == [
        browser.jira.count("POST"),
        browser.jira.count("GET", "/rest/api/2/myself"),
        browser.jira.count(),
        browser.jira.count("PUT"),
    ]
    assert [None, "admin"] == browser.jira.usernames()


async def test_prepared_failures_are_spent(browser: Browser) -> None:
    browser.jira.fail_next("/rest/api/2/user", 503, "busy", times=2, headers=(("Retry-After", "7"),))
    answers = [await browser.admin("GET", "/rest/api/2/user?username=alice") for _ in range(3)]
    assert [503, 503, 200] == [answer.status for answer in answers]
    assert ("busy", "7") == (await answers[0].text(), answers[0].headers["Retry-After"])
    assert (await browser.ask("GET", "/status")).status == 200


async def test_a_cut_connection_has_no_answer(browser: Browser) -> None:
    browser.jira.cut_next("/status", times=2)
    with pytest.raises(ServerDisconnectedError):
        await browser.ask("POST", "/status")
    browser.jira.faults.clear()
    assert (await browser.ask("GET", "/status")).status == 200


async def test_a_delay_comes_before_the_answer(browser: Browser) -> None:
    browser.jira.delay("/status", 3600)
    with pytest.raises(TimeoutError):
        await browser.client.get(browser.jira.url + "/status", timeout=_short())
    assert (await browser.ask("GET", "/login.jsp")).status == 200
    browser.jira.delay("/status", 0)
    assert (await browser.ask("GET", "/status")).status == 200


async def test_the_rate_limit_counts_down_to_429(browser: Browser) -> None:
    browser.jira.faults.rate_limit = RateLimit(limit=2, remaining=2, interval=30)
    answers = [await browser.admin("GET", "/rest/api/2/myself") for _ in range(3)]
    assert [200, 200, 429] == [answer.status for answer in answers]
    assert ["0", "30", "30"] == [answer.headers["retry-after"] for answer in answers]
    assert ["1", "0", "0"] == [answer.headers["X-RateLimit-Remaining"] for answer in answers]
    anonymous = await browser.ask("GET", "/rest/api/2/serverInfo")
    assert (200, False) == (anonymous.status, "X-RateLimit-Limit" in anonymous.headers)


async def test_it_ends_with_open_sockets() -> None:
    state = JiraState.sample()
    bearer = {"Authorization": f"Bearer {state.add_token('alice')}"}
    async with ClientSession() as client:
        async with serve_jira(state) as jira:
            channel = await client.ws_connect(jira.url + "/rest/live/1.0/socket", headers=bearer)
            await channel.receive_json()
        assert (await channel.receive()).type == WSMsgType.CLOSE
        assert channel.close_code == 1001


def _short() -> ClientTimeout:
    return ClientTimeout(total=0.2)


async def test_the_public_address_can_be_told_later(browser: Browser) -> None:
    browser.jira.base_url = "https://jira.example.com/"
    answer = await browser.ask("GET", "/secure/MyJiraHome.jspa")
    assert answer.headers["Location"] == "https://jira.example.com/secure/Dashboard.jspa"
