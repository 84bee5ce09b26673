"""An application that fails as it is asked to: the path names the fault and the number of the answer that is due.

`GET /truncated/17` breaks off within an answer whose whole body would be that of number 17.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable

from tests.upstream.scripted import ScriptedServer

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
GARBAGE = bytes(range(256)) * 4


def content_of(number: int) -> bytes:
    """The body of the answer to one request; each is another one."""
    return b"<%d>" % number + b"x" * (number % 7 * 500)


class Turn:
    """One request, and the means to answer it badly."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.fault, number = target.strip("/").split("/")
        self.body = content_of(int(number))
        self.chunked_up = b"Transfer-Encoding: chunked" in head
        lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
        self.length_up = int(lengths[0].split()[1]) if lengths else 0
        self.reader = reader
        self.writer = writer

    @property
    def whole(self) -> bytes:
        return self.head(len(self.body)) + (b"" if self.method == "HEAD" else self.body)

    @staticmethod
    def head(length: int, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
        return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n" % (status, length, more)

    async def read_body(self) -> None:
        """As a good server does before it answers."""
        if self.chunked_up:
            while (size := int(await self.reader.readuntil(b"\r\n"), 16)) > 0:
                await self.reader.readexactly(size + 2)
            await self.reader.readexactly(2)
        else:
            await self.reader.readexactly(self.length_up)

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End with a reset instead of a farewell."""
        raw = self.writer.get_extra_info("socket")
        if raw is None or raw.fileno() < 0:
            raise ConnectionResetError("the other side was quicker")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def silence(self) -> None:
        """Until the other side ends the connection."""
        while await self.reader.read(65536):
            pass


Do = Callable[[Turn], Awaitable[bool | None]]
"""Answers; True: the connection goes on."""


async def fine(turn: Turn) -> bool:
    await turn.read_body()
    await turn.say(turn.whole)
    return True


async def fine_chunked(turn: Turn) -> bool:
    await turn.read_body()
    coded = b"".join(b"%x;x=y\r\n%b\r\n" % (len(part), part) for part in (turn.body[:3], turn.body[3:]) if part)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    await turn.say(head + (b"" if turn.method == "HEAD" else coded + b"0\r\nX-Sum: 1\r\n\r\n"))
    return True


async def fine_slowly(turn: Turn) -> bool:
    await turn.read_body()
    whole = turn.whole
    for start in range(0, len(whole), 1 + len(whole) // 5):
        await turn.say(whole[start : start + 1 + len(whole) // 5])
        await asyncio.sleep(0.001)
    return True


async def fine_to_the_end(turn: Turn) -> None:
    await turn.read_body()
    await turn.say(b"HTTP/1.1 200 OK\r\n\r\n" + (b"" if turn.method == "HEAD" else turn.body))
    turn.writer.close()
    await turn.writer.wait_closed()


async def fine_then_farewell(turn: Turn) -> None:
    await turn.read_body()
    await turn.say(turn.head(len(turn.body), more=b"Connection: close\r\n") + turn.whole.partition(b"\r\n\r\n")[2])


async def interim(turn: Turn) -> bool:
    await turn.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    return await fine(turn)


async def nothing_to_say(turn: Turn) -> bool:
    await turn.read_body()
    await turn.say(b"HTTP/1.1 204 No Content\r\n\r\n")
    return True


async def half_closed_behind(turn: Turn) -> None:
    await fine(turn)
    if turn.writer.can_write_eof():
        turn.writer.write_eof()
    await turn.silence()


async def half_closed_at_once(turn: Turn) -> None:
    if turn.writer.can_write_eof():
        turn.writer.write_eof()
        await turn.silence()


async def early(turn: Turn) -> None:
    await turn.say(turn.head(len(turn.body), b"413 Too Large") + turn.whole.partition(b"\r\n\r\n")[2])
    await turn.silence()


async def early_and_gone(turn: Turn) -> None:
    await turn.say(turn.head(len(turn.body), b"413 Too Large") + turn.whole.partition(b"\r\n\r\n")[2])


async def hung_up(turn: Turn) -> None:
    pass


async def reset_before(turn: Turn) -> None:
    turn.reset()


async def hung_up_in_head(turn: Turn) -> None:
    await turn.say(b"HTTP/1.1 200 OK\r\nContent-")


async def reset_in_head(turn: Turn) -> None:
    await turn.say(b"HTTP/1.1 200 OK\r\nContent-")
    await asyncio.sleep(0.002)
    turn.reset()


async def reset_after_head(turn: Turn) -> None:
    await turn.say(turn.head(len(turn.body) + 1))
    await asyncio.sleep(0.002)
    turn.reset()


async def truncated(turn: Turn) -> None:
    await turn.say(turn.head(len(turn.body) + 1) + turn.body)


async def cut_in_chunk(turn: Turn) -> None:
    await turn.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + turn.body)


async def bad_chunk(turn: Turn) -> None:
    await turn.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz\r\n")
    await turn.silence()


async def two_framings(turn: Turn) -> None:
    await turn.say(turn.head(5, more=b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n")
    await turn.silence()


async def garbage(turn: Turn) -> None:
    await turn.say(GARBAGE)
    await turn.silence()


async def second_answer(turn: Turn) -> None:
    await turn.read_body()
    await turn.say(turn.whole + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nWRONG")
    await turn.silence()


async def late_answer(turn: Turn) -> None:
    await fine(turn)
    await turn.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nWRONG")
    await turn.silence()


async def stalled(turn: Turn) -> None:
    await turn.silence()


async def stalled_in_body(turn: Turn) -> None:
    await turn.say(turn.head(len(turn.body) + 1) + turn.body)
    await turn.silence()


async def switched(turn: Turn) -> None:
    await turn.say(SWITCH + b"hello")
    await turn.silence()


FAULTS: dict[str, Do] = {
    do.__name__: do
    for do in (
        fine, fine_chunked, fine_slowly, fine_to_the_end, fine_then_farewell, interim, nothing_to_say,
        half_closed_behind, half_closed_at_once, early, early_and_gone, hung_up, reset_before, hung_up_in_head,
        reset_in_head, reset_after_head, truncated, cut_in_chunk, bad_chunk, two_framings, garbage, second_answer,
        late_answer, stalled, stalled_in_body, switched,
    )
}  # fmt: skip


def faulty(tls: ssl.SSLContext | None = None) -> ScriptedServer:
    """The application itself."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # the client ends as it likes
            goes_on: bool | None = True
            while goes_on:
                turn = Turn(await server.head(reader), reader, writer)
                goes_on = await FAULTS[turn.fault](turn)

    server = ScriptedServer(script, tls=tls)
    return server
