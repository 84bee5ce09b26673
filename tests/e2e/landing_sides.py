"""The landing's provider, and npm's `oidc-provider` beside it, with the same client and the same person."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs, quote_plus, urlencode, urljoin, urlsplit

import aiohttp
from yarl import URL

from sidecar.adapters.clock import SystemChance, SystemClock
from sidecar.adapters.landing.id_tokens import IdTokens, landing_keys
from sidecar.core.grants import CODE_LIFE, Client, Grant, read_asking
from sidecar.core.holders import Holder
from sidecar.domain.identity import UnixSeconds
from sidecar.web.landing_provider import LandingProvider, Party
from sidecar.web.server import Listener
from tests.e2e.rigs import NodeProvider
from tests.flows.fake_holders import WhoCounts, codes_on
from tests.flows.fakes import MemoryMarkers, MemorySpent
from tests.web.rig import free_port

NAME, SECRET = "lychgate", "a secret for landing +%&= 0123456789 abc"
BACK = "https://jira.example/plugins/servlet/oidc/callback"
VERIFIER = "v" * 50
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def basic(name: str = NAME, secret: str = SECRET, *, encoded: bool = True) -> str:
    """RFC 6749, section 2.3.1: form-encoded inside Basic, or not."""
    pair = f"{quote_plus(name)}:{quote_plus(secret)}" if encoded else f"{name}:{secret}"
    return "Basic " + b64encode(pair.encode()).decode()


def question(endpoint: str, **changes: str) -> str:
    """An authorization request, as a product asks."""
    asked = {
        "response_type": "code", "scope": "openid", "client_id": NAME, "redirect_uri": BACK, "state": "s", "nonce": "n",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
    }  # fmt: skip
    return f"{endpoint}?{urlencode(asked)}"


class Side(Protocol):
    """A provider, as a client sees it."""

    issuer: str

    async def answer(self, location: str) -> str:
        """Where the browser goes with the code for Ada, once the question behind *location* was answered."""
        ...


@dataclass
class Ours:
    """The landing's provider."""

    issuer: str
    party: Party

    async def answer(self, location: str) -> str:
        clock, client = SystemClock(), self.party.client
        asked = read_asking(location, client, clock.now(), None)
        grant = Grant(
            client=client, nonce=asked.nonce, challenge=asked.challenge, username="ada", subject="sub-ada",
            auth_time=None, name="Ada", email="ada@example.com", holder=Holder(application="jira", session="k"),
            ends_at=UnixSeconds(clock.now() + CODE_LIFE),
        )  # fmt: skip
        return f"{BACK}?{urlencode({'code': self.party.codes.issue(grant), 'state': asked.state})}"


@dataclass
class Theirs:
    """npm's `oidc-provider`; somebody presses the button there."""

    issuer: str

    async def answer(self, location: str) -> str:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            method, data = "GET", None
            for _ in range(8):
                url = URL(location, encoded=True)
                async with session.request(method, url, data=data, allow_redirects=False) as found:
                    if found.status == 200:
                        method, data = "POST", {"login": "ada"}
                        continue
                    method, data, location = "GET", None, urljoin(location, found.headers["Location"])
                if location.startswith(BACK):
                    return location
        raise AssertionError("nobody was asked")


@asynccontextmanager
async def ours(secret: str = SECRET) -> AsyncIterator[Ours]:
    """On loopback, with real keys."""
    port, clock = free_port(), SystemClock()
    issuer = f"http://localhost:{port}/jira"
    client = Client(issuer=issuer, client_id=NAME, redirect_uri=BACK)
    minter = IdTokens(landing_keys(("a key for the tests of the landing's provider",)))
    codes = codes_on(MemorySpent(), MemoryMarkers(), WhoCounts(), clock, SystemChance())
    party = Party(client=client, secret=secret, codes=codes, minter=minter)
    listener = Listener(LandingProvider({"jira": party}, clock))
    await listener.open("127.0.0.1", port)
    try:
        yield Ours(issuer, party)
    finally:
        await listener.close()


@asynccontextmanager
async def theirs() -> AsyncIterator[Theirs]:
    """Under Node."""
    client = {
        "client_id": NAME, "client_secret": SECRET, "redirect_uris": [BACK], "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "client_secret_basic",
    }  # fmt: skip
    person = {"preferred_username": "ada", "name": "Ada", "email": "ada@example.com"}
    claims = ["preferred_username", "name", "email"]
    async with NodeProvider([client], {"ada": person}, openidClaims=claims) as provider:
        yield Theirs(provider.issuer)


def given(location: str) -> dict[str, str]:
    """The parameters that a redirect carries."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


ERROR = re.compile(r'error="([a-z_]+)"')


def word(status: int, headers: Any, found: object) -> str:
    """An answer in short: the status and the error's word, wherever it stands."""
    error = found.get("error") if isinstance(found, dict) else None
    told = ERROR.search(headers.get("WWW-Authenticate", ""))
    return " ".join(filter(None, (str(status), str(error or "") or (told[1] if told else ""))))
