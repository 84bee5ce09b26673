"""A small relying party over a real `ClientSession`: what the provider's tests drive."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

import aiohttp
from joserfc import jwt
from joserfc.jwk import KeySet

from sidecar.demo.provider import Client, Person, Provider, RunningProvider, serve_provider

VERIFIER = "v" * 43
CHALLENGE = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"  # its SHA-256 in base64url
RETURN_TO = "http://127.0.0.1:9/callback"
AFTER_LOGOUT = "http://127.0.0.1:9/bye"

ANNA = Person(
    key="anna",
    sub="sub-anna",
    claims={
        "preferred_username": "anna.berg",
        "name": "Anna Berg",
        "email": "anna@example.test",
        "email_verified": True,
        "groups": ["jira-users", "jira-admins"],
    },
    label="Anna Berg",
    story="Looks after Jira.",
)
BEN = Person(
    key="ben",
    sub="sub-ben",
    claims={"preferred_username": "ben", "groups": ["jira-users"]},
    label="Ben <b>Okafor</b>",
    story="Joined on Monday & knows nobody.",
)
# Every character of the secret changes when it is form-encoded.
GATE = Client("gate:1", "s+e %/:c", (RETURN_TO,), (AFTER_LOGOUT,))
OTHER = Client("other", "other-secret", ("http://127.0.0.1:9/other",))


@dataclass
class Clock:
    """A clock that the test moves; seconds since 1970."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Answer:
    """A whole answer of the provider."""

    status: int
    headers: Any
    text: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    @property
    def returned(self) -> dict[str, str]:
        """The parameters of the redirect."""
        return dict(parse_qsl(urlsplit(self.headers["Location"]).query, strict_parsing=True))

    @property
    def target(self) -> str:
        return str(self.headers["Location"]).split("?")[0]

    @property
    def interaction(self) -> str:
        found = re.search(r'name="interaction" value="([^"]+)"', self.text)
        assert found is not None, self.text
        return found.group(1)


@dataclass
class RelyingParty:
    """One browser and one client at a running provider."""

    http: aiohttp.ClientSession
    running: RunningProvider
    clock: Clock
    client: Client = GATE
    seen: list[str] = field(default_factory=list)

    async def call(self, method: str, path: str, **options: Any) -> Answer:
        url = self.running.issuer + path
        async with self.http.request(method, url, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.text())

    def request(self, **changes: str | None) -> dict[str, str]:
        """A right authorization request; `None` leaves a parameter out."""
        whole: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uris[0],
            "scope": "openid profile email offline_access",
            "state": "state-1",
            "nonce": "nonce-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in whole.items() if value is not None}

    async def authorize(self, **changes: str | None) -> Answer:
        return await self.call("GET", "/authorize", params=self.request(**changes))

    async def press(self, page: Answer, **button: str) -> Answer:
        return await self.call("POST", "/choose", data={"interaction": page.interaction, **button})

    async def sign_in(self, person: str = "anna", **changes: str | None) -> str:
        """Go through the page and give the code."""
        answer = await self.press(await self.authorize(**changes), person=person)
        assert answer.status == 303, answer.text
        return self._note(answer.returned["code"])

    def basic(self) -> dict[str, str]:
        pair = f"{quote_plus(self.client.client_id)}:{quote_plus(self.client.secret)}"
        return {"Authorization": "Basic " + b64encode(pair.encode()).decode()}

    async def token(self, **form: str) -> Answer:
        return await self.call("POST", "/token", data=form, headers=self.basic())

    async def redeem(self, code: str, /, **changes: str) -> Answer:
        right = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uris[0],
            "code_verifier": VERIFIER,
        }
        answer = await self.token(**{**right, **changes})
        if answer.status == 200 and answer.headers["Content-Type"].startswith("application/json"):
            for name in ("access_token", "refresh_token", "id_token"):
                self._note(answer.json.get(name, ""))
        return answer

    async def refresh(self, refresh_token: str, **more: str) -> Answer:
        return await self.token(grant_type="refresh_token", refresh_token=refresh_token, **more)

    async def userinfo(self, access_token: str) -> Answer:
        bearer = {"Authorization": f"Bearer {access_token}"}
        return await self.call("GET", "/userinfo", headers=bearer)

    async def tokens(self, person: str = "anna", **changes: str | None) -> dict[str, Any]:
        """A whole sign-in."""
        answer = await self.redeem(await self.sign_in(person, **changes))
        assert answer.status == 200, answer.text
        return answer.json

    async def verified(self, token: str) -> dict[str, Any]:
        """The claims by joserfc and the published keys. Raises what joserfc raises."""
        keys = KeySet.import_key_set((await self.call("GET", "/jwks")).json)  # type: ignore[arg-type]
        return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)

    def _note(self, secret: str) -> str:
        self.seen.append(secret)
        return secret


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified."""
    header, claims = (json.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    return header, claims


@asynccontextmanager
async def relying_party(*clients: Client) -> AsyncIterator[RelyingParty]:
    """A provider with Anna and Ben, and a browser that keeps its cookies."""
    clock = Clock()
    provider = Provider([ANNA, BEN], clients or [GATE, OTHER], clock=clock)
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve_provider(provider) as running, aiohttp.ClientSession(cookie_jar=jar) as http:
        yield RelyingParty(http, running, clock, (clients or [GATE])[0])
