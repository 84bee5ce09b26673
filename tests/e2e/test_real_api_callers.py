"""Programs with access tokens of a certified provider: a person's for our API, and everything else it gives out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import aiohttp
import pytest

from sidecar.commands.ledger import initialise_ledger
from tests.e2e import rigs
from tests.e2e.conftest import require
from tests.e2e.journeys import CLIENT_SECRET, Ground, ground, walking
from tests.e2e.test_real_provider import PEOPLE

pytestmark = pytest.mark.node

OURS = "https://jira.example.com/api"
BACK = "http://localhost:1/back"
PROGRAM_SECRET = secrets.token_urlsafe(32)
MYSELF = "/rest/api/2/myself"


@dataclass(frozen=True, slots=True)
class Scene:
    """A gate that takes tokens for `OURS`, and the provider at which a program got them."""

    place: Ground
    provider: rigs.NodeProvider
    http: aiohttp.ClientSession

    async def tokens(self, person: str, api: str | None = OURS) -> dict[str, Any]:
        """What the provider gives the program that *person* has let in: an authorization code flow with PKCE."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": "program",
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "openid api" if api else "openid",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"resource": api} if api else {}),
        }
        address, data = f"{self.provider.issuer}/auth?{urlencode(asked)}", None
        for _ in range(12):
            method = "POST" if data else "GET"
            async with self.http.request(method, address, data=data, allow_redirects=False) as answer:
                if answer.status == 200:
                    data = {"login": person}
                    continue
                assert answer.status in {302, 303}, await answer.text()
                address, data = urljoin(address, answer.headers["Location"]), None
            if address.startswith(BACK):
                break
        code = parse_qs(urlsplit(address).query)["code"][0]
        return await self.ask_token(
            {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": verifier}
            | ({"resource": api} if api else {})
        )

    async def ask_token(self, form: dict[str, str]) -> dict[str, Any]:
        """The token endpoint's answer for the program."""
        headers = {"Authorization": aiohttp.encode_basic_auth("program", PROGRAM_SECRET)}
        async with self.http.post(f"{self.provider.issuer}/token", data=form, headers=headers) as answer:
            found = await answer.json()
            assert 200 == answer.status, found
            return dict(found)

    async def call(self, token: str, path: str = MYSELF) -> tuple[int, dict[str, Any]]:
        """One call of the program; never a redirect or a cookie."""
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        async with self.http.get(self.place.url + path, headers=headers, allow_redirects=False) as answer:
            assert "Set-Cookie" not in answer.headers and "Location" not in answer.headers
            return answer.status, json.loads(await answer.text())


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    require(rigs.npm_ready(), rigs.NODE_NEEDED)
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(ground(tmp_path))
        gate = {
            "client_id": "gate",
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [f"{place.url}/.lychgate/callback/staff"],
        }
        program = {
            "client_id": "program",
            "client_secret": PROGRAM_SECRET,
            "redirect_uris": [BACK],
            "grant_types": ["authorization_code", "client_credentials"],
        }
        provider = await stack.enter_async_context(rigs.NodeProvider([gate, program], PEOPLE, host="127.0.0.1"))
        staff = {"issuer": provider.issuer, "scopes": ["openid", "profile", "email", "groups"]}
        door = {
            "application": "jira",
            "default": True,
            "provider": "staff",
            "require": {"any_group": "okta-jira-users"},
        }
        loaded = place.write(
            {"staff": {**staff, "usernames": "authoritative"}},
            {"agents": door},
            {"api": {"jwt": {"providers": "staff", "audience": OURS}}},
        )
        assert {"jira": True} == await initialise_ledger(loaded)
        await stack.enter_async_context(place.serving(loaded))
        # `localhost` and 127.0.0.1 each keep their cookies; the provider's session must not outlive one token.
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
        yield Scene(place, provider, http)


async def test_a_persons_token_for_our_api_is_served_as_that_person(scene: Scene) -> None:
    found = await scene.tokens("nina")
    token = found["access_token"]
    assert "at+jwt" == _part(token, 0)["typ"] and OURS == _part(token, 1)["aud"]
    status, answer = await scene.call(token)
    assert (403, "account_not_adopted") == (status, answer["error"]), "nobody signed in with a browser yet"
    async with walking(scene.place.url) as walker:
        await walker.ask(await walker.sign_in("/browse/KEY-1", "nina"))
    status, answer = await scene.call(token)
    assert (200, "nina") == (status, answer["name"])
    # What is for people is not for programs.
    status, answer = await scene.call(token, "/browse/KEY-1")
    assert (401, "credential_not_here") == (status, answer["error"])


async def test_whom_the_rules_keep_out_they_keep_out_here_too(scene: Scene) -> None:
    status, answer = await scene.call((await scene.tokens("otto"))["access_token"])
    assert (403, "not_in_group") == (status, answer["error"])


async def test_all_else_that_the_provider_gives_out_is_refused(scene: Scene) -> None:
    of_nina = await scene.tokens("nina")
    forms = {"grant_type": "client_credentials", "scope": "api", "resource": OURS}
    others = {
        "the ID token": of_nina["id_token"],
        "another API's": (await scene.tokens("nina", "https://wiki.example.com/api"))["access_token"],
        "the program's own": (await scene.ask_token(forms))["access_token"],
    }
    for what, token in others.items():
        status, answer = await scene.call(token)
        assert (what, 401, "token_not_accepted") == (what, status, answer["error"])
    # An opaque one looks like a personal access token, and Jira knows no such: it is Jira that refuses it.
    opaque = (await scene.tokens("nina", None))["access_token"]
    assert re.fullmatch(r"[\w-]+", opaque)
    assert 401 == (await scene.call(opaque))[0]
    head, body, _ = of_nina["access_token"].split(".")
    status, answer = await scene.call(f"{head}.{body}.{'A' * 342}")
    assert (401, "token_not_accepted") == (status, answer["error"])


def _part(token: str, number: int) -> dict[str, Any]:
    text = token.split(".")[number]
    return dict(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
