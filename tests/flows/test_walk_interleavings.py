"""flows.walking: in whatever order browsers take, repeat, exchange and drop the steps of their walks, each at whichever
of two gates, sign out, come back under another name, and the product forgets, a request is its own person's or
nobody's; and in the end all arrive.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.core.holders import Holder
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import Jar, Session, seat_of
from sidecar.flows.asking import Asking
from sidecar.flows.dance import Floor
from sidecar.flows.landing import LandingError
from sidecar.flows.nodes import Node
from sidecar.flows.session_ports import Stored, Vouching
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.streaming import UpstreamError
from sidecar.flows.walking import BrowserLanding, NoWalkError
from sidecar.products import PRODUCTS
from tests.flows.browsers import Gate
from tests.flows.fake_holders import WhoCounts, codes_on
from tests.flows.fakes import ListAudit, MemoryMarkers, MemorySessionStore, MemorySpent, make_policy
from tests.flows.test_headless import CLIENT, NAMES, FakeProduct, _dance_of

NO = (NoWalkError, LandingError, UpstreamError)


class OneNode:
    """`flows.nodes.Nodes` of an application with one address."""

    def __init__(self, product: FakeProduct) -> None:
        self.only = Node("", product)

    async def is_lost(self, _name: str) -> bool:
        return False


class TellingStore(MemorySessionStore):
    """Tells all instances what became of a session, a little later, as a shared store does."""

    def __init__(self) -> None:
        super().__init__()
        self.hearing: list[Sessions] = []
        self.telling: set[asyncio.Task[None]] = set()

    async def replace(self, session: Session) -> bool:
        written = await super().replace(session)
        for one in self.hearing if written else ():
            stored = Stored(session.version, UnixSeconds(0))
            task = asyncio.create_task(one.changed_elsewhere(session.key, stored))
            self.telling.add(task)
            task.add_done_callback(self.telling.discard)
        return written

    async def end(self, key: str) -> Session | None:
        found = await super().end(key)
        for one in self.hearing:
            one.ended_elsewhere(key)
        return found


class Play:
    """Two gates on one store that let browsers walk, each step at the other one. Each browser has a session, and knows
    what it was told last: the product's question, and the code. A step may bring what another browser was told."""

    def __init__(self) -> None:
        self.gate, self.counts = Gate(policy=make_policy(idle=100_000, absolute=1_000_000)), WhoCounts()
        gate, spent, markers = self.gate, MemorySpent(), MemoryMarkers()
        first, second = (codes_on(spent, markers, self.counts, gate.clock, gate.chance) for _ in range(2))
        self.product = FakeProduct((first, second))
        self.product.pause = self._pause
        gate.store = self.store = TellingStore()
        self.all = [self._sessions(), self._sessions()]
        gate.sessions, self.store.hearing = self.all[0], self.all
        floor = Floor(Asking(self.product, b"jira", ()), CLIENT, PRODUCTS["jira"], "", PRODUCTS["jira"].session_cookies)
        nodes: Any = OneNode(self.product)
        self.landings = [
            BrowserLanding(
                partial(_dance_of, floor, codes, gate.clock), codes, self._forget, "X-AUSERNAME", ListAudit(),
                gate.clock, client=CLIENT, nodes=nodes, sessions=sessions, at_once=True,
            )
            for codes, sessions in zip((first, second), self.all, strict=True)
        ]  # fmt: skip
        self.keys: dict[str, str] = {}
        self.turns = count()
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

    def _sessions(self) -> Sessions:
        gate, vouching = self.gate, Vouching(10_000_000)
        vouching.note(gate.clock.now())
        return Sessions(
            self.store, gate.barrier, gate.signer, lambda: gate.policy, gate.audit, gate.clock, gate.chance, vouching
        )

    async def at(self, letter: str) -> tuple[Entry, BrowserLanding, Sessions]:
        """The session of that browser, a new one after a sign-out, at the gate whose turn it is."""
        which = next(self.turns) % 2
        if letter not in self.keys:
            self.keys[letter] = (await self.gate.a_session(letter)).session.key
        entry = await self.all[which].find_by_key("jira", self.keys[letter])
        assert entry is not None
        return entry, self.landings[which], self.all[which]

    async def begin(self, letter: str, name: str) -> None:
        entry, landing, _ = await self.at(letter)
        try:
            await landing.begin(entry.session, name, "/page")
        except NO:
            return

    async def start(self, letter: str, name: str) -> None:
        entry, landing, _ = await self.at(letter)

        async def step() -> None:
            try:
                reply = await landing.start(entry.session, name)
            except NO:
                return
            self.asked[letter] = urlsplit(reply.head.leads_to.decode()).query

        self.walking.append(asyncio.create_task(step()))

    async def answer(self, letter: str, name: str, of: str) -> None:
        entry, landing, _ = await self.at(letter)
        try:
            place = await landing.answer(entry.session, name, self.asked.get(of, ""))
        except NO:
            return
        self.given[letter] = urlsplit(place).query

    async def finish(self, letter: str, name: str, of: str) -> None:
        (entry, landing, sessions), query = await self.at(letter), self.given.get(of, "")

        def keep(seat: str, jar: Jar) -> None:
            sessions.keep_jar(entry, seat, jar)

        async def step() -> None:
            try:
                await landing.finish(entry.session, name, query, keep)
            except NO:
                return

        self.walking.append(asyncio.create_task(step()))

    async def request(self, letter: str, name: str, surely: bool) -> None:
        self.running.append((name, asyncio.create_task(self.ask(*await self.at(letter), name, surely=surely))))

    async def ask(
        self, entry: Entry, landing: BrowserLanding, sessions: Sessions, name: str, *, surely: bool
    ) -> str | None:
        """As whom a request is served; None if it does not go up."""

        def keep(seat: str, jar: Jar) -> None:
            sessions.keep_jar(entry, seat, jar)

        try:
            await landing.establish(entry.session, name, "", self.gate.clock.now(), keep, surely=surely)
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
        if letter in self.keys:
            entry, landing, sessions = await self.at(letter)
            del self.keys[letter]
            self.counts.over.add(entry.session.key)
            await sessions.end(entry.session.key, "sign_out")
            await landing.end(entry.session)

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
        entries = [one._entries[key] for one in self.all for key in self.keys.values() if key in one._entries]
        for entry in entries:
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
        assert name == await played.ask(*await played.at(letter), name, surely=True)
        played.seats()
    for landing, sessions in zip(played.landings, played.all, strict=True):
        await landing.close()
        await sessions.close()


def _up_to(step: str, letter: str, name: str) -> list[tuple[Any, ...]]:
    way: list[tuple[Any, ...]] = [("begin", letter, name), ("start", letter, name), ("turn", 60)]
    way += [("answer", letter, name, letter), ("finish", letter, name, letter), ("turn", 60)]
    return way[: [one[0] for one in way].index(step)]


PLANTED = [*_up_to("finish", "k", "ada"), *_up_to("finish", "l", "bob"), ("finish", "k", "ada", "l"), ("turn", 60)]
SWITCHED = [*_up_to("finish", "k", "ada"), ("finish", "k", "bob", "k"), ("turn", 60), ("request", "k", "bob", True)]
MISTAKEN = [("takes", "bob"), ("walk", "k", "ada"), ("request", "k", "ada", False)]


@example(PLANTED)
@example(SWITCHED)
@example(MISTAKEN)
@given(STEPS)
def test_in_any_order_a_walk_ends_as_its_own_persons_or_nowhere(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(_play(steps))


async def test_a_step_at_a_gate_that_has_heard_nothing_yet_is_the_next_step_all_the_same() -> None:
    played = Play()
    for _ in played.all:
        _ = await played.at("k")
    played.store.hearing = []
    await played.walk("k", "ada")
    assert ["initiate-login", "callback", "myself"] == played.product.asked


async def test_of_two_gates_that_get_the_same_code_at_once_one_takes_it_to_the_product() -> None:
    played = Play()
    for what, *more in _up_to("finish", "k", "ada"):
        await getattr(played, what)(*more)
    await asyncio.gather(*(played.finish("k", "ada", "k") for _ in range(6)))
    await played.settled()
    assert 1 == played.product.asked.count("callback")
    assert "ada" == await played.ask(*await played.at("k"), "ada", surely=False)
