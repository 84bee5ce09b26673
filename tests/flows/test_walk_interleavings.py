"""flows.walking: in whatever order browsers take, repeat, exchange and drop the steps of their walks, sign out, come
back under another name, and the product forgets, a request is its own person's or nobody's; and in the end all arrive.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.core.holders import Holder
from sidecar.domain.session import Jar, seat_of
from sidecar.flows.asking import Asking
from sidecar.flows.dance import Floor
from sidecar.flows.landing import LandingError
from sidecar.flows.nodes import Node
from sidecar.flows.sessions import Entry
from sidecar.flows.streaming import UpstreamError
from sidecar.flows.walking import BrowserLanding, NoWalkError
from sidecar.products import PRODUCTS
from tests.flows.browsers import Gate
from tests.flows.fake_holders import WhoCounts, codes_on
from tests.flows.fakes import CountingChance, ListAudit, MemoryMarkers, MemorySpent, make_policy
from tests.flows.test_headless import CLIENT, NAMES, FakeProduct, _dance_of

NO = (NoWalkError, LandingError, UpstreamError)


class OneNode:
    """`flows.nodes.Nodes` of an application with one address."""

    def __init__(self, product: FakeProduct) -> None:
        self.only = Node("", product)

    async def is_lost(self, _name: str) -> bool:
        return False


class Play:
    """A gate that lets browsers walk, on sessions as they are. Each browser has a session, and knows what it was told
    last: the product's question, and the code. A step may bring what another browser was told."""

    def __init__(self) -> None:
        self.gate, self.counts = Gate(policy=make_policy(idle=100_000, absolute=1_000_000)), WhoCounts()
        codes = codes_on(MemorySpent(), MemoryMarkers(), self.counts, self.gate.clock, CountingChance())
        self.product = FakeProduct((codes,))
        self.product.pause = self._pause
        floor = Floor(Asking(self.product, b"jira", ()), CLIENT, PRODUCTS["jira"], "", PRODUCTS["jira"].session_cookies)
        nodes: Any = OneNode(self.product)
        self.landing = BrowserLanding(
            partial(_dance_of, floor, codes, self.gate.clock), codes, self._forget, "X-AUSERNAME", ListAudit(),
            self.gate.clock, client=CLIENT, nodes=nodes, sessions=self.gate.sessions, at_once=True,
        )  # fmt: skip
        self.entries: dict[str, Entry] = {}
        self.asked: dict[str, str] = {}
        self.given: dict[str, str] = {}
        self.running: list[tuple[str, asyncio.Task[str | None]]] = []
        self.walking: list[asyncio.Task[None]] = []

    async def _pause(self) -> None:
        await asyncio.sleep(0)

    async def _forget(self, holder: Holder) -> None:
        entry = await self.gate.sessions.find_by_key("jira", holder.session)
        if entry is not None:
            await self.gate.sessions.change(entry, lambda stored: replace(stored, jars={}))

    async def entry(self, letter: str) -> Entry:
        """The session of that browser; a new one after a sign-out."""
        if letter not in self.entries:
            self.entries[letter] = await self.gate.a_session(letter)
        return self.entries[letter]

    async def begin(self, letter: str, name: str) -> None:
        try:
            await self.landing.begin((await self.entry(letter)).session, name, "/page")
        except NO:
            return

    async def start(self, letter: str, name: str) -> None:
        session = (await self.entry(letter)).session

        async def step() -> None:
            try:
                reply = await self.landing.start(session, name)
            except NO:
                return
            self.asked[letter] = urlsplit(reply.head.leads_to.decode()).query

        self.walking.append(asyncio.create_task(step()))

    async def answer(self, letter: str, name: str, of: str) -> None:
        try:
            place = await self.landing.answer((await self.entry(letter)).session, name, self.asked.get(of, ""))
        except NO:
            return
        self.given[letter] = urlsplit(place).query

    async def finish(self, letter: str, name: str, of: str) -> None:
        entry, query = await self.entry(letter), self.given.get(of, "")

        def keep(seat: str, jar: Jar) -> None:
            self.gate.sessions.keep_jar(entry, seat, jar)

        async def step() -> None:
            try:
                await self.landing.finish(entry.session, name, query, keep)
            except NO:
                return

        self.walking.append(asyncio.create_task(step()))

    async def request(self, letter: str, name: str, surely: bool) -> None:
        self.running.append((name, asyncio.create_task(self.ask(await self.entry(letter), name, surely=surely))))

    async def ask(self, entry: Entry, name: str, *, surely: bool) -> str | None:
        """As whom a request is served; None if it does not go up."""

        def keep(seat: str, jar: Jar) -> None:
            self.gate.sessions.keep_jar(entry, seat, jar)

        try:
            await self.landing.establish(entry.session, name, "", self.gate.clock.now(), keep, surely=surely)
        except NO:
            return None
        if entry.ended:
            return None
        jar = dict(entry.session.jars.get(seat_of("", name), ()))
        return self.product.sessions.get(jar.get("JSESSIONID", ""), "anonymous")

    async def walk(self, letter: str, name: str) -> None:
        """All steps of a browser that is let alone."""
        await self.begin(letter, name)
        await self.start(letter, name)
        await self.settled()
        await self.answer(letter, name, letter)
        await self.finish(letter, name, letter)
        await self.settled()

    async def forget(self) -> None:
        self.product.sessions.clear()

    async def states(self) -> None:
        self.product.states.clear()

    async def takes(self, name: str) -> None:
        """The product takes everybody for somebody, until it does no more."""
        self.product.takes = name

    async def end(self, letter: str) -> None:
        entry = self.entries.pop(letter, None)
        if entry is not None:
            self.counts.over.add(entry.session.key)
            await self.gate.sessions.end(entry.session.key, "sign_out")
            await self.landing.end(entry.session)

    async def wait(self, seconds: int) -> None:
        self.gate.clock.time += seconds

    async def turn(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    async def settled(self) -> None:
        """The steps under way are over, and noted."""
        for task in self.walking:
            await task
        self.walking.clear()
        await self.turn(30)

    def seats(self) -> None:
        """Nothing that is held is somebody else's."""
        for entry in self.entries.values():
            for seat, jar in entry.session.jars.items():
                name = self.product.sessions.get(dict(jar).get("JSESSIONID", ""))
                assert name is None or seat == seat_of("", name)


LETTERS, WHO = st.sampled_from(["k", "l"]), st.sampled_from(NAMES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("walk"), LETTERS, WHO),
        st.tuples(st.sampled_from(["begin", "start"]), LETTERS, WHO),
        st.tuples(st.sampled_from(["answer", "finish"]), LETTERS, WHO, LETTERS),
        st.tuples(st.just("request"), LETTERS, WHO, st.booleans()),
        st.tuples(st.sampled_from(["forget", "states"])),
        st.tuples(st.just("takes"), st.sampled_from(["", "", *NAMES])),
        st.tuples(st.just("end"), LETTERS),
        st.tuples(st.just("wait"), st.sampled_from([1, 11, 61, 121])),
        st.tuples(st.just("turn"), st.integers(1, 9)),
    ),
    min_size=6,
    max_size=20,
)


async def _play(steps: list[tuple[Any, ...]]) -> None:
    played = Play()
    for what, *more in steps:
        await getattr(played, what)(*more)
        played.seats()
    await played.settled()
    played.seats()
    # Who waits for a walk that nobody goes on with is let go by its end.
    for letter in ("k", "l"):
        await played.end(letter)
    for name, task in played.running:
        assert await task in {None, "anonymous", name}
    # And then everybody arrives as themselves, whoever sat there before.
    played.product.takes = ""
    played.gate.clock.time += 121
    for letter, name in (("k", "ada"), ("l", "bob"), ("k", "bob"), ("l", "ada")):
        await played.walk(letter, name)
        assert name == await played.ask(await played.entry(letter), name, surely=True)
        played.seats()
    await played.landing.close()
    await played.gate.sessions.close()


def _up_to(step: str, letter: str, name: str) -> list[tuple[Any, ...]]:
    way: list[tuple[Any, ...]] = [("begin", letter, name), ("start", letter, name), ("turn", 9)]
    way += [("answer", letter, name, letter), ("finish", letter, name, letter), ("turn", 9)]
    return way[: [one[0] for one in way].index(step)]


PLANTED = [*_up_to("finish", "k", "ada"), *_up_to("finish", "l", "bob"), ("finish", "k", "ada", "l"), ("turn", 9)]
SWITCHED = [*_up_to("finish", "k", "ada"), ("finish", "k", "bob", "k"), ("turn", 9), ("request", "k", "bob", True)]
MISTAKEN = [("takes", "bob"), ("walk", "k", "ada"), ("request", "k", "ada", False)]


@example(PLANTED)
@example(SWITCHED)
@example(MISTAKEN)
@given(STEPS)
def test_in_any_order_a_walk_ends_as_its_own_persons_or_nowhere(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(_play(steps))
