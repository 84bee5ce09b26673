"""A running stand-in Jira with the sample company, its administrator's token, and a client without cookies."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import ClientResponse, ClientSession, DummyCookieJar
from yarl import URL

from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, SharedSecret, serve_jira

SECRET = "the proof of the gate"
TOKEN = "the-administrators-token"


def basic(username: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic authentication (RFC 7617)."""
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


@dataclass
class Browser:
    """Asks one Jira; redirects are shown, cookies are kept only where a test passes them on."""

    jira: RunningJira
    client: ClientSession

    async def ask(self, method: str, path: str, /, *, raw: bool = False, **options: object) -> ClientResponse:
        """Send a request and read the whole answer; `raw` keeps the path's escapes as they are."""
        options.setdefault("allow_redirects", False)
        target = URL(self.jira.url + path, encoded=True) if raw else self.jira.url + path
        answer = await self.client.request(method, target, **options)  # type: ignore[arg-type]
        await answer.read()
        return answer

    async def admin(self, method: str, path: str, json: object = None) -> ClientResponse:
        """Send a request with the administrator's token."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return await self.ask(method, path, headers=headers, json=json)

    async def landed(self, username: str, **headers: str) -> dict[str, str]:
        """Land a person by header and proof; answers the cookies of the new session."""
        proved = {"X-Lychgate-User": username, "X-Lychgate-Secret": SECRET, **headers}
        answer = await self.ask("GET", "/secure/Dashboard.jspa", headers=proved)
        return {name: morsel.value for name, morsel in answer.cookies.items()}


async def raw(browser: Browser, head: str, cookie: str = "") -> bytes:
    """Send bytes as they stand and read to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", browser.jira.port)
    cookies = f"Cookie: JSESSIONID={cookie}\r\n" if cookie else ""
    writer.write(f"{head} HTTP/1.1\r\nHost: jira\r\n{cookies}Connection: close\r\n\r\n".encode())
    found = await reader.read()
    writer.close()
    await writer.wait_closed()
    return found


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser in front of the sample Jira with a shared secret."""
    state = JiraState.sample()
    state.add_token("admin", TOKEN)
    config = JiraConfig(proof=SharedSecret(SECRET))
    async with (
        serve_jira(state, config) as jira,
        ClientSession(cookie_jar=DummyCookieJar()) as client,
    ):
        yield Browser(jira, client)
