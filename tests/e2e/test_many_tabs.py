"""People with ten tabs, a Back button, bookmarks, lost cookies and friends, in a real browser.

Wherever such a way ends, it is the page that was asked for, or a page of ours with one clear next step, which works.
No way is a circle: every tab counts its navigations. The provider is the demonstration's own, under the test's clock.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Error, Request

from sidecar.app import Running
from sidecar.commands.ledger import initialise_ledger
from sidecar.core.logins import ATTEMPT_LIFE, LOOP_WINDOW
from sidecar.demo.cast import STAFF, people
from sidecar.demo.provider import Client, Fault, Provider, RunningProvider, serve_provider
from tests.e2e.journeys import CLIENT_SECRET, Ground, Tab, ground
from tests.web.test_time_over_http import Hands

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

NINA, STELLA = "Nina New", "Stella Stale"
AGENTS = {"application": "jira", "default": True, "provider": "staff", "require": {"any_group": ["okta-jira-users"]}}
SESSION = "__Host-lychgate-jira"
TABS = 10
START = "/secure/Dashboard.jspa"
MOST_HOPS = 5
"""Navigations of one way at most: page, provider, choice, callback, page."""


@dataclass
class Counting(Tab):
    """A tab that counts: every navigation, and the callbacks among them."""

    hops: list[str] = field(default_factory=list)

    def watch(self) -> None:
        super().watch()
        self.page.on("request", self._asked)

    def _asked(self, request: Request) -> None:
        if request.is_navigation_request():
            self.hops.append(request.url)

    @property
    def callback(self) -> str:
        """The address of the last callback."""
        return [url for url in self.hops if "/.lychgate/callback/" in url][-1]


@dataclass(frozen=True, slots=True)
class Scene:
    """A gate, its provider, and as many browsers as a test likes."""

    place: Ground
    staff: RunningProvider
    gate: Running
    clock: Hands
    story: io.StringIO
    open: Callable[..., Awaitable[BrowserContext]]

    async def tab(self, context: BrowserContext) -> Counting:
        """A new tab."""
        return await Counting.open(context, self.place.url)  # type: ignore[return-value]

    def at_provider(self, tab: Tab) -> bool:
        """Whether a tab shows the provider's page."""
        return tab.page.url.startswith(self.staff.issuer)

    async def signed_in(self, context: BrowserContext, path: str = "/browse/KEY-1", who: str = NINA) -> Counting:
        """A tab in which somebody has just signed in."""
        tab = await self.tab(context)
        await tab.sign_in(path, who)
        assert path == tab.path
        return tab

    async def forget(self, context: BrowserContext, *, gate: bool = True, provider: bool = True) -> None:
        """Clear the cookies of one of the two sites, or of both."""
        for host, asked in (("localhost", gate), ("127.0.0.1", provider)):
            if asked:
                await context.clear_cookies(domain=host)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(chromium: Browser, tmp_path: Path) -> AsyncIterator[Scene]:
    clock, story = Hands(int(time.time())), io.StringIO()
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(ground(tmp_path))
        client = Client("gate", CLIENT_SECRET, (f"{place.url}/.lychgate/callback/staff",))
        staff = await stack.enter_async_context(serve_provider(Provider(people(STAFF), [client], clock=clock.now)))
        loaded = place.write({"staff": {"issuer": staff.issuer, "usernames": "authoritative"}}, {"agents": AGENTS},
                             adopt="by_username")  # fmt: skip
        assert {"jira": True} == await initialise_ledger(loaded)
        gate = await stack.enter_async_context(place.serving(loaded, story, clock))

        async def browser(**options: Any) -> BrowserContext:
            context = await chromium.new_context(**options)
            stack.push_async_callback(context.close)
            return context

        yield Scene(place, staff, gate, clock, story, browser)


def _orders() -> Iterable[tuple[int, ...]]:
    ahead = tuple(range(TABS))
    return ahead, ahead[::-1], (*ahead[5:], *ahead[:5]), (4, 7, 0, 9, 2, 5, 8, 1, 6, 3)


async def _fine(*tabs: Counting, hops: int = MOST_HOPS) -> None:
    for tab in tabs:
        assert ([], []) == (await tab.troubles(), tab.refused)
        assert len(tab.hops) <= hops, tab.hops


@pytest.mark.parametrize("order", _orders(), ids=["first first", "last first", "middle first", "mixed"])
async def test_ten_tabs_at_the_provider_and_each_is_signed_in(scene: Scene, order: tuple[int, ...]) -> None:
    context = await scene.open()
    tabs = [await scene.tab(context) for _ in range(TABS)]
    await asyncio.gather(*(tab.go(f"/browse/KEY-1?tab={number}") for number, tab in enumerate(tabs)))
    assert [True] * TABS == [scene.at_provider(tab) for tab in tabs]
    for number in order:
        await tabs[number].press(NINA)
    assert [f"/browse/KEY-1?tab={number}" for number in range(TABS)] == [tab.path for tab in tabs]
    await _fine(*tabs)


async def test_ten_tabs_of_somebody_whom_the_provider_knows(scene: Scene) -> None:
    context = await scene.open()
    await scene.signed_in(context)
    await scene.forget(context, provider=False)
    scene.clock.passed += LOOP_WINDOW + 1
    tabs = [await scene.tab(context) for _ in range(TABS)]
    await asyncio.gather(*(tab.go(f"/browse/KEY-1?tab={number}") for number, tab in enumerate(tabs)))
    assert [f"/browse/KEY-1?tab={number}" for number in range(TABS)] == [tab.path for tab in tabs]
    await _fine(*tabs)


@pytest.mark.parametrize("backwards", [False, True])
async def test_ten_tabs_with_long_addresses(scene: Scene, backwards: bool) -> None:
    """There is no room for ten such notes. Whose note was dropped loses nothing but a click."""
    context = await scene.open()
    tabs = [await scene.tab(context) for _ in range(TABS)]
    paths = [f"/browse/KEY-1?tab={number}&jql={'x' * 600}" for number in range(TABS)]
    for tab, path in zip(tabs, paths, strict=True):
        await tab.go(path)
    pairs = list(zip(tabs, paths, strict=True))
    for tab, path in pairs[::-1] if backwards else pairs:
        await tab.press(NINA)
        if await tab.code():
            await _next_step(scene, tab, "state_missing", path)
    assert paths == [tab.path for tab in tabs]
    assert [] == [trouble for tab in tabs for trouble in await tab.troubles()]


async def test_back_and_forward_across_the_sign_in(scene: Scene) -> None:
    context = await scene.open()
    tab = await scene.signed_in(context)
    before = len(tab.hops)
    # The provider knows her and sends her on at once: she is where she was, and the code is not spent twice.
    await tab.page.go_back()
    await tab.page.wait_for_url(f"{scene.place.url}/**")
    assert "/browse/KEY-1" == tab.path
    assert len(tab.hops) - before <= 3
    await tab.page.go_forward()
    assert "/browse/KEY-1" == tab.path
    await _fine(tab, hops=before + 4)


async def test_back_to_a_provider_that_asks_again(scene: Scene) -> None:
    context = await scene.open()
    tab = await scene.signed_in(context)
    await scene.forget(context, gate=False)
    await tab.page.go_back()
    assert scene.at_provider(tab)
    await tab.press(NINA)
    assert "/browse/KEY-1" == tab.path
    await _fine(tab, hops=9)


async def _next_step(scene: Scene, tab: Counting, reason: str, path: str) -> None:
    """On a page of ours with one button, which leads in."""
    assert reason == await tab.code()
    assert 1 == await tab.page.locator("main a.button, main button").count()
    assert [] == await tab.troubles()
    tab.hops.clear()
    await tab.follow("Try again")
    if scene.at_provider(tab):
        await tab.press(NINA)
    assert path == tab.path
    assert ([], True) == (await tab.troubles(), len(tab.hops) <= MOST_HOPS + 1)


async def _held_back(scene: Scene, tab: Counting) -> str:
    """Press the button and stop at the callback, which is not asked for; gives its address."""
    interaction = await tab.page.locator("input[name=interaction]").first.get_attribute("value")
    choice = {"interaction": str(interaction), "person": "nina"}
    answer = await tab.page.request.post(f"{scene.staff.issuer}/choose", form=choice, max_redirects=0)
    return answer.headers["location"]


async def test_a_bookmarked_callback(scene: Scene) -> None:
    context = await scene.open()
    tab = await scene.signed_in(context)
    bookmark = tab.callback
    # With a session it is no trouble at all, now and long afterwards.
    again = await scene.tab(context)
    for path in ("/browse/KEY-1", START):
        await again.page.goto(bookmark)
        assert path == again.path
        scene.clock.passed += ATTEMPT_LIFE + 1
    await _fine(again, hops=6)
    # Without one it says what to do.
    await scene.forget(context)
    await again.page.goto(bookmark)
    await _next_step(scene, again, "state_missing", START)


async def test_an_attempt_that_took_too_long(scene: Scene) -> None:
    context = await scene.open()
    tab = await scene.tab(context)
    await tab.go("/browse/KEY-2?a=b")
    scene.clock.passed += ATTEMPT_LIFE + 1
    # The provider's own page has become too old as well; the one after it is a fresh answer for the old attempt.
    await tab.page.reload()
    await tab.press(NINA)
    await _next_step(scene, tab, "state_expired", "/browse/KEY-2?a=b")


async def test_the_note_of_the_attempt_is_lost_on_the_way(scene: Scene) -> None:
    context = await scene.open()
    tab = await scene.tab(context)
    await tab.go("/browse/KEY-1")
    await scene.forget(context, provider=False)
    await tab.press(NINA)
    await _next_step(scene, tab, "state_missing", START)


async def test_one_attempt_in_two_browsers(scene: Scene) -> None:
    mine, other = await scene.open(), await scene.open()
    tab = await scene.tab(mine)
    await tab.go("/browse/KEY-1")
    copied = await scene.tab(other)
    await copied.page.goto(tab.page.url)
    await copied.press(STELLA)
    assert [] == [cookie for cookie in await other.cookies() if cookie["name"] == SESSION]
    # Who began it is not disturbed.
    await tab.press(NINA)
    assert "/browse/KEY-1" == tab.path
    await _fine(tab)
    # Whoever copied the address signs in as herself.
    await _next_step(scene, copied, "state_missing", START)
    assert "Hello, Stella Stale" == await copied.heading()


async def test_a_callback_that_is_sent_to_a_friend(scene: Scene) -> None:
    """Nobody becomes somebody else by a link, with a session or without."""
    mine, friends, strangers = [await scene.open() for _ in range(3)]
    friend = await scene.signed_in(friends, who=STELLA)
    tab = await scene.tab(mine)
    await tab.go("/browse/KEY-1")
    callback = await _held_back(scene, tab)
    await friend.page.goto(callback)
    assert (START, "Hello, Stella Stale") == (friend.path, await friend.heading())
    stranger = await scene.tab(strangers)
    await stranger.page.goto(callback)
    assert [] == [cookie for cookie in await strangers.cookies() if cookie["name"] == SESSION]
    await _next_step(scene, stranger, "state_missing", START)
    # The code was not spent by them: whose it is still comes in with it.
    await tab.page.goto(callback)
    assert "/browse/KEY-1" == tab.path


async def test_signing_out_while_another_tab_is_at_the_provider(scene: Scene) -> None:
    context = await scene.open()
    waiting = await scene.tab(context)
    await waiting.go("/browse/KEY-2")
    tab = await scene.signed_in(context)
    await tab.go("/.lychgate/logout")
    await tab.press("Sign out")
    assert "You are signed out" == await tab.heading()
    await waiting.press(NINA)
    await _next_step(scene, waiting, "state_missing", START)


async def test_a_double_click_on_the_provider_s_button(scene: Scene) -> None:
    context = await scene.open()
    tab = await scene.tab(context)
    await tab.go("/browse/KEY-1")
    await tab.page.get_by_role("button", name=NINA).dblclick()
    for _ in range(2):
        try:
            await tab.page.wait_for_url(f"{scene.place.url}/**", wait_until="networkidle")
        except Error as error:
            # The second click's journey took the place of the first one's, and goes on.
            if "ERR_ABORTED" not in error.message:
                raise
    # What was broken off is no trouble.
    tab.failed = [one for one in tab.failed if "ERR_ABORTED" not in one]
    if await tab.code():
        # The first journey's callback was at work already when it was broken off, so the second one came too late.
        await _next_step(scene, tab, "state_spent", "/browse/KEY-1")
    assert "/browse/KEY-1" == tab.path
    assert [] == await tab.troubles()
    assert len(tab.hops) <= MOST_HOPS + 1, tab.hops


async def test_a_callback_that_is_asked_for_twice_at_once(scene: Scene) -> None:
    context = await scene.open()
    tab = await scene.tab(context)
    await tab.go("/browse/KEY-1")
    callback = await _held_back(scene, tab)
    twin = await scene.tab(context)
    await asyncio.gather(tab.page.goto(callback), twin.page.goto(callback))
    shown = sorted([tab, twin], key=lambda one: one.path != "/browse/KEY-1")
    assert "/browse/KEY-1" == shown[0].path
    if await shown[1].code():
        await _next_step(scene, shown[1], "state_spent", "/browse/KEY-1")
    assert 1 == scene.staff.counts["token"]


async def test_reloading_the_page_of_a_callback_that_failed(scene: Scene) -> None:
    context = await scene.open()
    tab = await scene.tab(context)
    await tab.go("/browse/KEY-2?x=y")
    scene.staff.provider.fault = Fault.TOKEN_500
    await tab.press(NINA)
    assert "provider_unreachable" == await tab.code()
    scene.staff.provider.fault = None
    await tab.page.reload()
    assert 1 == scene.staff.counts["token"]
    await _next_step(scene, tab, "state_spent", "/browse/KEY-2?x=y")


async def test_cancelling_leads_back_to_the_page_that_was_asked_for(scene: Scene) -> None:
    context = await scene.open()
    tab = await scene.tab(context)
    await tab.go("/browse/KEY-2?x=y")
    await tab.press("Cancel")
    await _next_step(scene, tab, "provider_refused", "/browse/KEY-2?x=y")


async def test_a_browser_that_is_started_again_with_its_tabs(scene: Scene) -> None:
    before = await scene.open()
    await scene.signed_in(before)
    left = await scene.tab(before)
    # One tab stood at the provider when the browser was closed.
    await scene.forget(before)
    await left.go("/browse/KEY-1?left")
    at_provider, state = left.page.url, await before.storage_state()
    await before.close()
    kept = [cookie for cookie in state["cookies"] if cookie["expires"] != -1]
    context = await scene.open(storage_state={"cookies": kept, "origins": []})
    tabs = [await scene.tab(context) for _ in range(TABS - 1)]
    old = await scene.tab(context)
    await asyncio.gather(*(tab.go(f"/browse/KEY-1?tab={number}") for number, tab in enumerate(tabs)))
    await old.page.goto(at_provider)
    for tab in (old, *tabs):
        assert scene.at_provider(tab)
        await tab.press(NINA)
    assert [f"/browse/KEY-1?tab={number}" for number in range(TABS - 1)] == [tab.path for tab in tabs]
    assert "/browse/KEY-1?left" == old.path
    await _fine(old, *tabs)
