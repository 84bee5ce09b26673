"""What every stand-in has when it listens: its address, a record of calls, switches for faults; and the server itself.

Used by `server.py` and, for Confluence and Crowd, by `sidecar.demo.standin`. It listens on the loopback only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from sidecar.demo.jira.answers import plain
from sidecar.demo.jira.faults import Failure, Faults
from sidecar.demo.jira.recording import Call, Calls

_HOST = "127.0.0.1"
_BODY_LIMIT = 2 * 1024 * 1024  # bytes of a form or JSON body; Tomcat's maxPostSize


@dataclass(slots=True)
class Listening:
    """A stand-in that listens. `origin` is scheme, host and port; `url` has the context path too."""

    origin: str
    context_path: str
    faults: Faults = field(default_factory=Faults)
    record: Calls = field(default_factory=Calls)

    @property
    def url(self) -> str:
        """Where it listens, with the context path."""
        return self.origin + self.context_path

    @property
    def calls(self) -> list[Call]:
        """Every request so far, in the order of arrival."""
        return self.record.seen

    def matching(self, method: str | None = None, target_prefix: str = "/") -> list[Call]:
        """Calls with that method (any by default) whose raw target, context path included, starts so."""
        return self.record.matching(method, target_prefix)

    def fail_next(
        self,
        path_prefix: str,
        status: int,
        body: str = "",
        times: int = 1,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """The next `times` requests below the path (without context path) get this answer."""
        self.faults.prepare(path_prefix, Failure(status, body, headers), times)

    def cut_next(self, path_prefix: str, times: int = 1) -> None:
        """The next `times` requests below the path lose their connection without an answer."""
        self.faults.prepare(path_prefix, Failure(None), times)

    def delay(self, path_prefix: str, seconds: float) -> None:
        """Requests below the path are answered that much later; 0 ends it."""
        self.faults.delays[path_prefix] = seconds


@asynccontextmanager
async def listen(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], port: int) -> AsyncIterator[int]:
    """Serve on the loopback and give the port; 0 takes a free one. All connections close at the end."""
    server = web.Server(handler, access_log=None, auto_decompress=False, handler_cancellation=True)
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, _HOST, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def origin_of(port: int) -> str:
    """The address of what listens there."""
    return f"http://{_HOST}:{port}"


def recorded(request: web.BaseRequest) -> Call:
    """A request as it arrived."""
    headers = [
        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
        for name, value in request.raw_headers
    ]
    return Call(request.method, request.raw_path, headers)


def cookies_of(request: web.BaseRequest) -> dict[str, list[str]]:
    """All values of each cookie, in their order."""
    found: dict[str, list[str]] = {}
    for line in request.headers.getall("Cookie", []):
        for pair in line.split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals:
                found.setdefault(name, []).append(value.strip('"'))
    return found


async def whole_body(request: web.BaseRequest) -> bytes | None:
    """The body; None beyond the limit."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > _BODY_LIMIT:
            return None
    return bytes(body)


async def troubled(request: web.BaseRequest, path: str, faults: Faults) -> web.Response | None:
    """Wait as long as *path* is delayed; then the bad answer that is prepared for it, if any.

    Raises:
        CancelledError: the connection was cut instead.
    """
    await asyncio.sleep(faults.delay_of(path))
    failure = faults.next_failure(path)
    if failure is None:
        return None
    if failure.status is None:
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError
    answer = plain(failure.body, failure.status)
    for name, value in failure.headers:
        answer.headers[name] = value
    return answer
