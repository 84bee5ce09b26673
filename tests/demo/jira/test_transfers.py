"""Every framing of an answer, read from a raw socket."""

from __future__ import annotations

import asyncio

import pytest

from tests.demo.jira.conftest import Browser, raw


@pytest.mark.parametrize("size", [0, 1, 65536, 1_000_001])
async def test_a_big_download_announces_its_length(browser: Browser, size: int) -> None:
    session = (await browser.landed("alice"))["JSESSIONID"]
    head, _, body = (await raw(browser, f"GET /secure/attachment/big?bytes={size}", session)).partition(b"\r\n\r\n")
    assert f"content-length: {size}".encode() in head.lower()
    assert size == len(body)
    assert body == (bytes(range(256)) * (size // 256 + 1))[:size]


async def test_head_sends_no_body(browser: Browser) -> None:
    session = (await browser.landed("alice"))["JSESSIONID"]
    for path in ("/secure/attachment/big?bytes=5000", "/plugins/servlet/demo/chunked"):
        found = await raw(browser, f"HEAD {path}", session)
        assert found.startswith(b"HTTP/1.1 200")
        assert found.endswith(b"\r\n\r\n")


async def test_the_chunked_answer_is_chunked(browser: Browser) -> None:
    found = await raw(browser, "GET /plugins/servlet/demo/chunked?parts=2")
    assert b"transfer-encoding: chunked" in found.lower()
    assert found.endswith(b"\r\n\r\nc\r\npart 1 of 2\n\r\nc\r\npart 2 of 2\n\r\n0\r\n\r\n")


async def test_the_close_delimited_answer_has_no_length(browser: Browser) -> None:
    head, _, body = (await raw(browser, "GET /plugins/servlet/demo/until-close?bytes=70000")).partition(b"\r\n\r\n")
    assert b"content-length" not in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert len(body) == 70000


async def test_the_echo_answers_while_the_body_arrives(browser: Browser) -> None:
    session = (await browser.landed("alice"))["JSESSIONID"]
    reader, writer = await asyncio.open_connection("127.0.0.1", browser.jira.port)
    writer.write(
        b"POST /plugins/servlet/demo/echo HTTP/1.1\r\nHost: jira\r\n"
        b"Cookie: JSESSIONID=" + session.encode() + b"\r\nContent-Length: 10\r\n\r\nfirst"
    )
    async with asyncio.timeout(10):
        found = await reader.readuntil(b"first")
        writer.write(b"later")
        found += await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert found.endswith(b"5\r\nfirst\r\n5\r\nlater\r\n0\r\n\r\n")
    assert browser.jira.calls[-1].body_length == 10
