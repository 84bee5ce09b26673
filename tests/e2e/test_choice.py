"""A portal with several sign-in services in a real browser: by click, by keyboard, by e-mail address, and again."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext

from sidecar.commands.ledger import initialise_ledger
from sidecar.demo.cast import CUSTOMERS, STAFF, people
from sidecar.demo.provider import Client, Provider, RunningProvider, serve_provider
from tests.e2e.journeys import CLIENT_SECRET, Ground, Tab, ground

pytestmark = pytest.mark.browser

NINA, CARL = "Nina New", "Carl Customer"
DOOR = {
    "application": "jira",
    "default": True,
    "provider": ["staff", "partners"],
    "usernames": {"partners": {"prefix": "cust-"}},
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A gate with two providers at one portal, and one browser."""

    place: Ground
    staff: RunningProvider
    partners: RunningProvider
    context: BrowserContext


@pytest.fixture
async def scene(browser: Browser, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(ground(tmp_path))
        running = []
        for name, roles in (("staff", STAFF), ("partners", CUSTOMERS)):
            client = Client("gate", CLIENT_SECRET, (f"{place.url}/.lychgate/callback/{name}",))
            running.append(await stack.enter_async_context(serve_provider(Provider(people(roles), [client]))))
        staff, partners = running
        providers = {
            "staff": {"issuer": staff.issuer, "label": "Our own staff", "domains": ["example.com"]},
            "partners": {"issuer": partners.issuer, "label": "Partners", "group_prefix": "partner:",
                         "domains": ["partner.example"]},
        }  # fmt: skip
        providers["staff"]["usernames"] = "authoritative"
        loaded = place.write(providers, {"agents": DOOR}, adopt="by_username")
        assert {"jira": True} == await initialise_ledger(loaded)
        await stack.enter_async_context(place.serving(loaded, io.StringIO()))
        context = await browser.new_context()
        stack.push_async_callback(context.close)
        yield Scene(place, staff, partners, context)


async def test_choose_sign_out_and_choose_another(scene: Scene) -> None:
    tab = await Tab.open(scene.context, scene.place.url)
    await tab.go("/browse/KEY-1?a=b")
    assert "Sign in to Jira" == await tab.heading()
    assert [] == await tab.troubles()
    await tab.follow("Partners")
    assert tab.page.url.startswith(scene.partners.issuer)
    await tab.press(CARL)
    assert "/browse/KEY-1?a=b" == tab.path
    # The same service again, without being asked.
    await tab.go("/.lychgate/logout")
    await tab.press("Sign out")
    assert [] == await tab.troubles()
    await scene.context.clear_cookies(domain="127.0.0.1")
    await tab.go("/browse/KEY-2")
    assert tab.page.url.startswith(scene.partners.issuer)
    # Another one: what was used last stands out, and Back is no trap.
    await tab.go("/.lychgate/choose?to=/browse/KEY-2")
    assert "Partners" == await tab.page.inner_text("a.primary")
    await tab.follow("Our own staff")
    await tab.page.go_back()
    assert "Sign in to Jira" == await tab.heading()
    await tab.page.go_forward()
    await tab.press(NINA)
    assert "/browse/KEY-2" == tab.path


async def test_by_keyboard_and_address(scene: Scene) -> None:
    tab = await Tab.open(scene.context, scene.place.url)
    await tab.page.set_viewport_size({"width": 320, "height": 568})
    await tab.go("/browse/KEY-1")
    assert [] == await tab.troubles()
    field = tab.page.get_by_label("Or find it by your e-mail address")
    await field.fill("nina@elsewhere.example")
    await tab.press("Continue")
    assert "No sign-in service is set for that address." in await tab.page.inner_text("main")
    assert "nina@elsewhere.example" == await field.input_value()
    assert [] == await tab.troubles()
    await tab.tab_to("Our own staff")
    await field.fill("carl@partner.example")
    await field.press("Enter")
    await tab.page.wait_for_url(f"{scene.partners.issuer}/**")
    await tab.press(CARL)
    assert "/browse/KEY-1" == tab.path
    assert ([], []) == (tab.errors, tab.refused)
