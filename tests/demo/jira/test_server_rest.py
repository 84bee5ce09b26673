"""REST about the server: roles and their seats, facts for everyone, tokens that work."""

from __future__ import annotations

from tests.demo.jira.conftest import Browser


async def test_application_roles_tell_the_seats(browser: Browser) -> None:
    role = await (await browser.admin("GET", "/rest/api/2/applicationrole/jira-software")).json()
    assert (25, 22, 3, False) == (
        role["numberOfSeats"],
        role["remainingSeats"],
        role["userCount"],
        role["hasUnlimitedSeats"],
    )
    every = await (await browser.admin("GET", "/rest/api/2/applicationrole")).json()
    assert ["jira-software", "jira-servicedesk"] == [role["key"] for role in every]
    assert (await browser.admin("GET", "/rest/api/2/applicationrole/none")).status == 404


async def test_server_facts_are_for_everyone(browser: Browser) -> None:
    info = await (await browser.ask("GET", "/rest/api/2/serverInfo")).json()
    assert ([10, 3, 24], browser.jira.url) == (info["versionNumbers"], info["baseUrl"])
    status = await browser.ask("GET", "/status")
    assert await status.json() == {"state": "RUNNING"}
    assert not status.cookies
    manifest = await browser.ask("GET", "/rest/applinks/1.0/manifest")
    assert (await manifest.json())["typeId"] == "jira"


async def test_a_minted_token_works(browser: Browser) -> None:
    cookies = await browser.landed("alice")
    made = await browser.ask("POST", "/rest/pat/latest/tokens", cookies=cookies, json={"name": "script"})
    assert made.status == 201
    bearer = {"Authorization": f"Bearer {(await made.json())['rawToken']}"}
    answer = await browser.ask("GET", "/plugins/servlet/applinks/whoami", headers=bearer)
    assert await answer.text() == "alice"
