"""The socket of the issue page: it says who is there, echoes, and is for people only."""

from __future__ import annotations

import pytest
from aiohttp import WSServerHandshakeError

from tests.demo.jira.conftest import Browser


async def test_the_socket_says_who_is_there_and_echoes(browser: Browser) -> None:
    session = (await browser.landed("alice"))["JSESSIONID"]
    async with browser.client.ws_connect(
        browser.jira.url + "/rest/live/1.0/socket", headers={"Cookie": f"JSESSIONID={session}"}
    ) as channel:
        assert await channel.receive_json() == {"event": "hello", "username": "alice"}
        await channel.send_str("grüß")
        assert await channel.receive_str() == "grüß"
        await channel.send_bytes(b"\x00\xff" * 40000)
        assert await channel.receive_bytes() == b"\x00\xff" * 40000


async def test_the_socket_is_for_people_and_upgrades(browser: Browser) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await browser.client.ws_connect(browser.jira.url + "/rest/live/1.0/socket")
    assert refused.value.status == 401
    assert (await browser.admin("GET", "/rest/live/1.0/socket")).status == 400
