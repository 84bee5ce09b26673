"""Thousands of exchanges, many of them faulty, in any order and many at a time: nothing crosses, and nothing is left.

2,000 in an ordinary run; `LYCHGATE_SOAK=10000` for the long one. The seed is fixed: the same faults come in the same
order, though not at the same moments.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.flows.streaming import Outcome, Outgoing, UpstreamError
from sidecar.upstream.client import Client, connect_to
from sidecar.upstream.limits import Limits
from tests.upstream.asking import Told
from tests.upstream.certificates import Authority
from tests.upstream.faulty import FAULTS, content_of, faulty
from tests.upstream.receiving import RecordingAnswer
from tests.upstream.scripted import until

EXCHANGES = int(os.environ.get("LYCHGATE_SOAK", "2000"))
LIMITS = Limits(
    first_byte=0.05,
    idle_body=0.05,
    sweep=0.01,
    idle_connections=8,
    idle_expiry=0.2,
    connection_age=0.5,
    in_flight=24,
    queue=16,
    queue_wait=0.05,
    tunnels=4,
)
DESCRIPTORS = Path("/proc/self/fd")


class Soak:
    """One run: its client, its chance, and what came of the exchanges."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self.client = client
        self.chance = chance
        self.ends: Counter[str] = Counter()
        self.quick = 0

    async def one(self, number: int) -> None:
        """Any request, any fault, any manners of the client."""
        chance = self.chance
        fault = chance.choice(list(FAULTS) if chance.random() < 0.7 else ["fine", "fine_chunked", "interim"])
        upgrade = fault == "switched" and chance.random() < 0.7
        method = "GET" if upgrade else chance.choice(["GET", "GET", "GET", "HEAD", "POST", "PUT"])
        answer = RecordingAnswer(
            accept=chance.random() > 0.05, pause_at=1 if chance.random() < 0.2 and not upgrade else None
        )
        request = self.request(method, fault, number, upgrade)
        exchange = asyncio.ensure_future(self.exchange(request, answer))
        later = asyncio.get_running_loop().call_later
        if answer.pause_at is not None and chance.random() < 0.9:  # or it stays behind for good
            gone = chance.random() < 0.3
            later(chance.random() / 50, lambda: answer.sink.resume(gone=gone))
        if chance.random() < 0.1:
            later(chance.random() / 50, exchange.cancel)
        (end,) = await asyncio.gather(exchange, return_exceptions=True)
        if isinstance(end, Outcome):
            self.ends[end.state] += 1
            self.judge(fault, method, number, end, answer)
        elif isinstance(end, UpstreamError):
            self.ends[end.stage] += 1
            assert (0, end.stage == "body") == (answer.ends, answer.sink.aborted), (fault, end)
        else:
            self.ends["cancelled"] += 1
            assert isinstance(end, asyncio.CancelledError)

    def request(self, method: str, fault: str, number: int, upgrade: bool) -> Outgoing:
        more, body, chunked = "", None, False
        if method in ("POST", "PUT"):
            chunked = self.chance.random() < 0.5
            pieces = [b"y" * self.chance.randrange(1, 3000) for _ in range(self.chance.randrange(4))]
            more = "Transfer-Encoding: chunked\r\n" if chunked else f"Content-Length: {sum(map(len, pieces))}\r\n"
            body = self.body(pieces)
        if upgrade:
            more = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        head = f"{method} /{fault}/{number} HTTP/1.1\r\nHost: jira\r\n{more}\r\n".encode()
        return Outgoing(method=method, head=head, body=body, chunked=chunked, upgrade=upgrade)

    async def body(self, pieces: list[bytes]) -> AsyncIterator[bytes]:
        for piece in pieces:
            await asyncio.sleep(self.chance.choice((0, 0, 0.001)))
            yield piece

    async def exchange(self, request: Outgoing, answer: RecordingAnswer) -> Outcome:
        """By the quick way if it is open, as the gate does."""
        if request.body is None and not request.upgrade and self.chance.random() < 0.7:
            told = Told()
            abandon = self.client.begin(request, answer, told)
            if abandon is not None:
                self.quick += 1
                try:
                    await until(lambda: bool(told.results))
                except asyncio.CancelledError:
                    if not told.results:
                        abandon()
                    raise
                (result,) = told.results
                if isinstance(result, UpstreamError):
                    raise result
                if result is not None:
                    return result
        return await self.client.exchange(request, answer)

    def judge(self, fault: str, method: str, number: int, outcome: Outcome, answer: RecordingAnswer) -> None:
        if outcome.state == "tunnel":
            assert outcome.tunnel is not None
            outcome.tunnel.close()
        elif outcome.state == "complete":
            assert 1 == answer.ends
            bodiless = method == "HEAD" or answer.head.status == 204
            assert answer.content == (b"" if bodiless else content_of(number)), (fault, number)
        else:
            assert not answer.accept


def descriptors() -> int:
    gc.collect()
    return len(list(DESCRIPTORS.iterdir()))


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="the machine does not tell its open files")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_nothing_crosses_and_nothing_is_left(secure: bool, tmp_path: Path) -> None:
    tls_server = tls_client = None
    if secure:
        authority = Authority(tmp_path)
        tls_server = authority.serving("127.0.0.1")
        tls_client = ssl.create_default_context(cafile=authority.file)
    tasks, open_files = asyncio.all_tasks(), descriptors()
    async with faulty(tls_server) as server:
        server.patience.reschedule(None)
        client = Client(connect_to("127.0.0.1", server.port, tls_client), LIMITS)
        soak = Soak(client, random.Random(7))  # noqa: S311
        last, number = EXCHANGES // (4 if secure else 1), 0

        async def work(end: int) -> None:
            nonlocal number
            while number < end:
                number += 1
                await soak.one(number)

        # More than there are slots, then fewer, so that the quick way is open.
        await asyncio.gather(*(work(last // 2) for _ in range(48)))
        await asyncio.gather(*(work(last) for _ in range(8)))
        assert (0, 0, set()) == (client.in_flight, client.waiting, client._busy)
        await until(lambda: client._tunnels == 0)
        await client.close()
        await until(lambda: not server.open)
        assert {"complete", "refused", "tunnel", "head", "body", "timeout", "busy", "cancelled"} <= set(soak.ends)
        assert soak.quick > last // 40
    await until(lambda: asyncio.all_tasks() == tasks)
    await until(lambda: client._sweeper is None)
    await until(lambda: descriptors() == open_files)
