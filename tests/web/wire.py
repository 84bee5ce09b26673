"""HTTP/1.1 over a raw socket: sends exactly the bytes it is given, and reads answers more strictly than any browser."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

PATIENCE = 10.0
"""Seconds after which a test gives up waiting: never reached when all is well."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer. *raw* is its head as it came."""

    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    raw: bytes

    def header(self, name: str) -> str | None:
        """The one field of that name; None if there is none. Two of them are a fault of the test."""
        found = self.headers(name)
        assert len(found) <= 1, found
        return found[0] if found else None

    def headers(self, name: str) -> list[str]:
        """All fields of that name."""
        return [value.decode("latin-1") for key, value in self.fields if key.lower() == name.lower().encode()]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def location(self) -> str:
        return self.header("Location") or ""

    @property
    def error(self) -> str:
        """The reason word of a refusal in JSON."""
        return str(self.json["error"])


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self.reader = reader
        self.writer = writer
        self._host = host

    @classmethod
    async def open(cls, port: int, host: str = "localhost") -> Wire:
        """Connect to *port* on loopback; *host* goes into `Host`."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20), host)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    def request(
        self,
        method: str,
        target: str,
        *fields: tuple[str, str],
        body: bytes | None = None,
        host: str | None = None,
        version: str = "1.1",
    ) -> None:
        """Send a request; a body gets its `Content-Length` unless the fields frame it themselves."""
        lines = [f"{method} {target} HTTP/{version}", f"Host: {self._host if host is None else host}"]
        lines += [f"{name}: {value}" for name, value in fields]
        framed = any(name.lower() in {"content-length", "transfer-encoding"} for name, _ in fields)
        if body is not None and not framed:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    async def head(self) -> Answer:
        """The next head, interim ones included; its body is still to be read."""
        async with asyncio.timeout(PATIENCE):
            raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw[:-4].split(b"\r\n")
        version, status, reason = first.split(b" ", 2)
        assert version in {b"HTTP/1.1", b"HTTP/1.0"}, first
        pairs = [line.split(b":", 1) for line in lines]
        return Answer(int(status), reason, tuple((name, value.strip()) for name, value in pairs), b"", raw)

    async def answer(self, method: str = "GET") -> Answer:
        """The next final answer with its body."""
        head = await self.head()
        while head.status < 200 and head.status != 101:
            head = await self.head()
        body = await self.body(head, method)
        return Answer(head.status, head.reason, head.fields, body, head.raw)

    async def body(self, head: Answer, method: str = "GET") -> bytes:
        """The body that belongs to *head* (RFC 9112, section 6.3)."""
        length, coding = head.header("Content-Length"), head.header("Transfer-Encoding")
        assert length is None or coding is None, head.raw
        if method == "HEAD" or head.status in {101, 204, 304}:
            return b""
        async with asyncio.timeout(PATIENCE):
            if coding is not None:
                assert coding == "chunked"
                return await self._chunks()
            if length is not None:
                return await self.reader.readexactly(int(length))
            return await self.reader.read()

    async def rest(self) -> bytes:
        """Everything until the other side ends the connection."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def is_over(self) -> bool:
        """Whether the gate ends the connection without another byte."""
        try:
            return await self.rest() == b""
        except ConnectionResetError:
            return True

    async def close(self) -> None:
        """End the connection at once."""
        self.writer.transport.abort()
        await asyncio.sleep(0)

    async def _chunks(self) -> bytes:
        found = bytearray()
        while True:
            size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
            found += await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
            if size == 0:
                return bytes(found)
