"""The way of one request: targets and heads that Tomcat refuses, and the headers of every answer."""

from __future__ import annotations

from io import BytesIO

import pytest

from tests.demo.jira.conftest import Browser, raw


@pytest.mark.parametrize("target", ["/a%2Fb", "/a[b", "/../status", "/a%00"])
async def test_bad_targets_are_400(browser: Browser, target: str) -> None:
    assert (await raw(browser, f"GET {target}")).startswith(b"HTTP/1.1 400")


async def test_a_head_beyond_tomcats_limit_is_400(browser: Browser) -> None:
    fits = await browser.ask("GET", "/status", headers={"X-Long": "x" * 7000})
    long = await browser.ask("GET", "/status", headers={"X-Long": "x" * 4200, "X-More": "x" * 4200})
    assert [200, 400] == [fits.status, long.status]


async def test_answers_carry_jiras_headers(browser: Browser) -> None:
    browser.jira.state.add_user("zoë@example.com")
    token = {"Authorization": f"Bearer {browser.jira.state.add_token('zoë@example.com')}"}
    answer = await browser.ask("GET", "/rest/api/2/myself", headers=token)
    assert answer.headers["X-AUSERNAME"] == "zo%C3%AB%40example.com"
    wanted = {
        "X-AREQUESTID",
        "X-ASESSIONID",
        "X-Seraph-LoginReason",
        "X-Content-Type-Options",
        "X-Frame-Options",
        "X-XSS-Protection",
        "Referrer-Policy",
        "Strict-Transport-Security",
        "Cache-Control",
        "Vary",
        "Content-Type",
        "Content-Length",
        "Date",
    }
    assert set() == wanted - set(answer.headers)
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert len(answer.headers) >= 18


async def test_a_body_that_is_too_large_is_413(browser: Browser) -> None:
    answer = await browser.ask("POST", "/login.jsp", data=BytesIO(b"x" * (2 * 1024 * 1024 + 1)))
    assert answer.status == 413


@pytest.mark.parametrize(
    "target", ["//status", "/status;x=1", "/%73tatus", "/a/../status", "http://other/status", "/s/x/_/status"]
)
async def test_other_spellings_reach_the_same_page(browser: Browser, target: str) -> None:
    assert (await raw(browser, f"GET {target}")).endswith(b'{"state":"RUNNING"}')


async def test_the_first_of_two_parameters_counts(browser: Browser) -> None:
    answer = await browser.ask("GET", "/plugins/servlet/demo/chunked?parts=1&parts=2", raw=True)
    assert await answer.text() == "part 1 of 1\n"
