"""The demonstration, walked through in a browser: every person of it gets what is printed beside their name.

The provider and the stand-in Jira are the demonstration's own; the browser is a real one.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from sidecar.demo.cast import ADMINISTRATORS, MARS, MOON, USERS, WALKERS
from sidecar.demo.run import Demo, running_demo
from tests.e2e.journeys import Tab, codes, counted

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

DASHBOARD = "/secure/Dashboard.jspa"
USER_BROWSER = "/secure/admin/user/UserBrowser.jspa"
PORTALS = "/servicedesk/customer/portals"
SWITCH = "Sign out and sign in as somebody else"
ARRIVED = ["config.loaded", "login.start", "session.created", "login.success"]
LANDED = "landing.established"


@dataclass(frozen=True, slots=True)
class Scene:
    """A demonstration of its own, its log, and a browser that has seen nothing yet."""

    demo: Demo
    story: io.StringIO
    context: BrowserContext
    tab: Tab

    def groups(self, username: str) -> set[str]:
        """In which groups of the stand-in somebody is."""
        user = self.demo.jira.state.find(username)
        assert user is not None
        return user.groups

    def active(self, username: str) -> bool:
        """Whether somebody's account is active."""
        user = self.demo.jira.state.find(username)
        return user is not None and user.active

    def changes(self) -> list[str]:
        """Method and path of every call that changed something, in order."""
        calls = (call for call in self.demo.jira.matching(None, "/rest/api/") if call.method != "GET")
        return [f"{call.method} {call.target}" for call in calls]

    async def is_told_and_counted(self) -> bool:
        """Whether the metrics have counted exactly what the log tells."""
        return Counter(codes(self.story)) == await counted(self.demo.gate)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(chromium: Browser) -> AsyncIterator[Scene]:
    story = io.StringIO()
    async with running_demo(0, story) as demo:
        context = await chromium.new_context()
        yield Scene(demo, story, context, await Tab.open(context, demo.url))
        await context.close()


async def test_somebody_new_lands_on_the_page_she_asked_for(scene: Scene) -> None:
    tab, state = scene.tab, scene.demo.jira.state
    assert state.find("nina") is None
    # What stands behind the `#` never leaves the browser, so nobody can bring it back across a form.
    await tab.go("/browse/KEY-1?focusedId=10%20a&q=%C3%A4+b#comment-1")
    assert tab.page.url.startswith(scene.demo.staff.issuer)
    assert [] == await tab.troubles()
    await tab.press("Nina New")
    assert "/browse/KEY-1?focusedId=10%20a&q=%C3%A4+b" == tab.path
    assert "Nina New (nina)" in await tab.page.inner_text("header")
    user = state.find("nina")
    assert user is not None
    assert ("Nina New", "nina@example.com", True) == (user.display_name, user.email, user.active)
    assert {USERS, MOON} == user.groups
    assert 1 == scene.demo.jira.count("POST", "/rest/api/2/user")
    assert [*ARRIVED, "user.linked", "user.created", "group.added", "group.added", LANDED] == codes(scene.story)
    assert await scene.is_told_and_counted()
    assert ([], []) == (await tab.troubles(), tab.refused)


async def test_somebody_whom_lychgate_had_deactivated_is_back(scene: Scene) -> None:
    assert (False, {USERS, MARS}) == (scene.active("dora"), scene.groups("dora"))
    await scene.tab.sign_in(DASHBOARD, "Dora Back")
    assert "Hello, Dora Back" == await scene.tab.heading()
    assert (True, {USERS, MOON}) == (scene.active("dora"), scene.groups("dora"))
    told = codes(scene.story)
    assert [*ARRIVED, "user.reactivated", LANDED] == [*told[:4], *told[-2:]]
    assert ["group.added", "group.removed"] == sorted(told[4:-2])
    assert await scene.is_told_and_counted()
    assert ([], []) == (await scene.tab.troubles(), scene.tab.refused)


async def test_a_stale_group_is_left_and_a_hand_made_one_is_kept(scene: Scene) -> None:
    assert {USERS, MARS, WALKERS} == scene.groups("stella")
    await scene.tab.sign_in(DASHBOARD, "Stella Stale")
    assert {USERS, MOON, WALKERS} == scene.groups("stella")
    shown = await scene.tab.page.inner_text("section[aria-labelledby=groups]")
    assert [WALKERS, MOON, USERS] == shown.split()[2:]
    told = codes(scene.story)
    assert (ARRIVED, ["group.added", "group.removed"], LANDED) == (told[:4], sorted(told[4:-1]), told[-1])
    assert [] == await scene.tab.troubles()


async def test_somebody_whom_an_administrator_deactivated_stays_out(scene: Scene) -> None:
    await scene.tab.sign_in(DASHBOARD, "Amir Away")
    assert "account_inactive" == await scene.tab.code()
    assert (DASHBOARD, "Your account in Jira is switched off") == (scene.tab.path, await scene.tab.heading())
    assert (False, {USERS}, []) == (scene.active("amir"), scene.groups("amir"), scene.changes())
    assert 0 == scene.demo.jira.count(None, "/secure/")
    assert [*ARRIVED, "account.refused", "request.failed"] == codes(scene.story)
    assert await scene.is_told_and_counted()
    assert ([], [(403, DASHBOARD)]) == (await scene.tab.troubles(), scene.tab.refused)


async def test_an_outsider_is_told_why(scene: Scene) -> None:
    await scene.tab.sign_in("/browse/KEY-1", "Otto Outside")
    assert "not_in_group" == await scene.tab.code()
    assert "You are not in a group that may open this" == await scene.tab.heading()
    assert "Ask your administrator" in await scene.tab.page.inner_text("main")
    # Jira never heard of him: neither his page nor his name was asked for.
    assert [] == [call for call in scene.demo.jira.calls if call.header("User-Agent") and "otto" in call.target]
    assert 0 == scene.demo.jira.count(None, "/browse/")
    assert [*ARRIVED, "access.denied"] == codes(scene.story)
    assert await scene.is_told_and_counted()
    assert ([], [(403, "/browse/KEY-1")]) == (await scene.tab.troubles(), scene.tab.refused)


async def test_the_administrators_page_opens_for_the_administrator(scene: Scene) -> None:
    await scene.tab.sign_in(USER_BROWSER, "Ada Administrator")
    assert (USER_BROWSER, "Users") == (scene.tab.path, await scene.tab.heading())
    # Her administrators' group was given by hand; no mapping touches it.
    assert {USERS, ADMINISTRATORS} == scene.groups("ada")
    assert ([], []) == (await scene.tab.troubles(), scene.tab.refused)


async def test_the_administrators_page_opens_for_nobody_else(scene: Scene) -> None:
    await scene.tab.sign_in(USER_BROWSER, "Nina New")
    assert "not_in_group" == await scene.tab.code()
    assert 0 == scene.demo.jira.count(None, "/secure/admin/")
    assert ([], [(403, USER_BROWSER)]) == (await scene.tab.troubles(), scene.tab.refused)


async def test_a_customer_sees_the_customers_portal(scene: Scene) -> None:
    await scene.tab.go(PORTALS)
    assert scene.tab.page.url.startswith(scene.demo.customers.issuer)
    await scene.tab.press("Carl Customer")
    assert (PORTALS, "Help centre") == (scene.tab.path, await scene.tab.heading())
    assert [] == await scene.tab.troubles()
    await scene.tab.follow("Churchyard help")
    assert "cust-carl" in await scene.tab.page.inner_text("main")
    assert (set(), []) == (scene.groups("cust-carl"), scene.tab.refused)
    assert [*ARRIVED, "user.linked", "user.created", LANDED] == codes(scene.story)
    assert [] == await scene.tab.troubles()


async def test_a_customer_at_the_agents_door_can_switch(scene: Scene) -> None:
    tab = scene.tab
    await tab.sign_in(PORTALS, "Carl Customer")
    await tab.go("/browse/KEY-1?page=2")
    assert ("other_portal", [(403, "/browse/KEY-1")]) == (await tab.code(), tab.refused)
    assert [] == await tab.troubles()
    await tab.press(SWITCH)
    assert "You are signed out" == await tab.heading()
    await tab.follow("Sign in again")
    assert tab.page.url.startswith(scene.demo.staff.issuer)
    await tab.press("Nina New")
    assert ("/browse/KEY-1?page=2", 0) == (tab.path, scene.demo.jira.count(None, "/secure/Dashboard"))
    assert "(nina)" in await tab.page.inner_text("header")
    assert [] == await tab.troubles()


async def test_an_agent_is_let_in_at_the_customers_portal(scene: Scene) -> None:
    await scene.tab.sign_in("/browse/KEY-1", "Stella Stale")
    before = scene.groups("stella")
    await scene.tab.follow("Help centre")
    assert (PORTALS, {USERS, MOON, WALKERS}) == (scene.tab.path, before)
    assert "(stella)" in await scene.tab.page.inner_text("main")
    assert (before, []) == (scene.groups("stella"), await scene.tab.troubles())


async def test_signing_out_by_the_products_own_link(scene: Scene) -> None:
    tab = scene.tab
    await tab.sign_in(DASHBOARD, "Nina New")
    await tab.follow("Log out")
    assert "Sign out of Jira?" == await tab.heading()
    assert [] == await tab.troubles()
    await tab.follow("Stay signed in")
    assert DASHBOARD == tab.path
    await tab.follow("Log out")
    await tab.press("Sign out")
    assert ("/.lychgate/signed-out", "You are signed out") == (tab.path.partition("?")[0], await tab.heading())
    assert ([], []) == (await tab.troubles(), tab.refused)
    assert "session.ended" == codes(scene.story)[-1]
    assert 0 == scene.demo.jira.count(None, "/secure/Logout")
    assert [] == [cookie for cookie in await scene.context.cookies() if cookie["name"] == "__Host-lychgate-jira"]
    await tab.go(DASHBOARD)
    assert tab.page.url.startswith(scene.demo.staff.issuer)
    assert "Signed in now" not in await tab.page.inner_text("main")
    # Somebody else at the same computer is not taken for her.
    await tab.press("Stella Stale")
    assert "Hello, Stella Stale" == await tab.heading()


async def test_a_customer_who_signs_out_comes_back_to_the_customers_door(scene: Scene) -> None:
    tab = scene.tab
    await tab.sign_in(PORTALS, "Carl Customer")
    await tab.follow("Log out")
    await tab.follow("Stay signed in")
    assert PORTALS == tab.path
    await tab.follow("Log out")
    await tab.press("Sign out")
    await tab.follow("Sign in again")
    assert tab.page.url.startswith(scene.demo.customers.issuer)
    assert ([], []) == (await tab.troubles(), tab.refused)


async def test_signing_out_with_the_keyboard_alone(scene: Scene) -> None:
    tab = scene.tab
    await tab.sign_in(DASHBOARD, "Nina New")
    await tab.page.keyboard.press("Tab")
    assert "Skip to content" == await tab.focused()
    for words in ("Log out", "Sign out"):
        await tab.tab_to(words)
        async with tab.page.expect_navigation():
            await tab.page.keyboard.press("Enter")
    assert "You are signed out" == await tab.heading()
    assert "session.ended" == codes(scene.story)[-1]


async def test_whoami_as_a_page_and_for_programs(scene: Scene) -> None:
    tab = scene.tab
    await tab.sign_in(DASHBOARD, "Nina New")
    told = await tab.page.evaluate("fetch('/.lychgate/whoami').then((answer) => answer.json())")
    await tab.go("/.lychgate/whoami")
    text = await tab.page.inner_text("main")
    assert ("nina", "agents", ["okta-jira-users", "okta-project-moon"]) == (
        told["username"],
        told["portal"],
        told["groups"],
    )
    assert all(words in text for words in ("Who you are here", "nina@example.com", "okta-project-moon"))
    # Nothing that could be used elsewhere: no token, no session key, no subject.
    assert set() == {"access_token", "id_token", "session", "sub", "person"} & set(told)
    assert "00u-nina" not in text + str(told)
    assert [] == await tab.troubles()


async def test_whoami_of_nobody(scene: Scene) -> None:
    await scene.tab.go("/.lychgate/whoami")
    assert ("no_session", [(401, "/.lychgate/whoami")]) == (await scene.tab.code(), scene.tab.refused)
    assert [] == await scene.tab.troubles()
