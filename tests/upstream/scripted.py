"""An application for the tests: a real server on the loopback that speaks the bytes it is told to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class ScriptedServer:
    """Runs *script* for every connection, and remembers what came in. Nothing within it takes longer than 30 s.

    Attributes:
        heads: Every request head that the script read with `head`, in order.
        opened: How many connections were opened.
        ended: Set each time a connection's script has ended.
        patience: The 30 s; a long test may have it rescheduled.
    """

    def __init__(
        self,
        script: Script,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Listen on *host* and *port*, or on the Unix socket at *path*; inside TLS if a context is given."""
        self._script = script
        self._host = host
        self._port = port
        self._path = path
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.heads: list[bytes] = []
        self.opened = 0
        self.ended = asyncio.Event()

    async def __aenter__(self) -> ScriptedServer:
        self.patience = asyncio.timeout(30)
        await self.patience.__aenter__()
        if self._path:
            self._server = await asyncio.start_unix_server(self._serve, self._path)
        else:
            self._server = await asyncio.start_server(self._serve, self._host, self._port, ssl=self._tls)
            self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        # What was let in already is served, and then ended like the rest.
        for _ in range(3):
            await asyncio.sleep(0)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.patience.__aexit__(kind, error, trace)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._run(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before it began has closed nothing.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            await self._script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self.ended.set()

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._tasks)

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request head."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        return head


async def until(true: Callable[[], bool]) -> None:
    """Let everybody else run until *true* holds; give up in the end."""
    for _ in range(10_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came true")


def answering(
    *answers: bytes,
    then: bytes | None = None,
    host: str = "127.0.0.1",
    path: str = "",
    tls: ssl.SSLContext | None = None,
) -> ScriptedServer:
    """Give one of *answers* per request on a connection, then end it (or go on for ever with *then*)."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await server.head(reader)
            writer.write(answer)
            await writer.drain()
        while then is not None:
            await server.head(reader)
            writer.write(then)
        writer.close()
        await writer.wait_closed()

    server = ScriptedServer(script, host=host, path=path, tls=tls)
    return server
