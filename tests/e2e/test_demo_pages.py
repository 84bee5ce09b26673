"""The demonstration's pages at work in a browser: many tabs, files, the live channel, a frame of another site."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from sidecar.demo.run import Demo, running_demo
from tests.e2e.journeys import PATIENCE, Tab, codes, serving_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

TABS = 10


@pytest_asyncio.fixture(loop_scope="module")
async def story() -> io.StringIO:
    return io.StringIO()


@pytest_asyncio.fixture(loop_scope="module")
async def demo(story: io.StringIO) -> AsyncIterator[Demo]:
    async with running_demo(0, story) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    context = await chromium.new_context()
    yield context
    await context.close()


async def test_ten_tabs_that_sign_in_at_once_all_end_on_their_own_page(
    demo: Demo, context: BrowserContext, story: io.StringIO
) -> None:
    tabs = [await Tab.open(context, demo.url) for _ in range(TABS)]
    wanted = [f"/browse/KEY-{1 + number % 4}?tab={number}&q=%C3%A4" for number in range(TABS)]
    await asyncio.gather(*(tab.go(path) for tab, path in zip(tabs, wanted, strict=True)))
    assert all(tab.page.url.startswith(demo.staff.issuer) for tab in tabs)
    await asyncio.gather(*(tab.press("Nina New") for tab in tabs))
    assert wanted == [tab.path for tab in tabs]
    assert [[]] * TABS == [await tab.troubles() for tab in tabs]
    assert [[]] * TABS == [tab.refused for tab in tabs]
    assert 1 == demo.jira.count("POST", "/rest/api/2/user")
    assert 1 == codes(story).count("user.created")


async def test_ten_tabs_of_which_one_signed_in_first(demo: Demo, context: BrowserContext) -> None:
    tabs = [await Tab.open(context, demo.url) for _ in range(TABS)]
    wanted = [f"/browse/KEY-1?tab={number}" for number in range(TABS)]
    for tab, path in zip(tabs, wanted, strict=True):
        await tab.go(path)
    for tab in tabs:
        await tab.press("Nina New")
    assert wanted == [tab.path for tab in tabs]
    assert ["(nina)"] * TABS == [(await tab.page.inner_text(".who span")).split()[-1] for tab in tabs]


async def test_a_file_goes_up_and_comes_down_again(demo: Demo, context: BrowserContext) -> None:
    tab = await Tab.open(context, demo.url)
    await tab.sign_in("/browse/KEY-1", "Nina New")
    content = bytes(range(256)) * 1000
    await tab.page.get_by_label("Add a file").set_input_files(
        {"name": "plan é.bin", "mimeType": "application/octet-stream", "buffer": content}
    )
    await tab.press("Attach")
    assert "/browse/KEY-1" == tab.path
    await expect(
        tab.page.get_by_text("250.0 kB, by nina").or_(tab.page.get_by_text("256.0 kB, by nina"))
    ).to_be_visible()
    assert [] == await tab.troubles()
    async with tab.page.expect_download() as coming:
        await tab.page.get_by_role("link", name="plan é.bin").click()
    download = await coming.value
    assert ("plan é.bin", content) == (download.suggested_filename, Path(await download.path()).read_bytes())


async def test_the_live_channel_of_a_page_stands(demo: Demo, context: BrowserContext) -> None:
    tab = await Tab.open(context, demo.url)
    await tab.sign_in("/browse/KEY-1", "Nina New")
    await expect(tab.page.locator("#live")).to_have_text("live", timeout=PATIENCE)
    assert "Live as nina" == await tab.page.locator("#live").get_attribute("title")
    assert ["nina"] == demo.jira.usernames("/rest/live/")
    assert [] == await tab.troubles()


async def test_signing_out_in_one_tab_ends_the_live_channel_of_another(demo: Demo, context: BrowserContext) -> None:
    watching, leaving = await Tab.open(context, demo.url), await Tab.open(context, demo.url)
    await watching.sign_in("/browse/KEY-1", "Nina New")
    await expect(watching.page.locator("#live")).to_have_text("live", timeout=PATIENCE)
    await leaving.go("/.lychgate/logout")
    await leaving.press("Sign out")
    await expect(watching.page.locator("#live")).to_have_text("offline", timeout=PATIENCE)


async def test_a_frame_of_another_site_offers_a_window_to_sign_in(demo: Demo, context: BrowserContext) -> None:
    html = (
        '<!doctype html><html lang="en"><title>Wiki</title><link rel="icon" href="data:,"><h1>Wiki</h1>'
        f'<iframe title="Issue" src="{demo.url}/browse/KEY-1" width="700" height="500"></iframe></html>'
    )
    async with serving_page(html) as site:
        tab = await Tab.open(context, demo.url)
        await tab.page.goto(site)
        frame = tab.page.frame_locator("iframe")
        await expect(frame.get_by_role("heading", level=1)).to_have_text("Sign in to Jira", timeout=PATIENCE)
        async with tab.page.expect_popup() as coming:
            await frame.get_by_role("link", name="Open and sign in").click()
        opened = Tab(await coming.value, demo.url)
        opened.watch()
        await opened.press("Nina New")
    assert ("/browse/KEY-1", [(401, "/browse/KEY-1")], []) == (opened.path, tab.refused, tab.errors)
    assert [] == await opened.troubles()


async def test_a_dead_link_is_the_products_own_page(demo: Demo, context: BrowserContext) -> None:
    tab = await Tab.open(context, demo.url)
    await tab.sign_in("/browse/NONE-1", "Nina New")
    assert ("Dead link", [(404, "/browse/NONE-1")]) == (await tab.heading(), tab.refused)
    assert [] == await tab.troubles()


async def test_a_person_who_cancels_can_try_again(demo: Demo, context: BrowserContext) -> None:
    tab = await Tab.open(context, demo.url)
    await tab.sign_in("/browse/KEY-1", "Cancel")
    assert "provider_refused" == await tab.code()
    assert [] == await tab.troubles()
    await tab.follow("Try again")
    await tab.press("Nina New")
    assert "(nina)" in await tab.page.inner_text("header")
