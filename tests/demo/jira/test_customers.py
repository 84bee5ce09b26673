"""The customers' portal: its REST has facts for everyone and the rest for people; its pages stay below its door."""

from __future__ import annotations

import re

import pytest

from tests.demo.jira.conftest import Browser


async def test_customers_rest(browser: Browser) -> None:
    cookies = await browser.landed("bob")
    info = await browser.ask("GET", "/rest/servicedeskapi/info")
    own = await browser.ask("GET", "/rest/servicedeskapi/request", cookies=cookies)
    models = "/rest/servicedesk/1/customer/models"
    seen = await browser.ask("POST", models, cookies=cookies, json={})
    nobody = [
        await browser.ask("POST", models, json={}),
        await browser.ask("GET", "/rest/servicedeskapi/request"),
    ]
    assert [200, 200, 200] == [info.status, own.status, seen.status]
    assert [401, 401] == [answer.status for answer in nobody]
    assert ["KEY-2"] == [r["issueKey"] for r in (await own.json())["values"]]
    assert (await seen.json())["user"] == {"name": "bob"}


@pytest.mark.parametrize("page", ["/servicedesk/customer/portals", "/servicedesk/customer/portal/1"])
async def test_customers_pages_name_only_what_a_customer_may_reach(browser: Browser, page: str) -> None:
    cookies = await browser.landed("bob")
    text = await (await browser.ask("GET", page, cookies=cookies)).text()
    named = set(re.findall(r'(?:href|src|action)="(/[^"#?]+)', text))
    outside = {path for path in named if not path.startswith(("/servicedesk/customer", "/s/demo/_/"))}
    answers = [await browser.ask("GET", path, cookies=cookies) for path in sorted(named)]
    assert set() == outside
    assert {200} == {answer.status for answer in answers}


async def test_the_customers_door_leads_to_the_help_centre(browser: Browser) -> None:
    answer = await browser.ask("GET", "/servicedesk/customer")
    assert (302, "/servicedesk/customer/portals") == (answer.status, answer.headers["Location"])
