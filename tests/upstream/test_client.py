"""The client against a real server: which connection serves, what reaches the answer, and what a failure looks like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sidecar.flows.streaming import Outcome, Outgoing
from sidecar.upstream.client import Client
from sidecar.upstream.limits import Limits
from tests.upstream.asking import OK, asking, client_of, failure, fetch
from tests.upstream.receiving import RecordingAnswer
from tests.upstream.scripted import ScriptedServer, answering, until

CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


async def test_a_clean_connection_serves_again() -> None:
    async with answering(then=OK) as server:
        client = client_of(server)
        for _ in range(3):
            answer = RecordingAnswer()
            outcome = await client.exchange(asking(), answer)
            assert Outcome("complete", None, 2, outcome.first_byte) == outcome
            assert 0 < outcome.first_byte < 60
            assert (b"ok", 1) == (answer.content, answer.ends)
        assert (1, 3, set()) == (server.opened, len(server.heads), client._busy)
        await client.close()
        await server.ended.wait()


async def test_the_newest_connection_serves_first() -> None:
    """Three connections are opened; the one that was given back last serves the next request."""
    gates = [asyncio.Event() for _ in range(3)]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = server.opened - 1
        await server.head(reader)
        await gates[number].wait()
        while True:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
            await server.head(reader)

    server = ScriptedServer(script)
    async with server:
        client = client_of(server)
        answers = [asyncio.create_task(fetch(client)) for _ in range(3)]
        await until(lambda: len(server.heads) == 3)
        served = []
        for number in (2, 0, 1):
            gates[number].set()
            done, _ = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
            (task,) = done
            answers.remove(task)
            served.append(task.result().content)
        assert [b"2", b"0", b"1"] == served
        assert b"1" == (await fetch(client)).content
        assert b"1" == (await fetch(client)).content
        assert 3 == server.opened
        await client.close()


@pytest.mark.parametrize(
    "first",
    [
        CLOSED,
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nWRONG",
        OK + b"\r\n",
    ],
    ids=["close", "1.0", "second answer", "blank line"],
)
async def test_a_doubtful_connection_does_not_serve_again(first: bytes) -> None:
    async with answering(first, then=OK) as server:
        client = client_of(server)
        assert b"ok" == (await fetch(client)).content
        assert b"ok" == (await fetch(client)).content
        assert 2 == server.opened
        await client.close()


async def test_an_answer_that_nobody_asked_for_is_never_handed_out() -> None:
    """It comes late, when the connection is idle already: the connection ends, whoever is quicker."""
    late = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(OK)
        await late.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nWRONG")
        await writer.drain()
        late.clear()
        await reader.read()

    server = ScriptedServer(script)
    async with server:
        client = client_of(server)
        await fetch(client)
        late.set()
        await until(lambda: not late.is_set())
        late.set()
        assert b"ok" == (await fetch(client)).content
        assert 2 == server.opened
        await client.close()


@pytest.mark.parametrize(
    ("method", "wire", "content"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2000\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
    ],
    ids=["HEAD", "204", "304", "chunked"],
)
async def test_each_way_to_end_an_answer_leaves_the_connection_clean(method: str, wire: bytes, content: bytes) -> None:
    async with answering(then=wire) as server:
        client = client_of(server)
        for _ in range(2):
            answer = await fetch(client, asking(method))
            assert (content, 1) == (answer.content, answer.ends)
        assert 1 == server.opened
        await client.close()


async def test_the_end_of_the_connection_ends_an_answer_without_length() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\nuntil the end") as server:
        client = client_of(server)
        answer = await fetch(client)
        assert (b"until the end", 1, False) == (answer.content, answer.ends, answer.sink.aborted)
        assert 0 == (await fetch(client)).content.count(b"WRONG")
        assert 2 == server.opened


async def test_interim_heads_and_fields_reach_the_answer_untouched() -> None:
    wire = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 Gr\xfc\xdfe\r\nSet-Cookie: a=1\r\nX-Z: \xe4\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
    )
    async with answering(wire) as server:
        answer = await fetch(client_of(server))
        assert [103] == [head.status for head in answer.interims]
        assert b"Gr\xfc\xdfe" == answer.head.reason
        expected = [b"Set-Cookie: a=1", b"X-Z: \xe4", b"Set-Cookie: b=2", b"Content-Length: 0"]
        assert expected == [line.raw for line in answer.head.lines]


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\nzz\r\n",
    ],
    ids=["length", "chunked", "malformed"],
)
async def test_a_broken_answer_aborts_the_receiver(wire: bytes) -> None:
    async with answering(wire) as server:
        answer = RecordingAnswer()
        assert "body" == await failure(client_of(server), answer)
        assert (b"hell", 0, True) == (answer.content, answer.ends, answer.sink.aborted)


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"not HTTP at all",
    ],
)
async def test_a_bad_head_is_an_error_before_anything_reached_the_receiver(wire: bytes) -> None:
    async with answering(wire) as server:
        answer = RecordingAnswer()
        assert "head" == await failure(client_of(server), answer)
        assert ([], False, 1) == (answer.heads, answer.sink.aborted, server.opened)


async def test_a_refused_answer_is_dropped_with_its_connection() -> None:
    async with answering(then=OK) as server:
        client = client_of(server)
        answer = RecordingAnswer(accept=False)
        outcome = await client.exchange(asking(), answer)
        assert ("refused", b"", 0, False) == (
            outcome.state,
            answer.content,
            answer.ends,
            answer.sink.aborted,
        )
        await fetch(client)
        assert 2 == server.opened
        await client.close()


def dying_on_the_second_request() -> ScriptedServer:
    """Answer the first request of a connection; read the second one and hang up."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(OK)
        await server.head(reader)

    server = ScriptedServer(script)
    return server


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_a_dead_connection_is_replaced_once_for_an_idempotent_request(method: str) -> None:
    async with dying_on_the_second_request() as server:
        client = client_of(server)
        await fetch(client)
        assert 1 == (await fetch(client, asking(method, "/again"))).ends
        assert 2 == server.opened
        assert [b"GET / ", *[f"{method} /again".encode()] * 2] == [
            head.split(b"HTTP")[0].replace(b"again ", b"again") for head in server.heads
        ]
        await client.close()


async def one_piece() -> AsyncIterator[bytes]:
    yield b"hello"


@pytest.mark.parametrize("body", [False, True])
async def test_a_dead_connection_is_an_error_for_any_other_request(body: bool) -> None:
    async with dying_on_the_second_request() as server:
        client = client_of(server)
        await fetch(client)
        request = Outgoing(
            method="PUT" if body else "POST",
            head=b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
            body=one_piece() if body else None,
        )
        assert "head" == await failure(client, RecordingAnswer(), request)
        assert (1, 2) == (server.opened, len(server.heads))


@pytest.mark.parametrize(("part", "stage"), [(b"HTTP/1.1 200 OK\r\nContent-", "head"), (OK[:-1], "body")])
async def test_an_answer_that_breaks_off_is_never_asked_for_twice(part: bytes, stage: str) -> None:
    async with answering(OK, part) as server:
        client = client_of(server)
        await fetch(client)
        answer = RecordingAnswer()
        assert stage == await failure(client, answer)
        assert (1, 2) == (server.opened, len(server.heads))


async def test_a_fresh_connection_that_dies_is_an_error() -> None:
    async with answering() as server:
        assert "head" == await failure(client_of(server), RecordingAnswer())
        assert 1 == server.opened


async def test_a_connection_that_ended_while_idle_is_noticed_before_use() -> None:
    """The request is one that must not be repeated, and it succeeds: it never met the dead connection."""
    async with answering(OK) as server:
        client = client_of(server)
        await fetch(client)
        await server.ended.wait()
        answer = await fetch(client, asking("POST"))
        assert (1, 2, [b"GET", b"POST"]) == (
            answer.ends,
            server.opened,
            [head.split()[0] for head in server.heads],
        )


async def test_idle_connections_are_bounded_and_grow_old() -> None:
    released = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hung_up
        await server.head(reader)
        await released.wait()
        writer.write(OK)
        await reader.read()
        hung_up += 1

    hung_up = 0
    server = ScriptedServer(script)
    async with server:
        client = client_of(server, Limits(idle_connections=2, idle_expiry=0.2, sweep=0.02))
        answers = [asyncio.create_task(fetch(client)) for _ in range(5)]
        await until(lambda: len(server.heads) == 5)
        released.set()
        await asyncio.gather(*answers)
        await until(lambda: hung_up == 3)
        await until(lambda: hung_up == 5)
        assert 5 == server.opened


async def test_no_connection_is_a_connect_error() -> None:
    async with answering() as server:
        pass
    assert "connect" == await failure(client_of(server), RecordingAnswer())


async def test_connecting_has_a_limit() -> None:
    async def never(protocol: object, /) -> object:
        return await asyncio.Event().wait()

    client = Client(never, Limits(connect=0.01))
    assert "connect" == await failure(client, RecordingAnswer())


def silent(wire: bytes) -> ScriptedServer:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(wire)
        await reader.read()

    server = ScriptedServer(script)
    return server


async def test_silence_before_the_head_is_a_timeout() -> None:
    async with silent(b"HTTP/1.1 200 OK\r\n") as server:
        answer = RecordingAnswer()
        client = client_of(server, Limits(first_byte=0.05, sweep=0.01))
        assert "timeout" == await failure(client, answer)
        assert (False, 1) == (answer.sink.aborted, server.opened)
        await server.ended.wait()


async def test_silence_within_the_body_aborts_the_receiver() -> None:
    async with silent(OK[:-1]) as server:
        answer = RecordingAnswer()
        client = client_of(server, Limits(idle_body=0.05, sweep=0.01))
        assert "body" == await failure(client, answer)
        assert (True, 0) == (answer.sink.aborted, answer.ends)
        await server.ended.wait()


@pytest.mark.parametrize("wire", [b"", OK[:-1]], ids=["before the head", "within the body"])
async def test_cancellation_closes_the_connection_at_once(wire: bytes) -> None:
    async with silent(wire) as server:
        client = client_of(server)
        answer = RecordingAnswer()
        exchange = asyncio.create_task(client.exchange(asking(), answer))
        await until(lambda: bool(answer.content if wire else server.heads))
        exchange.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange
        await server.ended.wait()
        assert (0, bool(wire)) == (answer.ends, answer.sink.aborted)


async def test_a_closed_client_refuses_and_lets_open_exchanges_end() -> None:
    released = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        await released.wait()
        writer.write(OK)
        await reader.read()

    server = ScriptedServer(script)
    async with server:
        client = client_of(server)
        running = asyncio.create_task(fetch(client))
        await until(lambda: bool(server.heads))
        await client.close()
        assert "connect" == await failure(client, RecordingAnswer())
        released.set()
        assert b"ok" == (await running).content
        await server.ended.wait()
