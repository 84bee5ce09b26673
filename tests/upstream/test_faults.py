"""What an application can do wrong, one thing at a time: what comes of it, and whether its connection serves again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sidecar.flows.streaming import Outgoing, UpstreamError
from sidecar.upstream.limits import Limits
from tests.upstream.asking import Told, asking, client_of, fetch
from tests.upstream.faulty import content_of, faulty
from tests.upstream.receiving import RecordingAnswer
from tests.upstream.scripted import ScriptedServer, until

QUICK = Limits(first_byte=0.05, idle_body=0.05, sweep=0.01)
NUMBER = 5
BODY = content_of(NUMBER)

TABLE = [
    # fault, stage or status, bytes of the body that came, whether the connection serves again
    ("fine", 200, BODY, True),
    ("fine_chunked", 200, BODY, True),
    ("fine_slowly", 200, BODY, True),
    ("fine_to_the_end", 200, BODY, False),
    ("fine_then_farewell", 200, BODY, False),
    ("interim", 200, BODY, True),
    ("nothing_to_say", 204, b"", True),
    ("half_closed_behind", 200, BODY, False),
    ("half_closed_at_once", "head", None, False),
    ("hung_up", "head", None, False),
    ("reset_before", "head", None, False),
    ("hung_up_in_head", "head", None, False),
    ("reset_in_head", "head", None, False),
    ("reset_after_head", "body", b"", False),
    ("truncated", "body", BODY, False),
    ("cut_in_chunk", "body", BODY, False),
    ("bad_chunk", "body", b"x", False),
    ("two_framings", "head", None, False),
    ("garbage", "head", None, False),
    ("second_answer", 200, BODY, False),
    ("late_answer", 200, BODY, False),
    ("stalled", "timeout", None, False),
    ("stalled_in_body", "body", BODY, False),
    ("switched", "head", None, False),
]


@pytest.mark.parametrize("quick", [False, True], ids=["exchange", "begin"])
@pytest.mark.parametrize(("fault", "expected", "content", "again"), TABLE, ids=[row[0] for row in TABLE])
async def test_each_fault_by_itself(
    fault: str, expected: str | int, content: bytes | None, again: bool, quick: bool
) -> None:
    """On a fresh connection and, by the quick way, on one that has served; nothing is asked twice once a byte came."""
    async with faulty() as server:
        client = client_of(server, QUICK if fault.startswith("stalled") else None)
        answer = RecordingAnswer()
        request = asking(path=f"/{fault}/{NUMBER}")
        if quick:
            await fetch(client, asking(path="/fine/1"))
            told = Told()
            assert client.begin(request, answer, told) is not None
            await until(lambda: bool(told.results))
            (result,) = told.results
            if result is None:
                # The connection turned out dead and nothing came: the caller may ask again, and does.
                assert (expected, "GET") == ("head", request.method)
                return
        else:
            try:
                result = await client.exchange(request, answer)
            except UpstreamError as error:
                result = error
        stage = result.stage if isinstance(result, UpstreamError) else answer.head.status
        assert expected == stage
        assert content == (answer.content if answer.heads else None)
        assert (isinstance(expected, int), stage == "body") == (answer.ends == 1, answer.sink.aborted)
        assert (0, set()) == (client.in_flight, client._busy)
        assert 1 + quick == len(server.heads)
        opened = server.opened
        assert content_of(2) == (await fetch(client, asking(path="/fine/2"))).content
        assert again == (opened == server.opened)
        await client.close()


class Stumbling(RecordingAnswer):
    """An `Answer` with a fault of our own: it raises at one of its calls."""

    def __init__(self, at: str) -> None:
        super().__init__()
        setattr(self, at, self._stumble)

    def _stumble(self, *_: object) -> bool:
        raise KeyError("a fault of ours")


@pytest.mark.parametrize("quick", [False, True], ids=["exchange", "begin"])
@pytest.mark.parametrize("fault", ["fine", "fine_chunked", "fine_to_the_end"])
@pytest.mark.parametrize("at", ["begin", "body", "end", "flush"])
async def test_a_receiver_that_raises_ends_its_own_exchange_only(at: str, fault: str, quick: bool) -> None:
    async with faulty() as server:
        client = client_of(server)
        await fetch(client, asking(path="/fine/1"))
        answer, told = Stumbling(at), Told()
        request = asking(path=f"/{fault}/{NUMBER}")
        if quick:
            assert client.begin(request, answer, told) is not None
            await until(lambda: bool(told.results))
            (result,) = told.results
        else:
            with pytest.raises(UpstreamError) as caught:
                await client.exchange(request, answer)
            result = caught.value
        assert isinstance(result, UpstreamError)
        assert (at != "begin") == (result.stage == "body") == answer.sink.aborted
        assert (0, set(), 2) == (client.in_flight, client._busy, len(server.heads))
        assert content_of(2) == (await fetch(client, asking(path="/fine/2"))).content
        await client.close()


async def pieces(*parts: bytes, never: bool = False) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if never:
        await asyncio.Event().wait()


@pytest.mark.parametrize("fault", ["early", "early_and_gone"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_an_answer_before_the_upload_ends_is_the_answer(fault: str, chunked: bool) -> None:
    async with faulty() as server:
        client = client_of(server)
        framing = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000"
        head = f"PUT /{fault}/{NUMBER} HTTP/1.1\r\nHost: jira\r\n{framing}\r\n\r\n".encode()
        answer = RecordingAnswer()
        body = pieces(b"x" * 10, never=True)
        outcome = await client.exchange(Outgoing(method="PUT", head=head, body=body, chunked=chunked), answer)
        assert ("complete", 413, BODY, 1) == (outcome.state, answer.head.status, answer.content, answer.ends)
        assert (0, 0) == (client.idle, client.in_flight)
        await server.ended.wait()


async def test_the_body_waits_for_the_go_ahead_that_the_application_gives() -> None:
    """`Expect: 100-continue` end to end: the interim answer reaches the client before a byte of the body is sent."""
    received = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        received.append(await reader.readexactly(5))
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    class Waiting(RecordingAnswer):
        async def body_of_the_client(self) -> AsyncIterator[bytes]:
            await self.moved.wait()
            assert [100] == [head.status for head in self.interims]
            assert [] == received
            yield b"hello"

    server = ScriptedServer(script)
    async with server:
        client = client_of(server)
        answer = Waiting()
        head = b"PUT / HTTP/1.1\r\nHost: jira\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        await client.exchange(Outgoing(method="PUT", head=head, body=answer.body_of_the_client()), answer)
        assert ([b"hello"], 201, [100]) == (received, answer.head.status, [head.status for head in answer.interims])
        assert (head, 1) == (server.heads[0], client.idle)
        await client.close()


async def test_a_refused_expectation_takes_no_body() -> None:
    async with faulty() as server:
        client = client_of(server)
        answer = RecordingAnswer()
        head = b"PUT /early/1 HTTP/1.1\r\nHost: jira\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        body = pieces(never=True)
        outcome = await client.exchange(Outgoing(method="PUT", head=head, body=body), answer)
        assert ("complete", 413, []) == (outcome.state, answer.head.status, answer.interims)
        await client.close()


@pytest.mark.parametrize("fresh_too", [False, True], ids=["then it works", "and again"])
async def test_a_request_is_repeated_once_and_on_a_fresh_connection(fresh_too: bool) -> None:
    """Two connections wait and both are dead: the one used last shows it, and the other one is not tried."""
    gate = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = server.opened
        await server.head(reader)
        await gate.wait()
        if number < 3 or not fresh_too:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
            await server.head(reader)

    server = ScriptedServer(script)
    async with server:
        client = client_of(server)
        both = [asyncio.create_task(fetch(client)) for _ in range(2)]
        await until(lambda: server.opened == 2)
        gate.set()
        await asyncio.gather(*both)
        assert 2 == client.idle
        if fresh_too:
            with pytest.raises(UpstreamError) as caught:
                await fetch(client, asking(path="/again"))
            assert "head" == caught.value.stage
        else:
            assert b"3" == (await fetch(client, asking(path="/again"))).content
        assert 2 == sum(head.startswith(b"GET /again ") for head in server.heads)
        assert (3, not fresh_too) == (server.opened, client.idle == 1)
        await client.close()


async def test_the_quick_way_leaves_the_repetition_to_the_caller_and_no_dead_connection_for_it() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await server.head(reader)

    server = ScriptedServer(script)
    async with server:
        client = client_of(server)
        await asyncio.gather(*(fetch(client) for _ in range(3)))
        told = Told()
        assert client.begin(asking(), RecordingAnswer(), told) is not None
        await until(lambda: bool(told.results))
        assert ([None], 0, 0) == (told.results, client.idle, client.in_flight)
        assert 1 == (await fetch(client)).ends
        await client.close()
