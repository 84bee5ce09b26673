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
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from sidecar.adapters.clock import SystemClock
from sidecar.app import Running, running
from sidecar.config.load import Loaded, load
from sidecar.demo.cast import CUSTOMERS, STAFF, furnish, people, remember
from sidecar.demo.jira import Call, JiraConfig, JiraState, RunningJira, SharedSecret, SignedAssertion, serve_jira
from sidecar.demo.provider import Client, Provider, RunningProvider, serve_provider
from sidecar.flows.telling import Clock
from tests.web.wire import Answer, Wire

SHARED = "d2hhdC1vbmx5LXR3by1vZi11cy1rbm93LTEyMzQ"
HTML = ("Accept", "text/html")
MACHINES = "MTIzNDU2Nzg5MDEyOndoYXRldmVy"
"""A personal access token by its looks; the stand-in knows it as alice's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """How a world is set up.

    Attributes:
        context: The application's context path.
        second: Whether a second application, `tools`, stands beside it on the same host below /tools.
        confluence: Address of a Confluence that stands beside it on the same host below /confluence, as `wiki`.
        proof: Of the landing, `assertion` or `secret`; the second application always has a secret.
        listen: Keys to change in how the gate listens.
        trusted: Proxies in front.
        agents, support, jira: Keys to change in the configuration of the portals and the application.
        upstream: Address of another application than the stand-in; accounts are then left alone.
        sign_out: Whether a sign-out goes on to the provider.
        audit: Where audit events go.
        clock: Of the gate and the providers; a stand-in Jira goes by the real time and then needs the proof `secret`.
    """

    context: str = ""
    second: bool = False
    confluence: str = ""
    proof: str = "assertion"
    listen: Mapping[str, Any] = field(default_factory=dict)
    trusted: Sequence[str] = ()
    agents: Mapping[str, Any] = field(default_factory=dict)
    support: Mapping[str, Any] = field(default_factory=dict)
    jira: Mapping[str, Any] = field(default_factory=dict)
    upstream: str = ""
    sign_out: bool = False
    audit: Mapping[str, Any] = field(default_factory=lambda: {"stdout": "json"})
    clock: Clock = field(default_factory=SystemClock)


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
    url = f"http://localhost:{port}{site.context}"
    secret = secrets.token_urlsafe(32)
    state, tools_state = JiraState.sample(), JiraState.sample()
    token = furnish(state)
    state.tokens[MACHINES] = "alice"
    proof: SharedSecret | SignedAssertion = SharedSecret(SHARED)
    if site.proof == "assertion":
        proof = SignedAssertion(issuer=f"{url}/.lychgate", audience=url, keys=f"{url}/.lychgate/jwks")
    async with AsyncExitStack() as stack:
        staff = await stack.enter_async_context(
            serve_provider(Provider(people(STAFF), [_client("staff", url, secret)], clock=site.clock.now))
        )
        customers = await stack.enter_async_context(
            serve_provider(Provider(people(CUSTOMERS), [_client("customers", url, secret)], clock=site.clock.now))
        )
        config = JiraConfig(context_path=site.context, base_url=url, proof=proof, header_limit=200_000)
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


def configuration(site: Site, folder: Path, port: int, jira: str, tools: str, issuers: Sequence[str]) -> dict[str, Any]:
    """The configuration file of a world."""
    origin = f"http://localhost:{port}"
    at = {"client_id": "lychgate", "client_secret": f"file://{folder}/client-secret"}
    if site.sign_out:
        at["sign_out"] = "provider"
    accounts = {
        "token": f"file://{folder}/jira-token",
        "adopt": "by_username",
        "create": True,
        "groups": {"map": [{"from": "okta-jira-users", "to": "jira-software-users"}]},
    }
    landing: dict[str, Any] = {"header": "X-Lychgate-User", "proof": site.proof}
    if site.proof == "secret":
        landing["secret"] = f"file://{folder}/shared"
    file: dict[str, Any] = {
        "version": 1,
        "listen": {"public": f"127.0.0.1:{port}", "operations": "127.0.0.1:0", "drain": 0, **site.listen},
        "state": f"file://{folder}/state",
        "trusted_proxies": list(site.trusted),
        "cookie_keys": [f"file://{folder}/cookie-key"],
        "audit": dict(site.audit),
        "providers": {
            "staff": {"preset": "okta", "issuer": issuers[0], "usernames": "authoritative", **at},
            "customers": {"issuer": issuers[1], **at},
        },
        "applications": {
            "jira": {
                "product": "jira",
                "url": origin + site.context,
                "upstream": site.upstream or jira,
                "landing": landing,
                "accounts": {} if site.upstream else accounts,
                **site.jira,
            },
        },
        "portals": _portals(site),
    }
    if site.confluence:
        _add_confluence(file, f"{origin}/confluence", site.confluence, folder)
    if site.second:
        _add_tools(file, f"{origin}/tools", tools, folder)
    return file


def _portals(site: Site) -> dict[str, Any]:
    return {
        "agents": {
            "application": "jira",
            "default": True,
            "provider": "staff",
            "require": {"any_group": ["okta-jira-users"]},
            "rules": [
                {"paths": ["@admin"], "require": {"any_group": ["okta-jira-admins"]}},
                {"paths": ["/public/**"], "answer": "public"},
                {"paths": ["/forbidden/**"], "answer": "deny"},
            ],
            **site.agents,
        },
        "support": {
            "application": "jira",
            "paths": "@jsm",
            "provider": "customers",
            "accepts": ["agents"],
            "username": {"prefix": "cust-"},
            **site.support,
        },
    }


def _add_confluence(file: dict[str, Any], url: str, upstream: str, folder: Path) -> None:
    landing = {"header": "X-Wiki-Person", "proof": "secret", "secret_header": "X-Wiki-Key"}
    file["applications"]["wiki"] = {
        "product": "confluence",
        "url": url,
        "upstream": upstream,
        "landing": {**landing, "secret": f"file://{folder}/shared"},
    }
    rule = {"paths": ["@admin"], "require": {"any_group": ["okta-jira-admins"]}}
    file["portals"]["readers"] = {"application": "wiki", "default": True, "provider": "staff", "rules": [rule]}


def _add_tools(file: dict[str, Any], url: str, upstream: str, folder: Path) -> None:
    file["applications"]["tools"] = {
        "product": "jira",
        "url": url,
        "upstream": upstream,
        "landing": {
            "header": "X-Tools-Person",
            "proof": "secret",
            "secret_header": "X-Tools-Key",
            "secret": f"file://{folder}/shared",
            "strip": ["X-Old-Receiver"],
        },
        "username": {"from": ["preferred_username"]},
    }
    file["portals"]["workshop"] = {"application": "tools", "default": True, "provider": "staff"}


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
    )
