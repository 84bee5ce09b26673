"""Every password log-in works and every log-out ends the session: these are what the gate has to close."""

from __future__ import annotations

import pytest

from tests.demo.jira.conftest import Browser

GOOD = {"os_username": "alice", "os_password": "wonderland"}
JSON_GOOD = {"username": "alice", "password": "wonderland"}


async def test_the_form_signs_in_and_goes_where_it_was_asked(browser: Browser) -> None:
    form = GOOD | {"os_destination": "/browse/KEY-1"}
    answer = await browser.ask("POST", "/login.jsp", data=form)
    assert (302, "/browse/KEY-1") == (answer.status, answer.headers["Location"])
    cookies = {"JSESSIONID": answer.cookies["JSESSIONID"].value}
    assert (await browser.ask("GET", "/browse/KEY-1", cookies=cookies)).status == 200


@pytest.mark.parametrize("asked", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_the_form_does_not_lead_outside(browser: Browser, asked: str) -> None:
    answer = await browser.ask("POST", "/login.jsp", data=GOOD | {"os_destination": asked})
    assert answer.headers["Location"] == "/secure/Dashboard.jspa"


async def test_a_wrong_password_shows_the_form_again(browser: Browser) -> None:
    answer = await browser.ask("POST", "/login.jsp", data=GOOD | {"os_password": "no"})
    assert answer.status == 200
    assert answer.headers["X-Seraph-LoginReason"] == "AUTHENTICATED_FAILED"
    assert "Username or password is wrong" in await answer.text()


async def test_remember_me_lasts_two_weeks_and_ends_with_the_log_out(browser: Browser) -> None:
    answer = await browser.ask("POST", "/login.jsp", data=GOOD | {"os_cookie": "true"})
    morsel = answer.cookies["seraph.rememberme.cookie"]
    assert morsel["max-age"] == "1209600"
    cookies = {"seraph.rememberme.cookie": morsel.value}
    await browser.ask("GET", "/secure/Logout!default.jspa", cookies=cookies)
    after = await browser.ask("GET", "/rest/api/2/myself", cookies=cookies)
    assert after.status == 401


async def test_rest_session_signs_in_tells_and_signs_out(browser: Browser) -> None:
    made = await browser.ask("POST", "/rest/auth/1/session", json=JSON_GOOD)
    session = (await made.json())["session"]
    cookies = {session["name"]: session["value"]}
    told = await browser.ask("GET", "/rest/auth/1/session", cookies=cookies)
    gone = await browser.ask("DELETE", "/rest/auth/1/session", cookies=cookies)
    after = await browser.ask("GET", "/rest/auth/1/session", cookies=cookies)
    assert [200, 200, 204, 401] == [a.status for a in (made, told, gone, after)]
    assert (await told.json())["name"] == "alice"


@pytest.mark.parametrize("path", ["/rest/auth/1/session", "/rest/tsv/1.0/authenticate"])
async def test_json_log_ins(browser: Browser, path: str) -> None:
    good = await browser.ask("POST", path, json=JSON_GOOD)
    bad = await browser.ask("POST", path, json=JSON_GOOD | {"password": "no"})
    assert [200, 401] == [good.status, bad.status]
    assert "JSESSIONID" in good.cookies
    assert ["alice", None] == browser.jira.usernames(path)
    assert (await bad.json())["errorMessages"] == ["Login failed"]


async def test_the_gadget_log_in_says_whether_it_worked(browser: Browser) -> None:
    no_check = {"X-Atlassian-Token": "no-check"}
    answers = [
        await browser.ask("POST", "/rest/gadget/1.0/login", data=form, headers=no_check)
        for form in (GOOD, GOOD | {"os_password": "no"})
    ]
    assert [True, False] == [(await answer.json())["loginSucceeded"] for answer in answers]


@pytest.mark.parametrize("path", ["/secure/Logout!default.jspa", "/anywhere/Logout.jspa"])
async def test_log_out_ends_the_session(browser: Browser, path: str) -> None:
    cookies = await browser.landed("alice")
    answer = await browser.ask("GET", path, cookies=cookies)
    assert answer.headers["X-Seraph-LoginReason"] == "OK, OUT"
    assert answer.headers["X-AUSERNAME"] == "anonymous"
    assert (await browser.ask("GET", "/rest/api/2/myself", cookies=cookies)).status == 401
