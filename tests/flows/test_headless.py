"""flows.headless: whatever happens in whatever order, a request goes up with the session of its own person or with
none; dances are shared, and refusals are remembered for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.answers import lines_of, specials
from sidecar.core.grants import Client, Redemption
from sidecar.core.holders import Holder
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar, Session, seat_of
from sidecar.flows.asking import Asking
from sidecar.flows.dance import Dance, Floor
from sidecar.flows.headless import HeadlessLanding
from sidecar.flows.landing import LandingError
from sidecar.flows.landing_codes import Codes, Redeemed
from sidecar.flows.streaming import Answer, AnswerHead, Outcome, Outgoing, UpstreamError
from sidecar.products import PRODUCTS
from tests.flows.fake_holders import WhoCounts, codes_on
from tests.flows.fakes import CountingChance, FakeClock, ListAudit, MemoryMarkers, MemorySpent

CLIENT = Client(
    issuer="http://gate/jira", client_id="lychgate", redirect_uri="https://jira/plugins/servlet/oidc/callback"
)
NAMES = ("ada", "bob")


@dataclass
class FakeProduct:
    """`flows.streaming.Upstream`: a product with an OpenID client, which redeems codes as soon as it has them."""

    codes: tuple[Codes, ...]
    sessions: dict[str, str] = field(default_factory=dict)
    states: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    down: bool = False
    refuses: bool = False
    takes: str = ""
    skips: bool = False
    repeats: bool = False
    last: Redemption | None = None
    numbers: Any = field(default_factory=lambda: count(1))
    turns: Any = field(default_factory=count)
    pause: Callable[[], Awaitable[None]] | None = None

    async def exchange(self, request: Outgoing, answer: Answer) -> Outcome:
        if self.pause is not None:
            await self.pause()
        if self.down:
            raise UpstreamError("connect", "down")
        target, cookies = _read(request.head)
        path, query = target.path, {name: values[0] for name, values in parse_qs(target.query).items()}
        self.asked.append(path.rpartition("/")[2])
        fields: list[tuple[bytes, bytes]] = []
        status = 302
        if path.endswith("initiate-login"):
            state = f"s{next(self.numbers)}"
            self.states.add(state)
            asked = {
                "response_type": "code", "scope": "openid", "client_id": "lychgate", "state": state, "nonce": "n",
                "redirect_uri": CLIENT.redirect_uri,
            }  # fmt: skip
            place = f"{CLIENT.authorization_endpoint}?{urlencode(asked)}"
            fields = [(b"Location", place.encode()), (b"Set-Cookie", b"session-data=; Max-Age=300")]
        elif path.endswith("callback"):
            self.last = Redemption(query["code"], CLIENT.redirect_uri, None)
            redeemed = await self._redeem(self.last) if not self.skips else None
            if self.skips:
                self.sessions["j"] = "ada"
                fields = [(b"Location", b"/"), (b"Set-Cookie", b"JSESSIONID=j")]
            elif redeemed is None or self.refuses or query["state"] not in self.states:
                status = 400
            else:
                key = f"j{next(self.numbers)}"
                self.sessions[key] = self.takes or redeemed.grant.username
                fields = [(b"Location", b"/"), (b"Set-Cookie", f"JSESSIONID={key}; Path=/".encode())]
        else:
            if self.repeats and self.last is not None:
                _ = await self._redeem(self.last)
            who = self.sessions.get(cookies.get("JSESSIONID", ""), "anonymous")
            status, fields = 200, [(b"X-AUSERNAME", who.encode())]
        lines = lines_of(fields)
        answer.begin(AnswerHead(status, b"", lines, specials(lines), 0, chunked=False, bodiless=False))
        answer.end()
        return Outcome("complete", None, 0, 0.0)

    async def _redeem(self, redemption: Redemption) -> Redeemed | None:
        """At whichever gate the balancer leads to: each in turn."""
        return await self.codes[next(self.turns) % len(self.codes)].redeem(CLIENT, redemption)

    def begin(self, *_: object) -> None:
        raise AssertionError("nothing quick is asked here")

    async def close(self) -> None:
        return None


def _read(head: bytes) -> tuple[Any, dict[str, str]]:
    line, *rest = head.decode().split("\r\n")
    field = next((text for text in rest if text.startswith("Cookie: ")), "Cookie: ")
    pairs = (pair.partition("=") for pair in field.removeprefix("Cookie: ").split("; "))
    return urlsplit(line.split(" ")[1]), {name: value for name, _, value in pairs}


@dataclass
class Scene:
    """The landings of two gates before such a product, and the sessions of two people, which both gates share."""

    clock: FakeClock = field(default_factory=FakeClock)
    audit: ListAudit = field(default_factory=ListAudit)
    counts: WhoCounts = field(default_factory=WhoCounts)
    kept: dict[tuple[str, str], Session] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance, spent, markers = CountingChance(), MemorySpent(), MemoryMarkers()
        first, second = (codes_on(spent, markers, self.counts, self.clock, chance) for _ in range(2))
        self.codes = first, second
        self.product = FakeProduct(self.codes)
        asking = Asking(self.product, b"jira", ())
        floor = Floor(asking, CLIENT, PRODUCTS["jira"], "", PRODUCTS["jira"].session_cookies)
        self.landings = [
            HeadlessLanding(
                partial(_dance_of, floor, codes, self.clock),
                codes,
                self._forget,
                "X-AUSERNAME",
                self.audit,
                self.clock,
                client=CLIENT,
            )
            for codes in self.codes
        ]
        self.landing = self.landings[0]

    async def _forget(self, holder: Holder) -> None:
        """The jars of a session stand in its record, which both gates have."""
        self.kept[holder.session, ""] = Session(**{**_fields(self.session(holder.session)), "jars": {}})

    def session(self, key: str) -> Session:
        """By its key, which is all that the browser has; whatever name its person has at the moment."""
        return self.kept.setdefault((key, ""), _session(key))

    def keep(self, key: str) -> Callable[[str, Jar], None]:
        def keep(seat: str, jar: Jar) -> None:
            known = self.session(key)
            self.kept[key, ""] = Session(**{**_fields(known), "jars": {seat: jar}})

        return keep

    async def request(self, key: str, username: str, *, surely: bool = False, gate: int = 0) -> str | None:
        """As whom a request would be served; None if it does not go up."""
        now = self.clock.now()
        try:
            await self.landings[gate].establish(self.session(key), username, "", now, self.keep(key), surely=surely)
        except (LandingError, UpstreamError):
            return None
        jar = self.session(key).jars.get(seat_of("", username), ())
        return self.product.sessions.get(dict(jar).get("JSESSIONID", ""), "anonymous")

    def lost(self, key: str, username: str, gate: int = 0) -> bool:
        jar = self.session(key).jars.get(seat_of("", username), ())
        return self.landings[gate].lost(self.session(key), username, "", jar)


def _dance_of(floor: Floor, codes: Codes, clock: FakeClock, _node: str) -> Dance:
    return Dance(floor, codes, clock)


def _fields(session: Session) -> dict[str, Any]:
    return {name: getattr(session, name) for name in Session.__dataclass_fields__}


def _session(key: str) -> Session:
    return Session(
        key=key,
        application="jira",
        portal="agents",
        identity=Identity(person=Person("https://id", key), provider="okta", claims={}, groups=()),
        created_at=UnixSeconds(0),
        ends_at=UnixSeconds(9_999_999_999),
        checked_at=UnixSeconds(0),
        form_token="f",
    )


async def test_a_person_lands_once_and_is_there() -> None:
    scene = Scene()
    assert ["ada", "ada"] == [await scene.request("k", "ada"), await scene.request("k", "ada", surely=True)]
    assert ["initiate-login", "callback", "myself"] == scene.product.asked
    assert scene.landing.at_hand(scene.session("k"), "ada", "", scene.clock.now()) == ()
    assert scene.landing.at_hand(scene.session("k"), "bob", "", scene.clock.now()) is None


async def test_all_who_wait_share_one_dance_and_one_refusal() -> None:
    scene = Scene()
    assert {"ada"} == set(await asyncio.gather(*(scene.request("k", "ada") for _ in range(20))))
    assert 1 == scene.product.asked.count("callback")
    scene.product.refuses = True
    assert {None} == set(await asyncio.gather(*(scene.request("l", "ada") for _ in range(20))))
    assert None is await scene.request("l", "ada")
    assert 3 == scene.product.asked.count("callback")
    scene.clock.time += 5
    scene.product.refuses = False
    assert "ada" == await scene.request("l", "ada")


async def test_who_leaves_stops_nobody() -> None:
    scene = Scene()
    going = asyncio.Event()

    async def pause() -> None:
        await going.wait()

    scene.product.pause = pause
    first, second = (asyncio.create_task(scene.request("k", "ada")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    going.set()
    assert "ada" == await second
    assert 1 == scene.product.asked.count("callback")


async def test_a_session_ends_and_its_memory_with_it() -> None:
    scene = Scene()
    _ = await scene.request("k", "ada"), await scene.request("l", "ada")
    await scene.landing.end(scene.session("k"))
    assert ["l"] == [key for key, _ in scene.landing._seats]


async def test_a_product_that_is_down_leaves_no_refusal_behind() -> None:
    scene = Scene()
    scene.product.down = True
    assert None is await scene.request("k", "ada")
    scene.product.down = False
    assert "ada" == await scene.request("k", "ada")
    assert ["landing.established"] == [event.code.value for event in scene.audit.events]


@pytest.mark.parametrize("takes", ["bob", "preferred_username"])
async def test_somebody_elses_session_is_never_kept(takes: str) -> None:
    scene = Scene()
    scene.product.takes = takes
    assert None is await scene.request("k", "ada")
    assert {} == dict(scene.session("k").jars)
    (event,) = scene.audit.events
    assert (Reason.LANDING_MISMATCH, "landing.mismatch") == (event.reason, event.code.value)


async def test_a_product_that_goes_on_without_the_code_lands_nobody() -> None:
    scene = Scene()
    scene.product.skips = True
    assert None is await scene.request("k", "ada")
    assert {} == dict(scene.session("k").jars)


async def test_a_code_that_is_used_again_while_the_dance_is_under_way_lands_nobody() -> None:
    scene = Scene()
    scene.product.repeats = True
    assert None is await scene.request("k", "ada")
    assert {} == dict(scene.session("k").jars)
    scene.product.repeats = False
    scene.clock.time += 5
    assert "ada" == await scene.request("k", "ada")


async def test_an_answer_to_cookies_of_before_is_asked_for_again() -> None:
    scene = Scene()
    assert "ada" == await scene.request("k", "ada")
    seat = scene.session("k").jars[seat_of("", "ada")]
    assert not scene.landing.lost(scene.session("k"), "ada", "", seat)
    assert scene.landing.lost(scene.session("k"), "ada", "", (("JSESSIONID", "of before"),))
    # It has said nothing of the session that is there now.
    assert () == scene.landing.at_hand(scene.session("k"), "ada", "", scene.clock.now())


KEYS, GATES = st.sampled_from(["k", "l"]), st.sampled_from([0, 1])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("request"), KEYS, st.sampled_from(NAMES), st.booleans(), GATES),
        st.tuples(st.just("lost"), KEYS, st.sampled_from(NAMES), GATES),
        st.tuples(st.just("wait"), st.sampled_from([1, 11, 61])),
        st.tuples(st.sampled_from(["forget", "states", "spoil"])),
        st.tuples(st.sampled_from(["down", "refuses"]), st.booleans()),
        st.tuples(st.just("end"), KEYS),
        st.tuples(st.just("turn"), st.integers(1, 9)),
    ),
    max_size=30,
)


class Play:
    """A scene in which requests overlap: each step only begins one, and `turn` lets all of them go on for a while."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.scene.product.pause = self._pause
        self.running: list[tuple[str, asyncio.Task[str | None]]] = []

    async def _pause(self) -> None:
        await asyncio.sleep(0)

    async def take(self, what: str, *more: Any) -> None:
        """One step."""
        await getattr(self, what)(*more)

    async def request(self, key: str, name: str, surely: bool, gate: int) -> None:
        self.running.append((name, asyncio.create_task(self.scene.request(key, name, surely=surely, gate=gate))))

    async def lost(self, key: str, name: str, gate: int) -> None:
        self.scene.lost(key, name, gate)

    async def wait(self, seconds: int) -> None:
        self.scene.clock.time += seconds

    async def forget(self) -> None:
        self.scene.product.sessions.clear()

    async def states(self) -> None:
        self.scene.product.states.clear()

    async def spoil(self) -> None:
        """Somebody uses the last code once more, at the gate whose turn it is."""
        if self.scene.product.last is not None:
            _ = await self.scene.product._redeem(self.scene.product.last)

    async def down(self, whether: bool) -> None:
        self.scene.product.down = whether

    async def refuses(self, whether: bool) -> None:
        self.scene.product.refuses = whether

    async def end(self, key: str) -> None:
        for landing in self.scene.landings:
            await landing.end(self.scene.session(key))
        self.scene.kept.pop((key, ""), None)

    async def turn(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)


@given(STEPS)
def test_in_any_order_a_request_is_its_own_persons_or_nobodys(steps: list[tuple[Any, ...]]) -> None:
    async def play() -> None:
        scene = (played := Play()).scene
        for step in steps:
            await played.take(*step)
        for name, task in played.running:
            assert await task in {None, "anonymous", name}
        for landing in scene.landings:
            await landing.close()
        # And in the end everybody gets what is theirs: nothing that happened has left anything broken.
        scene.product.down = scene.product.refuses = False
        scene.clock.time += 61
        for key, name in (("k", "ada"), ("l", "bob"), ("k", "bob"), ("l", "ada")):
            assert [name, name] == [await scene.request(key, name, surely=True, gate=gate) for gate in (0, 1)]

    asyncio.run(play())
