"""Sessions while they live, at a certified provider: its rotation and its reuse detection, people who leave, sign-ins
that a rule asks for, and confirmation by the browser. The gate's clock is moved; the provider's is the real one."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from sidecar.app import Running
from sidecar.commands.ledger import initialise_ledger
from tests.e2e import rigs
from tests.e2e.conftest import require
from tests.e2e.journeys import CLIENT_SECRET, Walker, code_on, codes, ground, walking
from tests.e2e.test_provider_faults import MONTH, Moved

pytestmark = pytest.mark.node

NINA = {"preferred_username": "nina", "name": "Nina New", "email": "nina@example.com",
        "groups": ["okta-jira-users", "okta-jira-admins"]}  # fmt: skip
PAGE, OTHER, ADMIN = "/browse/KEY-1", "/browse/KEY-2", "/secure/admin/user/UserBrowser.jspa"
RECHECK = 900
AGENTS: dict[str, Any] = {
    "application": "jira",
    "default": True,
    "provider": "staff",
    "require": {"any_group": ["okta-jira-users"]},
}


@dataclass(frozen=True, slots=True)
class Scene:
    provider: rigs.NodeProvider
    gate: Running
    clock: Moved
    story: io.StringIO
    walker: Walker

    async def page(self, path: str = PAGE) -> int:
        """The status of a navigation."""
        return (await self.walker.ask(path))[0]

    async def refresh_token(self) -> str:
        """That of the only session, as the store has it."""
        (entry,) = self.gate.sessions._entries.values()
        whole = await self.gate.sessions.whole(entry)
        assert whole is not None and whole.refresh_token is not None
        return whole.refresh_token


@asynccontextmanager
async def scene(folder: Path, *, refresh: bool = True, **agents: Any) -> AsyncIterator[Scene]:
    require(rigs.npm_ready(), rigs.NODE_NEEDED)
    ttl = {"IdToken": MONTH, "AccessToken": MONTH, "RefreshToken": MONTH, "Session": MONTH}
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(ground(folder))
        client = {
            "client_id": "gate",
            "client_secret": CLIENT_SECRET,
            "grant_types": ["authorization_code", *(["refresh_token"] if refresh else [])],
            "redirect_uris": [f"{place.url}/.lychgate/callback/staff"],
        }
        rig = rigs.NodeProvider([client], {"nina": NINA}, host="127.0.0.1", alwaysRefresh=refresh, ttl=ttl)
        provider = await stack.enter_async_context(rig)
        scopes = ["openid", "profile", "email", "groups", *(["offline_access"] if refresh else [])]
        staff = {"issuer": provider.issuer, "scopes": scopes, "usernames": "authoritative"}
        loaded = place.write({"staff": staff}, {"agents": {**AGENTS, **agents}})
        await initialise_ledger(loaded)
        story, clock = io.StringIO(), Moved()
        gate = await stack.enter_async_context(place.serving(loaded, story, clock))
        walker = await stack.enter_async_context(walking(place.url))
        yield Scene(provider, gate, clock, story, walker)


async def test_every_refresh_brings_a_new_token_and_the_chain_goes_on(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        assert PAGE == await here.walker.sign_in(PAGE, "nina")
        assert 200 == await here.page()
        seen = [await here.refresh_token()]
        for _ in range(3):
            here.clock.skipped += RECHECK
            assert 200 == await here.page()
            seen.append(await here.refresh_token())
        assert 4 == len(set(seen))
        assert "session.ended" not in codes(here.story)


async def test_somebody_who_shows_a_spent_token_ends_the_whole_chain(tmp_path: Path) -> None:
    """The provider's reuse detection: the thief gets nothing, and the session ends at its next confirmation."""
    async with scene(tmp_path) as here:
        await here.walker.sign_in(PAGE, "nina")
        assert 200 == await here.page()
        stolen = await here.refresh_token()
        here.clock.skipped += RECHECK
        assert 200 == await here.page()
        form = {"grant_type": "refresh_token", "refresh_token": stolen}
        ours = {"Authorization": aiohttp.encode_basic_auth("gate", CLIENT_SECRET)}
        async with here.walker.http.post(f"{here.provider.issuer}/token", data=form, headers=ours) as answer:
            assert (400, "invalid_grant") == (answer.status, (await answer.json())["error"])
        assert 200 == await here.page()
        here.clock.skipped += RECHECK
        assert 302 == await here.page()
        assert "session.ended" in codes(here.story)


async def test_somebody_who_has_left_is_out_at_the_next_confirmation(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        await here.walker.sign_in(PAGE, "nina")
        assert 200 == await here.page()
        await here.provider.remove_person("nina")
        here.clock.skipped += RECHECK - 60
        assert 200 == await here.page()
        here.clock.skipped += 60
        assert 302 == await here.page()
        assert "session.ended" in codes(here.story)


@pytest.mark.parametrize("refresh", [True, False], ids=["by a refresh", "by the browser"])
async def test_a_group_that_was_taken_away_is_gone(tmp_path: Path, refresh: bool) -> None:
    rules = [{"paths": [OTHER], "require": {"any_group": ["okta-jira-admins"]}}]
    async with scene(tmp_path, refresh=refresh, rules=rules) as here:
        await here.walker.sign_in(OTHER, "nina")
        assert 200 == await here.page(OTHER)
        await here.provider.put_person("nina", {**NINA, "groups": ["okta-jira-users"]})
        here.clock.skipped += RECHECK
        if not refresh:
            status, headers, _ = await here.walker.ask(OTHER)
            assert (302, ["none"]) == (status, parse_qs(urlsplit(headers["Location"]).query)["prompt"])
            _, headers, _ = await here.walker.ask(headers["Location"])
            status, headers, _ = await here.walker.ask(headers["Location"])
            assert (303, True) == (status, headers["Location"].endswith(OTHER))
        status, _, text = await here.walker.ask(OTHER)
        assert (403, "not_in_group") == (status, code_on(text))


async def test_a_provider_that_wants_to_ask_first_is_asked_with_a_page(tmp_path: Path) -> None:
    async with scene(tmp_path, refresh=False) as here:
        await here.walker.sign_in(PAGE, "nina")
        assert 200 == await here.page()
        here.walker.http.cookie_jar.clear(lambda morsel: morsel["domain"] == "127.0.0.1")
        here.clock.skipped += RECHECK
        _, headers, _ = await here.walker.ask(PAGE)
        _, headers, _ = await here.walker.ask(headers["Location"])
        assert ["login_required"] == parse_qs(urlsplit(headers["Location"]).query)["error"]
        status, headers, _ = await here.walker.ask(headers["Location"])
        assert 303 == status
        assert PAGE == await here.walker.sign_in(PAGE, "nina")
        assert 200 == await here.page()


async def test_a_rule_asks_for_a_fresh_sign_in_of_a_kind(tmp_path: Path) -> None:
    rules = [{"paths": ["@admin"], "fresh": "5m", "acr": ["urn:demo:key"]}]
    async with scene(tmp_path, rules=rules) as here:
        await here.walker.sign_in(PAGE, "nina")
        assert 200 == await here.page()
        status, headers, _ = await here.walker.ask(ADMIN)
        asked = parse_qs(urlsplit(headers["Location"]).query)
        assert (302, ["urn:demo:key"], ["300"]) == (status, asked["acr_values"], asked["max_age"])
        # She signed in there a moment ago: fresh enough, but not by a key. It is told, and nothing else changes.
        _, headers, _ = await here.walker.ask(headers["Location"])
        status, _, text = await here.walker.ask(headers["Location"])
        assert (403, "step_up_failed", 200) == (status, code_on(text), await here.page())
        # Once she signs in anew she is asked for the key.
        here.walker.http.cookie_jar.clear(lambda morsel: morsel["domain"] == "127.0.0.1")
        assert ADMIN == await here.walker.sign_in(ADMIN, "nina")
        assert 302 != await here.page(ADMIN)
        (entry,) = here.gate.sessions._entries.values()
        assert "urn:demo:key" == entry.session.identity.acr
        assert 1 + codes(here.story).count("session.ended") == codes(here.story).count("session.created")
