"""Landing at a real OpenID client that is not ours: Apache with mod_auth_openidc; no step in the browser, and all of
them in a real one.

It checks the signature of ID tokens with our published keys, their times, the nonce and PKCE, asks userinfo and holds
its subject against the token's; its secret needs the encoding of forms.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from sidecar.adapters.clock import SystemClock
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import seat_of
from tests.e2e.apache import APACHE, MODULE, NEEDED, apache
from tests.e2e.conftest import require
from tests.web.rig import Site, World, free_port, world
from tests.web.test_headless import PATH, age, cookie_of, entry_of


@dataclass(frozen=True, slots=True)
class Scene:
    """A gate before an Apache, and what the Apache logged."""

    world: World
    port: int
    log: Path
    apaches: AsyncExitStack

    @property
    def landings(self) -> int:
        return len(self.world.told("landing.established"))


Scenes = Callable[..., Awaitable[Scene]]


@pytest.fixture
async def scenes(tmp_path: Path) -> AsyncIterator[Scenes]:
    """Give a function that starts one; its argument is more of Apache's settings."""
    require(APACHE.exists() and MODULE.exists(), NEEDED)
    async with AsyncExitStack() as stack:

        async def start(more: str = "", **site: Any) -> Scene:
            port = free_port()
            (tmp_path / "gate").mkdir()
            site = {"proof": "sso", "upstream": f"http://127.0.0.1:{port}", **site}
            made = await stack.enter_async_context(world(tmp_path / "gate", Site(**site)))
            apaches = await stack.enter_async_context(AsyncExitStack())
            log = await apaches.enter_async_context(apache(tmp_path / "apache", port, made, more))
            return Scene(made, port, log, apaches)

        yield start


@pytest.mark.parametrize(
    "more",
    [
        "OIDCPKCEMethod S256",
        "",
        "OIDCPassClaimsAs environment",
        "OIDCPassIDTokenAs claims",
        "OIDCResponseMode query",
        "OIDCIDTokenIatSlack 10",
        "OIDCProviderTokenEndpointAuth client_secret_basic",
    ],
)
async def test_a_person_lands(scenes: Scenes, more: str) -> None:
    scene = await scenes(more)
    cookie = await cookie_of(scene.world)
    answer = await scene.world.page(PATH, cookie)
    assert (200, "a real page\n", "ada") == (answer.status, answer.text, answer.header("X-AUSERNAME")), scene.log
    assert 1 == scene.landings and [] == answer.headers("Set-Cookie")
    # And is there for the next one, without another step.
    assert 200 == (await scene.world.page(PATH, cookie)).status
    assert 1 == scene.landings


class ShiftedClock(SystemClock):
    """A gate and its providers whose clock is wrong by some seconds."""

    def __init__(self, by: int) -> None:
        self._by = by

    def now(self) -> UnixSeconds:
        return UnixSeconds(super().now() + self._by)


@pytest.mark.parametrize(("by", "lands"), [(50, True), (-50, True), (-300, False)])
async def test_clocks_may_differ_by_less_than_a_token_lives(scenes: Scenes, by: int, lands: bool) -> None:
    scene = await scenes(clock=ShiftedClock(by))
    cookie = await cookie_of(scene.world)
    answer = await scene.world.page(PATH, cookie)
    assert (200 if lands else 502) == answer.status
    assert lands == (answer.header("X-AUSERNAME") == "ada")


async def test_what_the_client_knows_from_userinfo_alone_is_the_person(scenes: Scenes) -> None:
    more = "OIDCPassUserInfoAs json\nHeader always set X-Userinfo expr=%{reqenv:OIDC_userinfo_json}"
    scene = await scenes(more)
    answer = await scene.world.page(PATH, await cookie_of(scene.world))
    told = json.loads(answer.header("X-Userinfo") or "{}")
    assert ("ada", {"sub", "preferred_username", "name", "email"}) == (told.get("preferred_username"), set(told))


@pytest.mark.browser
async def test_a_real_browser_walks_it_and_has_no_cookie_of_the_application(scenes: Scenes, browser: Browser) -> None:
    scene = await scenes("OIDCPKCEMethod S256", walks="browser")
    context = await browser.new_context()
    page, seen = await context.new_page(), list[str]()
    page.on("response", lambda answer: seen.append(answer.url.partition("?")[0]))
    await page.goto(scene.world.url + PATH)
    async with page.expect_navigation():
        await page.get_by_role("button", name="Ada").click()
    assert "a real page" in await page.content()
    steps = ("/plugins/servlet/oidc/initiate-login", "/.lychgate/authorize", "/plugins/servlet/oidc/callback", PATH)
    assert [scene.world.url + step for step in steps] == seen[-4:]
    names = {cookie["name"] for cookie in await context.cookies() if cookie["domain"] == "localhost"}
    assert names and not [name for name in names if not name.startswith("__Host-lychgate-")]
    assert 1 == scene.landings
    # Once more, without a sign-in before it: what stands behind the # comes along.
    entry = entry_of(scene.world)
    scene.world.gate.sessions.keep_jar(entry, seat_of("", "ada"), ())
    await page.goto("about:blank")
    await page.goto(scene.world.url + PATH + "#part")
    assert (2, scene.world.url + PATH + "#part") == (scene.landings, page.url)
    # A script of the page is now served as the person.
    assert 200 == await page.evaluate("fetch('/rest/api/2/myself').then(answer => answer.status)")
    await context.close()


async def test_without_the_gates_cookie_there_is_nobody(scenes: Scenes) -> None:
    scene = await scenes()
    cookie = await cookie_of(scene.world)
    assert 200 == (await scene.world.page(PATH, cookie)).status
    assert 302 == (await scene.world.page(PATH)).status
    assert 401 == (await scene.world.ask("GET", PATH)).status


async def test_two_people_are_two_people(scenes: Scenes) -> None:
    scene = await scenes("OIDCPKCEMethod S256")
    ada, nina = await cookie_of(scene.world, "ada"), await cookie_of(scene.world, "nina")
    for _ in range(3):
        found = await asyncio.gather(*(scene.world.page(PATH, cookie) for cookie in (ada, nina) * 5))
        assert ["ada", "nina"] * 5 == [answer.header("X-AUSERNAME") for answer in found]
    assert 2 == scene.landings


async def test_a_restart_of_the_application_is_mended(scenes: Scenes, tmp_path: Path) -> None:
    scene = await scenes("OIDCSessionType server-cache")
    cookie = await cookie_of(scene.world)
    assert 200 == (await scene.world.page(PATH, cookie)).status
    await scene.apaches.aclose()
    assert 503 == (await scene.world.page(PATH, cookie)).status
    await age(scene.world, 61)
    again = apache(tmp_path / "apache", scene.port, scene.world, "OIDCSessionType server-cache")
    _ = await scene.apaches.enter_async_context(again)
    # Apache answers 401 to whom it does not know.
    answer = await scene.world.page(PATH, cookie)
    assert (200, "ada") == (answer.status, answer.header("X-AUSERNAME"))
    assert 2 == scene.landings


@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ('OIDCClientSecret "another secret than the gate has"', "did not redeem the code"),
        ("OIDCClientID somebody-else", "names another client"),
        ("OIDCRedirectURI http://localhost:1/plugins/servlet/oidc/callback", "takes codes elsewhere"),
        ("OIDCAuthRequestParams prompt=login", "prompt=login"),
    ],
)
async def test_what_is_set_up_wrongly_lands_nobody(scenes: Scenes, more: str, detail: str) -> None:
    scene = await scenes(more)
    cookie = await cookie_of(scene.world)
    answer = await scene.world.page(PATH, cookie)
    assert 502 == answer.status and "landing_failed" in answer.text
    (told,) = scene.world.told("landing.failed")
    assert detail in told["facts"]["detail"]
