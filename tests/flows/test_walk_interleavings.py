"""flows.walking: in whatever order browsers take, repeat, exchange and drop the steps of their walks, sign out, come
back under another name, and the product forgets, a request is its own person's or nobody's; and in the end all arrive.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.domain.session import seat_of
from sidecar.flows.asking import Asking
from sidecar.flows.dance import Floor
from sidecar.flows.landing import LandingError
from sidecar.flows.landing_codes import Codes
from sidecar.flows.nodes import Node
from sidecar.flows.streaming import UpstreamError
from sidecar.flows.walking import BrowserLanding, NoWalkError
from sidecar.products import PRODUCTS
from tests.flows.fakes import CountingChance, ListAudit
from tests.flows.test_headless import CLIENT, NAMES, FakeProduct, Scene, _dance_of

NO = (NoWalkError, LandingError, UpstreamError)


class OneNode:
    """`flows.nodes.Nodes` of an application with one address."""

    def __init__(self, product: FakeProduct) -> None:
        self.only = Node("", product)

    def of(self, _key: str) -> Node:
        return self.only

    async def is_lost(self, _node: Node) -> bool:
        return False


class Play:
    """A gate that lets browsers walk. Each browser has a session under its letter, and knows what it was told last: the
    product's question, and the code. A step may bring what another browser was told."""

    def __init__(self) -> None:
        self.scene = Scene()
        codes = Codes(self.scene.clock, CountingChance())
        self.product = self.scene.product = FakeProduct((codes,))
        self.product.pause = self._pause
        floor = Floor(Asking(self.product, b"jira", ()), CLIENT, PRODUCTS["jira"], "", PRODUCTS["jira"].session_cookies)
        nodes: Any = OneNode(self.product)
        self.landing = BrowserLanding(
            partial(_dance_of, floor, codes, self.scene.clock), codes, "X-AUSERNAME", ListAudit(), self.scene.clock,
            client=CLIENT, nodes=nodes, at_once=True,
        )  # fmt: skip
        self.scene.landings = [self.landing]
        self.numbers, self.keys = 0, dict[str, str]()
        self.asked: dict[str, str] = {}
        self.given: dict[str, str] = {}
        self.running: list[tuple[str, asyncio.Task[str | None]]] = []
        self.walking: list[asyncio.Task[None]] = []

    async def _pause(self) -> None:
        await asyncio.sleep(0)

    def key(self, letter: str) -> str:
        """The session of that browser; a new one after a sign-out."""
        if letter not in self.keys:
            self.numbers += 1
            self.keys[letter] = f"{letter}{self.numbers}"
        return self.keys[letter]

    async def begin(self, letter: str, name: str) -> None:
        try:
            self.landing.begin(self.scene.session(self.key(letter)), name, "/page")
        except NO:
            return

    async def start(self, letter: str, name: str) -> None:
        session = self.scene.session(self.key(letter))

        async def step() -> None:
            try:
                reply = await self.landing.start(session, name)
            except NO:
                return
            self.asked[letter] = urlsplit(reply.head.leads_to.decode()).query

        self.walking.append(asyncio.create_task(step()))

    async def answer(self, letter: str, name: str, of: str) -> None:
        try:
            place = self.landing.answer(self.scene.session(self.key(letter)), name, self.asked.get(of, ""))
        except NO:
            return
        self.given[letter] = urlsplit(place).query

    async def finish(self, letter: str, name: str, of: str) -> None:
        key, query = self.key(letter), self.given.get(of, "")

        async def step() -> None:
            try:
                await self.landing.finish(self.scene.session(key), name, query, self.scene.keep(key))
            except NO:
                return

        self.walking.append(asyncio.create_task(step()))

    async def request(self, letter: str, name: str, surely: bool) -> None:
        asked = self.scene.request(self.key(letter), name, surely=surely)
        self.running.append((name, asyncio.create_task(asked)))

    async def walk(self, letter: str, name: str) -> None:
        """All steps of a browser that is let alone."""
        for step in (partial(self.begin, letter, name), partial(self.start, letter, name)):
            await step()
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
        key = self.keys.pop(letter, None)
        if key is not None:
            await self.landing.end(self.scene.session(key))
            self.scene.kept.pop((key, ""), None)

    async def wait(self, seconds: int) -> None:
        self.scene.clock.time += seconds

    async def turn(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    async def settled(self) -> None:
        """The steps under way are over."""
        for task in self.walking:
            await task
        self.walking.clear()

    def seats(self) -> None:
        """Nothing that is held is somebody else's."""
        for session in self.scene.kept.values():
            for seat, jar in session.jars.items():
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
    max_size=40,
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
    played.scene.clock.time += 121
    for letter, name in (("k", "ada"), ("l", "bob"), ("k", "bob"), ("l", "ada")):
        await played.walk(letter, name)
        assert name == await played.scene.request(played.key(letter), name, surely=True)
        played.seats()
    await played.landing.close()


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
