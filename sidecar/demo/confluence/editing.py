"""The WebSocket of Confluence's editor, where its proxy to Synchrony stands: it says who is there, then echoes.

The real one believes a token that the page brings along; this one goes by the session, so that a test can tell whose
socket it is. The table is in `server.py`.
"""

from __future__ import annotations

from aiohttp import web

from sidecar.demo.confluence.answers import RefusedError, Visit
from sidecar.demo.jira.live import echo

BELOW = "/synchrony-proxy/"


async def socket(visit: Visit) -> web.StreamResponse:
    """GET below `/synchrony-proxy/` as a WebSocket (RFC 6455)."""
    if visit.user is None:
        raise RefusedError(401, "Authentication is required")
    channel = web.WebSocketResponse(heartbeat=None, max_msg_size=4 * 1024 * 1024)
    if not channel.can_prepare(visit.ask.request):
        raise RefusedError(400, "A WebSocket upgrade is needed here")
    await channel.prepare(visit.ask.request)
    # The head is gone, and with it what else was to be said.
    visit.ask.extra.clear()
    await echo(channel, visit.user.username)
    return channel
