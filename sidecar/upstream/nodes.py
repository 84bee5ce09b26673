"""The nodes of one application: which there are, which of them serve, and who belongs to which.

Made by the composition root, one per application. An application with one address has one node that nobody watches.
With several, each is asked for its status page in turn, over connections of its own: a node serves while it says
RUNNING. Implements `flows.nodes.Nodes`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sidecar.core.kept import Kept, kept
from sidecar.core.rendezvous import choose, client_of
from sidecar.flows.nodes import Node
from sidecar.flows.owned import stopped
from sidecar.flows.streaming import Upstream, UpstreamError
from sidecar.upstream.client import Client

LOG = logging.getLogger(__name__)

MOST = 64
"""Nodes of one application; what a name leads to beyond that is left out."""

SILENT = 2
"""Questions in a row without an answer after which a node counts as lost: one may be lost in a moment of load."""

REMEMBERED = 20_000
"""Choices that are remembered; they are forgotten whenever other nodes serve."""

RUNNING, STARTING, SILENCE = "RUNNING", "STARTING", "UNREACHABLE"

Places = Mapping[str, Callable[[], Client]]
"""By the name of a node, how the way to it is made."""


@dataclass(slots=True)
class _Watched:
    """A node, what it said of itself when it was last asked, and how often in a row it said nothing.

    `asking` is the question under way: there is never more than one, however many want to know.
    """

    node: Node
    client: Client
    status: int = 0
    word: str = SILENCE
    silent: int = 0
    asking: asyncio.Task[None] | None = None

    @property
    def serves(self) -> bool:
        return self.word == RUNNING and self.status == 200

    @property
    def answers(self) -> bool:
        return self.word != SILENCE


@dataclass(slots=True, kw_only=True)
class Watch:
    """How the nodes of an application with several are found and watched.

    Attributes:
        find: Where they are, one at least; may raise OSError.
        otherwise: Who is asked while none was ever found.
        every: Seconds between two rounds of questions.
        mark: Makes a short keyed hash of a credential.
        lost: Told the name of a node that serves no more.
    """

    find: Callable[[], Awaitable[Places]]
    otherwise: Places
    every: float
    mark: Callable[[str], str]
    lost: list[Callable[[str], None]] = field(default_factory=list)


class Nodes:
    """See the module."""

    def __init__(self, only: Client | None = None, watch: Watch | None = None) -> None:
        """One of the two. `start` comes before anything else where nodes are watched."""
        self.only = Node("", only) if only is not None else None
        self.watch = watch
        self._watched: dict[str, _Watched] = {}
        if only is not None and self.only is not None:
            self._watched[""] = _Watched(self.only, only)
        self._serving: tuple[str, ...] = tuple(self._watched)
        self._chosen: dict[str, Node] = kept("node_choices", Kept(), REMEMBERED)
        self._turn = 0
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Find the nodes and ask each once; then go on in a task. It is over within seconds, whatever they say."""
        if self.watch is not None:
            await self._look(self.watch)
            if not self._watched:
                self._use(self.watch.otherwise)
            await self._ask_all()
            self._task = asyncio.create_task(self._go_on(self.watch))

    def of(self, key: str) -> Node:
        """See the port."""
        if self.only is not None:
            return self.only
        node = self._chosen.get(key)
        if node is None:
            if len(self._chosen) >= REMEMBERED:
                self._chosen.clear()
            node = self._chosen[key] = self._watched[choose(key, self._serving)].node
        return node

    def of_client(self, authorization: str) -> Node:
        """See the port."""
        if self.only is not None or self.watch is None:
            return self.of("")
        return self.of(self.watch.mark(f"node {client_of(authorization)}"))

    def any(self) -> Node:
        """See the port."""
        if self.only is not None:
            return self.only
        self._turn += 1
        return self._watched[self._serving[self._turn % len(self._serving)]].node

    def at(self, name: str) -> Upstream:
        """The way to the node of that name.

        Raises:
            UpstreamError: it is gone.
        """
        found = self._watched.get(name)
        if found is None:
            raise UpstreamError("connect", "the node is gone")
        return found.client

    async def is_lost(self, node: str) -> bool:
        """See the port. A request was its witness already, so that one silence is enough."""
        if self.only is not None:
            return False
        watched = self._watched.get(node)
        if watched is not None and watched.serves:
            watched.silent = max(watched.silent, SILENT - 1)
            await self._ask(watched)
            self._settle()
        return node not in self._serving

    # What is told of all nodes together.

    @property
    def clients(self) -> Sequence[Client]:
        """The ways to all of them."""
        return [watched.client for watched in self._watched.values()]

    @property
    def in_flight(self) -> int:
        """Requests at all of them."""
        return sum(client.in_flight for client in self.clients)

    @property
    def waiting(self) -> int:
        """Requests that wait for one of them to end."""
        return sum(client.waiting for client in self.clients)

    @property
    def idle(self) -> int:
        """Connections kept open for reuse."""
        return sum(client.idle for client in self.clients)

    def serving(self) -> Mapping[str, int]:
        """By name, whether each of several nodes serves."""
        return {} if self.only is not None else {name: int(one.serves) for name, one in self._watched.items()}

    async def is_starting(self) -> bool:
        """Whether the application as a whole says that it is starting: none serves, and one is about to."""
        if self.only is not None:
            return await self.clients[0].is_starting()
        words = {watched.word for watched in self._watched.values()}
        return RUNNING not in words and STARTING in words

    async def state(self) -> tuple[int, str] | None:
        """What the application says of itself: that of a node that serves, or else of one that answers."""
        if self.only is not None:
            return await self.clients[0].state()
        known = sorted(self._watched.values(), key=lambda one: (not one.serves, not one.answers))
        best = known[0]
        return (best.status, best.word) if best.answers else None

    async def told(self) -> Mapping[str, tuple[int, str] | None]:
        """What each node says of itself when it is asked now, by its name; None for one that says nothing."""
        names = list(self._watched)
        said = await asyncio.gather(*(self._watched[name].client.state() for name in names))
        return dict(zip(names, said, strict=True))

    async def close(self) -> None:
        """Ask no more, and close all ways."""
        if self._task is not None:
            await stopped(self._task)
        await stopped(*(watched.asking for watched in self._watched.values() if watched.asking is not None))
        for client in self.clients:
            await client.close()
        if self._closing:
            await asyncio.wait(self._closing)

    # Watching.

    async def _go_on(self, watch: Watch) -> None:
        while True:
            await asyncio.sleep(watch.every)
            await self._look(watch)
            await self._ask_all()

    async def _look(self, watch: Watch) -> None:
        try:
            self._use(await watch.find())
        except (OSError, UnicodeError) as error:
            LOG.warning("the nodes of an application cannot be looked up, and stay as they were: %s", error)

    def _use(self, places: Places) -> None:
        if len(places) > MOST:
            LOG.warning("%d nodes were found; %d are used", len(places), MOST)
        wanted = dict(sorted(places.items())[:MOST])
        for name in [name for name in self._watched if name not in wanted]:
            # What is under way there goes on to its end.
            self._close_soon(self._watched.pop(name).client)
        for name, make in wanted.items():
            if name not in self._watched:
                client = make()
                self._watched[name] = _Watched(Node(name, client), client)
        self._settle()

    async def _ask_all(self) -> None:
        await asyncio.gather(*(self._ask(watched) for watched in self._watched.values()))
        self._settle()

    async def _ask(self, watched: _Watched) -> None:
        if watched.asking is None:
            watched.asking = asyncio.create_task(self._hear(watched))
        # Who asks may be gone before the answer, and takes it from nobody else.
        await asyncio.shield(watched.asking)

    async def _hear(self, watched: _Watched) -> None:
        try:
            await self._note(watched)
        finally:
            watched.asking = None

    async def _note(self, watched: _Watched) -> None:
        said = await watched.client.state()
        if said is not None:
            watched.silent = 0
            watched.status, watched.word = said
            return
        watched.silent += 1
        if watched.silent >= SILENT:
            watched.status, watched.word = 0, SILENCE

    def _settle(self) -> None:
        """Those who say so serve; where none does, those who answer; where none does, all: somebody must be asked."""
        known = self._watched
        serving = tuple(name for name, one in known.items() if one.serves)
        answering = tuple(name for name, one in known.items() if one.answers)
        chosen = tuple(sorted(serving or answering or tuple(known)))
        if chosen == self._serving:
            return
        gone, self._serving = set(self._serving) - set(chosen), chosen
        self._chosen.clear()
        LOG.warning("the nodes that serve are now: %s", ", ".join(chosen))
        for name in gone:
            for tell in self.watch.lost if self.watch is not None else ():
                tell(name)

    def _close_soon(self, client: Client) -> None:
        task = asyncio.create_task(client.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
