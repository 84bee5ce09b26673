"""A small server that stands in for a product's REST: it reads paths as Tomcat does, writes calls down, and fails
when told to. The stand-ins of Confluence and Crowd give it their answers.

It listens on the loopback only. What it shares with the stand-in Jira is that one's switches, records and paths.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import web

from sidecar.demo.jira.faults import Failure, Faults
from sidecar.demo.jira.paths import BadTargetError, Target, read_target
from sidecar.demo.jira.recording import Call, Calls

_HOST = "127.0.0.1"
_BODY_LIMIT = 2 * 1024 * 1024  # bytes of a JSON body; Tomcat's maxPostSize


@dataclass(slots=True)
class Ask:
    """One request. `path` is below the context, decoded; `segments` are those of its REST path, each decoded.

    `body` is the whole body, except for multipart, whose page reads it itself.
    """

    request: web.BaseRequest
    call: Call
    target: Target
    params: Mapping[str, str]
    faults: Faults
    body: bytes = b""
    extra: list[tuple[str, str]] = field(default_factory=list)

    @property
    def method(self) -> str:
        """GET for HEAD too."""
        return "GET" if self.request.method == "HEAD" else self.request.method

    @property
    def path(self) -> str:
        """Where it goes, below the context."""
        return self.target.path

    def below(self, prefix: str) -> list[str]:
        """The segments below that path."""
        return self.path.removeprefix(prefix).strip("/").split("/")

    def number(self, name: str, default: int) -> int:
        """A query parameter as a number of at least 0; what is none counts as the default."""
        text = self.params.get(name, "")
        return int(text) if text.isascii() and text.isdigit() else default

    def json_body(self) -> dict[str, object] | None:
        """The JSON object in the body, or None."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


Answering = Callable[[Ask], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Running:
    """A stand-in that listens. `origin` is scheme, host and port; `url` has the context path too."""

    origin: str
    context_path: str
    faults: Faults = field(default_factory=Faults)
    _calls: Calls = field(default_factory=Calls)

    @property
    def url(self) -> str:
        """Where it listens, with the context path."""
        return self.origin + self.context_path

    @property
    def calls(self) -> list[Call]:
        """Every request so far, in the order of arrival."""
        return self._calls.seen

    def matching(self, method: str | None = None, target_prefix: str = "/") -> list[Call]:
        """Calls with that method (any by default) whose raw target, context path included, starts so."""
        return self._calls.matching(method, target_prefix)

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


class _Handler:
    """Answers every request of one stand-in."""

    def __init__(self, running: Running, answering: Answering) -> None:
        self._running = running
        self._answering = answering

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = [(name.decode(), value.decode("utf-8", "surrogateescape")) for name, value in request.raw_headers]
        call = Call(request.method, request.raw_path, headers)
        self._running.calls.append(call)
        try:
            target = read_target(call.target, self._running.context_path)
        except BadTargetError as error:
            return _plain(f"HTTP Status 400 – Bad Request: {error}", 400)
        if target is None:
            return _plain("HTTP Status 404 – Not Found", 404)
        faults = self._running.faults
        await asyncio.sleep(faults.delay_of(target.path))
        failure = faults.next_failure(target.path)
        if failure is not None:
            return _fail(request, failure)
        body = b"" if request.content_type == "multipart/form-data" else await _whole_body(request)
        if body is None:
            return _plain("The request body is too large.", 413)
        # The first value counts, as with `getParameter`.
        params = dict(reversed(parse_qsl(target.query, keep_blank_values=True)))
        ask = Ask(request, call, target, params, faults, body)
        answer = await self._answering(ask)
        call.status = answer.status
        for name, value in ask.extra:
            answer.headers.add(name, value)
        return answer


@asynccontextmanager
async def serve(answering: Answering, context_path: str = "", port: int = 0) -> AsyncIterator[Running]:
    """Serve those answers on the loopback; port 0 takes a free one. All connections close at the end."""
    running = Running("", context_path)
    handler = _Handler(running, answering)
    server = web.Server(handler, access_log=None, auto_decompress=False, handler_cancellation=True)
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, _HOST, port).start()
        running.origin = f"http://{_HOST}:{runner.addresses[0][1]}"
        yield running
    finally:
        await runner.cleanup()


def json_answer(content: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return web.Response(text=text, status=status, content_type="application/json")


def limited(ask: Ask) -> web.Response | None:
    """429 where the bucket of an authenticated caller is empty; else its headers go with the answer."""
    limit = ask.faults.rate_limit
    if limit is None:
        return None
    granted = limit.take()
    ask.extra += limit.headers()
    return None if granted else json_answer({"message": "Rate limit exceeded.", "status-code": 429}, 429)


async def _whole_body(request: web.BaseRequest) -> bytes | None:
    """The body; None beyond the limit."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > _BODY_LIMIT:
            return None
    return bytes(body)


def _plain(text: str, status: int) -> web.Response:
    return web.Response(text=text, status=status)


def _fail(request: web.BaseRequest, failure: Failure) -> web.Response:
    if failure.status is None:
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError
    answer = _plain(failure.body, failure.status)
    for name, value in failure.headers:
        answer.headers[name] = value
    return answer
