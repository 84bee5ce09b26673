"""The REST of the customers' portal: facts for everyone, the rest for people."""

from __future__ import annotations

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
