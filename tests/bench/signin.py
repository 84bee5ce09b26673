"""A browser without a window: signs a person in at a peer, through the real provider, and keeps the cookies.

The peers are on `localhost` and the provider is on `127.0.0.1`, so that neither sees the other's cookies.
"""

from __future__ import annotations

import socket
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from tests.bench.cases import START

_MAX_HOPS = 15
_NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


class SignInError(Exception):
    """The way through a peer's sign-in did not lead to the page that was asked for."""


async def sign_in(origin: str, login: str, expected: int = 200) -> str:
    """Ask a peer for the start page, be *login* at the provider, come back. Returns the `Cookie` field afterwards.

    Raises:
        SignInError: The last answer has not the status *expected*, or the redirects go in circles.
    """
    jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=[URL(origin)], quote_cookie=False)
    connector = aiohttp.TCPConnector(family=socket.AF_INET)
    async with aiohttp.ClientSession(cookie_jar=jar, connector=connector, headers=_NAVIGATION) as http:
        address, method, data = origin + START, "GET", None
        for _ in range(_MAX_HOPS):
            options = {"data": data, "allow_redirects": False}
            async with http.request(method, URL(address, encoded=True), **options) as answer:  # type: ignore[arg-type]
                status, text = answer.status, await answer.text(errors="replace")
                place = answer.headers.get("Location", "")
            method, data = "GET", None
            if status in {302, 303, 307}:
                address = urljoin(address, place)
            elif address.startswith(origin):
                if status != expected:
                    raise SignInError(f"{origin} answers {status} to {login}: {text[:300]}")
                kept = jar.filter_cookies(URL(origin + "/"))
                return "; ".join(f"{name}={morsel.value}" for name, morsel in kept.items())
            elif status == 200 and 'name="login"' in text:
                method, data = "POST", {"login": login}
            else:
                raise SignInError(f"{address} answers {status}: {text[:300]}")
    raise SignInError(f"{origin} sends {login} in circles")
