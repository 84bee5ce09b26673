"""A way to a stand-in on which one call fails, in one of the ways in which calls fail. It counts the calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

import aiohttp
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from yarl import URL


class Fault(StrEnum):
    """What becomes of the call."""

    REFUSED = "refused"
    BROKEN = "500 before the effect"
    BROKEN_AFTER = "500 after the effect"
    CLOSED = "closed before the effect"
    CLOSED_AFTER = "closed after the effect"


_AFTER = frozenset({Fault.BROKEN_AFTER, Fault.CLOSED_AFTER})
_CLOSED = frozenset({Fault.CLOSED, Fault.CLOSED_AFTER})


class FaultyWay:
    """Passes every call on; number *failing*, counted from 0, meets *fault*.

    So does its repetition: a client asks once more by itself where it may, when a connection that it had was closed.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.calls = 0
        self.failing: int | None = None
        self.fault = Fault.BROKEN
        self.url = ""
        self._again = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        number, self.calls = self.calls, self.calls + 1
        line = f"{request.method} {request.raw_path}"
        failing = number == self.failing or line == self._again
        self._again = line if number == self.failing and self.fault in _CLOSED else ""
        if failing and self.fault not in _AFTER:
            return self._fail(request)
        # A connection for each call: none of another one's troubles.
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                URL(self._origin + request.raw_path, encoded=True),
                headers={name: value for name, value in request.headers.items() if name.lower() != "host"},
                data=await request.read(),
                allow_redirects=False,
            ) as answer,
        ):
            body = await answer.read()
            if failing:
                return self._fail(request)
            kind = {name: value for name, value in answer.headers.items() if name.lower() == "content-type"}
            return web.Response(body=body, status=answer.status, headers=kind)

    def _fail(self, request: web.BaseRequest) -> web.Response:
        if self.fault is Fault.REFUSED:
            return web.json_response({"message": "no"}, status=403)
        if self.fault in (Fault.BROKEN, Fault.BROKEN_AFTER):
            return web.Response(status=500, text="<html>", content_type="text/html")
        assert request.transport is not None
        request.transport.abort()
        raise asyncio.CancelledError


@asynccontextmanager
async def faulty_way(url: str) -> AsyncIterator[FaultyWay]:
    """A way to *url*, with its context path."""
    parts = URL(url)
    way = FaultyWay(str(parts.origin()))
    async with RawTestServer(way.handle) as server:
        way.url = str(server.make_url(parts.path))
        yield way
