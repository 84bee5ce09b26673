"""Who a request is served as: Seraph's order, with the first user of a session winning over everything."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from sidecar.demo.jira import JiraConfig, JiraState, serve_jira
from tests.demo.jira.conftest import SECRET, TOKEN, Browser, basic

DASHBOARD = "/secure/Dashboard.jspa"


def proved(username: str) -> dict[str, str]:
    return {"X-Lychgate-User": username, "X-Lychgate-Secret": SECRET}


async def test_header_with_proof_signs_in(browser: Browser) -> None:
    answer = await browser.ask("GET", DASHBOARD, headers=proved("alice"))
    assert answer.status == 200
    assert ("alice", "OK") == (
        answer.headers["X-AUSERNAME"],
        answer.headers["X-Seraph-LoginReason"],
    )
    assert "Signed in as <strong>Alice Archer (alice)</strong>" in await answer.text()
    assert ("alice", "header") == (browser.jira.calls[-1].username, browser.jira.calls[-1].how)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Lychgate-User": "alice"},
        {"X-Lychgate-User": "alice", "X-Lychgate-Secret": "wrong"},
        {"X-Lychgate-User": "alice", "X-Lychgate-Secret": ""},
        proved("nobody"),
        proved("carol"),
        proved("Alice"),
        proved(""),
    ],
    ids=["no proof", "wrong proof", "empty proof", "unknown", "inactive", "other case", "empty"],
)
async def test_header_that_counts_for_nothing(browser: Browser, headers: dict[str, str]) -> None:
    answer = await browser.ask("GET", DASHBOARD, headers=headers)
    assert answer.status == 302
    assert answer.headers["X-AUSERNAME"] == "anonymous"
    assert answer.headers["Location"].startswith("/login.jsp?permissionViolation=true&os_destination=")
    assert [None] == browser.jira.usernames(DASHBOARD)


async def test_a_session_keeps_its_first_user(browser: Browser) -> None:
    cookies = await browser.landed("alice")
    answer = await browser.ask("GET", DASHBOARD, headers=proved("bob"), cookies=cookies)
    assert answer.headers["X-AUSERNAME"] == "alice"
    assert "JSESSIONID" not in answer.cookies
    assert ("alice", "session") == (browser.jira.calls[-1].username, browser.jira.calls[-1].how)


async def test_basic_with_a_session_is_served_as_the_sessions_user(browser: Browser) -> None:
    cookies = await browser.landed("alice")
    answer = await browser.ask("GET", "/rest/api/2/myself", cookies=cookies, headers=basic("admin", "admin"))
    assert (await answer.json())["name"] == "alice"


async def test_an_anonymous_session_is_replaced_at_the_log_in(browser: Browser) -> None:
    visit = await browser.ask("GET", "/login.jsp")
    before = visit.cookies["JSESSIONID"].value
    answer = await browser.ask("GET", DASHBOARD, headers=proved("bob"), cookies={"JSESSIONID": before})
    assert answer.cookies["JSESSIONID"].value != before
    assert before not in browser.jira.state.sessions


async def test_the_remember_me_cookie_wins_over_the_header(browser: Browser) -> None:
    value = browser.jira.state.remember("alice")
    await browser.ask("GET", DASHBOARD, headers=proved("bob"), cookies={"seraph.rememberme.cookie": value})
    assert ("alice", "remember-me") == (browser.jira.calls[-1].username, browser.jira.calls[-1].how)


async def test_a_session_of_a_deactivated_user_is_anonymous(browser: Browser) -> None:
    cookies = await browser.landed("alice")
    browser.jira.state.users["alice"].active = False
    answer = await browser.ask("GET", DASHBOARD, cookies=cookies)
    assert answer.status == 302


async def test_new_visits_get_cookies_for_the_context(browser: Browser) -> None:
    answer = await browser.ask("GET", "/login.jsp")
    lines = answer.headers.getall("Set-Cookie")
    assert ["JSESSIONID", "atlassian.xsrf.token"] == [line.partition("=")[0] for line in lines]
    assert lines[0].endswith("; Path=/; HttpOnly")
    assert lines[1].endswith("_lout; Path=/")


async def test_cookies_of_a_public_https_address_are_secure() -> None:
    config = JiraConfig(context_path="/jira", base_url="https://jira.example.com/jira")
    async with (
        serve_jira(JiraState.sample(), config) as jira,
        ClientSession() as client,
        client.get(jira.url + "/login.jsp") as answer,
    ):
        line = answer.headers.getall("Set-Cookie")[0]
    assert line.endswith("; Path=/jira; Secure; HttpOnly")


async def test_a_token_speaks_for_one_request(browser: Browser) -> None:
    answer = await browser.ask("GET", "/rest/api/2/myself", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (await answer.json())["name"] == "admin"
    again = await browser.ask("GET", "/rest/api/2/myself", cookies={"JSESSIONID": answer.cookies["JSESSIONID"].value})
    assert again.status == 401


async def test_a_dead_token_is_anonymous_where_anonymous_may_read(browser: Browser) -> None:
    browser.jira.kill_token(TOKEN)
    info = await browser.admin("GET", "/rest/api/2/serverInfo")
    user = await browser.admin("GET", "/rest/api/2/user?username=alice")
    assert [200, 401] == [info.status, user.status]
    assert ["AUTHENTICATED_FAILED"] * 2 == [answer.headers["X-Seraph-LoginReason"] for answer in (info, user)]
    assert info.headers["X-AUSERNAME"] == "anonymous"


async def test_basic_signs_in_and_fails_with_401(browser: Browser) -> None:
    good = await browser.ask("GET", "/rest/api/2/myself", headers=basic("alice", "wonderland"))
    bad = await browser.ask("GET", "/rest/api/2/serverInfo", headers=basic("alice", "no"))
    broken = await browser.ask("GET", "/rest/api/2/myself", headers={"Authorization": "Basic é"})
    assert [200, 401, 401] == [good.status, bad.status, broken.status]
    assert "AUTHENTICATED_FAILED" in await bad.text()


async def test_three_wrong_passwords_ask_for_a_captcha(browser: Browser) -> None:
    for _ in range(3):
        await browser.ask("GET", "/rest/api/2/myself", headers=basic("alice", "no"))
    answer = await browser.ask("GET", "/rest/api/2/myself", headers=basic("alice", "wonderland"))
    assert answer.status == 403
    assert answer.headers["X-Seraph-LoginReason"] == "AUTHENTICATION_DENIED"
    assert answer.headers["X-Authentication-Denied-Reason"].startswith("CAPTCHA_CHALLENGE")


async def test_basic_can_be_switched_off() -> None:
    async with (
        serve_jira(JiraState.sample(), JiraConfig(basic_auth=False)) as jira,
        ClientSession() as client,
    ):
        headers = basic("alice", "wonderland")
        async with client.get(jira.url + "/rest/api/2/myself", headers=headers) as answer:
            assert answer.status == 403
        password = {"username": "alice", "password": "wonderland"}
        async with client.post(jira.url + "/rest/auth/1/session", json=password) as answer:
            assert answer.status == 403


@pytest.mark.parametrize("where", ["query", "body"])
async def test_password_parameters_sign_in_on_any_url(browser: Browser, where: str) -> None:
    fields = {"os_username": "alice", "os_password": "wonderland"}
    if where == "query":
        answer = await browser.ask("GET", DASHBOARD, params=fields)
    else:
        answer = await browser.ask("POST", DASHBOARD, data=fields)
    assert answer.status == 200
    assert ("alice", "parameters") == (browser.jira.calls[-1].username, browser.jira.calls[-1].how)
