"""Where an application may listen, and what happens when its name leads elsewhere."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from sidecar.config.model_upstream import UpstreamSettings
from sidecar.upstream.client import Client, connect_to, connect_unix
from sidecar.upstream.limits import Limits
from tests.upstream.asking import OK, asking, client_of, failure, fetch
from tests.upstream.receiving import RecordingAnswer
from tests.upstream.scripted import ScriptedServer, answering, until


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not _has_ipv6(), reason="the machine has no IPv6 on loopback")
async def test_an_address_of_ipv6() -> None:
    async with answering(then=OK, host="::1") as server:
        way = UpstreamSettings(url=f"http://[::1]:{server.port}")
        client = Client(connect_to(*way.place))
        assert b"ok" == (await fetch(client)).content
        await client.close()


async def test_a_unix_socket(tmp_path: Path) -> None:
    async with answering(then=OK, path=str(tmp_path / "jira.sock")) as server:
        way = UpstreamSettings(url=f"unix://{tmp_path}/jira.sock")
        assert way.socket is not None
        client = Client(connect_unix(way.socket))
        for _ in range(2):
            assert b"ok" == (await fetch(client)).content
        assert 1 == server.opened
        await client.close()
        await server.ended.wait()
    assert "connect" == await failure(Client(connect_unix(way.socket)))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 80 + ".example.com"], ids=["unknown", "no name"])
async def test_a_name_that_leads_nowhere(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if host.endswith(".invalid"):  # no question leaves the machine
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    assert "connect" == await failure(Client(connect_to(host, 80)))


async def test_a_name_is_looked_up_again_for_every_connection_and_connections_grow_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Jira moves to another address; the connection to the old one goes on working, and is left nevertheless."""
    address, asked = "127.0.0.1", 0

    async def look_up(host: str, port: int, **_: Any) -> Any:
        nonlocal asked
        asked += 1
        assert "jira.example.com" == host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    old = answering(then=b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold")
    async with old:

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await new.head(reader)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")

        new = ScriptedServer(script, host="127.0.0.2", port=old.port)
        async with new:
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
            client = Client(connect_to("jira.example.com", old.port), Limits(connection_age=300))
            assert b"old" == (await fetch(client)).content
            address = "127.0.0.2"
            assert b"old" == (await fetch(client)).content
            (connection,) = client._pool._idle
            remaining = connection.retire_at - asyncio.get_running_loop().time()
            assert 269 < remaining <= 300
            connection.retire_at -= remaining  # five minutes later
            client._sweep()
            assert 0 == client.idle
            assert b"new" == (await fetch(client)).content
            assert (2, 1, 1) == (asked, old.opened, new.opened)
            await client.close()


async def test_a_connection_that_grew_old_in_an_exchange_is_not_kept() -> None:
    released = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        await released.wait()
        writer.write(OK)
        await reader.read()

    server = ScriptedServer(script)
    async with server:
        client = client_of(server)
        exchange = asyncio.create_task(fetch(client))
        await until(lambda: bool(server.heads))
        (connection,) = client._busy
        connection.retire_at = asyncio.get_running_loop().time()
        released.set()
        assert b"ok" == (await exchange).content
        assert 0 == client.idle
        await server.ended.wait()


async def test_connections_that_a_rush_opened_do_not_all_end_at_once() -> None:
    async with answering(then=OK) as server:
        client = client_of(server, Limits(connection_age=300))
        await asyncio.gather(*(client.exchange(asking(), RecordingAnswer()) for _ in range(16)))
        ends = sorted(connection.retire_at for connection in client._pool._idle)
        assert 16 == len(ends)
        assert 20 < ends[-1] - ends[0] < 31
        await client.close()


async def test_an_address_that_is_silent_does_not_hide_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name leads to two addresses; behind the first one nobody takes connections any more."""
    async with answering(then=OK) as server:
        with ExitStack() as stack:
            silent = stack.enter_context(socket.socket())
            silent.bind(("127.0.0.3", server.port))
            silent.listen(0)
            for _ in range(4):  # its queue is full after the first one or two
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                with suppress(BlockingIOError):
                    one.connect(("127.0.0.3", server.port))

            async def look_up(host: str, port: int, **_: Any) -> Any:
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (at, port)) for at in ("127.0.0.3", "127.0.0.1")]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
            tasks = asyncio.all_tasks()
            client = Client(connect_to("jira.example.com", server.port))
            assert b"ok" == (await fetch(client)).content
            await until(lambda: asyncio.all_tasks() == tasks | server._tasks)
            await client.close()
