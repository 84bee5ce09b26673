"""Calls of our own take the same way to the application as requests do: its TLS, its name, its socket,
its nodes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from sidecar.adapters.accounts.calls import MOST_PLACES, Place, Places, call, open_session
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from tests.upstream.certificates import Authority
from tests.upstream.scripted import answering
from tests.web.rig import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def body_of(url: str, **way: object) -> bytes:
    async with open_session(**way) as session:  # type: ignore[arg-type]
        answer = await call(session, "GET", url, {}, None, failed=Reason.CONNECTOR_UNREACHABLE)
        return answer.body


async def test_proxies_and_passwords_of_the_environment_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else may come to see what goes with our calls, and no file in a home gives them a credential."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login eve password of-eve\n", "utf-8")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with answering(then=OK) as server:
        assert b"ok" == await body_of(f"http://127.0.0.1:{server.port}/x")
    assert [False] == [b"authorization" in head.lower() for head in server.heads]


async def test_over_a_socket_the_address_says_which_host_is_meant(tmp_path: Path) -> None:
    path = str(tmp_path / "jira.sock")
    async with answering(then=OK, path=path) as server:
        assert b"ok" == await body_of("http://jira.example.com/jira/rest/api/2/myself", socket=path)
        (head,) = server.heads
        assert head.startswith(b"GET /jira/rest/api/2/myself HTTP/1.1\r\nHost: jira.example.com\r\n")


async def test_an_answer_that_is_too_large_is_not_taken_to_its_end() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + bytes(200_000)
    async with answering(then=endless) as server, open_session() as session:
        url = f"http://127.0.0.1:{server.port}/x"
        with pytest.raises(AccountError, match="larger than 65536 bytes") as caught:
            await call(session, "GET", url, {}, None, failed=Reason.HOOK_FAILED, largest=65_536)
    assert (Reason.HOOK_FAILED, False) == (caught.value.reason, caught.value.retry)


async def test_only_the_authority_that_is_named_may_vouch(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.file)
    async with answering(then=OK, tls=authority.serving("127.0.0.1")) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert b"ok" == await body_of(url, tls=lambda: trusting)
        with pytest.raises(AccountError, match="CertificateError"):
            await body_of(url)
        assert 1 == len(server.heads)


async def test_the_certificate_bears_the_name_that_is_configured(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.file)
    async with answering(then=OK, tls=authority.serving("jira.internal.example.com")) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert b"ok" == await body_of(url, tls=lambda: trusting, server_name="jira.internal.example.com")
        for wrong in (None, "wiki.internal.example.com"):
            with pytest.raises(AccountError, match="CertificateError"):
                await body_of(url, tls=lambda: trusting, server_name=wrong)
        assert 1 == len(server.heads)


async def test_our_certificate_is_shown(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    asking = authority.serving("127.0.0.1")
    asking.load_verify_locations(cafile=authority.file)
    asking.verify_mode = ssl.CERT_REQUIRED
    trusting = ssl.create_default_context(cafile=authority.file)
    async with answering(then=OK, tls=asking) as server:
        url = f"https://127.0.0.1:{server.port}/"
        with pytest.raises(AccountError):
            await body_of(url, tls=lambda: trusting)
        trusting.load_cert_chain(*authority.issue("lychgate"))
        assert b"ok" == await body_of(url, tls=lambda: trusting)


def _places(*ports: int, scheme: str = "http", **more: Any) -> Places:
    return lambda: [Place(URL(f"{scheme}://127.0.0.1:{port}"), **more) for port in ports]


@asynccontextmanager
async def _silent() -> AsyncIterator[int]:
    """A port at which nobody is accepted: connections that are had fill the queue, and all others get no answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        await asyncio.sleep(0.05)
        yield listening.getsockname()[1]


async def test_a_node_without_a_connection_is_passed_over_and_the_request_sent_once() -> None:
    async with answering(then=OK) as first, answering(then=OK) as second, _silent() as silent:
        gone = free_port()
        async with open_session(seconds=2, places=_places(gone, silent, second.port)) as session:
            for method, body in (("GET", None), ("POST", b"one")):
                url = "http://jira.example.com/rest/api/2/user?username=a%2Fb"
                answer = await call(session, method, url, {}, body, failed=Reason.CONNECTOR_UNREACHABLE)
                assert b"ok" == answer.body
        heads = [bytes(head).split(b"\r\n")[:2] for head in second.heads]
        named = f"Host: 127.0.0.1:{second.port}".encode()
        line = b" /rest/api/2/user?username=a%2Fb HTTP/1.1"
        assert [[b"GET" + line, named], [b"POST" + line, named]] == heads
        # The first place is the one that is used while it takes connections.
        assert b"ok" == await body_of("http://jira.example.com/", places=_places(first.port, second.port))
        assert (1, 2) == (len(first.heads), len(second.heads))


async def test_what_may_have_been_sent_is_not_sent_to_another_node() -> None:
    async with answering(b"") as first, answering(then=OK) as second:
        async with open_session(places=_places(first.port, second.port)) as session:
            with pytest.raises(AccountError):
                await call(session, "POST", "http://x/", {}, b"one", failed=Reason.CONNECTOR_UNREACHABLE)
        assert (1, 0) == (len(first.heads), len(second.heads))


async def test_with_no_node_there_the_call_fails_and_of_many_only_some_are_tried() -> None:
    async with answering(then=OK) as last:
        with pytest.raises(AccountError, match="ClientConnectorError"):
            await body_of("http://x/", places=_places(*(free_port() for _ in range(MOST_PLACES)), last.port))
        assert [] == last.heads


async def test_the_nodes_of_a_name_have_its_certificate_and_hear_its_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.file)
    async with answering(then=OK, tls=authority.serving("jira.internal.example.com")) as server:
        url, gone = "https://jira.internal.example.com/", free_port()
        named = _places(gone, server.port, scheme="https", server_name="jira.internal.example.com", is_named=False)
        assert b"ok" == await body_of(url, tls=lambda: trusting, places=named)
        assert b"\r\nHost: jira.internal.example.com\r\n" in server.heads[0]
        with pytest.raises(AccountError, match="CertificateError"):
            await body_of(url, tls=lambda: trusting, places=_places(server.port, scheme="https"))
        assert 1 == len(server.heads)


async def test_files_of_tls_that_are_renewed_count_for_the_next_connection(tmp_path: Path) -> None:
    """With our own connector, which leans on a method that aiohttp does not promise."""
    authority = Authority(tmp_path)
    asking = authority.serving("127.0.0.1")
    asking.load_verify_locations(cafile=authority.file)
    asking.verify_mode = ssl.CERT_REQUIRED
    now = ssl.create_default_context()
    async with answering(then=OK, tls=asking) as server, open_session(tls=lambda: now) as session:
        url = f"https://127.0.0.1:{server.port}/"
        with pytest.raises(AccountError):
            await call(session, "GET", url, {}, None, failed=Reason.CONNECTOR_UNREACHABLE)
        now = ssl.create_default_context(cafile=authority.file)
        now.load_cert_chain(*authority.issue("lychgate"))
        assert 200 == (await call(session, "GET", url, {}, None, failed=Reason.CONNECTOR_UNREACHABLE)).status
