"""A whole process in memory with a store that outlives it, and browsers that follow the dance of a sign-in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from sidecar.adapters.seal import CookieSigner, Sealer
from sidecar.core.traits import traits_of
from sidecar.domain.decision import Place, StartLogin
from sidecar.domain.policy import (
    Application,
    Policy,
)
from sidecar.flows.bans import Bans
from sidecar.flows.barrier import Barrier
from sidecar.flows.product_sessions import ProductSessions
from sidecar.flows.revocations import Revocations
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.signin import Arrival, CookieChange, SignIn
from sidecar.flows.signout import SignOuts
from tests.flows.fakes import (
    KEY,
    TRACE,
    CountingChance,
    FakeClock,
    FakeLanding,
    FakeProduct,
    FakeProvider,
    ListAudit,
    MemoryBans,
    MemoryMarkers,
    MemorySessionStore,
    MemorySpent,
    an_opening,
    make_policy,
)


@dataclass
class Gate:
    """Everything of one process, with a store that outlives it."""

    policy: Policy = field(default_factory=make_policy)
    clock: FakeClock = field(default_factory=FakeClock)
    chance: CountingChance = field(default_factory=CountingChance)
    audit: ListAudit = field(default_factory=ListAudit)
    diary: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemorySessionStore(self.diary)
        self.spent = MemorySpent(self.diary)
        self.markers = MemoryMarkers(self.diary)
        self.banned = MemoryBans()
        self.product = FakeProduct(self.diary)
        self.providers = {
            name: FakeProvider(name, known.issuer, self.diary) for name, known in self.policy.providers.items()
        }
        self.landing = FakeLanding(self.diary)
        self.signer = CookieSigner([KEY])
        self.sealer = Sealer([KEY])
        self.restart()

    def restart(self) -> None:
        """A new process: nothing is left but the store and the keys."""
        now = lambda: self.policy  # noqa: E731
        self.bans = Bans(self.banned)
        self.barrier = Barrier(self.markers, self.clock, self.bans)
        self.sessions = Sessions(self.store, self.barrier, self.signer, now, self.audit, self.clock, self.chance)
        self.sign_in = SignIn(
            self.providers, self.sealer, self.spent, self.sessions, now, self.audit, self.clock, self.chance
        )
        landings = {"jira": self.landing}
        products = ProductSessions({"jira": self.product}, self.audit)
        self.sign_outs = SignOuts(self.sessions, self.providers, landings, products, now, self.chance)
        self.revocations = Revocations(
            self.store, self.spent, self.barrier, self.sessions, products, now, self.audit, self.clock
        )

    def application(self, name: str = "jira") -> Application:
        return self.policy.applications[name]

    async def settle(self) -> None:
        """Let background work come to its end."""
        for _ in range(200):
            await asyncio.sleep(0)

    async def a_session(self, who: str = "alice", portal: str = "agents", application: str = "jira") -> Entry:
        """Opened without a dialogue."""
        _, cookie = await self.sessions.open(an_opening(who, portal, application), None, TRACE)
        entry = await self.sessions.find(application, cookie)
        assert entry is not None
        return entry


@dataclass
class Tab:
    """A page on its way through the provider."""

    state: str
    back_to: str
    provider: FakeProvider
    query: str = ""


class Browser:
    """Keeps cookies as a browser does, and follows the dance."""

    def __init__(self, gate: Gate, application: str = "jira") -> None:
        self.gate = gate
        self.name = application
        self.cookies: dict[str, str] = {}
        self.session: str | None = None
        self.landed: list[str] = []

    async def leave(
        self,
        back_to: str = "/jira/browse/ABC-1",
        portal: str = "agents",
        *,
        silent: bool = False,
        max_age: int | None = None,
        carrying: Mapping[str, str] | None = None,
    ) -> Tab | str:
        """Ask for a page without a session (or silently with one): the tab at the provider, or where else it is sent.

        *carrying*: the cookies of the moment at which the request went out, if not those of now.
        """
        application = self.gate.application(self.name)
        home = application.portal(portal)
        assert home is not None
        order = StartLogin(
            place=Place(
                application=application,
                portal=home,
                shared="",
                path=back_to,
                below=back_to,
                traits=traits_of(application, home, (back_to,)),
            ),
            portal=home,
            provider=home.providers[0],
            back_to=back_to,
            rule="agents/default",
            silent=silent,
            max_age=max_age,
        )
        carried = self.cookies if carrying is None else carrying
        departure = await self.gate.sign_in.start(order, dict(carried), TRACE)
        self.keep(departure.cookies)
        if departure.location.startswith(application.origin):
            return departure.location
        state = parse_qs(urlsplit(departure.location).query)["state"][0]
        return Tab(state, back_to, self.gate.providers[order.provider])

    async def at_provider(self, *args: str, who: str = "alice", **options: object) -> Tab:
        """`leave`, and the person has signed in."""
        tab = await self.leave(*args, **options)  # type: ignore[arg-type]
        assert isinstance(tab, Tab)
        tab.query = tab.provider.approves(tab.state, who)
        return tab

    async def entry(self) -> Entry | None:
        return await self.gate.sessions.find(self.name, self.session)

    async def come_back(self, tab: Tab, **changes: str) -> Arrival:
        """The callback; its cookies are kept when its answer is there."""
        arrival = await self.callback(tab, **changes)
        self.receive(arrival)
        return arrival

    async def callback(self, tab: Tab, *, query: str = "", provider: str = "", application: str = "") -> Arrival:
        """The callback as the gateway makes it, with the cookies of the moment at which the request goes out."""
        present, cookies = await self.entry(), dict(self.cookies)
        return await self.gate.sign_in.finish(
            self.gate.application(application or self.name),
            provider or tab.provider.name,
            query or tab.query,
            cookies,
            present,
            TRACE,
        )

    def receive(self, arrival: Arrival) -> None:
        self.keep(arrival.cookies)
        if arrival.session_cookie is not None:
            self.session = arrival.session_cookie
        self.landed.append(arrival.location)

    async def signs_in(self, *args: str, who: str = "alice", **options: object) -> Entry:
        """From no session to the page."""
        await self.come_back(await self.at_provider(*args, who=who, **options))
        entry = await self.entry()
        assert entry is not None
        return entry

    def keep(self, changes: tuple[CookieChange, ...]) -> None:
        for change in changes:
            if change.value is None:
                self.cookies.pop(change.name, None)
            else:
                self.cookies[change.name] = change.value

    def cookie_field(self) -> str:
        """What stands in `Cookie` on every request."""
        prefix = self.gate.application(self.name).cookie
        own = [f"{prefix}.{name}={value}" for name, value in self.cookies.items()]
        return "; ".join([*own, *([f"{prefix}={self.session}"] if self.session else [])])
