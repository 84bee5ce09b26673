"""A certified provider ends a session by its back channel while a real browser has a WebSocket open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from tests.e2e.journeys import Tab, codes
from tests.e2e.test_real_provider import Scene, arrive, scene

pytestmark = [pytest.mark.browser, pytest.mark.node, pytest.mark.asyncio(loop_scope="module")]

OPEN = """() => new Promise((resolve, reject) => {
  const socket = new WebSocket(`ws://${location.host}/rest/live/1.0/socket`);
  socket.onmessage = () => resolve('open');
  socket.onerror = () => reject(new Error('the socket did not open'));
  window.ending = new Promise((over) => { socket.onclose = () => over('closed'); });
  window.socket = socket;
})"""


@pytest_asyncio.fixture(loop_scope="module")
async def contexts(chromium: Browser) -> AsyncIterator[list[BrowserContext]]:
    """Three browsers that know nothing of each other."""
    found = [await chromium.new_context() for _ in range(3)]
    yield found
    for context in found:
        await context.close()


async def let_it_tell(here: Scene) -> None:
    """Register the back channel at the provider: the gate's port was not known before."""
    known = here.provider._configuration["clients"][0]
    door = f"{here.place.url}/.lychgate/backchannel-logout/staff"
    told = {"backchannel_logout_uri": door, "backchannel_logout_session_required": True}
    await here.provider.put_client({**known, **told})


async def sign_out_at_the_provider(context: BrowserContext, here: Scene) -> None:
    page = await context.new_page()
    await page.goto(f"{here.provider.issuer}/session/end")
    await page.get_by_role("button", name="Yes").click()
    await page.get_by_role("heading", name="Signed out").wait_for()


async def test_it_closes_the_socket_and_the_next_request_is_a_sign_in(
    contexts: list[BrowserContext], tmp_path: Path
) -> None:
    async with scene(tmp_path) as here:
        await let_it_tell(here)
        desk, phone, other = [
            await arrive(context, here, name) for context, name in zip(contexts, ("nina", "nina", "dora"), strict=True)
        ]
        for tab in (desk, phone, other):
            assert "open" == await tab.page.evaluate(OPEN)
        await sign_out_at_the_provider(contexts[0], here)
        told = await here.provider.reported("backchannel.success")
        assert ("gate", True) == (told["client"], bool(told["sid"]))
        assert "closed" == await desk.page.evaluate("window.ending")
        # Another session of hers, and somebody else's: not meant.
        for tab in (phone, other):
            assert 1 == await tab.page.evaluate("window.socket.readyState")
            await tab.go("/browse/KEY-1")
            assert "/browse/KEY-1" == tab.path
        again = await Tab.open(contexts[0], here.place.url)
        await again.go("/browse/KEY-1")
        assert (True, "Sign in") == (again.page.url.startswith(here.provider.issuer), await again.heading())
        assert 1 == codes(here.story).count("session.ended")
        await again.press("nina")
        assert "/browse/KEY-1" == again.path
