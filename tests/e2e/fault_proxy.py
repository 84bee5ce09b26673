"""A proxy in front of a provider that can spoil one endpoint at a time. On loopback, ended with its test.

It stands where the issuer says, so the gate and the browser know no other way.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Literal

import aiohttp
from aiohttp import web
from yarl import URL

Endpoint = Literal["discovery", "jwks", "authorize", "token", "userinfo", "end_session"]

_ENDPOINTS: dict[str, Endpoint] = {
    "/.well-known/openid-configuration": "discovery",
    "/jwks": "jwks",
    "/auth": "authorize",
    "/token": "token",
    "/me": "userinfo",
    "/session/end": "end_session",
}
_OURS = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"})
OVERSIZED = 2 * 1024 * 1024
"""Bytes; more than the gate takes of any document."""


class Ailment(StrEnum):
    """What is wrong with an endpoint."""

    DOWN = "down"
    SLOW = "slow"
    ERROR = "500"
    GARBAGE = "garbage"
    OVERSIZED = "oversized"


class FaultProxy:
    """One proxy. `ill` says what is wrong where; `counts` how often each endpoint was asked."""

    def __init__(self, origin: str, runner: web.ServerRunner) -> None:
        self.origin = origin
        self._runner = runner
        self.address = ""
        self.ill: dict[Endpoint, Ailment] = {}
        self.counts: Counter[str] = Counter()

    def heal(self) -> None:
        """Nothing is wrong any more, and nothing has been asked."""
        self.ill.clear()
        self.counts.clear()

    async def close_door(self) -> None:
        """Refuse every connection from now on, and end those that are open."""
        for site in list(self._runner.sites):
            await site.stop()
        if isinstance(self._runner.server, web.Server):
            await self._runner.server.shutdown(0)

    async def open_door(self) -> None:
        """Listen again, where it did before."""
        await web.TCPSite(self._runner, "127.0.0.1", URL(self.origin).port, reuse_address=True).start()

    async def answer(self, request: web.BaseRequest, http: aiohttp.ClientSession) -> web.StreamResponse:
        """One request."""
        endpoint = _ENDPOINTS.get(request.path)
        if endpoint is None:
            return await self._passed_on(request, http)
        self.counts[endpoint] += 1
        match self.ill.get(endpoint):
            case None:
                return await self._passed_on(request, http)
            case Ailment.DOWN:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            case Ailment.SLOW:
                # Until whoever asked is gone, which cancels this.
                await asyncio.Event().wait()
                return web.Response(status=504)
            case Ailment.ERROR:
                return web.Response(status=500, text="broken on purpose")
            case Ailment.GARBAGE:
                return web.Response(body=b'\x00\xff{"issuer"', content_type="application/json")
            case Ailment.OVERSIZED:
                return web.Response(body=b'{"x": "' + b"x" * OVERSIZED + b'"}', content_type="application/json")

    async def _passed_on(self, request: web.BaseRequest, http: aiohttp.ClientSession) -> web.Response:
        """As it is, the field `Host` too: this provider's endpoints follow it."""
        target = URL(self.address + request.raw_path, encoded=True)
        fields = [(name, value) for name, value in request.headers.items() if name.lower() not in _OURS]
        body = await request.read()
        async with http.request(
            request.method, target, headers=fields, data=body or None, allow_redirects=False
        ) as answer:
            response = web.Response(status=answer.status, body=await answer.read())
            for name, value in answer.headers.items():
                if name.lower() not in _OURS:
                    response.headers.popall(name, None) if name == "Content-Type" else None
                    response.headers.add(name, value)
            return response


@asynccontextmanager
async def fault_proxy() -> AsyncIterator[FaultProxy]:
    """A proxy that listens; it passes on to its `address` as soon as it has one."""
    jar, plain = aiohttp.DummyCookieJar(), {"Accept-Encoding", "User-Agent", "Accept", "Content-Type"}
    async with aiohttp.ClientSession(cookie_jar=jar, skip_auto_headers=plain, auto_decompress=False) as http:
        # No access log: what a gate under test must not tell would stand there.
        server = web.Server(lambda request: proxy.answer(request, http), access_log=None, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            proxy = FaultProxy(f"http://127.0.0.1:{runner.addresses[0][1]}", runner)
            yield proxy
        finally:
            await runner.cleanup()
