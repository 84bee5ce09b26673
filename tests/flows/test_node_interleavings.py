"""Several nodes and two gates that share only what is spent: in whatever order nodes are lost, drained, restarted and
come back, people switch and sign out, a request goes up as its own person or as nobody.

The nodes number their sessions alike on purpose: a cookie that went to the wrong node would be somebody else's there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.holders import Holder
from sidecar.domain.session import Jar, Session, node_of, seat_of
from sidecar.flows.asking import Asking
from sidecar.flows.dance import Dance, Floor
from sidecar.flows.headless import HeadlessLanding
from sidecar.flows.landing import LandingError
from sidecar.flows.landing_codes import Codes
from sidecar.flows.streaming import UpstreamError
from sidecar.products import PRODUCTS
from sidecar.upstream.nodes import Nodes, Watch
from tests.flows.fake_holders import WhoCounts, codes_on
from tests.flows.fakes import CountingChance, FakeClock, ListAudit, MemoryMarkers, MemorySpent
from tests.flows.test_headless import CLIENT, NAMES, FakeProduct, _fields, _session

NODES = ("a:1", "b:1", "c:1")


@dataclass
class FakeNode(FakeProduct):
    """A node, and what it says of itself."""

    word: str = "RUNNING"

    async def state(self) -> tuple[int, str] | None:
        return None if self.down else (200, self.word)


@dataclass
class Gate:
    """A gate with a store of its own."""

    products: dict[str, FakeNode]
    codes: Codes
    clock: FakeClock
    kept: dict[str, Session] = field(default_factory=dict)

    def __post_init__(self) -> None:
        async def find() -> Any:
            return places

        places: Any = {name: partial(self.products.get, name) for name in NODES}
        self.nodes = Nodes(watch=Watch(find=find, otherwise=places, every=300, mark=str))
        self.landing = HeadlessLanding(
            self._dance_at, self.codes, self._forget, "X-AUSERNAME", ListAudit(), self.clock, client=CLIENT
        )
        assert self.nodes.watch is not None
        self.nodes.watch.lost.append(self.landing.doubt)

    def _dance_at(self, node: str) -> Dance:
        asking = Asking(self.nodes.at(node), b"jira", ())
        floor = Floor(asking, CLIENT, PRODUCTS["jira"], "", PRODUCTS["jira"].session_cookies)
        return Dance(floor, self.codes, self.clock)

    async def _forget(self, holder: Holder) -> None:
        self.kept[holder.session] = Session(**{**_fields(self.session(holder.session)), "jars": {}})

    def session(self, key: str) -> Session:
        return self.kept.setdefault(key, _session(key))

    def _keep(self, key: str) -> Callable[[str, Jar], None]:
        def keep(seat: str, jar: Jar) -> None:
            known = self.session(key)
            others = {one: kept for one, kept in known.jars.items() if node_of(one) != node_of(seat)}
            self.kept[key] = Session(**{**_fields(known), "jars": {**others, seat: jar}})

        return keep

    async def request(self, key: str, username: str, *, surely: bool) -> tuple[str, str | None]:
        """At which node and as whom a request would be served; None if it does not go up."""
        for _ in range(2):
            node = self.nodes.of(key)
            try:
                await self.landing.establish(
                    self.session(key), username, node.name, self.clock.now(), self._keep(key), surely=surely
                )
            except LandingError:
                return node.name, None
            except UpstreamError:
                if await self.nodes.is_lost(node.name):
                    continue
                return node.name, None
            jar = dict(self.session(key).jars.get(seat_of(node.name, username), ()))
            product = self.products[node.name]
            return node.name, None if product.down else product.sessions.get(jar.get("JSESSIONID", ""), "anonymous")
        return "", None


KEYS, WHICH, WHO = st.sampled_from(["k", "l", "m"]), st.sampled_from([0, 1]), st.sampled_from(NAMES)
WHERE = st.sampled_from(NODES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("request"), WHICH, KEYS, WHO, st.booleans()),
        st.tuples(st.sampled_from(["lose", "restart", "drain"]), WHERE),
        st.tuples(st.just("look"), WHICH),
        st.tuples(st.just("lost"), WHICH, KEYS, WHO),
        st.tuples(st.just("sign_out"), WHICH, KEYS),
        st.tuples(st.just("wait"), st.sampled_from([1, 11, 61])),
        st.tuples(st.just("turn"), st.integers(1, 9)),
    ),
    max_size=40,
)


class Play:
    """Two gates before three nodes; requests overlap, and `turn` lets all of them go on for a while."""

    def __init__(self) -> None:
        self.clock, chance = FakeClock(), CountingChance()
        spent, markers = MemorySpent(), MemoryMarkers()
        first, second = (codes_on(spent, markers, WhoCounts(), self.clock, chance) for _ in range(2))
        codes = first, second
        self.products = {name: FakeNode(codes) for name in NODES}
        for product in self.products.values():
            product.pause = self._pause
        self.gates = [Gate(self.products, one, self.clock) for one in codes]
        self.running: list[tuple[str, asyncio.Task[tuple[str, str | None]]]] = []

    async def _pause(self) -> None:
        await asyncio.sleep(0)

    async def request(self, gate: int, key: str, name: str, surely: bool) -> None:
        asked = self.gates[gate].request(key, name, surely=surely)
        self.running.append((name, asyncio.create_task(asked)))

    async def lose(self, node: str) -> None:
        self.products[node].down = True

    async def restart(self, node: str) -> None:
        product = self.products[node]
        product.down, product.word = False, "RUNNING"
        product.sessions.clear()
        product.states.clear()

    async def drain(self, node: str) -> None:
        self.products[node].word = "MAINTENANCE"

    async def look(self, gate: int) -> None:
        await self.gates[gate].nodes._ask_all()

    async def lost(self, gate: int, key: str, name: str) -> None:
        one = self.gates[gate]
        node, session = one.nodes.of(key).name, one.session(key)
        one.landing.lost(session, name, node, session.jars.get(seat_of(node, name), ()))

    async def sign_out(self, gate: int, key: str) -> None:
        await self.gates[gate].landing.end(self.gates[gate].session(key))
        self.gates[gate].kept.pop(key, None)

    async def wait(self, seconds: int) -> None:
        self.clock.time += seconds

    async def turn(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)


async def _play(steps: list[tuple[Any, ...]]) -> None:
    played = Play()
    for gate in played.gates:
        await gate.nodes.start()
    try:
        for what, *more in steps:
            await getattr(played, what)(*more)
        for name, task in played.running:
            assert (await task)[1] in {None, "anonymous", name}
        # And in the end everybody is served, on one node, the same one at both gates.
        played.clock.time += 61
        for product in played.products.values():
            product.down, product.word = False, "RUNNING"
        for gate in played.gates:
            await gate.nodes._ask_all()
        for key, name in (("k", "ada"), ("l", "bob"), ("m", "ada"), ("k", "bob")):
            first, second = [await gate.request(key, name, surely=True) for gate in played.gates]
            assert first == second == (played.gates[0].nodes.of(key).name, name)
    finally:
        for gate in played.gates:
            await gate.landing.close()
            await gate.nodes.close()


@given(STEPS)
def test_in_any_order_a_request_is_its_own_persons_or_nobodys_at_any_node(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(_play(steps))


def test_a_drained_node_moves_its_people_and_they_are_themselves_when_they_come_back() -> None:
    steps = [("request", gate, key, "ada", True) for gate in (0, 1) for key in ("k", "l", "m")]
    away = [("drain", node) for node in NODES[:2]]
    asyncio.run(_play([*steps, ("turn", 9), *away, ("look", 0), ("look", 1), *steps, ("restart", NODES[0]), *steps]))
