"""The WebSocket of the issue page: it says who is there, then echoes. The table is in `table.py`."""

from __future__ import annotations

from aiohttp import WSMsgType, web

from sidecar.demo.jira.answers import RefusedError, demand_user
from sidecar.demo.jira.visit import Visit


async def socket(visit: Visit) -> web.StreamResponse:
    """GET `/rest/live/1.0/socket` as a WebSocket (RFC 6455): first a hello with the username, then echoes."""
    username = demand_user(visit)
    channel = web.WebSocketResponse(heartbeat=None, max_msg_size=4 * 1024 * 1024)
    if not channel.can_prepare(visit.request):
        raise RefusedError(400, "A WebSocket upgrade is needed here.")
    await visit.dress(channel).prepare(visit.request)
    visit.site.sockets.add(channel)
    try:
        await echo(channel, username)
    finally:
        visit.site.sockets.discard(channel)
    return channel


async def echo(channel: web.WebSocketResponse, username: str) -> None:
    """Say hello, then repeat what comes, until it is closed."""
    await channel.send_json({"event": "hello", "username": username})
    async for message in channel:
        if message.type == WSMsgType.TEXT:
            await channel.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await channel.send_bytes(message.data)
