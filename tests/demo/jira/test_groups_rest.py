"""REST of groups answers with the documented statuses."""

from __future__ import annotations

from tests.demo.jira.conftest import Browser

GROUP = "/rest/api/2/group"


async def test_a_group_is_made_once(browser: Browser) -> None:
    first = await browser.admin("POST", GROUP, {"name": "Okta-Dev"})
    again = await browser.admin("POST", GROUP, {"name": "okta-dev"})
    empty = await browser.admin("POST", GROUP, {"name": ""})
    assert [201, 400, 400] == [first.status, again.status, empty.status]
    assert "okta-dev" in browser.jira.state.groups


async def test_joining_and_joining_again(browser: Browser) -> None:
    where = f"{GROUP}/user?groupname=jira-administrators"
    first = await browser.admin("POST", where, {"name": "Alice"})
    again = await browser.admin("POST", where, {"name": "alice"})
    assert [201, 400] == [first.status, again.status]
    assert "user is already a member of" in (await again.json())["errorMessages"][0]
    assert browser.jira.state.is_admin("alice")


async def test_leaving_and_leaving_again(browser: Browser) -> None:
    where = f"{GROUP}/user?groupname=jira-software-users&username=alice"
    first = await browser.admin("DELETE", where)
    again = await browser.admin("DELETE", where)
    assert [200, 400] == [first.status, again.status]
    assert browser.jira.state.users["alice"].groups == set()


async def test_unknown_groups_and_users_are_404(browser: Browser) -> None:
    answers = [
        await browser.admin("POST", f"{GROUP}/user?groupname=none", {"name": "alice"}),
        await browser.admin("POST", f"{GROUP}/user?groupname=jira-administrators", {"name": "x"}),
        await browser.admin("DELETE", f"{GROUP}/user?groupname=none&username=alice"),
        await browser.admin("DELETE", f"{GROUP}?groupname=none"),
        await browser.admin("GET", f"{GROUP}/member?groupname=none"),
    ]
    assert [404] * 5 == [answer.status for answer in answers]


async def test_deleting_a_group_ends_its_memberships(browser: Browser) -> None:
    assert (await browser.admin("DELETE", f"{GROUP}?groupname=jira-software-users")).status == 200
    assert browser.jira.state.users["alice"].groups == set()


async def test_members_come_in_pages_sorted_and_active(browser: Browser) -> None:
    for number in range(60):
        browser.jira.state.add_user(f"m{number:02}", groups=["crowd"], active=number != 0)
    first = await (await browser.admin("GET", f"{GROUP}/member?groupname=crowd")).json()
    last = await (await browser.admin("GET", f"{GROUP}/member?groupname=crowd&startAt=50")).json()
    all_ = await browser.admin("GET", f"{GROUP}/member?groupname=crowd&includeInactiveUsers=true")
    assert (50, 59, False) == (len(first["values"]), first["total"], first["isLast"])
    assert (9, True) == (len(last["values"]), last["isLast"])
    assert first["values"][0]["name"] == "m01"
    assert (await all_.json())["total"] == 60


async def test_group_administration_is_for_administrators(browser: Browser) -> None:
    token = {"Authorization": f"Bearer {browser.jira.state.add_token('bob')}"}
    asked = [("POST", GROUP), ("GET", f"{GROUP}/member?groupname=x"), ("POST", f"{GROUP}/user")]
    asked.append(("GET", "/rest/api/2/applicationrole"))
    answers = [await browser.ask(method, path, headers=token, json={}) for method, path in asked]
    assert [403] * 4 == [answer.status for answer in answers]


async def test_the_picker_finds_by_substring(browser: Browser) -> None:
    found = await (await browser.admin("GET", "/rest/api/2/groups/picker?query=SOFT")).json()
    assert ["jira-software-users"] == [group["name"] for group in found["groups"]]
