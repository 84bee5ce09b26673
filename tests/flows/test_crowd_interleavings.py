"""Landing as a Crowd server: in whatever order people ask, switch, sign out and sign in, the product restarts and asks
again or goes by what it heard, at whichever of two gates, and gates restart, a request is served as its own person or
as nobody, and what a session left behind is of no use after its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.adapters.seal import Sealer
from sidecar.core.holders import Holder
from sidecar.domain.session import Jar, Session, jars_after, seat_of
from sidecar.flows.crowd_landing import CrowdLanding
from sidecar.flows.crowd_tokens import COOKIE, Given, Tokens
from tests.flows.fakes import KEY, CountingChance, FakeClock, ListAudit, MemoryMarkers
from tests.flows.test_headless import NAMES, _session

NOBODY, NODES = "anonymous", ("a:1", "b:1")
Whose = Callable[[str], Awaitable[str | None]]


@dataclass
class FakeProduct:
    """The product's client of Crowd's single sign-on: a session of its own, believed for *interval* seconds for the
    token with which it was confirmed, and never without one. A restart gives the same ids anew: a cookie of before is
    somebody else's."""

    clock: FakeClock
    interval: int
    sessions: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: count(1))

    async def serve(self, jar: Jar, whose: Whose) -> tuple[str, str | None]:
        """As whom a request is served, and the new session cookie if there is one."""
        cookies = dict(jar)
        token, kept = cookies.get(COOKIE, ""), self.sessions.get(cookies.get("JSESSIONID", ""))
        await asyncio.sleep(0)
        if not token:
            self.sessions.pop(cookies.get("JSESSIONID", ""), None)
            return NOBODY, None
        if kept is not None and kept[1] == token and self.clock.time - kept[2] < self.interval:
            return kept[0], None
        name = await whose(token)
        if name is None:
            self.sessions.pop(cookies.get("JSESSIONID", ""), None)
            return NOBODY, None
        number = cookies["JSESSIONID"] if kept is not None and kept[0] == name else f"j{next(self.numbers)}"
        self.sessions[number] = name, token, self.clock.time
        return name, None if number == cookies.get("JSESSIONID") else number

    def restart(self) -> None:
        """All sessions are forgotten, and numbers begin anew."""
        self.sessions.clear()
        self.numbers = count(1)


class Play:
    """Two gates before two nodes of such a product, which asks either in turn. Requests overlap, and `turn` lets all of
    them go on for a while.

    A session is *kept* until it ends; a new one then begins under the same letter with a key of its own.
    """

    def __init__(self, interval: int) -> None:
        self.clock, self.chance, self.audit = FakeClock(), CountingChance(), ListAudit()
        self.interval = interval
        self.products = {node: FakeProduct(self.clock, interval) for node in NODES}
        self.kept: dict[str, Session] = {}
        self.keys = count(1)
        self.left: list[tuple[str, str, str, Jar]] = []
        """Every jar that ever went up: of which session, as whom, to which node."""
        self.last: dict[str, str] = {}
        """As whom a session landed last."""
        self.running: list[tuple[str, asyncio.Task[str]]] = []
        self.markers, self.turns = MemoryMarkers(), count()
        self.tokens: list[Tokens] = [self._made(), self._made()]

    def _made(self) -> Tokens:
        return Tokens(Sealer([KEY]), self, self.markers, lambda: 900, self.clock, self.chance)

    async def session_of(self, holder: Holder) -> Session | None:
        """See `flows.holders.Vouches`: both gates have the same sessions."""
        await asyncio.sleep(0)
        return next((one for one in self.kept.values() if one.key == holder.session), None)

    async def lends(self, holder: Holder, username: str) -> bool:
        """No caller comes here."""
        raise AssertionError(holder)

    async def _found(self, token: str) -> Given | None:
        return await self.tokens[next(self.turns) % 2].find("jira", token)

    async def _whose(self, token: str) -> str | None:
        found = await self._found(token)
        return found.username if found is not None else None

    def session(self, letter: str) -> Session:
        """The session of that browser; a new one where it had none."""
        return self.kept.setdefault(letter, _session(f"{letter}{next(self.keys)}"))

    def _keep(self, key: str) -> Callable[[str, Jar], None]:
        def keep(seat: str, jar: Jar) -> None:
            for letter, known in self.kept.items():
                if known.key == key:
                    self.kept[letter] = replace(known, jars=jars_after(known.jars, seat, jar))

        return keep

    async def _asked(self, letter: str, name: str, node: str, surely: bool) -> str:
        key, now = self.session(letter).key, self.clock.now()
        landing = CrowdLanding(self.tokens[next(self.turns) % 2], "X-AUSERNAME", self.audit)
        fields = await landing.establish(self.session(letter), name, node, now, self._keep(key), surely=surely)
        self.last[key] = name
        known = self.kept.get(letter)
        # As the gate does: a session that ended or changed while the request waited takes it no further.
        if known is None or known.key != key or fields:
            return NOBODY
        seat = seat_of(node, name)
        jar = known.jars.get(seat, ())
        self.left.append((key, name, node, jar))
        served, cookie = await self.products[node].serve(jar, self._whose)
        known = self.kept.get(letter)
        # A late answer puts nobody out who sits there meanwhile under another name.
        if cookie is not None and known is not None and known.key == key and seat in known.jars:
            now_there = dict(known.jars.get(seat, ())) | {"JSESSIONID": cookie}
            self._keep(key)(seat, tuple(sorted(now_there.items())))
        return served

    # The steps.

    async def request(self, letter: str, name: str, node: str, surely: bool, turns: int) -> None:
        self.running.append((name, asyncio.create_task(self._asked(letter, name, node, surely))))
        await self.turn(turns)

    async def end(self, letter: str) -> None:
        """Nobody tells the landing."""
        self.kept.pop(letter, None)

    async def product_out(self, letter: str) -> None:
        """A log-out at the product: `DELETE /session/{token}` with the last token of that browser."""
        session = self.kept.get(letter)
        for cookies in session.jars.values() if session is not None else ():
            found = await self._found(dict(cookies).get(COOKIE, ""))
            if found is not None:
                session_key = found.token.holder.session
                for one in [letter for letter, kept in self.kept.items() if kept.key == session_key]:
                    del self.kept[one]

    async def restart_product(self, node: str) -> None:
        self.products[node].restart()

    async def restart_gate(self, which: int) -> None:
        """Sessions are in the store; what the gate remembered is forgotten."""
        self.tokens[which] = self._made()

    async def wait(self, seconds: int) -> None:
        self.clock.time += seconds

    async def turn(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    async def settled(self) -> None:
        """Everything under way is over."""
        for name, task in self.running:
            assert await task in {NOBODY, name}
        self.running.clear()

    async def replay(self) -> None:
        """All that ever went up is sent straight to the product by somebody who has it."""
        await self.settled()
        for key, name, node, jar in list(self.left):
            alive = any(one.key == key for one in self.kept.values())
            served, _ = await self.products[node].serve(jar, self._whose)
            assert served in {NOBODY, name}
            if not self.interval and not (alive and self.last[key] == name):
                # Its session is over, or is somebody else's now.
                assert NOBODY == served
            # Without the token, which only the gate adds, its session is nobody's whatever it heard before.
            bare = tuple(one for one in jar if one[0] != COOKIE)
            assert NOBODY == (await self.products[node].serve(bare, self._whose))[0]


LETTERS, WHO, WHERE = st.sampled_from(["k", "l"]), st.sampled_from(NAMES), st.sampled_from(NODES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("request"), LETTERS, WHO, WHERE, st.booleans(), st.integers(0, 9)),
        st.tuples(st.sampled_from(["end", "product_out"]), LETTERS),
        st.tuples(st.just("replay")),
        st.tuples(st.just("restart_gate"), st.sampled_from([0, 1])),
        st.tuples(st.just("restart_product"), WHERE),
        st.tuples(st.just("wait"), st.sampled_from([1, 61, 301])),
        st.tuples(st.just("turn"), st.integers(1, 9)),
    ),
    min_size=8,
    max_size=40,
)


async def _play(steps: list[tuple[Any, ...]], interval: int) -> None:
    played = Play(interval)
    for what, *more in steps:
        await getattr(played, what)(*more)
    await played.replay()
    # And in the end everybody is served as themselves, again and again, whoever was there before.
    for node in NODES:
        for letter, name in (("k", "ada"), ("k", "ada"), ("l", "bob"), ("k", "bob"), ("l", "ada"), ("l", "ada")):
            await played.request(letter, name, node, True, 0)
            (_, task) = played.running[-1]
            assert name == await task
    await played.replay()
    await played.end("k")
    await played.end("l")
    await played.replay()
    assert {} == played.kept


ENDED = [("request", "k", "ada", "a:1", True, 9), ("end", "k"), ("replay",)]
SWITCHED = [("request", "k", name, node, True, 9) for name, node in (("ada", "a:1"), ("bob", "b:1"))]
LATE = [("request", "k", "ada", "a:1", True, 1), ("request", "k", "bob", "a:1", True, 1), ("turn", 9), ("replay",)]


BACK_AGAIN = [
    ("request", "l", "bob", "a:1", False, 9), ("request", "l", "ada", "b:1", False, 0),
    ("request", "l", "bob", "b:1", False, 0),
]  # fmt: skip


@example(BACK_AGAIN, 0)
@example(ENDED, 0)
@example([*SWITCHED, ("replay",)], 0)
@example(LATE, 300)
@given(steps=STEPS, interval=st.sampled_from([0, 300]))
def test_in_any_order_a_request_is_its_own_persons_or_nobodys(steps: list[tuple[Any, ...]], interval: int) -> None:
    asyncio.run(_play(steps, interval))


def test_whom_the_product_heard_of_is_gone_once_the_interval_is_over() -> None:
    """Behind the gate's back, with all cookies in hand: the product asks again, and nobody is there."""

    async def play() -> None:
        played = Play(300)
        await played.request("k", "ada", "a:1", False, 0)
        await played.settled()
        await played.request("k", "ada", "a:1", False, 0)
        await played.settled()
        await played.end("k")
        *_, node, jar = played.left[-1]
        assert {COOKIE, "JSESSIONID"} == set(dict(jar))
        assert "ada" == (await played.products[node].serve(jar, played._whose))[0]
        played.clock.time += 301
        assert NOBODY == (await played.products[node].serve(jar, played._whose))[0]

    asyncio.run(play())
