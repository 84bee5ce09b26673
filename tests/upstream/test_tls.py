"""TLS to the application: who is believed, who is not, and what an answer is worth whose connection was cut."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from sidecar.config.model_upstream import UpstreamSettings
from sidecar.config.outside import upstream_limits, upstream_tls
from sidecar.flows.streaming import Outgoing, UpstreamError
from sidecar.upstream.client import Client, connect_to
from sidecar.upstream.limits import Limits
from tests.upstream.asking import OK, SWITCH, UPGRADE, asking, fetch
from tests.upstream.certificates import Authority
from tests.upstream.receiving import RecordingAnswer, RecordingSink
from tests.upstream.scripted import ScriptedServer, answering, until


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all tests: keys cost time."""
    return Authority(tmp_path_factory.mktemp("authority"))


def client_as_configured(port: int, **keys: object) -> Client:
    """As the composition root makes it."""
    way = UpstreamSettings.model_validate({"url": f"https://127.0.0.1:{port}", **keys})
    return Client(connect_to(*way.place, upstream_tls(way), way.server_name), upstream_limits(way))


async def why(client: Client) -> str:
    with pytest.raises(UpstreamError) as caught:
        await client.exchange(asking(), RecordingAnswer())
    assert "connect" == caught.value.stage
    return caught.value.detail


async def test_a_certificate_of_our_own_authority_is_believed_and_the_connection_serves_again(
    authority: Authority,
) -> None:
    async with answering(then=OK, tls=authority.serving("127.0.0.1")) as server:
        client = client_as_configured(server.port, ca=str(authority.file))
        for _ in range(3):
            answer = await fetch(client)
            assert (b"ok", 1) == (answer.content, answer.ends)
        assert 1 == server.opened
        await client.close()
        await server.ended.wait()


async def test_nobody_else_is_believed(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    async with answering(then=OK, tls=authority.serving("127.0.0.1")) as server:
        for keys in ({}, {"ca": str(other.file)}):
            assert "certificate verify failed" in await why(client_as_configured(server.port, **keys))
        assert [] == server.heads


async def test_files_that_are_renewed_count_for_the_next_connection(authority: Authority, tmp_path: Path) -> None:
    now = ssl.create_default_context(cafile=Authority(tmp_path, "other").file)
    async with answering(then=OK, tls=authority.serving("127.0.0.1")) as server:
        client = Client(connect_to("127.0.0.1", server.port, lambda: now), Limits())
        assert "certificate verify failed" in await why(client)
        now = ssl.create_default_context(cafile=authority.file)
        assert b"ok" == (await fetch(client)).content
        await client.close()


async def test_the_name_in_the_certificate_is_the_hosts_or_the_one_that_is_configured(authority: Authority) -> None:
    async with answering(then=OK, tls=authority.serving("jira.internal.example.com")) as server:
        ca = str(authority.file)
        assert "IP address mismatch" in await why(client_as_configured(server.port, ca=ca))
        wrong = client_as_configured(server.port, ca=ca, server_name="wiki.internal.example.com")
        assert "Hostname mismatch" in await why(wrong)
        named = client_as_configured(server.port, ca=ca, server_name="jira.internal.example.com")
        assert b"ok" == (await fetch(named)).content
        assert 1 == len(server.heads)
        await named.close()


async def test_an_application_that_wants_our_certificate_gets_it(authority: Authority) -> None:
    context = authority.serving("127.0.0.1")
    context.load_verify_locations(cafile=authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = authority.issue("lychgate")
    names = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        names.append(writer.get_extra_info("peercert")["subject"])
        writer.write(OK)
        await reader.read()

    server = ScriptedServer(script, tls=context)
    async with server:
        ca = str(authority.file)
        ours = client_as_configured(server.port, ca=ca, client_certificate=str(certificate), client_key=f"file://{key}")
        assert b"ok" == (await fetch(ours)).content
        assert [((("commonName", "lychgate"),),)] == names
        await ours.close()
        # TLS 1.3 says so only after the handshake, as the answer to the request.
        with pytest.raises(UpstreamError):
            await fetch(client_as_configured(server.port, ca=ca))
        assert 1 == len(server.heads)


async def test_a_server_that_speaks_no_tls_is_no_connection() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with ScriptedServer(script) as server:
        assert "no connection" in await why(client_as_configured(server.port))


async def test_a_handshake_that_stands_still_has_the_limit_of_connecting(authority: Authority) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with ScriptedServer(script) as server:
        context = ssl.create_default_context(cafile=authority.file)
        client = Client(connect_to("127.0.0.1", server.port, context), Limits(connect=0.05))
        assert "no connection" in await why(client)
        await server.ended.wait()


@pytest.mark.parametrize("farewell", [True, False], ids=["said good-bye", "cut"])
async def test_an_answer_without_length_is_whole_only_if_tls_said_good_bye(
    authority: Authority, farewell: bool
) -> None:
    """RFC 9112, section 9.8: an end that anybody on the way can make is no end of an answer."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        await writer.drain()
        if farewell:
            writer.close()
            await writer.wait_closed()

    server = ScriptedServer(script, tls=authority.serving("127.0.0.1"))
    async with server:
        client = client_as_configured(server.port, ca=str(authority.file))
        answer = RecordingAnswer()
        if farewell:
            await client.exchange(asking(), answer)
        else:
            with pytest.raises(UpstreamError) as caught:
                await client.exchange(asking(), answer)
            assert "body" == caught.value.stage
        assert (farewell, not farewell) == (answer.ends == 1, answer.sink.aborted)
        await client.close()


async def test_a_dead_connection_is_noticed_before_use_inside_tls_too(authority: Authority) -> None:
    async with answering(OK, tls=authority.serving("127.0.0.1")) as server:
        client = client_as_configured(server.port, ca=str(authority.file))
        await fetch(client)
        await server.ended.wait()
        assert 1 == (await fetch(client, asking("POST"))).ends
        assert (2, 2) == (server.opened, len(server.heads))
        await client.close()


async def test_bodies_and_back_pressure_pass_through_tls(authority: Authority) -> None:
    size = 3 << 20

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        body = await reader.readexactly(size)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body)
        await writer.drain()
        await reader.read()

    class Up:
        def __init__(self) -> None:
            self.left = size

        def __aiter__(self) -> Up:
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1 << 16
            return b"x" * (1 << 16)

    server = ScriptedServer(script, tls=authority.serving("127.0.0.1"))
    async with server:
        client = client_as_configured(server.port, ca=str(authority.file))
        answer = RecordingAnswer(pause_at=1 << 20)
        head = b"POST / HTTP/1.1\r\nHost: jira\r\nContent-Length: %d\r\n\r\n" % size
        exchange = asyncio.create_task(client.exchange(Outgoing(method="POST", head=head, body=Up()), answer))
        await until(lambda: answer.sink.drains == 1)
        held = len(answer.content)
        await asyncio.sleep(0.05)
        assert held == len(answer.content) < (1 << 20) + (1 << 16)
        answer.sink.resume()
        await exchange
        assert (b"x" * size, 1, 1) == (answer.content, answer.ends, client.idle)
        await client.close()


async def test_a_websocket_passes_through_tls(authority: Authority) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(SWITCH + b"first,")
        writer.write(b"second:" + await reader.readexactly(4))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = ScriptedServer(script, tls=authority.serving("127.0.0.1"))
    async with server:
        client = client_as_configured(server.port, ca=str(authority.file))
        outcome = await client.exchange(UPGRADE, RecordingAnswer())
        assert outcome.tunnel is not None
        sink = RecordingSink()
        outcome.tunnel.write(b"ping")
        await outcome.tunnel.pump(sink)
        assert b"first,second:ping" == sink.written
        outcome.tunnel.close()
        await until(lambda: client._tunnels == 0)
