"""Faults on each endpoint of a real provider: what the person sees, that nobody gets in, and that it is over at once
when the fault is gone. Documents that were good once serve on, and sessions live on within their grace."""

from __future__ import annotations

import io
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.oidc.http import Outbound
from sidecar.adapters.oidc.remembered import RENEW_AFTER, RETRY_PAUSE, STALE_AFTER
from sidecar.commands.ledger import initialise_ledger
from sidecar.core.ages import GRACE
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.recheck import PAUSE
from tests.e2e import rigs
from tests.e2e.conftest import require
from tests.e2e.fault_proxy import Ailment, Endpoint, FaultProxy, fault_proxy
from tests.e2e.journeys import CLIENT_SECRET, Ground, Walker, code_on, codes, ground, walking

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="module")]

PEOPLE = {"nina": {"preferred_username": "nina", "name": "Nina New", "email": "nina@example.com",
                   "groups": ["okta-jira-users"]}}  # fmt: skip
AGENTS = {"application": "jira", "default": True, "provider": "staff", "require": {"any_group": ["okta-jira-users"]}}
SCOPES = ["openid", "profile", "email", "groups", "offline_access"]
PAGE = "/browse/KEY-1?a=b"
RECHECK = 900
PATIENCE, MUCH = 2.0, 20.0
"""Seconds for which the gate of a test waits for its provider: little only where the provider is slow."""

MONTH = 30 * 86_400

GONE, WRONG = ("provider_unreachable", 503), ("provider_misconfigured", 502)
SEEN = {
    Ailment.DOWN: GONE,
    Ailment.SLOW: GONE,
    Ailment.ERROR: GONE,
    Ailment.GARBAGE: WRONG,
    Ailment.OVERSIZED: WRONG,
}
"""What a person sees, at whichever of the gate's own calls it happens."""

BEFORE: tuple[Endpoint, ...] = ("discovery",)
BEHIND: tuple[Endpoint, ...] = ("jwks", "token", "userinfo")
BROWSERS: tuple[Endpoint, ...] = ("authorize", "end_session")


class Moved(SystemClock):
    """The system's clock, and the seconds over which a test skipped."""

    skipped = 0

    def now(self) -> UnixSeconds:
        return UnixSeconds(super().now() + self.skipped)

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped


@dataclass(frozen=True, slots=True)
class Outside:
    """The provider and the proxy before it."""

    provider: rigs.NodeProvider
    proxy: FaultProxy


@dataclass(frozen=True, slots=True)
class Scene:
    """A gate of one test, before the same provider."""

    place: Ground
    proxy: FaultProxy
    clock: Moved
    story: io.StringIO
    walker: Walker

    @property
    def sessions(self) -> int:
        """How many have begun."""
        return codes(self.story).count("session.created")

    async def page(self) -> int:
        """The status of a navigation of somebody signed in."""
        return (await self.walker.ask(PAGE))[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outside() -> AsyncIterator[Outside]:
    require(rigs.npm_ready(), rigs.NODE_NEEDED)
    ttl = {"IdToken": MONTH, "AccessToken": MONTH, "RefreshToken": MONTH}
    async with fault_proxy() as proxy:
        node = rigs.NodeProvider([], PEOPLE, host="127.0.0.1", issuer=proxy.origin, alwaysRefresh=True, ttl=ttl)
        async with node as provider:
            proxy.address = provider.address
            yield Outside(provider, proxy)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(
    outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Scene]:
    callspec = getattr(request.node, "callspec", None)
    slow = callspec is not None and callspec.params.get("ailment") is Ailment.SLOW
    patience = PATIENCE if slow else MUCH
    monkeypatch.setattr("sidecar.adapters.oidc.provider.Outbound", partial(Outbound, total=patience))
    async with _scene(outside, tmp_path, userinfo="always") as here:
        yield here


@asynccontextmanager
async def _scene(outside: Outside, folder: Path, **settings: Any) -> AsyncIterator[Scene]:
    outside.proxy.heal()
    story, clock = io.StringIO(), Moved()
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(ground(folder))
        await outside.provider.put_client(
            {
                "client_id": "gate",
                "client_secret": CLIENT_SECRET,
                "grant_types": ["authorization_code", "refresh_token"],
                "redirect_uris": [f"{place.url}/.lychgate/callback/staff"],
                "post_logout_redirect_uris": [f"{place.url}/.lychgate/signed-out"],
            }
        )
        staff = {"issuer": outside.proxy.origin, "scopes": SCOPES,
                 "usernames": "authoritative", "sign_out": "provider", **settings}  # fmt: skip
        loaded = place.write({"staff": staff}, {"agents": AGENTS})
        await initialise_ledger(loaded)
        await stack.enter_async_context(place.serving(loaded, story, clock))
        walker = await stack.enter_async_context(walking(place.url))
        yield Scene(place, outside.proxy, clock, story, walker)


def _rows(endpoints: tuple[Endpoint, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("endpoint", "ailment"), [(one, ill) for one in endpoints for ill in Ailment])


async def _signs_in(scene: Scene) -> None:
    assert PAGE == await scene.walker.sign_in(PAGE, "nina")
    assert 200 == await scene.page()


@_rows(BEFORE)
async def test_nobody_is_sent_away_to_a_provider_that_cannot_be_used(
    scene: Scene, endpoint: Endpoint, ailment: Ailment
) -> None:
    scene.proxy.ill[endpoint] = ailment
    reason, expected = SEEN[ailment]
    status, headers, text = await scene.walker.ask(PAGE)
    assert (expected, reason) == (status, code_on(text))
    # A page tries again by itself where that can help, not more often than the provider is asked.
    assert (str(RETRY_PAUSE) if status == 503 else None) == headers.get("Retry-After")
    # Not again within the pause, however many come.
    asked = scene.proxy.counts[endpoint]
    assert [expected] * 3 == [(await scene.walker.ask(PAGE))[0] for _ in range(3)]
    # A GET that is cut off is sent a second time by the HTTP client.
    assert (asked, True, 0) == (scene.proxy.counts[endpoint], asked <= 2, scene.sessions)
    scene.proxy.heal()
    scene.clock.skipped += RETRY_PAUSE
    await _signs_in(scene)


@_rows(BEHIND)
async def test_nobody_gets_in_while_an_answer_is_missing(
    scene: Scene, endpoint: Endpoint, ailment: Ailment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    callback = await scene.walker.to_callback(PAGE, "nina")
    scene.proxy.ill[endpoint] = ailment
    reason, expected = SEEN[ailment]
    status, headers, text = await scene.walker.ask(callback)
    assert (expected, reason, 0) == (status, code_on(text), scene.sessions)
    # Nothing reloads a callback by itself, and whoever does it by hand spends no code twice.
    assert (False, False) == ("Retry-After" in headers, "http-equiv" in text)
    scene.proxy.ill.clear()
    status, _, text = await scene.walker.ask(callback)
    assert (400, "state_spent", 0) == (status, code_on(text), scene.sessions)
    assert scene.proxy.counts["token"] <= 1
    scene.clock.skipped += RETRY_PAUSE
    await _signs_in(scene)
    code, state = (part.partition("=")[2] for part in callback.partition("?")[2].split("&")[:2])
    told = caplog.text + scene.story.getvalue()
    assert [] == [secret for secret in (code, state, CLIENT_SECRET, "eyJ") if secret in told]


@_rows(("discovery", "jwks"))
@pytest.mark.parametrize("age", [0, RENEW_AFTER, STALE_AFTER])
async def test_a_document_that_was_good_once_serves_on(
    scene: Scene, endpoint: Endpoint, ailment: Ailment, age: int
) -> None:
    await _signs_in(scene)
    scene.proxy.heal()
    scene.proxy.ill[endpoint] = ailment
    scene.clock.skipped += age
    async with walking(scene.place.url) as other:
        assert PAGE == await other.sign_in(PAGE, "nina")
        assert 200 == (await other.ask(PAGE))[0]
    assert "login.error" not in codes(scene.story)


@pytest.mark.parametrize("endpoint", ["token", "userinfo"])
@pytest.mark.parametrize("ailment", Ailment)
async def test_a_session_outlives_a_fault_by_its_grace(scene: Scene, endpoint: Endpoint, ailment: Ailment) -> None:
    await _signs_in(scene)
    scene.proxy.heal()
    scene.proxy.ill[endpoint] = ailment
    scene.clock.skipped += RECHECK
    # The page is there, and the provider is not asked for every request.
    assert [200, 200, 200] == [await scene.page() for _ in range(3)]
    assert 1 == scene.proxy.counts["token"]
    scene.proxy.heal()
    # Whatever was spent of the refresh token's family: the next try has the right one.
    scene.clock.skipped += PAUSE
    assert 200 == await scene.page()
    assert (1, "session.refreshed") == (scene.proxy.counts[endpoint], codes(scene.story)[-1])
    assert "session.ended" not in codes(scene.story)


@pytest.mark.parametrize("ailment", Ailment)
async def test_beyond_the_grace_the_session_ends_and_a_new_one_begins(scene: Scene, ailment: Ailment) -> None:
    await _signs_in(scene)
    scene.proxy.ill["token"] = ailment
    scene.clock.skipped += RECHECK + GRACE
    assert 302 == await scene.page()
    assert "session.ended" in codes(scene.story)
    scene.proxy.heal()
    await _signs_in(scene)


async def test_a_provider_that_refuses_every_connection(scene: Scene) -> None:
    """Nobody new gets in, who is in stays in, and all is well as soon as it is back."""
    await _signs_in(scene)
    async with walking(scene.place.url) as other:
        callback = await other.to_callback(PAGE, "nina")
        await scene.proxy.close_door()
        status, _, text = await other.ask(callback)
        assert (*GONE[::-1], 1) == (status, code_on(text), scene.sessions)
        scene.clock.skipped += RECHECK
        assert [200, 200, 200] == [await scene.page() for _ in range(3)]
        await scene.proxy.open_door()
        scene.clock.skipped += PAUSE
        assert 200 == await scene.page()
        assert "session.refreshed" == codes(scene.story)[-1]
        assert PAGE == await other.sign_in(PAGE, "nina")


@_rows(("authorize",))
async def test_what_fails_in_the_browser_leaves_nothing_behind(
    scene: Scene, endpoint: Endpoint, ailment: Ailment
) -> None:
    """The provider's own page does not come: the person's next try is a fresh one."""
    scene.proxy.ill[endpoint] = ailment
    status, headers, _ = await scene.walker.ask(PAGE)
    assert (302, True) == (status, headers["Location"].startswith(scene.proxy.origin))
    assert 0 == scene.sessions
    scene.proxy.heal()
    await _signs_in(scene)


@_rows(("end_session",))
async def test_a_sign_out_is_one_whatever_the_provider_does(scene: Scene, endpoint: Endpoint, ailment: Ailment) -> None:
    await _signs_in(scene)
    scene.proxy.ill[endpoint] = ailment
    _, _, text = await scene.walker.ask("/.lychgate/logout")
    token = text.partition('name="token" value="')[2].partition('"')[0]
    status, headers, _ = await scene.walker.ask("/.lychgate/logout", "POST", data={"token": token})
    assert (303, True) == (status, headers["Location"].startswith(f"{scene.proxy.origin}/session/end"))
    assert "session.ended" == codes(scene.story)[-1]
    # Here she is out, although the provider never heard of it.
    assert 401 == (await scene.walker.ask("/.lychgate/whoami"))[0]
    scene.proxy.heal()
    await _signs_in(scene)
