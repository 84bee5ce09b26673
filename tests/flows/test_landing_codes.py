"""flows.landing_codes: of two gates on one state each code is redeemed once, for its own person, while its session
lives, in whatever order both are asked; and through a change of keys."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.adapters.seal import Sealer
from sidecar.core.grants import CODE_LIFE, Client, Grant, Redemption
from sidecar.core.holders import Holder
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.landing_codes import Codes, Redeemed
from tests.flows.fake_holders import WhoCounts
from tests.flows.fakes import CountingChance, FakeClock, MemoryMarkers, MemorySpent

CLIENT = Client(issuer="https://gate/jira", client_id="lychgate", redirect_uri="https://jira/back")
OTHER = Client(issuer="https://gate/wiki", client_id="lychgate", redirect_uri="https://wiki/back")
OLD, NEW = b"o" * 32, b"n" * 32
WHO = {"k": "ada", "l": "bob"}


@dataclass
class Gates:
    """Two gates, each with its keys, on one state."""

    keys: tuple[tuple[bytes, ...], tuple[bytes, ...]] = ((OLD, NEW), (NEW, OLD))
    clock: FakeClock = field(default_factory=FakeClock)
    spent: MemorySpent = field(default_factory=MemorySpent)
    markers: MemoryMarkers = field(default_factory=MemoryMarkers)
    counts: WhoCounts = field(default_factory=WhoCounts)
    thrown_away: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = CountingChance()
        self.codes = [
            Codes(Sealer(keys), self.spent, self.markers, self.counts, self.clock, chance) for keys in self.keys
        ]
        for codes in self.codes:
            codes.spoilt = self._spoilt

    async def _spoilt(self, grant: Grant) -> None:
        self.thrown_away.append(grant.holder.session)

    def issue(self, gate: int, session: str = "k", client: Client = CLIENT) -> str:
        return self.codes[gate].issue(
            Grant(
                client=client, nonce="n", challenge=None, username=WHO[session], subject="s", auth_time=None, name="",
                email="", holder=Holder(application="jira", session=session),
                ends_at=UnixSeconds(self.clock.now() + CODE_LIFE),
            )
        )  # fmt: skip

    async def redeem(self, gate: int, code: str, client: Client = CLIENT) -> Redeemed | None:
        return await self.codes[gate].redeem(client, Redemption(code, client.redirect_uri, None))


async def test_a_code_of_one_gate_is_redeemed_at_the_other_and_both_hear_of_it() -> None:
    gates = Gates()
    for gate in (0, 1):
        code = gates.issue(gate)
        found = await gates.redeem(1 - gate, code)
        assert found is not None and "ada" == found.grant.username
        for codes in gates.codes:
            assert "taken" == await codes.close(CLIENT, code) and not await codes.is_spoilt(CLIENT, code)
            grant = await codes.of_token(CLIENT, found.access_token)
            assert grant is not None and "ada" == grant.username
        assert None is await gates.redeem(gate, code)
        assert "spoilt" == await gates.codes[gate].close(CLIENT, code)
        assert ["k"] == gates.thrown_away
        gates.thrown_away.clear()


async def test_a_code_that_was_not_redeemed_is_dead_once_its_dance_is_over() -> None:
    gates = Gates()
    code = gates.issue(0)
    assert "untouched" == await gates.codes[0].close(CLIENT, code)
    assert None is await gates.redeem(1, code)


async def test_another_client_and_another_set_of_keys_read_nothing() -> None:
    gates = Gates(keys=((OLD,), (NEW,)))
    assert None is await gates.redeem(1, gates.issue(0))
    assert None is await gates.redeem(0, gates.issue(0), OTHER)
    assert {} == gates.spent.until


async def test_a_change_of_keys_in_its_three_steps_loses_no_code() -> None:
    steps = (((OLD,), (OLD, NEW)), ((OLD, NEW), (OLD, NEW)), ((NEW, OLD), (OLD, NEW)), ((NEW,), (NEW, OLD)))
    for keys in steps:
        for gate in (0, 1):
            gates = Gates(keys=keys)
            assert None is not await gates.redeem(1 - gate, gates.issue(gate)), (keys, gate)


async def test_long_after_its_end_a_code_leaves_nothing_in_the_state() -> None:
    gates = Gates()
    code = gates.issue(0)
    gates.clock.time += CODE_LIFE
    assert None is await gates.redeem(1, code)
    gates.clock.time += 3600
    gates.spent.until.clear()
    assert None is await gates.redeem(0, code)
    assert {} == gates.spent.until


GATE, KEY, PLACE = st.sampled_from([0, 1]), st.sampled_from(sorted(WHO)), st.integers(0, 3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("issue"), GATE, KEY),
        st.tuples(st.just("redeem"), GATE, PLACE),
        st.tuples(st.just("redeem"), GATE, PLACE),
        st.tuples(st.just("close"), GATE, PLACE),
        st.tuples(st.just("end"), KEY),
        st.tuples(st.just("down"), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([1, 30, 61])),
        st.tuples(st.just("turn"), st.integers(1, 5)),
    ),
    max_size=30,
)


class Play:
    """Questions overlap: each step only begins one, and `turn` lets all of them go on for a while."""

    def __init__(self) -> None:
        self.gates = Gates()
        self.codes: list[tuple[str, str, int]] = []
        self.begun: list[tuple[int, bool, asyncio.Task[Redeemed | None]]] = []
        self.others: list[asyncio.Task[Any]] = []

    async def issue(self, gate: int, key: str) -> None:
        self.codes.append((self.gates.issue(gate, key), key, self.gates.clock.time))

    async def redeem(self, gate: int, place: int) -> None:
        if place < len(self.codes):
            code, key, at = self.codes[place]
            hopeless = key in self.gates.counts.over or self.gates.clock.time >= at + CODE_LIFE
            self.begun.append((place, hopeless, asyncio.create_task(self.gates.redeem(gate, code))))

    async def close(self, gate: int, place: int) -> None:
        if place < len(self.codes):
            self.others.append(asyncio.create_task(self.gates.codes[gate].close(CLIENT, self.codes[place][0])))

    async def end(self, key: str) -> None:
        self.gates.counts.over.add(key)

    async def down(self, whether: bool) -> None:
        self.gates.spent.down = self.gates.markers.down = whether

    async def wait(self, seconds: int) -> None:
        self.gates.clock.time += seconds

    async def turn(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)


@given(STEPS)
def test_in_any_order_a_code_counts_once_for_its_own_person_and_never_after_the_end(
    steps: list[tuple[Any, ...]],
) -> None:
    async def play() -> None:
        played = Play()
        for what, *more in steps:
            await getattr(played, what)(*more)
        _ = await asyncio.gather(*played.others, return_exceptions=True)
        good: dict[int, int] = {}
        for place, hopeless, task in played.begun:
            (found,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(found, Redeemed):
                assert not hopeless
                good[place] = good.get(place, 0) + 1
                assert WHO[played.codes[place][1]] == found.grant.username
        assert all(times == 1 for times in good.values())

    asyncio.run(play())
