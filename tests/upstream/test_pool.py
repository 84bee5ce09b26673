"""The idle pool: it hands out nothing that is too old, and what it does not hand out it closes."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

from sidecar.flows.streaming import Outgoing
from sidecar.upstream.client import Client, connect_to
from sidecar.upstream.limits import Limits
from tests.upstream.receiving import RecordingAnswer
from tests.upstream.scripted import answering, until

GET = Outgoing(method="GET", head=b"GET / HTTP/1.1\r\nHost: jira\r\n\r\n")


async def test_a_connection_is_taken_until_it_is_too_old() -> None:
    """The clock is moved instead of waited for: the pool is told the time."""
    async with answering(then=b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        client = Client(connect_to("127.0.0.1", server.port), Limits(idle_expiry=30))
        await client.exchange(GET, RecordingAnswer())
        pool = client._pool
        now = asyncio.get_running_loop().time()
        connection = pool.take(now + 29)
        assert connection is not None
        pool.put(connection, now)
        assert pool.take(now + 31) is None
        assert 0 == len(pool)
        await server.ended.wait()


async def test_a_dead_connection_is_not_taken_for_the_one_that_got_its_number() -> None:
    """The system gives file numbers out again: what lives under that of a dead connection says nothing of it."""
    async with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        client = Client(connect_to("127.0.0.1", server.port))
        await client.exchange(GET, RecordingAnswer())
        (connection,) = client._pool._idle
        raw = connection._transport.get_extra_info("socket")
        number = raw.fileno()
        await until(lambda: raw.fileno() < 0)
        with ExitStack() as stack:
            numbers: set[int] = set()
            while number not in numbers:
                numbers = {stack.enter_context(end).fileno() for end in socket.socketpair()}
            assert client._pool.take(asyncio.get_running_loop().time()) is None
