"""What people meet in a browser when something happens to their account: each page says it, and no more happens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext

from sidecar.demo.cast import MARS, MOON, USERS, WALKERS
from tests.e2e.journeys import Tab
from tests.upstream.scripted import until
from tests.web.rig import Site, World, world
from tests.web.test_global_revocation import call, proof
from tests.web.test_time_over_http import Hands

pytestmark = pytest.mark.browser

PAGE = "/browse/KEY-1"
TEST = "/.lychgate/test"
GROUPS = [{"from": "okta-jira-users", "to": USERS}, {"from": "okta-project-(.+)", "to": "jira-project-$1"}]


@dataclass(slots=True)
class Scene:
    """A world, its clock, and as many browsers as wanted."""

    world: World
    clock: Hands
    browser: Browser
    stack: AsyncExitStack

    async def context(self, **options: Any) -> BrowserContext:
        context = await self.browser.new_context(**options)
        self.stack.push_async_callback(context.close)
        return context

    async def tab(self, **options: Any) -> Tab:
        """A tab of a browser that has seen nothing yet, a moment later."""
        self.clock.passed += 5
        return await Tab.open(await self.context(**options), self.world.url)

    async def arrive(self, button: str, path: str = PAGE) -> Tab:
        """Somebody signs in in a fresh browser."""
        tab = await self.tab()
        await tab.sign_in(path, button)
        return tab

    def claims(self, who: str, **changes: object) -> None:
        """The provider says something else of somebody from now on."""
        claims = self.world.staff.provider.people[who].claims
        assert isinstance(claims, dict)
        claims.update(changes)

    async def gone(self, who: str) -> None:
        """Universal Logout, and what follows."""
        self.clock.passed += 5
        subject = {"sub_id": {"format": "iss_sub", "iss": self.world.staff.issuer, "sub": f"00u-{who}"}}
        now = self.clock.now()
        answer = await call(self.world, subject, proof(self.world, iat=now, exp=now + 300))
        assert 204 == answer.status

    def groups(self, who: str) -> set[str]:
        return set(self.world.jira.state.users[who].groups)

    def changes(self) -> list[str]:
        return [f"{call.method} {call.target}" for call in self.world.jira.calls if call.method != "GET"]

    def codes(self) -> list[str]:
        return [event["code"] for event in self.world.events]


Scenes = Callable[..., Awaitable[Scene]]


@pytest.fixture
async def scenes(browser: Browser, tmp_path: Path) -> AsyncIterator[Scenes]:
    """Give a function that sets a scene; its arguments change the configuration of the accounts and of the agents."""
    async with AsyncExitStack() as stack:

        async def set_up(accounts: dict[str, Any] | None = None, **agents: Any) -> Scene:
            clock = Hands(int(time.time()))
            kept = {"groups": {"map": GROUPS}, **(accounts or {})}
            site = Site(clock=clock, proof="secret", accounts=kept, agents=agents)
            return Scene(await stack.enter_async_context(world(tmp_path, site)), clock, browser, stack)

        yield set_up


async def test_a_whole_life_new_gone_back_and_disabled_for_good(scenes: Scenes) -> None:
    scene = await scenes({"on_revoke": "deactivate"})
    state = scene.world.jira.state
    tab = await scene.arrive("Nina New")
    assert (PAGE, {USERS, MOON}) == (tab.path, scene.groups("nina"))
    await scene.gone("nina")
    await until(lambda: not state.users["nina"].active)
    # The provider still remembers the sign-in that was revoked; it is asked anew.
    await tab.go(PAGE)
    assert "session_revoked" == await tab.code()
    scene.clock.passed += 5
    await tab.follow("Sign in again")
    await tab.press("Nina New")
    assert (PAGE, True, {USERS, MOON}) == (tab.path, state.users["nina"].active, scene.groups("nina"))
    assert "(nina)" in await tab.page.inner_text("header")
    state.users["nina"].active = False
    tab = await scene.arrive("Nina New")
    assert ("account_inactive", False) == (await tab.code(), state.users["nina"].active)
    assert "Your account in Jira is switched off" == await tab.heading()
    assert ([], [(403, PAGE)]) == (await tab.troubles(), tab.refused)


async def test_who_moves_to_another_department_changes_groups_and_keeps_what_was_given_by_hand(scenes: Scenes) -> None:
    scene = await scenes()
    await scene.arrive("Stella Stale")
    assert {USERS, MOON, WALKERS} == scene.groups("stella")
    scene.claims("stella", groups=["okta-jira-users", "okta-project-mars"])
    tab = await scene.arrive("Stella Stale")
    assert (PAGE, {USERS, MARS, WALKERS}) == (tab.path, scene.groups("stella"))
    assert ([], []) == (await tab.troubles(), tab.refused)


async def test_who_has_another_name_there_gets_no_second_account(scenes: Scenes) -> None:
    scene = await scenes()
    await scene.arrive("Nina New")
    scene.claims("nina", preferred_username="nina.married", name="Nina Married")
    tab = await scene.arrive("Nina New")
    assert None is scene.world.jira.state.find("nina.married")
    assert 1 == scene.codes().count("user.created")
    assert ("pin_conflict", [(403, PAGE)]) == (await tab.code(), tab.refused)
    assert [] == await tab.troubles()


async def test_a_directory_that_is_down_gives_a_page_that_opens_when_it_is_back(scenes: Scenes) -> None:
    scene = await scenes()
    scene.world.jira.fail_next("/rest/api/2/user", 503, times=1000)
    tab = await scene.arrive("Stella Stale")
    assert ("connector_unreachable", [(503, PAGE)]) == (await tab.code(), tab.refused)
    assert "tries again by itself" in await tab.page.inner_text("main")
    assert ([], []) == (await tab.troubles(), scene.changes())
    scene.world.jira.faults.clear()
    # The breaker's and the refusal's memory are over.
    scene.clock.passed += 120
    await tab.follow("Try again")
    assert (PAGE, {USERS, MOON, WALKERS}) == (tab.path, scene.groups("stella"))


async def test_too_many_removals_are_held_back_and_nobody_inactive_is_woken_with_them(scenes: Scenes) -> None:
    scene = await scenes({"groups": {"map": GROUPS, "max_removals": 0}})
    tab = await scene.arrive("Stella Stale")
    assert (PAGE, {USERS, MARS, MOON, WALKERS}) == (tab.path, scene.groups("stella"))
    assert "group.removal_skipped" in scene.codes()
    tab = await scene.arrive("Dora Back")
    assert "removals_capped" == await tab.code()
    assert (False, {USERS, MARS}) == (scene.world.jira.state.users["dora"].active, scene.groups("dora"))
    assert ([], [(503, PAGE)]) == (await tab.troubles(), tab.refused)


async def test_who_finds_no_seat_is_told_and_gets_in_when_one_was_bought(scenes: Scenes) -> None:
    scene = await scenes({"groups": {"map": GROUPS, "needed": [USERS]}})
    scene.world.jira.faults.seats_exhausted = True
    tab = await scene.arrive("Nina New")
    assert ("no_seat_left", [(403, PAGE)]) == (await tab.code(), tab.refused)
    assert (None, []) == (scene.world.jira.state.find("nina"), await tab.troubles())
    scene.world.jira.faults.seats_exhausted = False
    scene.clock.passed += 60
    await tab.go(PAGE)
    assert (PAGE, {USERS, MOON}) == (tab.path, scene.groups("nina"))
    assert "(nina)" in await tab.page.inner_text("header")


async def test_in_a_read_only_directory_the_change_is_the_administrator_s(scenes: Scenes) -> None:
    scene = await scenes({"groups": {"map": GROUPS, "needed": [USERS]}})
    state = scene.world.jira.state
    state.users["stella"].groups.clear()
    scene.claims("stella", groups=["okta-jira-users"])
    scene.world.jira.faults.directory_read_only = True
    tab = await scene.arrive("Stella Stale")
    assert ("directory_read_only", [(403, PAGE)]) == (await tab.code(), tab.refused)
    tried = scene.codes().count("account.failed")
    scene.clock.passed += 60
    await tab.go(PAGE)
    # It is not tried again, nor told again.
    assert ("directory_read_only", tried) == (await tab.code(), scene.codes().count("account.failed"))
    assert ([], True) == (await tab.troubles(), tried > 0)
    state.join("stella", USERS)
    scene.clock.passed += 60
    await tab.go(PAGE)
    assert PAGE == tab.path
    assert "(stella)" in await tab.page.inner_text("header")


async def test_a_portal_that_only_observes_changes_nothing_and_can_be_tried(scenes: Scenes) -> None:
    scene = await scenes(mode="observe")
    tab = await scene.tab()
    await tab.go(PAGE)
    assert tab.page.url.startswith(scene.world.url)
    assert ([], 0) == (scene.changes(), scene.codes().count("login.start"))
    await tab.go("/.lychgate/try")
    assert tab.page.url.startswith(scene.world.staff.issuer)
    await tab.press("Nina New")
    assert "(nina)" in await tab.page.inner_text("header")
    assert {USERS, MOON} == scene.groups("nina")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
async def test_the_test_page_is_read_on_a_small_screen_and_nothing_is_done(scenes: Scenes, scripts: bool) -> None:
    scene = await scenes(test_page={"require": {"any_group": ["okta-jira-users"]}})
    before = scene.groups("stella")
    tab = await scene.tab(java_script_enabled=scripts, viewport={"width": 320, "height": 568})
    await tab.sign_in(TEST, "Stella Stale")
    assert (TEST, "Your sign-in to Jira, tested") == (tab.path, await tab.heading())
    text = await tab.page.inner_text("main")
    wanted = ("nothing gives it any more", "given by okta-project-moon", "okta-jira-users", "stella@example.com")
    assert [] == [words for words in wanted if words not in text]
    assert ([], []) == (await tab.troubles(), tab.refused)
    assert (before, []) == (scene.groups("stella"), scene.changes())
    # An hour later it asks for a fresh sign-in, and comes back by itself.
    scene.clock.passed += 3600
    await tab.go(TEST)
    assert tab.page.url.startswith(scene.world.staff.issuer)
    await tab.press("Stella Stale")
    assert TEST == tab.path
