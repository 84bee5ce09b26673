"""The rigs themselves: a real provider that keeps its promises, and a browser that is one.

The whole-journey tests trust these rigs, so each strictness they lean on is shown here once.
The cookie tests hold the ground of the demo: plain HTTP on loopback is enough for Chromium.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.e2e import install, rigs
from tests.e2e.conftest import ProviderFactory, require

CALLBACK = "http://localhost:1/callback"
OUT = "http://localhost:1/out"
CLIENT = {
    "client_id": "gate",
    "client_secret": "s" * 40,
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "client_secret_post",
    "post_logout_redirect_uris": [OUT],
}
PEOPLE = {
    "alice": {"preferred_username": "alice", "email": "alice@example.com", "groups": ["agents"]},
    "bob": {"preferred_username": "bob", "groups": []},
}
MAX_HOPS = 10


@dataclass(frozen=True, slots=True)
class Dance:
    """A relying party in a few lines, only for the tests of the rig."""

    browser: aiohttp.ClientSession
    metadata: dict[str, Any]
    verifier: str

    async def authorize(self, login: str, **more: str) -> dict[str, str]:
        """Walk from the authorize endpoint to the callback and return what it would get."""
        challenge = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "client_id": "gate",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile email groups offline_access",
            "prompt": "consent",
            "state": "st-1",
            "nonce": "no-1",
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **more,
        }
        query = {name: value for name, value in query.items() if value}
        address, data = self.metadata["authorization_endpoint"], None
        for _ in range(MAX_HOPS):
            method = "POST" if data else "GET"
            async with self.browser.request(method, address, params=query, data=data, allow_redirects=False) as answer:
                query, data = {}, None
                if answer.status == 200:
                    data = {"login": login, "password": "ignored"}
                    continue
                assert answer.status in {302, 303}, await answer.text()
                address = str(answer.url.join(URL(answer.headers["Location"])))
            if address.startswith(CALLBACK):
                return {k: v[0] for k, v in parse_qs(urlsplit(address).query).items()}
        pytest.fail("the provider sends in circles")

    async def token(self, **form: str) -> tuple[int, dict[str, Any]]:
        """Ask the token endpoint as the client."""
        credentials = {"client_id": "gate", "client_secret": "s" * 40}
        async with self.browser.post(self.metadata["token_endpoint"], data={**credentials, **form}) as answer:
            return answer.status, await answer.json()

    async def redeem(self, code: str, verifier: str | None = None) -> tuple[int, dict[str, Any]]:
        """Redeem a code with the right verifier, or with another one."""
        return await self.token(
            grant_type="authorization_code",
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=verifier or self.verifier,
        )


@asynccontextmanager
async def dancing(provider: rigs.NodeProvider) -> AsyncIterator[Dance]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        async with session.get(provider.issuer + "/.well-known/openid-configuration") as answer:
            assert answer.status == 200
            metadata = await answer.json()
        yield Dance(session, metadata, secrets.token_urlsafe(32))


@asynccontextmanager
async def serving(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[int]:
    """Serve on loopback and give the port."""
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def payload(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


@pytest.mark.node
async def test_a_code_with_pkce_gives_an_id_token_with_groups(
    node_provider_factory: ProviderFactory,
) -> None:
    provider = await node_provider_factory([CLIENT], PEOPLE)
    async with dancing(provider) as dance:
        assert provider.issuer == dance.metadata["issuer"]
        assert dance.metadata["code_challenge_methods_supported"] == ["S256"]
        answer = await dance.authorize("alice")
        status, tokens = await dance.redeem(answer["code"])
    claims = payload(tokens["id_token"])
    assert (200, "st-1", provider.issuer) == (status, answer["state"], answer["iss"])
    assert (claims["sub"], claims["groups"], claims["nonce"]) == ("sub-alice", ["agents"], "no-1")


@pytest.mark.node
async def test_the_groups_are_only_in_userinfo_where_the_standard_is_kept(
    node_provider_factory: ProviderFactory,
) -> None:
    provider = await node_provider_factory([CLIENT], PEOPLE, conformIdTokenClaims=True)
    async with dancing(provider) as dance:
        _, tokens = await dance.redeem((await dance.authorize("alice"))["code"])
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        address = dance.metadata["userinfo_endpoint"]
        async with dance.browser.get(address, headers=bearer) as answer:
            assert (await answer.json())["groups"] == ["agents"]
    assert "groups" not in payload(tokens["id_token"])


@pytest.mark.node
async def test_a_refresh_token_is_spent_by_its_use(
    node_provider_factory: ProviderFactory,
) -> None:
    provider = await node_provider_factory([CLIENT], PEOPLE)
    async with dancing(provider) as dance:
        _, first = await dance.redeem((await dance.authorize("alice"))["code"])
        old = first["refresh_token"]
        status, second = await dance.token(grant_type="refresh_token", refresh_token=old)
        assert (status, second["refresh_token"] != old) == (200, True)
        status, refusal = await dance.token(grant_type="refresh_token", refresh_token=old)
        assert (status, refusal["error"]) == (400, "invalid_grant")
        # A second use of a spent token ends the whole family.
        newest = second["refresh_token"]
        status, refusal = await dance.token(grant_type="refresh_token", refresh_token=newest)
        assert (status, refusal["error"]) == (400, "invalid_grant")
    assert (await provider.reported("grant.error"))["detail"] == "refresh token already used"


@pytest.mark.node
async def test_a_refresh_sees_new_claims_and_refuses_who_left(
    node_provider_factory: ProviderFactory,
) -> None:
    provider = await node_provider_factory([CLIENT], PEOPLE)
    async with dancing(provider) as dance:
        _, tokens = await dance.redeem((await dance.authorize("alice"))["code"])
        await provider.put_person("alice", {"groups": ["admins"]})
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        _, tokens = await dance.token(**refresh)
        assert payload(tokens["id_token"])["groups"] == ["admins"]
        await provider.remove_person("alice")
        refresh["refresh_token"] = tokens["refresh_token"]
        status, refusal = await dance.token(**refresh)
    assert (status, refusal["error"]) == (400, "invalid_grant")


@pytest.mark.node
@pytest.mark.parametrize(("always", "expected"), [(False, False), (True, True)])
async def test_offline_access_wants_consent_unless_told_otherwise(
    node_provider_factory: ProviderFactory, always: bool, expected: bool
) -> None:
    provider = await node_provider_factory([CLIENT], PEOPLE, alwaysRefresh=always)
    async with dancing(provider) as dance:
        _, tokens = await dance.redeem((await dance.authorize("alice", prompt=""))["code"])
    assert expected == ("refresh_token" in tokens)


@pytest.mark.node
async def test_a_wrong_verifier_is_refused(node_provider_factory: ProviderFactory) -> None:
    provider = await node_provider_factory([CLIENT], PEOPLE)
    async with dancing(provider) as dance:
        code = (await dance.authorize("alice"))["code"]
        status, refusal = await dance.redeem(code, secrets.token_urlsafe(32))
    assert (status, refusal["error"]) == (400, "invalid_grant")
    assert (await provider.reported("grant.error"))["detail"] == "code_verifier does not match code_challenge"


@pytest.mark.node
async def test_a_request_without_a_challenge_is_refused(
    node_provider_factory: ProviderFactory,
) -> None:
    provider = await node_provider_factory([CLIENT], PEOPLE)
    async with dancing(provider) as dance:
        answer = await dance.authorize("alice", code_challenge="", code_challenge_method="")
    assert (answer["error"], answer["state"]) == ("invalid_request", "st-1")


@pytest.mark.node
async def test_a_sign_out_at_the_provider_sends_a_logout_token_to_loopback(
    node_provider_factory: ProviderFactory,
) -> None:
    received: list[str] = []

    async def listen(request: web.BaseRequest) -> web.Response:
        form = await request.post()
        received.append(str(form["logout_token"]))
        return web.Response()

    provider = await node_provider_factory([], PEOPLE)
    async with serving(listen) as port, dancing(provider) as dance:
        await provider.put_client({**CLIENT, "backchannel_logout_uri": f"http://localhost:{port}/logout"})
        _, tokens = await dance.redeem((await dance.authorize("alice"))["code"])
        hint = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": OUT}
        address = dance.metadata["end_session_endpoint"]
        async with dance.browser.get(address, params=hint) as answer:
            xsrf = (await answer.text()).split('name="xsrf" value="')[1].split('"')[0]
        async with dance.browser.post(
            f"{address}/confirm", data={"xsrf": xsrf, "logout": "yes"}, allow_redirects=False
        ) as answer:
            assert answer.headers["Location"] == OUT
    assert [payload(token)["sub"] for token in received] == ["sub-alice"]
    assert (await provider.reported("backchannel.success"))["client"] == "gate"


@pytest.mark.node
async def test_the_provider_ends_with_its_rig() -> None:
    require(rigs.npm_ready(), rigs.NODE_NEEDED)
    async with rigs.NodeProvider() as provider:
        running = Path(f"/proc/{provider.process_id}")
        assert (running.exists(), provider.exit_code) == (True, None)
    # Zero: it obeyed the end of its input, as it does when a test run is killed, and was not killed.
    assert (running.exists(), provider.exit_code) == (False, 0)


@pytest.mark.node
async def test_a_provider_that_cannot_start_says_why() -> None:
    require(rigs.npm_ready(), rigs.NODE_NEEDED)
    with pytest.raises(rigs.NodeProviderError, match="client_id"):
        async with rigs.NodeProvider([{"client_name": "nameless"}]):
            pass


@pytest.mark.node
def test_an_install_that_is_done_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    require(rigs.npm_ready(), rigs.NODE_NEEDED)
    monkeypatch.setattr(install, "NPM", ("false",))
    assert install.main() == 0


@pytest.mark.node
@pytest.mark.browser
async def test_a_person_signs_in_by_a_button_and_the_page_loads_nothing_else(
    node_provider_factory: ProviderFactory, browser_page: rigs.WatchedPage
) -> None:
    async def callback(request: web.BaseRequest) -> web.Response:
        return web.Response(text=html("back again"), content_type="text/html")

    requested: list[str] = []
    browser_page.page.on("request", lambda request: requested.append(request.url))
    async with serving(callback) as port:
        back = f"http://localhost:{port}/callback"
        provider = await node_provider_factory([{**CLIENT, "redirect_uris": [back]}], PEOPLE, host="127.0.0.1")
        challenge = "c" * 43
        await browser_page.page.goto(
            f"{provider.issuer}/auth?client_id=gate&response_type=code&scope=openid&state=s"
            f"&redirect_uri={back}&code_challenge={challenge}&code_challenge_method=S256"
        )
        await browser_page.page.get_by_role("button", name="bob").click()
        await browser_page.page.wait_for_url(f"{back}?code=*")
        assert await browser_page.page.inner_text("h1") == "back again"
    hosts = {urlsplit(url).netloc for url in requested if not url.startswith("data:")}
    assert {urlsplit(provider.issuer).netloc, f"localhost:{port}"} == hosts
    assert (browser_page.console_errors, browser_page.failed_requests) == ([], [])


def html(heading: str) -> str:
    return f'<!doctype html><link rel="icon" href="data:,"><h1>{heading}</h1>'


@pytest.mark.browser
async def test_the_browser_reads_a_page_and_records_what_fails(
    browser_page: rigs.WatchedPage,
) -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        if request.path == "/":
            script = "<script>console.error('loud')</script><img src='http://localhost:1/x.png'>"
            return web.Response(text=html("Hello") + script, content_type="text/html")
        return web.Response(status=404)

    async with serving(handler) as port:
        await browser_page.page.goto(f"http://127.0.0.1:{port}/")
        assert await browser_page.page.inner_text("h1") == "Hello"
    assert "loud" in browser_page.console_errors
    assert [x.split()[0] for x in browser_page.failed_requests] == ["http://localhost:1/x.png"]


COOKIES = {
    "__Host-gate": "__Host-gate=1; Path=/; Secure; HttpOnly; SameSite=Lax",
    "secure": "secure=1; Path=/; Secure; HttpOnly; SameSite=Lax",
    "plain": "plain=1; Path=/; HttpOnly; SameSite=Lax",
}


async def cookie_server(request: web.BaseRequest) -> web.Response:
    """`/set` sets the cookies and goes on, `/go` only goes on, all else shows what came."""
    if request.path in {"/set", "/go"}:
        answer = web.Response(status=302, headers={"Location": request.query["to"]})
        for cookie in COOKIES.values() if request.path == "/set" else ():
            answer.headers.add("Set-Cookie", cookie)
        return answer
    if request.path == "/form":
        form = f'<form method="post" action="/go?to={request.query["to"]}"><button>on</button></form>'
        return web.Response(text=html("form") + form, content_type="text/html")
    names = [part.split("=")[0].strip() for part in request.headers.get("Cookie", "").split(";")]
    return web.Response(text=html(" ".join(sorted(names))), content_type="text/html")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("gate", "elsewhere"),
    [("localhost", "localhost"), ("localhost", "127.0.0.1"), ("127.0.0.1", "localhost")],
)
async def test_secure_cookies_survive_the_dance_over_plain_http_on_loopback(
    browser_page: rigs.WatchedPage, gate: str, elsewhere: str
) -> None:
    page, everything = browser_page.page, " ".join(sorted(COOKIES))
    async with serving(cookie_server) as here, serving(cookie_server) as there:
        ours, theirs = f"http://{gate}:{here}", f"http://{elsewhere}:{there}"
        # Set by a redirect to the other port, sent after a form there redirects back.
        await page.goto(f"{ours}/set?to={theirs}/form?to={ours}/show")
        await page.get_by_role("button").click()
        await page.wait_for_url(f"{ours}/show")
        assert everything == await page.inner_text("h1")
        fetched = await page.evaluate("fetch('/show').then((answer) => answer.text())")
        assert everything in fetched
        # Cookies know hosts, not ports: a neighbour on the same host name gets them all.
        await page.goto(f"{theirs}/show")
        assert (everything if gate == elsewhere else "") == await page.inner_text("h1")


@pytest.mark.browser
async def test_secure_cookies_are_refused_over_plain_http_elsewhere() -> None:
    require(rigs.chromium_path() is not None, rigs.CHROMIUM_NEEDED)
    async with (
        serving(cookie_server) as port,
        rigs.running_chromium("--host-resolver-rules=MAP gate.test 127.0.0.1") as browser,
    ):
        page = await browser.new_page()
        await page.goto(f"http://gate.test:{port}/set?to=/show")
        assert await page.inner_text("h1") == "plain"


@pytest.mark.parametrize(("trusted", "expected"), [(False, "plain"), (True, " ".join(sorted(COOKIES)))])
async def test_aiohttp_sends_secure_cookies_over_plain_http_only_where_told(trusted: bool, expected: str) -> None:
    async with serving(cookie_server) as port:
        ours = f"http://127.0.0.1:{port}"
        jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=[ours] if trusted else None)
        async with (
            aiohttp.ClientSession(cookie_jar=jar) as session,
            session.get(f"{ours}/set", params={"to": "/show"}) as answer,
        ):
            assert html(expected) == await answer.text()
    assert set(COOKIES) == {cookie.key for cookie in jar}
