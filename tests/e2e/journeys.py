"""What the whole-journey tests share: a watched tab, a browser without pictures, the story that was told, sites.

A `Tab` is Chromium's, a `Walker` is aiohttp's and can be thirty at once; both are people, so neither knows a secret.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import secrets
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from playwright.async_api import BrowserContext, Page, Response
from yarl import URL

from sidecar.app import Running, running
from sidecar.config.load import Loaded, load
from sidecar.demo.cast import furnish
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, SharedSecret, serve_jira
from sidecar.flows.telling import Clock

SHARED = secrets.token_urlsafe(32)
CLIENT_SECRET = secrets.token_urlsafe(32)
PATIENCE = 10_000
"""Milliseconds after which a tab gives up; no test expects to wait so long."""

MAX_HOPS = 12

# Little beside a real checker, but each line has caught something in somebody's sign-in pages.
_FAULTS = """() => {
  const faults = [], all = (what) => [...document.querySelectorAll(what)];
  const named = (node) => (node.getAttribute('aria-label') || '').trim() || (node.textContent || '').trim()
    || (node.getAttribute('aria-labelledby') || '').split(/\\s+/).some((id) => document.getElementById(id)?.textContent)
    || [...node.querySelectorAll('img')].some((image) => image.alt);
  if (!document.documentElement.lang) faults.push('the page has no language');
  if (!document.title.trim()) faults.push('the page has no title');
  for (const what of ['h1', 'main']) if (all(what).length !== 1) faults.push(`${all(what).length} of ${what}`);
  all('h1,h2,h3,h4,h5,h6').reduce((last, node) => {
    const level = Number(node.tagName[1]);
    if (level > last + 1) faults.push(`a heading jumps from ${last} to ${level}`);
    return level;
  }, 0);
  for (const node of all('img')) if (!node.hasAttribute('alt')) faults.push(`no alt: ${node.src}`);
  for (const node of all('img')) if (node.complete && !node.naturalWidth) faults.push(`no picture: ${node.src}`);
  for (const node of all('a[href],button')) if (!named(node)) faults.push(`no name: ${node.outerHTML}`);
  for (const node of all('input:not([type=hidden]),select,textarea'))
    if (!node.labels.length && !node.getAttribute('aria-label')) faults.push(`no label: ${node.outerHTML}`);
  for (const node of all('[tabindex]')) if (node.tabIndex > 0) faults.push('an order of tabs of its own');
  for (const node of all('th')) if (!node.scope) faults.push(`no scope: ${node.outerHTML}`);
  for (const node of all('[aria-labelledby],[aria-describedby]'))
    for (const id of `${node.getAttribute('aria-labelledby') || ''} ${node.getAttribute('aria-describedby') || ''}`
      .trim().split(/\\s+/)) if (!document.getElementById(id)) faults.push(`nothing has the id ${id}`);
  const ids = all('[id]').map((node) => node.id);
  for (const id of new Set(ids)) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: ${id}`);
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) faults.push('it scrolls sideways');
  return faults;
}"""


@dataclass
class Tab:
    """A browser's tab, and all that went wrong in it.

    Attributes:
        url: The gate's.
        refused: Status and path of every answer from 400 on: a refusal that a test provokes is asserted by it.
        errors: Errors on the console but for the browser's own line about each of `refused`.
        failed: Requests without an answer.
    """

    page: Page
    url: str
    refused: list[tuple[int, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @classmethod
    async def open(cls, context: BrowserContext, url: str) -> Tab:
        """A new tab, watched from its first request on."""
        tab = cls(await context.new_page(), url)
        tab.watch()
        return tab

    def watch(self) -> None:
        """Begin to write down what goes wrong."""
        self.page.set_default_timeout(PATIENCE)
        self.page.on("response", self._answered)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", lambda request: self.failed.append(f"{request.url} {request.failure}"))

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append((response.status, URL(response.url).path))

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "the server responded with a status of" not in message.text:
            self.errors.append(message.text)

    async def go(self, path: str) -> None:
        """To a page of the gate."""
        await self.page.goto(self.url + path)

    async def press(self, name: str) -> None:
        """A button, and whatever page it leads to."""
        async with self.page.expect_navigation():
            await self.page.get_by_role("button", name=name).click()

    async def follow(self, name: str) -> None:
        """A link, and whatever page it leads to."""
        async with self.page.expect_navigation():
            await self.page.get_by_role("link", name=name).click()

    async def sign_in(self, path: str, button: str) -> None:
        """Ask for a page, be sent to the provider, be that person there, and come back."""
        await self.go(path)
        await self.press(button)

    @property
    def path(self) -> str:
        """Where the tab is, if that is a page of the gate; else the whole address."""
        return self.page.url.removeprefix(self.url)

    async def heading(self) -> str:
        """The page's one big heading."""
        return await self.page.inner_text("h1")

    async def code(self) -> str:
        """The reason word on a page of ours."""
        found = re.search(r"Code\s+(\w+)", await self.page.inner_text("main"))
        return found[1] if found else ""

    async def focused(self) -> str:
        """What has the keyboard, by its words; "" if nothing shows that it has."""
        return str(
            await self.page.evaluate(
                "() => { const node = document.activeElement, style = getComputedStyle(node);"
                " return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0"
                " ? node.textContent.trim() : ''; }"
            )
        )

    async def tab_to(self, words: str) -> None:
        """Press Tab until that thing has the keyboard, and shows it."""
        for _ in range(40):
            await self.page.keyboard.press("Tab")
            if await self.focused() == words:
                return
        raise AssertionError(f"no way to {words!r} by keyboard on {self.page.url}")

    async def troubles(self) -> list[str]:
        """Faults of the page that is shown, and everything that went wrong until now but for the refusals."""
        return [*await self.page.evaluate(_FAULTS), *self.errors, *self.failed]


class Walker:
    """A person with a browser that shows nothing and follows redirects only when asked to."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def ask(self, address: str, method: str = "GET", **options: Any) -> tuple[int, Mapping[str, str], str]:
        """A navigation; gives status, headers, text."""
        headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        target = URL(address if "://" in address else self.url + address, encoded=True)
        async with self.http.request(method, target, headers=headers, allow_redirects=False, **options) as answer:
            return answer.status, answer.headers, await answer.text()

    async def to_callback(self, path: str, person: str) -> str:
        """Ask for a page, be that person at the provider; gives the address of the callback, not yet asked."""
        status, headers, text = await self.ask(path)
        address = path
        for _ in range(MAX_HOPS):
            if status == 200:
                assert not address.startswith(self.url), f"no sign-in was asked for: {text[:200]}"
                interaction = re.search(r'name="interaction" value="([^"]+)"', text)
                choice = {"interaction": interaction[1], "person": person} if interaction else {"login": person}
                target = str(URL(address).with_path("/choose").with_query(None)) if interaction else address
                status, headers, text = await self.ask(target, "POST", data=choice)
            assert status in {302, 303}, text
            address = str(URL(address).join(URL(headers["Location"]))) if "://" in address else headers["Location"]
            if "/.lychgate/callback/" in address:
                return address
            status, headers, text = await self.ask(address)
        raise AssertionError("the provider sends in circles")

    async def sign_in(self, path: str, person: str) -> str:
        """The same to the end; gives where the callback leads, which nobody has asked for yet."""
        status, headers, text = await self.ask(await self.to_callback(path, person))
        assert status == 303, text
        return headers["Location"].removeprefix(self.url)


@asynccontextmanager
async def walking(url: str) -> AsyncIterator[Walker]:
    """Somebody with an empty cookie jar that takes secure cookies over plain HTTP, as browsers do on loopback."""
    jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=[URL(url)])
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as http:
        yield Walker(http, url)


def code_on(text: str) -> str:
    """The reason word on a page of ours, read from its source."""
    words = re.sub(r"<[^>]*>", " ", text.partition("<main")[2])
    found = re.search(r"Code\s+(\w+)", words)
    return found[1] if found else ""


def codes(story: io.StringIO) -> list[str]:
    """The codes of all audit events of a text log, in their order."""
    return [line.split()[1] for line in story.getvalue().splitlines()]


async def counted(gate: Running) -> Counter[str]:
    """How many audit events of each code the metrics have counted."""
    address = f"http://127.0.0.1:{gate.operations}/metrics"
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        text = await answer.text()
    found: Counter[str] = Counter()
    for line in re.finditer(r'^lychgate_events_total\{.*?code="([^"]+)".*?\} ([0-9.e+]+)$', text, re.MULTILINE):
        found[line[1]] += int(float(line[2]))
    return found


def free_port() -> int:
    """A port that nobody has, below those that a system hands out, so that nobody gets it meanwhile."""
    for _ in range(100):
        port = 20_000 + secrets.randbelow(12_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no free port was found")


@dataclass(frozen=True, slots=True)
class Ground:
    """What a gate of a test stands on: a folder for its file, state and secrets, a port, and a stand-in Jira."""

    folder: Path
    port: int
    jira: RunningJira
    token: str

    @property
    def url(self) -> str:
        """The gate's."""
        return f"http://localhost:{self.port}"

    def secret(self, name: str, value: str) -> str:
        """Write a secret; gives its reference."""
        path = self.folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(value, encoding="ascii")
        return f"file://{path}"

    def write(
        self,
        providers: Mapping[str, Any],
        portals: Mapping[str, Any],
        application: Mapping[str, Any] | None = None,
        **accounts: Any,
    ) -> Loaded:
        """Write the configuration (YAML holds JSON) and load it; *application* and *accounts* change keys of it."""
        content = {
            "version": 1,
            "listen": {"public": f"127.0.0.1:{self.port}", "operations": "127.0.0.1:0"},
            "state": f"file://{self.folder}/state",
            "cookie_keys": [self.secret("cookie-key", secrets.token_urlsafe(48))],
            "audit": {"stdout": "text"},
            "providers": {name: self._provider(settings) for name, settings in providers.items()},
            "applications": {
                "jira": {
                    "product": "jira",
                    "url": self.url,
                    "upstream": self.jira.origin,
                    "landing": {
                        "header": "X-Lychgate-User",
                        "proof": "secret",
                        "secret": self.secret("shared", SHARED),
                    },
                    "username": {"from": ["preferred_username"]},
                    "accounts": {
                        "token": self.secret("jira-token", self.token),
                        "create": True,
                        "groups": {"map": [{"from": "okta-jira-users", "to": "jira-software-users"},
                                           {"from": "okta-project-(.+)", "to": "jira-project-$1"}]},
                        **accounts,
                    },
                    **(application or {}),
                }
            },
            "portals": portals,
        }  # fmt: skip
        path = self.folder / "lychgate.yaml"
        path.write_text(json.dumps(content), encoding="utf-8")
        return load(path, serving=True)

    def _provider(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        secret = self.secret("client-secret", CLIENT_SECRET)
        return {"client_id": "gate", "client_secret": secret, **settings}

    @asynccontextmanager
    async def serving(
        self, loaded: Loaded, story: io.StringIO | None = None, clock: Clock | None = None
    ) -> AsyncIterator[Running]:
        """The gate itself."""
        async with running(loaded, audit=io.StringIO() if story is None else story, clock=clock) as gate:
            yield gate


@asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[Ground]:
    """A stand-in Jira with the people of the demonstration, and room for a gate before it."""
    state, port = JiraState.sample(), free_port()
    token = furnish(state)
    config = JiraConfig(base_url=f"http://localhost:{port}", proof=SharedSecret(SHARED))
    async with serve_jira(state, config) as jira:
        yield Ground(folder, port, jira, token)


@asynccontextmanager
async def serving_page(html: str) -> AsyncIterator[str]:
    """Somebody else's site with one page; gives its address."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
