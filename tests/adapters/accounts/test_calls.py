"""Calls of our own take the same way to the application as requests do: its TLS, its name, its socket."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from sidecar.adapters.accounts.calls import call, open_session
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from tests.upstream.certificates import Authority
from tests.upstream.scripted import answering

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def body_of(url: str, **way: object) -> bytes:
    async with open_session(**way) as session:  # type: ignore[arg-type]
        answer = await call(session, "GET", url, {}, None, failed=Reason.CONNECTOR_UNREACHABLE)
        return answer.body


async def test_over_a_socket_the_address_says_which_host_is_meant(tmp_path: Path) -> None:
    path = str(tmp_path / "jira.sock")
    async with answering(then=OK, path=path) as server:
        assert b"ok" == await body_of("http://jira.example.com/jira/rest/api/2/myself", socket=path)
        (head,) = server.heads
        assert head.startswith(b"GET /jira/rest/api/2/myself HTTP/1.1\r\nHost: jira.example.com\r\n")


async def test_only_the_authority_that_is_named_may_vouch(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.file)
    async with answering(then=OK, tls=authority.serving("127.0.0.1")) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert b"ok" == await body_of(url, tls=trusting)
        with pytest.raises(AccountError, match="CertificateError"):
            await body_of(url)
        assert 1 == len(server.heads)


async def test_the_certificate_bears_the_name_that_is_configured(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.file)
    async with answering(then=OK, tls=authority.serving("jira.internal.example.com")) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert b"ok" == await body_of(url, tls=trusting, server_name="jira.internal.example.com")
        for wrong in (None, "wiki.internal.example.com"):
            with pytest.raises(AccountError, match="CertificateError"):
                await body_of(url, tls=trusting, server_name=wrong)
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
            await body_of(url, tls=trusting)
        trusting.load_cert_chain(*authority.issue("lychgate"))
        assert b"ok" == await body_of(url, tls=trusting)
