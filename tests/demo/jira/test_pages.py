"""Pages: who sees them, where others are sent, and what they say."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from sidecar.demo.jira import JiraConfig, JiraState, SharedSecret, serve_jira
from tests.demo.jira.conftest import SECRET, Browser

LOGIN = "/login.jsp?permissionViolation=true&os_destination="


@pytest.mark.parametrize(
    ("path", "location"),
    [
        (
            "/secure/Dashboard.jspa?a=1",
            f"{LOGIN}%2Fsecure%2FDashboard.jspa%3Fa%3D1&page_caps=&user_role=",
        ),
        ("/browse/KEY-1", f"{LOGIN}%2Fbrowse%2FKEY-1&page_caps=&user_role="),
        (
            "/secure/admin/user/UserBrowser.jspa",
            f"{LOGIN}%2Fsecure%2Fadmin%2Fuser%2FUserBrowser.jspa&page_caps=&user_role=ADMIN",
        ),
        ("/servicedesk/customer/portals", "/servicedesk/customer/user/login?destination=portals"),
        (
            "/servicedesk/customer/portal/1",
            "/servicedesk/customer/user/login?destination=portal%2F1",
        ),
        ("/", "/secure/MyJiraHome.jspa"),
    ],
)
async def test_anonymous_is_sent_on(browser: Browser, path: str, location: str) -> None:
    answer = await browser.ask("GET", path)
    assert (302, location) == (answer.status, answer.headers["Location"])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/secure/Dashboard.jspa", "jira-software-users"),
        ("/browse/KEY-1", "gate.txt"),
        ("/servicedesk/customer/portals", "Help centre"),
        ("/servicedesk/customer/portal/1", "Churchyard help"),
        ("/s/x/_/browse/KEY-1", "The gate at the churchyard sticks"),
        ("/nowhere/at/all/Dashboard.jspa", "Signed in as"),
        ("/images/..;x/Dashboard!default.jspa", "Signed in as"),
    ],
)
async def test_a_person_sees(browser: Browser, path: str, text: str) -> None:
    cookies = await browser.landed("alice")
    answer = await browser.ask("GET", path, raw=True, cookies=cookies)
    assert answer.status == 200
    assert text in await answer.text()


@pytest.mark.parametrize(("person", "status"), [("alice", 302), ("admin", 200)])
@pytest.mark.parametrize("path", ["/secure/admin/user/UserBrowser.jspa", "/x/UserBrowser.jspa"])
async def test_the_user_browser_is_for_administrators(browser: Browser, person: str, status: int, path: str) -> None:
    cookies = await browser.landed(person)
    assert (await browser.ask("GET", path, cookies=cookies)).status == status


async def test_names_are_escaped(browser: Browser) -> None:
    browser.jira.state.add_user("eve", "<script>alert(1)</script>", groups=["<b>"])
    answer = await browser.ask("GET", "/secure/Dashboard.jspa", cookies=await browser.landed("eve"))
    text = await answer.text()
    assert "<script>alert" not in text
    assert "<b>" not in text


async def test_everything_stays_below_the_context_path() -> None:
    config = JiraConfig("/jira", "https://jira.example.com/jira", proof=SharedSecret(SECRET))
    proved = {"X-Lychgate-User": "alice", "X-Lychgate-Secret": SECRET}
    async with serve_jira(JiraState.sample(), config) as jira, ClientSession() as client:

        async def ask(path: str, headers: dict[str, str]) -> tuple[int, str, str]:
            async with client.get(jira.origin + path, headers=headers, allow_redirects=False) as answer:
                return answer.status, answer.headers.get("Location", ""), await answer.text()

        anonymous = await ask("/jira/browse/KEY-1", {})
        bare = await ask("/jira", {})
        outside = await ask("/secure/Dashboard.jspa", proved)
        home = await ask("/jira/secure/MyJiraHome.jspa", {})
        page = await ask("/jira/secure/Dashboard.jspa", proved)
    assert anonymous[1].startswith("/jira" + LOGIN + "%2Fbrowse")
    assert bare[:2] == (302, "/jira/")
    assert outside[0] == 404
    assert home[1] == "https://jira.example.com/jira/secure/Dashboard.jspa"
    assert page[0] == 200
    assert 'href="/secure' not in page[2]


async def test_unknown_paths_are_404(browser: Browser) -> None:
    page = await browser.ask("GET", "/nothing/here")
    rest = await browser.ask("GET", "/rest/nothing")
    action = await browser.ask("GET", "/secure/Nothing.jspa")
    case = await browser.ask("GET", "/LOGIN.JSP")
    assert [404] * 4 == [answer.status for answer in (page, rest, action, case)]
    assert ["text/html", "application/json"] == [a.content_type for a in (page, rest)]
