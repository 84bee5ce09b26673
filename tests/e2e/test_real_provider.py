"""The main journeys through a certified OpenID provider that is not ours, with its own cookies, keys and habits.

The gate is on `localhost` and the provider on `127.0.0.1`: two sites, as in life.
The ledger is initialised by the command's own function before the gate starts.
"""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext
from yarl import URL

from sidecar.adapters.clock import SystemClock
from sidecar.app import Running
from sidecar.commands.ledger import initialise_ledger
from sidecar.demo.cast import MARS, MOON, USERS
from sidecar.domain.identity import Person
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.flows.telling import Clock
from tests.e2e import rigs
from tests.e2e.conftest import require
from tests.e2e.journeys import CLIENT_SECRET, Ground, Tab, code_on, codes, ground, walking

pytestmark = [pytest.mark.browser, pytest.mark.node, pytest.mark.asyncio(loop_scope="module")]

PEOPLE = {
    name: {"preferred_username": name, "name": title, "email": f"{name}@example.com", "groups": groups}
    for name, title, groups in (
        ("nina", "Nina New", ["okta-jira-users", "okta-project-moon"]),
        ("dora", "Dora Back", ["okta-jira-users", "okta-project-moon"]),
        ("otto", "Otto Outside", ["okta-canteen"]),
    )
}
ARRIVED = ["config.loaded", "login.start", "session.created", "login.success"]


@dataclass(frozen=True, slots=True)
class Scene:
    """A gate before the stand-in Jira, and a provider that belongs to nobody here."""

    place: Ground
    provider: rigs.NodeProvider
    gate: Running
    story: io.StringIO

    def account(self, name: str) -> tuple[bool, set[str]] | None:
        """Whether an account is active, and its groups; None without an account."""
        user = self.place.jira.state.find(name)
        return None if user is None else (user.active, user.groups)


@asynccontextmanager
async def scene(
    folder: Path,
    client: Mapping[str, Any] | None = None,
    provider: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    **options: Any,
) -> AsyncIterator[Scene]:
    """Start everything; *client* is metadata of the gate at the provider, *provider* the gate's settings of it."""
    require(rigs.npm_ready(), rigs.NODE_NEEDED)
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(ground(folder))
        metadata = {
            "client_id": "gate",
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [f"{place.url}/.lychgate/callback/staff"],
            "post_logout_redirect_uris": [f"{place.url}/.lychgate/signed-out"],
            **(client or {}),
        }
        rig = rigs.NodeProvider([metadata], PEOPLE, host="127.0.0.1", **options)
        running = await stack.enter_async_context(rig)
        staff = {
            "issuer": running.issuer,
            "scopes": ["openid", "profile", "email", "groups"],
            "usernames": "authoritative",
            **(provider or {}),
        }
        door = {
            "application": "jira",
            "default": True,
            "provider": "staff",
            "require": {"any_group": ["okta-jira-users"]},
        }
        loaded = place.write({"staff": staff}, {"agents": door})
        assert {"jira": True} == await initialise_ledger(loaded)
        story = io.StringIO()
        gate = await stack.enter_async_context(place.serving(loaded, story, clock))
        await remember_dora(gate, running.issuer)
        yield Scene(place, running, gate, story)


async def remember_dora(gate: Running, issuer: str) -> None:
    """What Lychgate knows of her: it made her account, gave her a group, and deactivated her."""
    ledger, now = gate.state.ledger, SystemClock().now()
    person = Person(issuer, "sub-dora")
    await ledger.pin(Pin(application="jira", username="dora", spelling="dora", person=person, created=True, at=now))
    await ledger.own(OwnedGroup(application="jira", username="dora", group=MARS, portal="agents", at=now))
    await ledger.note_deactivation(Deactivation(application="jira", username="dora", cause="dormant", at=now))


@pytest_asyncio.fixture(loop_scope="module")
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    context = await chromium.new_context()
    yield context
    await context.close()


async def arrive(context: BrowserContext, here: Scene, name: str, path: str = "/browse/KEY-1") -> Tab:
    """Sign in in a browser as one of the provider's people."""
    tab = await Tab.open(context, here.place.url)
    await tab.go(path)
    assert tab.page.url.startswith(here.provider.issuer)
    await tab.press(name)
    return tab


@pytest.mark.parametrize("only_userinfo", [True, False])
async def test_somebody_new(context: BrowserContext, tmp_path: Path, only_userinfo: bool) -> None:
    async with scene(tmp_path, conformIdTokenClaims=only_userinfo) as here:
        assert here.account("nina") is None
        tab = await arrive(context, here, "nina", "/browse/KEY-1?focusedId=10%20a&q=%C3%A4+b")
        assert "/browse/KEY-1?focusedId=10%20a&q=%C3%A4+b" == tab.path
        assert "Nina New (nina)" in await tab.page.inner_text("header")
        assert (True, {USERS, MOON}) == here.account("nina")
        assert [*ARRIVED, "user.linked", "user.created", "group.added", "group.added"] == codes(here.story)
        assert ([], []) == (await tab.troubles(), tab.refused)


@pytest.mark.parametrize("only_userinfo", [True, False])
async def test_somebody_whom_lychgate_had_deactivated(
    context: BrowserContext, tmp_path: Path, only_userinfo: bool
) -> None:
    async with scene(tmp_path, conformIdTokenClaims=only_userinfo) as here:
        assert (False, {USERS, MARS}) == here.account("dora")
        tab = await arrive(context, here, "dora")
        assert "Dora Back (dora)" in await tab.page.inner_text("header")
        assert (True, {USERS, MOON}) == here.account("dora")
        assert ([*ARRIVED], "user.reactivated") == (codes(here.story)[:4], codes(here.story)[-1])
        assert ([], []) == (await tab.troubles(), tab.refused)


@pytest.mark.parametrize("only_userinfo", [True, False])
async def test_an_outsider(context: BrowserContext, tmp_path: Path, only_userinfo: bool) -> None:
    async with scene(tmp_path, conformIdTokenClaims=only_userinfo) as here:
        tab = await arrive(context, here, "otto")
        assert ("not_in_group", "/browse/KEY-1", None) == (await tab.code(), tab.path, here.account("otto"))
        assert [] == here.place.jira.calls
        assert [*ARRIVED, "access.denied"] == codes(here.story)
        assert ([], [(403, "/browse/KEY-1")]) == (await tab.troubles(), tab.refused)


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
async def test_tokens_with_other_signatures(context: BrowserContext, tmp_path: Path, algorithm: str) -> None:
    async with scene(tmp_path, {"id_token_signed_response_alg": algorithm}) as here:
        tab = await arrive(context, here, "nina")
        assert "Nina New (nina)" in await tab.page.inner_text("header")


async def test_a_client_that_posts_its_secret(context: BrowserContext, tmp_path: Path) -> None:
    post = {"token_endpoint_auth_method": "client_secret_post"}
    async with scene(tmp_path, post, {"client_authentication": "post"}) as here:
        tab = await arrive(context, here, "nina")
        assert "Nina New (nina)" in await tab.page.inner_text("header")


async def test_signing_out_ends_the_session_at_the_provider_as_well(context: BrowserContext, tmp_path: Path) -> None:
    async with scene(tmp_path, provider={"sign_out": "provider"}) as here:
        tab = await arrive(context, here, "nina")
        await tab.follow("Log out")
        await tab.press("Sign out")
        assert tab.page.url.startswith(here.provider.issuer)
        await tab.press("Yes")
        assert ("/.lychgate/signed-out", "You are signed out") == (tab.path.partition("?")[0], await tab.heading())
        assert [] == await tab.troubles()
        await tab.follow("Sign in again")
        # The provider asks again who is there: it was not only the gate that forgot her.
        assert (True, "Sign in") == (tab.page.url.startswith(here.provider.issuer), await tab.heading())
        assert ([], []) == (tab.errors, tab.refused)


async def test_signing_out_here_only_leaves_the_session_at_the_provider(
    context: BrowserContext, tmp_path: Path
) -> None:
    async with scene(tmp_path) as here:
        tab = await arrive(context, here, "nina")
        await tab.follow("Log out")
        assert "sign-in service" not in await tab.page.inner_text("main")
        await tab.press("Sign out")
        assert ("/.lychgate/signed-out", "You are signed out") == (tab.path, await tab.heading())
        await tab.follow("Sign in again")
        assert "Hello, Nina New" == await tab.heading()


async def test_somebody_who_cancels_can_try_again(context: BrowserContext, tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        tab = await arrive(context, here, "Cancel")
        assert ("provider_refused", None) == (await tab.code(), here.account("nina"))
        assert [] == await tab.troubles()
        await tab.follow("Try again")
        await tab.press("nina")
        assert "Nina New (nina)" in await tab.page.inner_text("header")
        assert "login.error" in codes(here.story)


async def test_somebody_renamed_at_the_provider_is_refused(context: BrowserContext, tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        await arrive(context, here, "nina")
        await context.clear_cookies()
        await here.provider.put_person("nina", {**PEOPLE["nina"], "preferred_username": "dora"})
        tab = await arrive(context, here, "nina")
        assert ("pin_conflict", (False, {USERS, MARS})) == (await tab.code(), here.account("dora"))


async def test_an_answer_of_another_issuer_or_of_none_is_refused(tmp_path: Path) -> None:
    """RFC 9207: this provider says that it names itself, so an answer that does not is not its own."""
    async with scene(tmp_path) as here:
        for issuer, code in (("https://elsewhere.example", "issuer_mismatch"), (None, "issuer_mismatch")):
            async with walking(here.place.url) as walker:
                callback = URL(await walker.to_callback("/browse/KEY-1", "nina"), encoded=True)
                assert here.provider.issuer == callback.query["iss"]
                changed = re.sub(r"&?iss=[^&]*", "", callback.raw_query_string)
                changed += f"&iss={issuer}" if issuer else ""
                status, _, text = await walker.ask(f"{here.place.url}{callback.raw_path}?{changed}")
                assert (400, code) == (status, code_on(text))
                # The true answer that comes afterwards is too late: the state was spent.
                status, _, text = await walker.ask(str(callback))
                assert (400, "state_spent") == (status, code_on(text))
        assert here.account("nina") is None
        assert "session.created" not in codes(here.story)
