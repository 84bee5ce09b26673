"""Who we are and how we ask, at a certified provider that is not ours: every client authentication for codes, refreshes
and pushed requests, answers in forms across two sites, and keys that change while people sign in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, OKPKey, RSAKey
from playwright.async_api import Browser, BrowserContext

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.oidc.assertion import read_client_key
from sidecar.adapters.oidc.config import ClientAuthentication, ProviderConfig, Push
from sidecar.adapters.oidc.http import open_session
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.adapters.oidc.remembered import FORCE_PAUSE
from sidecar.domain.identity import Person
from sidecar.domain.reason import Reason
from sidecar.flows.login import AuthorizationRequest, CodeGrant, LoginError
from tests.e2e import rigs
from tests.e2e.conftest import require
from tests.e2e.journeys import Tab, codes, walking
from tests.e2e.test_real_provider import PEOPLE, scene

pytestmark = [
    pytest.mark.node,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning"),
]

BACK = "http://localhost:1/callback"
REQUEST = AuthorizationRequest(state="s" * 22, nonce="n" * 22, verifier="v" * 43, redirect_uri=BACK)
ODD_SECRET = "%2B+ :/?#&=%41%zz ~end-of-the-secret"
PRIVATE: Mapping[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
KIND: Mapping[str, Any] = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey}
FORM = {"response_mode": "form_post"}


def pem(algorithm: str) -> str:
    key = PRIVATE[algorithm].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return str(key.decode())


def keyed(algorithm: str) -> dict[str, Any]:
    """What the provider knows of a client with a key."""
    public = KIND[algorithm].import_key(pem(algorithm)).as_dict(private=False)
    return {
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": algorithm,
        "jwks": {"keys": [{**public, "kid": "k-1", "use": "sig"}]},
    }


@dataclass(frozen=True, slots=True)
class Way:
    """One client authentication, as the provider and as we know it."""

    theirs: Mapping[str, Any]
    ours: Mapping[str, Any]


def by_key(algorithm: str) -> Way:
    key = read_client_key(pem(algorithm), "k-1")
    return Way(keyed(algorithm), {"authentication": ClientAuthentication.KEY, "client_key": key})


WAYS = {
    "basic": Way(
        {"token_endpoint_auth_method": "client_secret_basic", "client_secret": ODD_SECRET},
        {"authentication": ClientAuthentication.BASIC, "client_secret": ODD_SECRET},
    ),
    "post": Way(
        {"token_endpoint_auth_method": "client_secret_post", "client_secret": ODD_SECRET},
        {"authentication": ClientAuthentication.POST, "client_secret": ODD_SECRET},
    ),
    "none": Way({"token_endpoint_auth_method": "none"}, {"authentication": ClientAuthentication.NONE}),
    **{algorithm: by_key(algorithm) for algorithm in PRIVATE},
}


@asynccontextmanager
async def running(metadata: Mapping[str, Any], **options: Any) -> AsyncIterator[rigs.NodeProvider]:
    """The provider, with one client that may refresh."""
    require(rigs.npm_ready(), rigs.NODE_NEEDED)
    grants = ["authorization_code", "refresh_token"]
    client = {"client_id": "gate", "redirect_uris": [BACK], "grant_types": grants, **metadata}
    async with rigs.NodeProvider([client], PEOPLE, host="127.0.0.1", alwaysRefresh=True, **options) as provider:
        yield provider


def config(provider: rigs.NodeProvider, **more: Any) -> ProviderConfig:
    return ProviderConfig(**{"name": "staff", "issuer": provider.issuer, "client_id": "gate", **more})


async def signed_in(provider: rigs.NodeProvider, ours: ProviderConfig) -> tuple[str, str]:
    """Sign nina in by a client of ours, and confirm her once; gives the address she was sent to, and her name then."""
    clock = SystemClock()
    async with open_session() as session, walking(BACK) as walker:
        client = OidcProvider(ours, session, clock)
        address = await client.authorization_url(REQUEST)
        place = address
        for _ in range(8):
            status, headers, _ = await walker.ask(place)
            if status == 200:
                status, headers, _ = await walker.ask(place, "POST", data={"login": "nina"})
            place = headers["Location"] if "://" in headers["Location"] else provider.issuer + headers["Location"]
            if place.startswith(BACK):
                break
        given = {name: values[0] for name, values in parse_qs(urlsplit(place).query).items()}
        grant = CodeGrant(code=given["code"], verifier=REQUEST.verifier, redirect_uri=BACK, nonce=REQUEST.nonce,
                          max_age=None, issuer=given["iss"], now=clock.now())  # fmt: skip
        first = await client.redeem(grant)
        assert first.refresh_token is not None
        again = await client.refresh(first.refresh_token, Person(provider.issuer, "sub-nina"), clock.now())
        await client.close()
    assert again.refresh_token != first.refresh_token
    return address, str(again.claims["preferred_username"])


@pytest.mark.parametrize("push", [Push.AUTO, Push.NEVER])
@pytest.mark.parametrize("way", WAYS)
async def test_every_client_authentication(way: str, push: Push) -> None:
    """For the code, for the refresh and, where requests are pushed, for the push."""
    name = {"client_id": "gate:%+ &"}
    demanded = {} if push is Push.NEVER else {"push": "always"}
    async with running({**WAYS[way].theirs, **name}, **demanded) as provider:
        address, person = await signed_in(provider, config(provider, push=push, **WAYS[way].ours, **name))
        asked = set(parse_qs(urlsplit(address).query))
        assert (push is Push.NEVER, "nina") == (asked != {"client_id", "request_uri"}, person)
        assert [] == [event for event in provider.events if event["event"].endswith("error")]


@pytest.mark.parametrize("for_issuer", [True, False])
async def test_both_audiences_are_taken(for_issuer: bool) -> None:
    async with running(keyed("ES256"), push="always") as provider:
        ours = config(provider, assertion_for_issuer=for_issuer, **WAYS["ES256"].ours)
        assert "nina" == (await signed_in(provider, ours))[1]


async def test_somebody_elses_key_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    own = {"authentication": ClientAuthentication.KEY, "client_key": read_client_key(other.decode(), "k-1")}
    async with running(keyed("ES256"), push="always") as provider:
        with pytest.raises(LoginError) as caught:
            await signed_in(provider, config(provider, **own))
        assert Reason.PROVIDER_MISCONFIGURED == caught.value.reason
        assert "invalid_client" in caught.value.detail


async def test_requests_that_must_be_pushed_but_are_not() -> None:
    """The test's own check: this provider does demand it."""
    async with (
        running(WAYS["none"].theirs, push="always") as provider,
        open_session() as session,
        walking(BACK) as walker,
    ):
        client = OidcProvider(config(provider, push=Push.NEVER, **WAYS["none"].ours), session, SystemClock())
        _, headers, _ = await walker.ask(await client.authorization_url(REQUEST))
        await client.close()
    assert "Pushed+Authorization+Request" in headers["Location"].replace("%20", "+")


def at_gate(folder: Path, algorithm: str) -> dict[str, Any]:
    """The gate's settings of a client with a key."""
    path = folder / "client-key.pem"
    path.touch(mode=0o600)
    path.write_text(pem(algorithm), encoding="ascii")
    own = {"client_secret": None, "client_key": f"file://{path}", "client_key_id": "k-1"}
    return {"client_authentication": "private_key_jwt", **own}


@pytest.mark.parametrize("algorithm", PRIVATE)
async def test_the_whole_way_with_a_key_and_pushed_requests(tmp_path: Path, algorithm: str) -> None:
    async with scene(tmp_path, keyed(algorithm), at_gate(tmp_path, algorithm), push="always") as here:
        async with walking(here.place.url) as walker:
            assert "/browse/KEY-1?a=b" == await walker.sign_in("/browse/KEY-1?a=b", "nina")
        assert "session.created" in codes(here.story)
        assert not {"login.error"} & set(codes(here.story))


SIGN_INS, EVERY = 40, 8


class Leaping(SystemClock):
    """The real time, but for waits that the test leaps over."""

    leapt = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.leapt


async def test_keys_change_while_people_sign_in(tmp_path: Path) -> None:
    """The old key is gone at once, every eight sign-ins anew, and nobody's sign-in fails."""
    clock = Leaping()
    async with scene(tmp_path, clock=clock) as here:

        async def one(number: int) -> str:
            async with walking(here.place.url) as walker:
                callback = await walker.to_callback(f"/browse/KEY-{number}", "nina")
                if number % EVERY == 0:
                    ready.set()
                await changed.wait()
                status, headers, text = await walker.ask(callback)
                assert status == 303, text
                return headers["Location"].removeprefix(here.place.url)

        for begun in range(0, SIGN_INS, EVERY):
            ready, changed = asyncio.Event(), asyncio.Event()
            numbers = range(begun, begun + EVERY)
            tasks = [asyncio.create_task(one(number)) for number in numbers]
            await ready.wait()
            await here.provider.rotate_keys()
            changed.set()
            assert [f"/browse/KEY-{number}" for number in numbers] == await asyncio.gather(*tasks)
            clock.leapt += FORCE_PAUSE["answer"]
        story = codes(here.story)
        assert (SIGN_INS, 0) == (story.count("login.success"), story.count("login.error"))


@pytest_asyncio.fixture(loop_scope="module")
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    context = await chromium.new_context()
    yield context
    await context.close()


@pytest.mark.browser
async def test_an_answer_in_a_form_comes_across_two_sites(context: BrowserContext, tmp_path: Path) -> None:
    async with scene(tmp_path, provider=FORM) as here:
        tab = await Tab.open(context, here.place.url)
        methods: list[str] = []
        tab.page.on("request", lambda request: methods.append(request.method) if "/callback/" in request.url else None)
        await tab.go("/browse/KEY-1?a=b")
        await tab.page.get_by_role("button", name="nina").click()
        await tab.page.wait_for_url("**/browse/KEY-1?a=b")
        assert (["POST", "GET"], "/browse/KEY-1?a=b") == (methods, tab.path)
        assert "Nina New (nina)" in await tab.page.inner_text("header")
        names = {str(cookie.get("name")): cookie for cookie in await context.cookies(here.place.url)}
        assert not any("posted" in name for name in names)
        assert {"Lax"} == {str(cookie.get("sameSite")) for name, cookie in names.items() if "lychgate" in name}
        assert ([], []) == (tab.errors, tab.refused)


@pytest.mark.browser
async def test_two_tabs_and_back_with_answers_in_forms(context: BrowserContext, tmp_path: Path) -> None:
    async with scene(tmp_path, provider=FORM) as here:
        tabs = [await Tab.open(context, here.place.url) for _ in range(2)]
        for number, tab in enumerate(tabs):
            await tab.go(f"/browse/KEY-{number + 1}")
        for number, tab in reversed(list(enumerate(tabs))):
            await tab.page.get_by_role("button", name="nina").click()
            await tab.page.wait_for_url(f"**/browse/KEY-{number + 1}")
            assert "Nina New (nina)" in await tab.page.inner_text("header")
        assert 1 == codes(here.story).count("session.created")
        for tab in tabs:
            await tab.page.go_back()
            await tab.page.wait_for_load_state()
            # The provider's page of before is answered; whatever it shows, the next page of the gate is there.
            await tab.go("/browse/KEY-2")
            assert "Nina New (nina)" in await tab.page.inner_text("header")
        assert "login.error" not in codes(here.story)


@pytest.mark.browser
async def test_a_cancelled_sign_in_comes_back_in_a_form(context: BrowserContext, tmp_path: Path) -> None:
    async with scene(tmp_path, provider=FORM) as here:
        tab = await Tab.open(context, here.place.url)
        await tab.go("/browse/KEY-1")
        await tab.page.get_by_role("button", name="Cancel").click()
        await tab.page.wait_for_url("**/.lychgate/callback/staff?posted=*")
        assert "provider_refused" == await tab.code()
        await tab.follow("Try again")
        await tab.page.get_by_role("button", name="nina").click()
        await tab.page.wait_for_url("**/browse/KEY-1")
        assert "Nina New (nina)" in await tab.page.inner_text("header")
