"""upstream.nodes: which nodes there are and serve, by what they say and where a name leads; who belongs to which."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from sidecar.flows.streaming import UpstreamError
from sidecar.upstream.nodes import MOST, Nodes, Watch

RUNNING = (200, "RUNNING")
NAMES = ("a:1", "b:1", "c:1")
KEYS = [f"{number:064x}" for number in range(60)]


@dataclass
class FakeClient:
    """A way to a node that says of itself what a test wants."""

    name: str
    says: dict[str, tuple[int, str] | None]
    asked: int = 0
    closed: bool = False

    async def state(self) -> tuple[int, str] | None:
        self.asked += 1
        await asyncio.sleep(0)
        return self.says.get(self.name)

    async def close(self) -> None:
        self.closed = True


@dataclass
class Scene:
    """Where nodes are found, and what they say."""

    found: tuple[str, ...] | None = NAMES
    says: dict[str, tuple[int, str] | None] = field(default_factory=lambda: dict.fromkeys(NAMES, RUNNING))
    made: list[FakeClient] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        watch = Watch(find=self._find, otherwise=self._places(("name:1",)), every=300, mark=lambda text: f"<{text}>")
        watch.lost.append(self.lost.append)
        self.nodes = Nodes(watch=watch)

    def _places(self, names: tuple[str, ...]) -> Any:
        return {name: partial(self._make, name) for name in names}

    def _make(self, name: str) -> FakeClient:
        self.made.append(FakeClient(name, self.says))
        return self.made[-1]

    async def _find(self) -> Any:
        if self.found is None:
            raise OSError("no such name")
        return self._places(self.found)

    async def round(self) -> None:
        """What the task does every few seconds."""
        assert self.nodes.watch is not None
        await self.nodes._look(self.nodes.watch)
        await self.nodes._ask_all()

    def seats(self) -> dict[str, str]:
        return {key: self.nodes.of(key).name for key in KEYS}


@pytest.fixture
async def scene() -> Any:
    made = Scene()
    await made.nodes.start()
    yield made
    await made.nodes.close()
    assert all(client.closed for client in made.made)


async def test_an_address_that_leaves_the_name_moves_its_own_and_is_closed(scene: Scene) -> None:
    before = scene.seats()
    scene.found = ("a:1", "c:1")
    await scene.round()
    after = scene.seats()
    assert {key for key in KEYS if before[key] != after[key]} == {key for key in KEYS if before[key] == "b:1"}
    assert (["b:1"], True) == (scene.lost, scene.made[1].closed)
    with pytest.raises(UpstreamError):
        scene.nodes.at("b:1")
    scene.found = NAMES
    await scene.round()
    assert before == scene.seats()


async def test_where_the_name_cannot_be_looked_up_all_stays_as_it_was(scene: Scene) -> None:
    before, scene.found = scene.seats(), None
    await scene.round()
    assert before == scene.seats() and [] == scene.lost


async def test_a_name_that_leads_nowhere_at_the_start_is_asked_itself_until_it_does() -> None:
    scene = Scene(found=None)
    await scene.nodes.start()
    assert {"name:1"} == set(scene.seats().values())
    assert None is await scene.nodes.state()
    scene.found = NAMES
    await scene.round()
    assert set(NAMES) == set(scene.seats().values())
    await scene.nodes.close()


async def test_silence_counts_the_second_time_and_words_at_once(scene: Scene) -> None:
    scene.says["a:1"] = None
    await scene.round()
    assert "a:1" in scene.seats().values()
    await scene.round()
    assert {"b:1", "c:1"} == set(scene.seats().values())
    scene.says["b:1"] = (503, "STARTING")
    await scene.round()
    assert {"c:1"} == set(scene.seats().values())
    scene.says["c:1"] = (503, "RUNNING")
    await scene.round()
    # None serves: those that answer.
    assert {"b:1", "c:1"} == set(scene.seats().values())
    assert RUNNING != await scene.nodes.state()
    scene.says.clear()
    await scene.round()
    await scene.round()
    # None answers: all.
    assert (set(NAMES), None) == (set(scene.seats().values()), await scene.nodes.state())


async def test_starting_is_said_where_none_serves(scene: Scene) -> None:
    scene.says.update({"a:1": (503, "STARTING"), "b:1": None})
    await scene.round()
    await scene.round()
    assert (False, RUNNING) == (await scene.nodes.is_starting(), await scene.nodes.state())
    scene.says["c:1"] = None
    await scene.round()
    await scene.round()
    assert await scene.nodes.is_starting()


async def test_a_request_that_could_not_connect_is_a_witness_of_its_own(scene: Scene) -> None:
    node = scene.nodes.of(KEYS[0])
    assert not await scene.nodes.is_lost(node.name)
    scene.says[node.name] = None
    before = sum(client.asked for client in scene.made)
    # All who find out together share one question.
    assert {True} == set(await asyncio.gather(*(scene.nodes.is_lost(node.name) for _ in range(50))))
    assert before + 1 == sum(client.asked for client in scene.made)
    asked = sum(client.asked for client in scene.made)
    # A thousand others who ask are told what is known.
    for _ in range(1000):
        assert await scene.nodes.is_lost(node.name)
    assert asked == sum(client.asked for client in scene.made)


async def test_no_more_nodes_than_the_bound(scene: Scene) -> None:
    scene.found = tuple(f"n{number:03}:1" for number in range(MOST + 9))
    await scene.round()
    assert MOST == len(scene.nodes.clients)


async def test_strangers_go_round_and_programs_stay_without_their_credential(scene: Scene) -> None:
    assert set(NAMES) == {scene.nodes.any().name for _ in range(3)}
    first = scene.nodes.of_client("Bearer abc")
    assert first == scene.nodes.of_client("Bearer abc") == scene.nodes.of("<node Bearer abc>")


async def test_one_node_is_never_asked_and_always_the_one() -> None:
    client: Any = FakeClient("only", {})
    nodes = Nodes(client)
    await nodes.start()
    assert {""} == {nodes.of(key).name for key in KEYS} | {nodes.any().name, nodes.of_client("x").name}
    assert nodes.only is nodes.of("k") and 0 == client.asked and {} == nodes.serving()
    await nodes.close()
