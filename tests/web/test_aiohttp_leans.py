"""What we lean on beyond aiohttp's public surface, one test for each: a new aiohttp that changes one of these must not
pass (design, section 3). And what a default instance loads: nothing that its configuration does not name."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp.http_parser
import pytest
from aiohttp import web

from sidecar.web.server import Listener
from sidecar.web.sink import TransportSink, Written
from tests.upstream.scripted import until
from tests.web.rig import Site, configuration, free_port
from tests.web.wire import Wire

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Listening:
    """A listener of ours around a handler, for the length of a block."""

    def __init__(self, handler: Handler) -> None:
        self.listener = Listener(handler)

    async def __aenter__(self) -> Wire:
        await self.listener.open("127.0.0.1", 0)
        self.wire = await Wire.open(self.listener.port)
        return self.wire

    async def __aexit__(self, *error: object) -> None:
        await self.wire.close()
        await self.listener.close()


def test_the_parser_in_c_is_loaded() -> None:
    assert aiohttp.http_parser.HttpRequestParser is aiohttp.http_parser.HttpRequestParserC
    assert not aiohttp.http_parser.DEBUG


async def test_raw_bytes_are_the_whole_answer_and_the_connection_goes_on() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        TransportSink(request).write(OK)
        return Written(200, TransportSink(request), keep_alive=True)

    async with Listening(handler) as wire:
        for _ in range(3):
            wire.request("GET", "/")
            assert OK == (await wire.reader.readexactly(len(OK)))


async def test_an_answer_that_ends_the_connection_ends_it() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        TransportSink(request).write(OK)
        return Written(200, TransportSink(request), keep_alive=False)

    async with Listening(handler) as wire:
        wire.request("GET", "/")
        assert OK == await wire.rest()


async def test_output_size_keeps_a_second_head_out_of_the_body(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        assert 0 == request.writer.output_size
        TransportSink(request).write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes!")
        assert 0 < request.writer.output_size
        raise ValueError("after the first byte")

    async with Listening(handler) as wire:
        wire.request("GET", "/")
        raw = await wire.rest()
    assert raw.endswith(b"ten bytes!") and 1 == raw.count(b"HTTP/1.1")


async def test_a_handler_that_fails_answers_without_a_word_of_why(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        raise ValueError("s3cr3t")

    async with Listening(handler) as wire:
        wire.request("GET", "/s3cr3t")
        answer = await wire.answer()
        assert (500, "lychgate", b"The request failed.\n") == (answer.status, answer.header("Server"), answer.body)
        assert await wire.is_over()
    assert 1 == len(caplog.records)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nCookie: s3cr3t\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"s3cr3t" * 8000 + b"\r\n\r\n", 431),
        (b"GET /?" + b"s3cr3t" * 8000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
    ],
)
async def test_handle_error_neither_echoes_nor_logs(caplog: pytest.LogCaptureFixture, data: bytes, status: int) -> None:
    caplog.set_level(logging.DEBUG)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        raise AssertionError("nothing to handle")

    async with Listening(handler) as wire:
        wire.send(data)
        answer = await wire.answer()
        assert (status, "lychgate") == (answer.status, answer.header("Server"))
        assert b"s3cr3t" not in answer.raw + answer.body
    assert "s3cr3t" not in caplog.text


async def test_long_fields_pass_up_to_our_own_limit() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=str(len(request.headers["Cookie"])))

    async with Listening(handler) as wire:
        wire.request("GET", "/", ("Cookie", "x" * 32_000))
        assert b"32000" == (await wire.answer()).body


async def test_a_packed_body_stays_packed() -> None:
    packed = zlib.compress(b"x" * 1000)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"same" if packed == await request.content.read() else b"other")

    async with Listening(handler) as wire:
        wire.request("POST", "/", ("Content-Encoding", "deflate"), body=packed)
        assert b"same" == (await wire.answer()).body


async def test_a_closed_tab_cancels_its_handler(caplog: pytest.LogCaptureFixture) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return web.Response()

    async with Listening(handler) as wire:
        wire.request("GET", "/")
        await begun.wait()
        await wire.close()
        async with asyncio.timeout(5):
            await cancelled.wait()
    assert [] == caplog.records


class _Heard:
    """Stands where aiohttp's parser stood."""

    def __init__(self) -> None:
        self.data = b""
        self.over = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        self.over = True


async def test_set_parser_takes_over_the_connection_with_what_came_early() -> None:
    heard = _Heard()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        request.protocol.set_parser(heard)  # type: ignore[arg-type]
        TransportSink(request).write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        await until(lambda: heard.data.endswith(b"end"))
        return Written(101, TransportSink(request), keep_alive=False)

    async with Listening(handler) as wire:
        fields = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
        wire.request("GET", "/", *fields)
        wire.send(b"early ")
        assert 101 == (await wire.head()).status
        wire.send(b"end")
        assert await wire.is_over()
    assert b"early end" == heard.data


async def test_a_reader_that_is_behind_pauses_the_writer() -> None:
    paused, drained = asyncio.Event(), asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        sink = TransportSink(request)
        sink.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not sink.writing_paused:
            sink.write(b"x" * 65_536)
        paused.set()
        await sink.drain()
        assert not sink.writing_paused
        drained.set()
        return Written(200, TransportSink(request), keep_alive=False)

    async with Listening(handler) as wire:
        wire.request("GET", "/")
        async with asyncio.timeout(5):
            await paused.wait()
            await wire.rest()
            await drained.wait()


ABSENT = (
    "sidecar.demo",
    "asyncpg",
    "opentelemetry",
    "playwright",
    "pytest",
    "httpx",
    "httpx2",
    "requests",
    "sqlalchemy",
)
"""A default instance loads none of these."""

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from sidecar.app import running
from sidecar.config.load import load

async def main():
    async with running(load(Path(sys.argv[1])), audit=open("/dev/null", "w")) as gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.public)
        writer.write(b"GET /public/x HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
        await reader.read()
        writer.close()
    print(json.dumps(sorted(sys.modules)))

asyncio.run(main())
"""


def _configured(folder: Path) -> Path:
    """The file of a site whose providers are somewhere else."""
    issuers = ("https://id.example.com", "https://customers.example.com")
    for name in ("client-secret", "cookie-key", "jira-token"):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(f"d2VsbC1jaG9zZW4tYW5kLWxvbmc-{name}-x7", encoding="ascii")
    file = configuration(Site(), folder, free_port(), f"http://127.0.0.1:{free_port()}", "", issuers)
    path = folder / "lychgate.yaml"
    path.write_text(json.dumps(file), encoding="utf-8")
    return path


def test_a_default_instance_loads_only_what_its_configuration_names(tmp_path: Path) -> None:
    path = _configured(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "sidecar.web.gateway" in loaded and "sidecar.adapters.state.sqlite" in loaded
    assert [] == sorted(name for name in loaded if name.startswith(ABSENT))


def test_serve_starts_says_where_and_ends_when_told(tmp_path: Path) -> None:
    path = _configured(tmp_path)
    command = [sys.executable, "-m", "sidecar", "serve", "-c", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "serving on port" in line:
                break
        process.terminate()
        _, rest = process.communicate(timeout=30)
    assert 0 == process.returncode and "serving on port" in lines[-1], lines
    assert "Traceback" not in "".join(lines) + rest
