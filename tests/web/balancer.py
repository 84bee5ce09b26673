"""What stands in front of the landing listeners of several gates: a connection goes to the one that the test names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class Balancer:
    """Leads each new connection to the port *to*, and remembers where it led.

    Products keep connections open, so *to* counts for the next connection only; our stand-ins open one per question.
    """

    to: int
    led: list[int] = field(default_factory=list)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways until both sides are done."""
        self.led.append(self.to)
        there, back = await asyncio.open_connection("127.0.0.1", self.to)
        await asyncio.gather(_pour(reader, back), _pour(there, writer))


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with suppress(ConnectionError):
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def balancer(port: int, to: int) -> AsyncIterator[Balancer]:
    """One that listens at *port* within the block."""
    found = Balancer(to)
    server = await asyncio.start_server(found.carry, "127.0.0.1", port)
    try:
        yield found
    finally:
        server.close()
