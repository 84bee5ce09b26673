"""The outside of the whole-journey tests: a certified OpenID provider under Node, and Chromium.

`conftest.py` turns these into fixtures, and `install.py` fetches the provider's packages.
Everything here is somebody else's software, started and ended by one test.
Whatever a rig starts it ends by its own handle, and it waits with a bound.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

NODE_FOLDER = Path(__file__).parent / "node_provider"
NODE_NEEDED = "needs Node.js 20 or later and, once, `python -m tests.e2e.install`"
CHROMIUM_NEEDED = "needs a Chromium on the PATH (Debian: `apt install chromium`)"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START_SECONDS = 30.0
ANSWER_SECONDS = 10.0
END_SECONDS = 5.0


def npm_ready() -> bool:
    """Tell whether `node` exists and exactly the wanted packages lie beside the provider."""
    if shutil.which("node") is None:
        return False
    wanted = json.loads((NODE_FOLDER / "package.json").read_text())["dependencies"]
    return all(_installed_version(name) == version for name, version in wanted.items())


def _installed_version(package: str) -> str | None:
    manifest = NODE_FOLDER / "node_modules" / package / "package.json"
    if not manifest.is_file():
        return None
    return str(json.loads(manifest.read_text())["version"])


def chromium_path() -> str | None:
    """Return the browser's path, or None; a browser is never downloaded."""
    found = (shutil.which(name) for name in CHROMIUM_NAMES)
    return next((path for path in found if path is not None), None)


class NodeProviderError(Exception):
    """The provider did not start, or refused a command; its standard error is in the message."""


class NodeProvider:
    """A running `oidc-provider`, used as an async context manager.

    `clients` is a list of client metadata in the words of RFC 7591.
    `people` maps a login name to its claims; `sub` is `sub-<login>` unless the claims say otherwise.
    `options` may hold `host` ("localhost" or "127.0.0.1"), `conformIdTokenClaims` (default false:
    profile, email and groups are in the ID token too), `alwaysRefresh` (a refresh token without
    `prompt=consent`), `issuer` (of a proxy in front of it), `openidClaims` (names given with the
    bare `openid` scope), `push` (of authorization requests: "always" or "never") and
    `ttl` (seconds by kind: AccessToken, IdToken, RefreshToken, Session).
    """

    def __init__(
        self,
        clients: Sequence[Mapping[str, Any]] = (),
        people: Mapping[str, Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        self._configuration = {**options, "clients": list(clients), "people": dict(people or {})}
        self._asking = asyncio.Lock()
        self._heard = asyncio.Condition()
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self.issuer = ""
        self.address = ""
        self.events: list[dict[str, Any]] = []
        self.stderr: list[str] = []

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            "node",
            str(NODE_FOLDER / "provider.mjs"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._listener = asyncio.create_task(self._listen())
        try:
            started = await self._ask(self._configuration, START_SECONDS)
            self.issuer, self.address = started["issuer"], started["address"]
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    @property
    def process_id(self) -> int:
        """The identifier of the Node process."""
        return self._running().pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, 0 when it ended by itself, negative when it had to be killed."""
        return self._running().returncode

    async def put_client(self, metadata: Mapping[str, Any]) -> None:
        """Add or replace a client, for a gate whose port was not known at the start."""
        await self._ask({"client": dict(metadata)}, ANSWER_SECONDS)

    async def put_person(self, login: str, claims: Mapping[str, Any]) -> None:
        """Add a person or replace the claims; the next refresh and the next sign-in see them."""
        await self._ask({"person": {"login": login, "claims": dict(claims)}}, ANSWER_SECONDS)

    async def remove_person(self, login: str) -> None:
        """Let a person leave: refreshes answer `invalid_grant` from now on."""
        await self._ask({"person": {"login": login, "claims": None}}, ANSWER_SECONDS)

    async def rotate_keys(self) -> None:
        """Sign with new keys from now on; the old ones are published no more."""
        await self._ask({"rotate": True}, ANSWER_SECONDS)

    async def reported(self, name: str) -> dict[str, Any]:
        """Wait for the first event of this name, for example `grant.error`, and return it.

        Reports travel beside the HTTP answers, so one may arrive after the answer it explains.
        Raises TimeoutError when there is none.
        """
        async with asyncio.timeout(ANSWER_SECONDS), self._heard:
            while True:
                found = [event for event in self.events if event["event"] == name]
                if found:
                    return found[0]
                await self._heard.wait()

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            message = "the provider is not running"
            raise NodeProviderError(message)
        return self._process

    async def _ask(self, message: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        process = self._running()
        if process.stdin is None or process.stdout is None:
            raise NodeProviderError(self._story("no pipes"))
        async with self._asking, asyncio.timeout(seconds):
            process.stdin.write(json.dumps(message).encode() + b"\n")
            line = await process.stdout.readline()
        if not line:
            raise NodeProviderError(self._story("it ended early"))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NodeProviderError(self._story(answer["error"]))
        return answer

    def _story(self, what: str) -> str:
        return "\n".join([f"OpenID provider: {what}", *self.stderr])

    async def _listen(self) -> None:
        process = self._running()
        if process.stderr is None:
            return
        async for line in process.stderr:
            text = line.decode(errors="replace").rstrip()
            if text.startswith('{"event"'):
                async with self._heard:
                    self.events.append(json.loads(text))
                    self._heard.notify_all()
            else:
                self.stderr.append(text)

    async def _end(self) -> None:
        """End this process only: first by closing its input, which it obeys, then by force."""
        process, listener = self._running(), self._listener
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        # Both pipes are read to their end, or the loop warns of open transports.
        if process.stdout is not None:
            await process.stdout.read()
        if listener is not None:
            await listener


@dataclass
class WatchedPage:
    """A browser page with what went wrong on it, in order of time."""

    page: Page
    console_errors: list[str] = field(default_factory=list)
    failed_requests: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Start to record; errors thrown by a script count as console errors."""
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        self.page.on(
            "requestfailed",
            lambda request: self.failed_requests.append(f"{request.url} {request.failure}"),
        )

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.console_errors.append(message.text)


@asynccontextmanager
async def running_chromium(*more_arguments: str) -> AsyncIterator[Browser]:
    """Run Chromium without a window; it speaks with nobody but the pages' servers."""
    path = chromium_path()
    if path is None:
        raise FileNotFoundError(CHROMIUM_NEEDED)
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=path, headless=True, args=[*CHROMIUM_ARGUMENTS, *more_arguments]
        )
        try:
            yield browser
        finally:
            await browser.close()


async def open_watched_page(context: BrowserContext) -> WatchedPage:
    """Open a page that records its errors from the first request on."""
    watched = WatchedPage(await context.new_page())
    watched.watch()
    return watched
