"""The bound on requests in flight: never exceeded, first come, first served, and no slot is ever lost."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from sidecar.flows.streaming import UpstreamError
from sidecar.upstream.limits import Limits
from sidecar.upstream.slots import Slots
from sidecar.upstream.tunnel import RawTunnel
from tests.upstream.asking import OK, SWITCH, UPGRADE, Told, asking, client_of, failure, fetch
from tests.upstream.receiving import RecordingAnswer, RecordingSink
from tests.upstream.scripted import ScriptedServer, answering, until


class Gated(ScriptedServer):
    """A server that answers when it is told to, and knows how many wait for it."""

    def __init__(self, answer: bytes = OK) -> None:
        super().__init__(self._answer)
        self.answer = answer
        self.released = asyncio.Semaphore(0)
        self.there = 0
        self.most = 0

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self.head(reader)
            self.there += 1
            self.most = max(self.most, self.there)
            try:
                await self.released.acquire()
            finally:
                self.there -= 1
            writer.write(self.answer)

    @property
    def paths(self) -> list[str]:
        return [head.split()[1].decode() for head in self.heads]


async def test_no_more_than_the_bound_are_there_and_the_others_come_in_their_order() -> None:
    async with Gated() as server:
        client = client_of(server, Limits(in_flight=2))
        tasks = [asyncio.create_task(fetch(client, asking(path=f"/{number}"))) for number in range(6)]
        await until(lambda: server.there == 2)
        assert (2, 4) == (client.in_flight, client.waiting)
        for arrived in range(3, 7):
            server.released.release()
            await until(lambda arrived=arrived: len(server.heads) == arrived)  # type: ignore[misc]
        server.released.release()
        server.released.release()
        await asyncio.gather(*tasks)
        assert (["/0", "/1", "/2", "/3", "/4", "/5"], 2) == (server.paths, server.most)
        assert (0, 0) == (client.in_flight, client.waiting)
        await client.close()


async def test_strangers_never_have_all_places() -> None:
    async with Gated() as server:
        client = client_of(server, Limits(in_flight=3, anonymous=2))
        strangers = [asyncio.create_task(fetch(client, replace(asking(), stranger=True))) for _ in range(5)]
        await until(lambda: server.there == 2)
        assert (2, 3) == (client.in_flight, client.waiting)
        known = asyncio.create_task(fetch(client, asking(path="/known")))
        await until(lambda: server.there == 3)
        assert ["/", "/", "/known"] == server.paths
        for _ in range(6):
            server.released.release()
        await asyncio.gather(known, *strangers)
        assert (3, 0, 0) == (server.most, client.in_flight, client.waiting)
        await client.close()


async def test_strangers_wait_no_longer_than_others() -> None:
    async with Gated() as server:
        client = client_of(server, Limits(anonymous=1, queue=1, queue_wait=0.05, sweep=0.01))
        stranger = replace(asking(), stranger=True)
        first = asyncio.create_task(fetch(client, stranger))
        await until(lambda: server.there == 1)
        assert "busy" == await failure(client, request=stranger)
        assert (1, 0) == (client.in_flight, client.waiting)
        assert client.begin(stranger, RecordingAnswer(), Told()) is None
        server.released.release()
        await first
        server.released.release()
        await fetch(client, stranger)
        await client.close()


async def test_a_full_queue_refuses_at_once() -> None:
    async with Gated() as server:
        client = client_of(server, Limits(in_flight=1, queue=1))
        tasks = [asyncio.create_task(fetch(client)) for _ in range(2)]
        await until(lambda: client.waiting == 1)
        assert "busy" == await failure(client)
        assert (1, 1) == (client.in_flight, client.waiting)
        server.released.release()
        server.released.release()
        await asyncio.gather(*tasks)
        await client.close()


async def test_waiting_has_an_end_and_a_slot_that_comes_later_is_for_the_next() -> None:
    async with Gated() as server:
        client = client_of(server, Limits(in_flight=1, queue_wait=0.05, sweep=0.01))
        first = asyncio.create_task(fetch(client))
        await until(lambda: server.there == 1)
        assert "busy" == await failure(client)
        assert (1, 0, 1) == (client.in_flight, client.waiting, len(server.heads))
        server.released.release()
        await first
        server.released.release()
        await fetch(client)
        assert 0 == client.in_flight
        await client.close()


async def test_nobody_overtakes_who_waits_by_the_quick_way() -> None:
    async with Gated() as server:
        client = client_of(server, Limits(in_flight=1))
        server.released.release()
        await fetch(client)
        first = asyncio.create_task(fetch(client))
        await until(lambda: server.there == 1)
        assert client.begin(asking(), RecordingAnswer(), Told()) is None
        server.released.release()
        await first
        told = Told()
        assert client.begin(asking(), RecordingAnswer(), told) is not None
        assert 1 == client.in_flight
        server.released.release()
        await until(lambda: bool(told.results))
        assert 0 == client.in_flight
        await client.close()


async def test_the_quick_way_hands_its_slot_over_when_it_ends_or_is_given_up() -> None:
    async with Gated() as server:
        client = client_of(server, Limits(in_flight=1))
        for give_up in (False, True):
            server.released.release()
            await fetch(client)
            told = Told()
            abandon = client.begin(asking(), RecordingAnswer(), told)
            assert abandon is not None
            waiting = asyncio.create_task(fetch(client))
            await until(lambda: client.waiting == 1)
            if give_up:
                abandon()
            server.released.release()
            server.released.release()
            await waiting
            assert (not give_up, 0, 0) == (bool(told.results), client.in_flight, client.waiting)
        await client.close()


@pytest.mark.parametrize("when", ["while it waits", "as its slot comes", "in its exchange"])
async def test_who_is_cancelled_loses_no_slot(when: str) -> None:
    async with Gated() as server:
        client = client_of(server, Limits(in_flight=1))
        first = asyncio.create_task(fetch(client))
        await until(lambda: server.there == 1)
        second = asyncio.create_task(fetch(client))
        third = asyncio.create_task(fetch(client, asking(path="/third")))
        await until(lambda: client.waiting == 2)
        if when == "as its slot comes":
            client._slots.leave()
            client._slots.taken += 1  # the first one still has its own, and leaves later
        if when == "in its exchange":
            server.released.release()
            await first
            await until(lambda: server.there == 1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        for _ in range(3):
            server.released.release()
        await asyncio.gather(first, third)
        assert (0, 0) == (client.in_flight, client.waiting)
        assert "/third" == server.paths[-1]
        await client.close()


async def test_a_failed_request_gives_its_slot_back() -> None:
    async with answering(b"not HTTP", then=OK) as server:
        client = client_of(server, Limits(in_flight=1, queue=0))
        assert "head" == await failure(client)
        assert 0 == client.in_flight
        await client.close()
        assert ("connect", 0) == (await failure(client), client.in_flight)


async def test_a_closed_client_sends_away_who_waits() -> None:
    async with Gated() as server:
        client = client_of(server, Limits(in_flight=1))
        first = asyncio.create_task(fetch(client))
        await until(lambda: server.there == 1)
        second = asyncio.create_task(failure(client))
        await until(lambda: client.waiting == 1)
        await client.close()
        assert "busy" == await second
        server.released.release()
        await first


async def test_any_order_of_coming_going_and_giving_up_leaves_all_slots_free() -> None:
    """Against the counter itself, with a seed: 2,000 tasks of which many are cancelled at any moment."""
    chance = random.Random(11)  # noqa: S311
    slots = Slots(3, Limits(queue=40, queue_wait=0.01))
    most = 0

    async def one() -> None:
        nonlocal most
        if slots.taken < slots.most:
            slots.taken += 1
        else:
            await slots.wait()
        most = max(most, slots.taken)
        try:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            slots.leave()

    tasks = []
    for _ in range(2000):
        tasks.append(asyncio.create_task(one()))
        for _ in range(chance.randrange(2)):
            await asyncio.sleep(0)
        if chance.random() < 0.4:
            chance.choice(tasks[-20:]).cancel()
        if chance.random() < 0.02:
            slots.expire(asyncio.get_running_loop().time() + 1)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    kinds = {type(end) for end in ends}
    assert {type(None), asyncio.CancelledError, UpstreamError} == kinds
    assert (0, 0, 3) == (slots.taken, slots.waiting, most)


async def test_an_open_websocket_holds_no_slot_but_has_a_bound_of_its_own() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await server.head(reader)
            writer.write(SWITCH if b"/ws" in head else OK)
            if b"/ws" in head:
                await reader.read()
                return

    server = ScriptedServer(script)
    async with server:
        client = client_of(server, Limits(in_flight=1, queue=0, tunnels=2))
        tunnels = []
        for _ in range(2):
            outcome = await client.exchange(UPGRADE, RecordingAnswer())
            assert outcome.tunnel is not None
            tunnels.append(outcome.tunnel)
        assert 0 == client.in_flight
        assert "tunnels" == await failure(client, request=UPGRADE)
        assert b"ok" == (await fetch(client)).content
        assert 3 == server.opened
        tunnels[0].close()
        await until(lambda: client._tunnels == 1)
        outcome = await client.exchange(UPGRADE, RecordingAnswer())
        assert outcome.tunnel is not None
        outcome.tunnel.close()
        tunnels[1].close()
        await until(lambda: client._tunnels == 0)
        await client.close()


@pytest.mark.parametrize("wire", [OK, b"not HTTP", SWITCH], ids=["an answer", "a fault", "refused by us"])
async def test_a_websocket_that_was_not_opened_does_not_count(wire: bytes) -> None:
    async with answering(wire) as server:
        client = client_of(server, Limits(tunnels=1))
        answer = RecordingAnswer(accept=wire == OK)
        if wire == b"not HTTP":
            assert "head" == await failure(client, answer, UPGRADE)
        else:
            await client.exchange(UPGRADE, answer)
        assert (0, 0) == (client._tunnels, client.in_flight)
        await client.close()


async def test_a_websocket_that_ended_before_anybody_looked_does_not_count() -> None:
    async with answering(SWITCH) as server:
        client = client_of(server)
        outcome = await client.exchange(UPGRADE, RecordingAnswer())
        assert isinstance(outcome.tunnel, RawTunnel)
        await outcome.tunnel.pump(RecordingSink())
        outcome.tunnel.close()
        await until(lambda: client._tunnels == 0)
        told = []
        outcome.tunnel.when_over(lambda: told.append(1))
        assert [1] == told
