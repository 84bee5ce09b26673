"""A whole world on loopback for the tests of the gate: two providers, stand-in Jiras, and the real gate between them.

`World` starts and knows everything, `Site` says how it is set up, `wire.py` speaks the bytes.
"""

from __future__ import annotations

import io
import json
import random
import re
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from sidecar.app import Running, running
from sidecar.config.load import Loaded, load
from sidecar.demo.cast import CUSTOMERS, STAFF, furnish, people, remember
from sidecar.demo.jira import (
    Call,
    CrowdConfig,
    JiraConfig,
    JiraState,
    RunningJira,
    SharedSecret,
    SignedAssertion,
    SsoConfig,
    serve_jira,
)
from sidecar.demo.provider import Client, Provider, RunningProvider, serve_provider
from tests.postgres import PASSWORD
from tests.web.site import Site, configuration
from tests.web.wire import Answer, Wire

__all__ = ["Browser", "Site", "World", "configuration", "free_port", "world"]

SHARED = "d2hhdC1vbmx5LXR3by1vZi11cy1rbm93LTEyMzQ"
HTML = ("Accept", "text/html")
LANDING = "a secret for landing +%&= 0123456789 abc"
"""Form-encoding changes it, and the product sends it form-encoded."""
MACHINES = "MTIzNDU2Nzg5MDEyOndoYXRldmVy"
"""A personal access token by its looks; the stand-in knows it as alice's."""


@dataclass(slots=True)
class World:
    """Everything that runs. *url* has the context path, *origin* has not."""

    site: Site
    port: int
    loaded: Loaded
    gate: Running
    jira: RunningJira
    tools: RunningJira | None
    staff: RunningProvider
    customers: RunningProvider
    audit: io.StringIO
    token: str
    folder: Path
    gates: AsyncExitStack

    async def restart(self) -> None:
        """End the gate and start it again on the same state; everything else goes on."""
        await self.gates.aclose()
        self.gate = await self.gates.enter_async_context(running(self.loaded, audit=self.audit, clock=self.site.clock))

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    @property
    def url(self) -> str:
        return self.origin + self.site.context

    @property
    def events(self) -> list[dict[str, Any]]:
        """All audit events so far."""
        return [json.loads(line) for line in self.audit.getvalue().splitlines()]

    def told(self, code: str) -> list[dict[str, Any]]:
        """The audit events of one code."""
        return [event for event in self.events if event["code"] == code]

    @property
    def arrived(self) -> list[Call]:
        """Every request that reached the stand-ins, but for our own: for accounts, and whether they are starting."""
        calls = [*self.jira.calls, *(self.tools.calls if self.tools else ())]
        return [call for call in calls if not self._is_ours(call)]

    def _is_ours(self, call: Call) -> bool:
        asks_for_status = call.target.endswith("/status") and not call.header("X-Request-Id")
        return asks_for_status or call.header("Authorization") == f"Bearer {self.token}"

    def forget(self) -> None:
        """Begin to count anew."""
        self.jira.calls.clear()
        if self.tools is not None:
            self.tools.calls.clear()

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        """One raw connection to the gate."""
        wire = await Wire.open(self.port, self.host)
        try:
            yield wire
        finally:
            await wire.close()

    async def ask(
        self, method: str, target: str, *fields: tuple[str, str], body: bytes | None = None, host: str | None = None
    ) -> Answer:
        """One request on a connection of its own; *target* goes out as it stands."""
        async with self.wire() as wire:
            wire.request(method, target, *fields, body=body, host=host)
            return await wire.answer(method)

    async def page(self, target: str, *fields: tuple[str, str]) -> Answer:
        """A navigation."""
        return await self.ask("GET", target, HTML, *fields)

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        """A browser with an empty jar."""
        jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=[self.origin])
        connector = aiohttp.TCPConnector(family=socket.AF_INET)
        async with aiohttp.ClientSession(cookie_jar=jar, connector=connector, headers=dict([HTML])) as session:
            yield Browser(self, session)

    async def sign_in(self, person: str, path: str = "/browse/KEY-1") -> tuple[str, str]:
        """Sign in with a browser of its own; returns the `Cookie` field that it would send."""
        async with self.browser() as browser:
            await browser.sign_in(person, path)
            return browser.cookie


@dataclass(slots=True)
class Browser:
    """A browser at a world, as far as tests need one: a cookie jar that follows the rules, no redirects by itself."""

    world: World
    session: aiohttp.ClientSession
    seen: list[str] = field(default_factory=list)

    async def go(self, url: str, method: str = "GET", **options: Any) -> tuple[int, str, str]:
        """One step: status, `Location` (absolute, or ""), text. Remembers every `Set-Cookie`."""
        async with self.session.request(method, URL(url, encoded=True), allow_redirects=False, **options) as answer:
            self.seen += answer.headers.getall("Set-Cookie", [])
            place = answer.headers.get("Location", "")
            return answer.status, urljoin(url, place) if place else "", await answer.text()

    async def sign_in(self, person: str, path: str = "/browse/KEY-1") -> tuple[int, str, str]:
        """Ask for a page, press the person's button, come back. Returns the last answer of the gate."""
        status, place, text = await self.go(self.world.url + path)
        assert status == 302, (status, text)
        return await self.choose(place, person)

    async def choose(self, place: str, person: str) -> tuple[int, str, str]:
        """At the provider's page *place*, and back to where the gate leads."""
        status, then, text = await self.go(place)
        if status == 200:
            found = re.search(r'name="interaction" value="([^"]+)"', text)
            assert found is not None, text
            issuer = place.partition("/authorize")[0]
            data = {"interaction": found[1], "person": person}
            status, then, text = await self.go(f"{issuer}/choose", "POST", data=data)
        assert status in {302, 303}, (status, text)
        return await self.follow(then)

    async def sign_out(self) -> None:
        """Ask for the confirm page and press its button; the provider forgets the person too."""
        status, _, text = await self.go(self.world.url + "/.lychgate/logout")
        token = text.partition('name="token" value="')[2].partition('"')[0]
        assert (200, True) == (status, bool(token))
        status, _, _ = await self.go(self.world.url + "/.lychgate/logout", "POST", data={"token": token})
        assert 303 == status
        self.session.cookie_jar.clear(lambda morsel: morsel["domain"] == "127.0.0.1")

    async def follow(self, then: str) -> tuple[int, str, str]:
        """Go on until something is no redirect."""
        status, text = 0, ""
        for _ in range(5):
            status, following, text = await self.go(then)
            if status not in {302, 303}:
                break
            then = following
        return status, then, text

    @property
    def cookies(self) -> dict[str, str]:
        """What it would send to the gate."""
        kept = self.session.cookie_jar.filter_cookies(URL(self.world.url + "/"))
        return {name: morsel.value for name, morsel in kept.items()}

    @property
    def cookie(self) -> tuple[str, str]:
        """The same as a field."""
        return "Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())


@asynccontextmanager
async def world(folder: Path, site: Site | None = None) -> AsyncIterator[World]:
    """Start everything, with its state and secrets in *folder*."""
    site = site or Site()
    port = free_port()
    if site.proof in {"sso", "crowd"}:
        site = replace(site, landing_port=free_port())
    url = f"http://localhost:{port}{site.context}"
    secret = secrets.token_urlsafe(32)
    state, tools_state = JiraState.sample(), JiraState.sample()
    token = furnish(state)
    state.tokens[MACHINES] = "alice"
    proof: SharedSecret | SignedAssertion | None = SharedSecret(SHARED)
    sso = None
    if site.proof == "sso":
        issuer = f"http://127.0.0.1:{site.landing_port}/jira"
        told = "" if site.walks == "headless" else f"{url}/.lychgate/authorize"
        proof, sso = None, replace(SsoConfig(issuer, "lychgate", LANDING, authorize_at=told), **site.sso)
    crowd = None
    if site.proof == "crowd":
        base = f"http://127.0.0.1:{site.landing_port}/jira/rest/usermanagement/1"
        proof, crowd = None, replace(CrowdConfig(base, "lychgate", LANDING), **site.crowd)
    if site.proof == "assertion":
        proof = SignedAssertion(issuer=f"{url}/.lychgate", audience=url, keys=f"{url}/.lychgate/jwks")
    async with AsyncExitStack() as stack:
        staff = await stack.enter_async_context(
            serve_provider(Provider(people(STAFF), [_client("staff", url, secret)], clock=site.clock.now))
        )
        customers = await stack.enter_async_context(
            serve_provider(Provider(people(CUSTOMERS), [_client("customers", url, secret)], clock=site.clock.now))
        )
        shape = JiraConfig(context_path=site.context, base_url=url, header_limit=200_000)
        config = replace(shape, proof=proof, sso=sso, crowd=crowd)
        jira = await stack.enter_async_context(serve_jira(state, config))
        tools = None
        if site.second:
            config = JiraConfig(
                context_path="/tools",
                base_url=f"http://localhost:{port}/tools",
                user_header="X-Tools-Person",
                proof=SharedSecret(SHARED, "X-Tools-Key"),
            )
            tools = await stack.enter_async_context(serve_jira(tools_state, config))
        kept = {"client-secret": secret, "cookie-key": secrets.token_urlsafe(48), "jira-token": token, "shared": SHARED}
        kept["landing-secret"], kept["database"] = LANDING, PASSWORD
        for name, value in kept.items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(value, encoding="ascii")
        issuers = (staff.issuer, customers.issuer)
        text = configuration(site, folder, port, jira.origin, tools.origin if tools else "", issuers)
        path = folder / "lychgate.yaml"
        path.write_text(json.dumps(text), encoding="utf-8")
        loaded, audit = load(path, serving=True), io.StringIO()
        gates = await stack.enter_async_context(AsyncExitStack())
        gate = await gates.enter_async_context(running(loaded, audit=audit, clock=site.clock))
        await remember(gate.state.ledger, "jira", staff.issuer, site.clock.now())
        if site.confluence:
            await gate.state.ledger.init("wiki", site.clock.now())
        yield World(site, port, loaded, gate, jira, tools, staff, customers, audit, token, folder, gates)


def free_port() -> int:
    """A port below those that the system hands out, so that no other connection takes it in between."""
    chance = random.SystemRandom()
    for _ in range(100):
        port = chance.randrange(20_000, 32_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("no port is free")


def _client(provider: str, url: str, secret: str) -> Client:
    origin = url.partition("//")[2].partition("/")[0]
    bases = dict.fromkeys((url, f"http://{origin}/tools", f"http://{origin}/confluence"))
    return Client(
        client_id="lychgate",
        secret=secret,
        redirect_uris=tuple(f"{base}/.lychgate/callback/{provider}" for base in bases),
        post_logout_redirect_uris=tuple(f"{base}/.lychgate/signed-out" for base in bases),
        backchannel_logout_uri=f"{url}/.lychgate/backchannel-logout/{provider}",
    )
