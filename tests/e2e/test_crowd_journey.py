"""A product that takes its people and its sign-on from the gate as from a Crowd server, in a real browser: somebody new
arrives, leaves, is unreachable afterwards, and whoever comes next in the same browser is never taken for them."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, BrowserContext

from sidecar.flows.crowd_landing import COOKIE
from tests.e2e.journeys import Tab
from tests.web.rig import Site, World, world
from tests.web.test_crowd import ask, token_of
from tests.web.test_crowd_synchronising import COOKS, EVERYBODY, LINES, USERS

pytestmark = pytest.mark.browser

PAGE, WHO = "/browse/KEY-1", "/rest/api/2/myself"
MYSELF = f"fetch('{WHO}').then(async (answer) => [answer.status, (await answer.json()).name || null])"


async def _straight(world: World, cookies: str) -> int:
    """Past the gate, with all that ever was sent up."""
    async with (
        aiohttp.ClientSession(headers={"Cookie": cookies}) as client,
        client.get(world.jira.origin + WHO) as answer,
    ):
        return answer.status


async def _names(context: BrowserContext) -> set[str]:
    return {str(cookie.get("name")) for cookie in await context.cookies()}


async def test_somebody_new_arrives_leaves_and_is_never_the_next_one(browser: Browser, tmp_path: Path) -> None:
    accounts = {"directory": True, "groups": LINES}
    # It goes by what it heard for five minutes, as products are set up.
    site = Site(
        proof="crowd", crowd={"directory": True, "interval": 5}, accounts=accounts, agents=EVERYBODY,
        support={"usernames": {}}, sign_out=True,
    )  # fmt: skip
    async with world(tmp_path, site) as place:
        state, context = place.jira.state, await browser.new_context()
        tab = await Tab.open(context, place.url)
        # Somebody new: account, groups and session come of one sign-in, and no administrator's token.
        await tab.sign_in(PAGE, "Nina New")
        assert (PAGE, {USERS}) == (tab.path, state.users["nina"].groups)
        assert "(nina)" in await tab.page.inner_text("header")
        await tab.page.wait_for_selector("#live[title='Live as nina']")
        assert [200, "nina"] == await tab.page.evaluate(MYSELF)
        await place.jira.synchronise()
        assert ("Nina New", True, {USERS}) == (
            state.users["nina"].display_name, state.users["nina"].active, state.users["nina"].groups,
        )  # fmt: skip
        await tab.go(PAGE)
        assert "(nina)" in await tab.page.inner_text("header")
        assert not [call for call in place.jira.calls if call.header("Authorization")]
        assert set() == {COOKIE, "JSESSIONID"} & await _names(context)
        # What the product was sent, and what the browser has, are of no use once she has left.
        sent = place.arrived[-1].header("Cookie") or ""
        kept = "; ".join(f"{one.get('name')}={one.get('value')}" for one in await context.cookies(place.url))
        assert COOKIE in sent and 200 == await _straight(place, sent)
        await tab.follow("Log out")
        await tab.press("Sign out")
        assert "You are signed out" == await tab.heading()
        token = next(part for part in sent.split("; ") if part.startswith(COOKIE))
        # By itself the token stands for nobody, whatever the product heard before; nor does the browser's cookie.
        assert 401 == await _straight(place, token)
        assert 302 == (await place.page(PAGE, ("Cookie", kept))).status
        assert 401 == (await place.ask("GET", WHO, ("Cookie", kept))).status
        # Somebody else at the same browser, from the first request on, and wherever it still has a page of hers.
        left = len(place.arrived)
        await tab.go(PAGE)
        assert tab.page.url.startswith(place.staff.issuer)
        await tab.press("Otto Outside")
        assert (PAGE, {COOKS}) == (tab.path, state.users["otto"].groups)
        assert "(otto)" in await tab.page.inner_text("header")
        await tab.page.wait_for_selector("#live[title='Live as otto']")
        assert [200, "otto"] == await tab.page.evaluate(MYSELF)
        assert {"otto"} == {call.username for call in place.arrived[left:]}
        # Both at once, each in a browser of their own; the product ends one of them.
        other = await Tab.open(await browser.new_context(), place.url)
        await other.sign_in(PAGE, "Nina New")
        assert [[200, "nina"], [200, "otto"]] == [await one.page.evaluate(MYSELF) for one in (other, tab)]
        assert 204 == (await ask(place, "DELETE", f"/session/{token_of(place, 'nina')}"))[0]
        asked = len(place.told("login.start"))
        await other.go(PAGE)
        assert asked + 1 == len(place.told("login.start"))
        assert [200, "otto"] == await tab.page.evaluate(MYSELF)
        assert [[], []] == [await one.troubles() for one in (tab, other)]
        assert [] == place.told("landing.failed") + place.told("landing.mismatch")
        assert 1 == [event["facts"]["cause"] for event in place.told("session.ended")].count("product")
        await other.page.context.close()
        await context.close()
