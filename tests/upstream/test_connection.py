"""One connection: bodies go up and answers come down at the pace of the slower end, and either end may stop early."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator

import pytest

from sidecar.flows.streaming import Outgoing, UpstreamError
from sidecar.upstream.client import Client, connect_to
from sidecar.upstream.limits import Limits
from tests.upstream.receiving import RecordingAnswer
from tests.upstream.scripted import ScriptedServer, answering, until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TOO_LARGE = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
PIECE = b"x" * 65536


class Body:
    """A request body that counts what was taken from it, and knows whether it was closed."""

    def __init__(self, *pieces: bytes, endless: bool = False, stuck: bool = False) -> None:
        self.pieces = list(pieces)
        self.endless = endless
        self.stuck = stuck
        self.taken = 0
        self.waiting = False
        self.more = asyncio.Event()
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self.pieces and self.stuck:
            self.waiting = True
            await self.more.wait()
            self.more.clear()
        if not self.pieces and not self.endless:
            raise StopAsyncIteration
        await asyncio.sleep(0)
        self.taken += 1
        return PIECE if self.endless else self.pieces.pop(0)

    async def aclose(self) -> None:
        self.closed = True


def posting(body: Body, *, chunked: bool = False, length: int = 1 << 40) -> Outgoing:
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % length
    head = b"POST / HTTP/1.1\r\nHost: jira\r\n" + framing + b"\r\n\r\n"
    return Outgoing(method="POST", head=head, body=body, chunked=chunked)


def client_of(server: ScriptedServer, limits: Limits | None = None) -> Client:
    return Client(connect_to("127.0.0.1", server.port), limits)


@pytest.mark.parametrize(
    ("chunked", "wire"),
    [(False, b"hello, world"), (True, b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n")],
)
async def test_a_body_goes_up_in_its_framing_and_the_connection_stays(chunked: bool, wire: bytes) -> None:
    received = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.head(reader)
            received.append(await reader.readexactly(len(wire)))
            writer.write(OK)

    server = ScriptedServer(script)
    async with server:
        client = client_of(server)
        for _ in range(2):
            body = Body(b"hello", b"", b", world")
            answer = RecordingAnswer()
            await client.exchange(posting(body, chunked=chunked, length=12), answer)
            assert (1, True) == (answer.ends, body.closed)
        assert ([wire, wire], 1) == (received, server.opened)
        await client.close()


@pytest.mark.parametrize("endless", [False, True], ids=["client waits", "client sends"])
async def test_an_early_answer_ends_the_upload_and_the_connection(endless: bool) -> None:
    """A 413 comes while the body is still going up, or while the client's next piece is awaited."""
    body = Body(b"first", endless=endless, stuck=not endless)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        await until(lambda: body.taken > 4 if endless else body.waiting)
        writer.write(TOO_LARGE)
        await reader.read()

    server = ScriptedServer(script)
    async with server:
        client = client_of(server)
        answer = RecordingAnswer()
        outcome = await client.exchange(posting(body), answer)
        assert ("complete", 413, b"no", 1) == (
            outcome.state,
            answer.head.status,
            answer.content,
            answer.ends,
        )
        assert body.closed
        task = asyncio.current_task()
        assert task is not None and 0 == task.cancelling()
        await server.ended.wait()
        await asyncio.sleep(0)  # a cancellation left behind would strike here
        assert 1 == server.opened


class Blind:
    """A body that never waits, so that the event loop cannot read; it goes on when the server has hung up."""

    def __init__(self, hung_up: threading.Event) -> None:
        self.hung_up = hung_up
        self.taken = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.taken += 1
        assert self.taken < 100, "nobody told the upload to stop"
        if self.taken > 1:
            assert self.hung_up.wait(10)
        return b"hello"


async def test_an_early_answer_survives_the_reset_behind_it() -> None:
    """The application answers 413 and resets at once; the next write fails before the answer was read."""
    hung_up = threading.Event()

    def serve(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        peer.recv(16)
        peer.sendall(TOO_LARGE)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        hung_up.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        answer = RecordingAnswer()
        client = Client(connect_to("127.0.0.1", listener.getsockname()[1]))
        body = Blind(hung_up)
        request = Outgoing(method="POST", head=b"POST / HTTP/1.1\r\nContent-Length: 500\r\n\r\n", body=body)
        outcome = await client.exchange(request, answer)
        thread.join()
        assert ("complete", 413, b"no") == (outcome.state, answer.head.status, answer.content)
        assert body.taken <= 3


async def test_a_cancellation_during_an_early_answer_is_not_swallowed() -> None:
    body = Body(stuck=True)
    async with answering(TOO_LARGE) as server:
        answer = RecordingAnswer()
        end = answer.end
        exchange = asyncio.create_task(client_of(server).exchange(posting(body), answer))

        def cancel_and_end() -> None:
            exchange.cancel()
            end()

        answer.end = cancel_and_end  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await exchange
        assert (1, True) == (answer.ends, body.closed)


async def test_an_upload_waits_for_an_application_that_does_not_read() -> None:
    reading = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        await reading.wait()
        await reader.read()

    server = ScriptedServer(script)
    async with server:
        body = Body(endless=True)
        exchange = asyncio.create_task(client_of(server).exchange(posting(body), RecordingAnswer()))
        await until(lambda: bool(server.heads))
        stalled = -1
        while stalled != body.taken:  # bounded by the kernel's buffers, or by the server's 30 s
            stalled = body.taken
            await asyncio.sleep(0.1)
        # The kernel holds some megabytes for the two sockets; beyond them only one high-water mark.
        assert stalled * len(PIECE) < 16 << 20
        reading.set()
        await until(lambda: body.taken > stalled + 10)
        exchange.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange
        assert body.closed


@pytest.mark.parametrize("stuck", [False, True], ids=["client sends", "client waits"])
async def test_an_application_that_hangs_up_ends_the_upload(stuck: bool) -> None:
    body = Body(b"hello", stuck=stuck, endless=not stuck)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        await reader.readexactly(5)

    server = ScriptedServer(script)
    async with server:
        with pytest.raises(UpstreamError) as caught:
            await client_of(server).exchange(posting(body), RecordingAnswer())
        assert caught.value.stage in ("send", "head")
        assert body.closed


@pytest.mark.parametrize("mover", ["client", "application"])
async def test_a_stalled_upload_is_a_timeout_and_a_moving_one_is_not(mover: str) -> None:
    """The clock is moved instead of waited for: the sweeper's look is given its time."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = ScriptedServer(script)
    async with server:
        client = client_of(server, Limits(first_byte=600))
        body = Body(stuck=True)
        exchange = asyncio.create_task(client.exchange(posting(body), RecordingAnswer()))
        await until(lambda: body.waiting)
        (connection,) = client._busy
        started = asyncio.get_running_loop().time()
        await asyncio.sleep(0.01)
        if mover == "client":
            body.pieces.append(b"x")
            body.more.set()
            await until(lambda: body.taken == 1)
        else:
            connection.resume_writing()  # the application has read something
        connection.end_if_still(started + 600)
        await asyncio.sleep(0)
        assert not exchange.done()
        connection.end_if_still(asyncio.get_running_loop().time() + 601)
        with pytest.raises(UpstreamError) as caught:
            await exchange
        assert ("timeout", True) == (caught.value.stage, body.closed)


async def test_a_body_that_fails_closes_the_connection_and_keeps_its_error() -> None:
    class Failing(Body):
        async def __anext__(self) -> bytes:
            raise LookupError("the client is gone")

    async with answering(then=OK) as server:
        with pytest.raises(LookupError):
            await client_of(server).exchange(posting(Failing()), RecordingAnswer())
        await server.ended.wait()


async def test_a_failed_connect_closes_the_body() -> None:
    async with answering() as server:
        pass
    body = Body(b"hello")
    with pytest.raises(UpstreamError):
        await client_of(server).exchange(posting(body), RecordingAnswer())
    assert (True, 0) == (body.closed, body.taken)


def endless_answer() -> tuple[ScriptedServer, list[int]]:
    """A server whose answer never ends, and the bytes that it could write so far."""
    sent = [0]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        while True:
            writer.write(PIECE)
            await writer.drain()
            sent[0] += len(PIECE)

    server = ScriptedServer(script)
    return server, sent


GET = Outgoing(method="GET", head=b"GET / HTTP/1.1\r\nHost: jira\r\n\r\n")


async def test_a_slow_receiver_stops_the_application() -> None:
    server, sent = endless_answer()
    async with server:
        answer = RecordingAnswer(pause_at=200_000)
        exchange = asyncio.create_task(client_of(server).exchange(GET, answer))
        await until(lambda: answer.sink.drains == 1)
        held = len(answer.content)
        assert held < 200_000 + 65536
        stalled = -1
        while stalled != sent[0]:  # bounded by the kernel's buffers, or by the server's 30 s
            stalled = sent[0]
            await asyncio.sleep(0.1)
        assert (held, 1) == (len(answer.content), answer.sink.drains)
        answer.sink.resume()
        await until(lambda: len(answer.content) > held + (1 << 20))
        exchange.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange
        assert answer.sink.aborted


async def test_a_receiver_that_goes_while_behind_ends_the_exchange() -> None:
    server, _ = endless_answer()
    async with server:
        answer = RecordingAnswer(pause_at=1)
        exchange = asyncio.create_task(client_of(server).exchange(GET, answer))
        await until(lambda: answer.sink.drains == 1)
        answer.sink.resume(gone=True)
        with pytest.raises(UpstreamError) as caught:
            await exchange
        assert ("body", True) == (caught.value.stage, answer.sink.aborted)
        await server.ended.wait()


async def test_cancelling_while_the_receiver_is_behind_leaves_nothing_running() -> None:
    server, _ = endless_answer()
    async with server:
        before = asyncio.all_tasks()
        answer = RecordingAnswer(pause_at=1)
        exchange = asyncio.create_task(client_of(server).exchange(GET, answer))
        await until(lambda: answer.sink.drains == 1)
        exchange.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange
        await server.ended.wait()
        await until(lambda: asyncio.all_tasks() == before)


async def test_one_read_is_bounded() -> None:
    """What one read may add to a slow receiver's queue is 64 KiB, however much has arrived."""

    class Largest(RecordingAnswer):
        largest = 0

        def body(self, data: bytes) -> None:
            self.largest = max(self.largest, len(data))
            super().body(data)

    wire = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 20) + b"x" * (1 << 20)
    async with answering(wire) as server:
        answer = Largest()
        await client_of(server).exchange(GET, answer)
        assert (1 << 20, 1) == (len(answer.content), answer.ends)
        assert 0 < answer.largest <= 65536


async def test_the_fast_path_starts_no_task() -> None:
    async with answering(then=OK) as server:
        client = client_of(server)
        await client.exchange(GET, RecordingAnswer())
        started = []
        loop = asyncio.get_running_loop()
        loop.set_task_factory(
            lambda loop, coro, **kwargs: started.append(coro) or asyncio.Task(coro, loop=loop, **kwargs)
        )
        try:
            await client.exchange(GET, RecordingAnswer())
        finally:
            loop.set_task_factory(None)
        assert [] == started
        await client.close()
