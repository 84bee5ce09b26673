"""The stand-in's built-in OpenID client: it asks as the products do, takes a code once, on one node, within five
minutes, and refuses with a page that has a number."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from aiohttp import ClientSession, DummyCookieJar, web

from sidecar.demo.jira import JiraConfig, JiraState, SsoConfig, serve_jira
from tests.demo.jira.conftest import Browser

START = "/plugins/servlet/oidc/initiate-login"
BACK = "/plugins/servlet/oidc/callback"
NOT_PERMITTED = "Received SSO request for user carol, but the user is not permitted to log in"
NUMBER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Provider:
    """A token endpoint that says what a test wants."""

    issuer: str = ""
    status: int = 200
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("Authorization", "")))
        if request.path == "/userinfo":
            return web.json_response(self.userinfo)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "us", "iat": now, "exp": now + 60, "sub": "7", **self.claims}
        parts = (json.dumps({"alg": "none"}), json.dumps(claims))
        # No signature: the products read the claims only.
        token = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "."
        body = {"access_token": "a", "token_type": "Bearer", "id_token": token}
        return web.json_response(body, status=self.status)


@dataclass
class Scene:
    """A stand-in Jira, its provider, and a browser."""

    browser: Browser
    provider: Provider

    async def begin(self, **headers: str) -> tuple[dict[str, str], dict[str, str]]:
        """What it asks, and the cookies that it sets."""
        answer = await self.browser.ask("GET", f"{START}?iss={quote(self.provider.issuer)}", headers=headers)
        assert 302 == answer.status
        asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
        self.provider.claims.setdefault("nonce", asked["nonce"])
        return asked, {name: morsel.value for name, morsel in answer.cookies.items()}

    async def finish(self, state: str, cookies: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        """Status, text, and cookies of the callback."""
        field = "; ".join(f"{name}={value}" for name, value in cookies.items())
        answer = await self.browser.ask("GET", f"{BACK}?code=c&state={state}", headers={"Cookie": field})
        return answer.status, await answer.text(), {name: morsel.value for name, morsel in answer.cookies.items()}

    @property
    def why(self) -> str:
        """The reason of the last refusal."""
        return self.browser.jira.sso.log[-1][1]


@pytest.fixture
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    provider = Provider(claims={"preferred_username": "alice"})
    runner = web.ServerRunner(web.Server(provider))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    changed = getattr(request, "param", {})
    config = JiraConfig(sso=SsoConfig(provider.issuer, "us", "s e+c%r&t", **changed))
    async with serve_jira(JiraState.sample(), config) as jira, ClientSession(cookie_jar=DummyCookieJar()) as client:
        yield Scene(Browser(jira, client), provider)
    await runner.cleanup()


async def test_it_asks_as_the_products_do(scene: Scene) -> None:
    asked, cookies = await scene.begin()
    assert {"response_type": "code", "scope": "openid", "client_id": "us"} == {
        name: asked[name] for name in ("response_type", "scope", "client_id")
    }
    assert scene.browser.jira.url + BACK == asked["redirect_uri"]
    assert "" == cookies[f"session-data-{asked['state']}"] and "prompt" not in asked and "code_challenge" not in asked


async def test_a_code_begins_a_session_and_the_old_one_is_gone(scene: Scene) -> None:
    asked, cookies = await scene.begin()
    status, _, after = await scene.finish(asked["state"], cookies)
    assert (302, True) == (status, after["JSESSIONID"] != cookies["JSESSIONID"])
    assert cookies["JSESSIONID"] not in scene.browser.jira.state.sessions
    session = scene.browser.jira.state.sessions[after["JSESSIONID"]]
    assert ("alice", True) == (session.username, session.sso)
    # Form-encoded inside Basic (RFC 6749, section 2.3.1).
    pair = base64.b64decode(scene.provider.asked[0][1].removeprefix("Basic ")).decode()
    assert "us:s+e%2Bc%25r%26t" == pair


async def test_a_session_that_began_there_is_asked_for_again(scene: Scene) -> None:
    asked, cookies = await scene.begin()
    _, _, after = await scene.finish(asked["state"], cookies)
    again, _ = await scene.begin(Cookie=f"JSESSIONID={after['JSESSIONID']}")
    assert "login" == again["prompt"]


@pytest.mark.parametrize("trouble", ["twice", "no cookie", "another node", "too old", "unknown"])
async def test_a_state_is_good_once_on_its_node_for_five_minutes_and_with_its_cookie(
    scene: Scene, trouble: str
) -> None:
    asked, cookies = await scene.begin()
    state = asked["state"]
    if trouble == "twice":
        assert 302 == (await scene.finish(state, cookies))[0]
    elif trouble == "no cookie":
        del cookies[f"session-data-{state}"]
    elif trouble == "another node":
        scene.browser.jira.sso.begun.clear()
    elif trouble == "too old":
        scene.browser.jira.sso.begun[state].at -= 301
    else:
        state = "another"
    status, text, _ = await scene.finish(state, cookies)
    assert (400, "Unknown state in response") == (status, scene.why)
    number = NUMBER.search(text)
    assert number is not None and number[0] == scene.browser.jira.sso.log[-1][0] and "log you in right now" in text


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "http://other"}, "Unexpected JWT issuer: http://other"),
        ({"aud": "them"}, "Unexpected JWT audience"),
        ({"nonce": "other"}, "Unexpected JWT nonce"),
        ({"exp": 1}, "Expired JWT, or issued ahead of time"),
        ({"iat": 9_999_999_999}, "Expired JWT, or issued ahead of time"),
        ({"preferred_username": "nobody"}, "Received SSO request for user nobody, but the user does not exist"),
        (
            {"preferred_username": "carol"},
            "Received SSO request for user carol, but the user is not permitted to log in",
        ),
    ],
)
async def test_what_it_does_not_take(scene: Scene, claims: dict[str, Any], why: str) -> None:
    scene.provider.claims.update(claims)
    asked, cookies = await scene.begin()
    assert (400, why) == ((await scene.finish(asked["state"], cookies))[0], scene.why)


async def test_a_minute_of_skew_is_forgiven(scene: Scene) -> None:
    now = int(time.time())
    scene.provider.claims.update(iat=now + 50, exp=now - 50)
    asked, cookies = await scene.begin()
    assert 302 == (await scene.finish(asked["state"], cookies))[0]


async def test_any_other_status_of_the_token_endpoint_is_a_refusal(scene: Scene) -> None:
    scene.provider.status = 201
    asked, cookies = await scene.begin()
    assert (400, "the token endpoint answered 201") == ((await scene.finish(asked["state"], cookies))[0], scene.why)


async def test_userinfo_is_asked_for_a_claim_that_the_token_lacks(scene: Scene) -> None:
    scene.provider.claims = {}
    for sub, status in (("7", 302), ("8", 400)):
        scene.provider.claims.pop("nonce", None)
        scene.provider.userinfo = {"sub": sub, "preferred_username": "alice"}
        asked, cookies = await scene.begin()
        assert status == (await scene.finish(asked["state"], cookies))[0]
    assert ("/userinfo", "Bearer a") in scene.provider.asked


@pytest.mark.parametrize("scene", [{"username": "preferred_username"}], indirect=True)
async def test_a_mapping_without_its_signs_is_a_literal(scene: Scene) -> None:
    asked, cookies = await scene.begin()
    assert 400 == (await scene.finish(asked["state"], cookies))[0]
    assert "Received SSO request for user preferred_username, but the user does not exist" == scene.why


@pytest.mark.parametrize("scene", [{"skip_https": False}], indirect=True)
async def test_without_https_it_does_not_work(scene: Scene) -> None:
    answer = await scene.browser.ask("GET", f"{START}?iss={quote(scene.provider.issuer)}")
    assert (400, "the base URL is not https") == (answer.status, scene.why)


@pytest.mark.parametrize("scene", [{"hides_form": True}], indirect=True)
async def test_where_the_form_is_hidden_the_log_in_page_leads_there(scene: Scene) -> None:
    plain = await scene.browser.ask("GET", "/login.jsp")
    assert 302 == plain.status and plain.headers["Location"].startswith(scene.provider.issuer + "/authorize?")
    deep = await scene.browser.ask("GET", "/login.jsp?os_destination=%2Fbrowse%2FKEY-1")
    # A script, which saves what stands behind the #.
    assert 200 == deep.status and "<script>" in await deep.text()


async def test_an_issuer_that_nobody_set_up_is_refused(scene: Scene) -> None:
    answer = await scene.browser.ask("GET", f"{START}?iss=http%3A%2F%2Fother")
    assert (400, "no enabled configuration has this issuer") == (answer.status, scene.why)
