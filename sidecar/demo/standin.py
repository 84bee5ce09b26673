"""A small server that stands in for a product's REST: it reads paths as Tomcat does, writes calls down, and fails
when told to. The stand-ins of Confluence and Crowd give it their answers.

It listens on the loopback only. What it shares with the stand-in Jira is that one's switches, records and paths.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import web

from sidecar.demo.jira.answers import plain
from sidecar.demo.jira.faults import Faults
from sidecar.demo.jira.listening import Listening, listen, origin_of, recorded, troubled, whole_body
from sidecar.demo.jira.paths import BadTargetError, Target, read_target
from sidecar.demo.jira.recording import Call


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


class _Handler:
    """Answers every request of one stand-in."""

    def __init__(self, running: Listening, answering: Answering) -> None:
        self._running = running
        self._answering = answering

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        call = recorded(request)
        self._running.calls.append(call)
        try:
            target = read_target(call.target, self._running.context_path)
        except BadTargetError as error:
            return plain(f"HTTP Status 400 – Bad Request: {error}", 400)
        if target is None:
            return plain("HTTP Status 404 – Not Found", 404)
        faults = self._running.faults
        trouble = await troubled(request, target.path, faults)
        if trouble is not None:
            return trouble
        body = b"" if request.content_type == "multipart/form-data" else await whole_body(request)
        if body is None:
            return plain("The request body is too large.", 413)
        # The first value counts, as with `getParameter`.
        params = dict(reversed(parse_qsl(target.query, keep_blank_values=True)))
        ask = Ask(request, call, target, params, faults, body)
        answer = await self._answering(ask)
        call.status = answer.status
        for name, value in ask.extra:
            answer.headers.add(name, value)
        return answer


@asynccontextmanager
async def serve(answering: Answering, context_path: str = "", port: int = 0) -> AsyncIterator[Listening]:
    """Serve those answers on the loopback; port 0 takes a free one. All connections close at the end."""
    running = Listening("", context_path)
    async with listen(_Handler(running, answering), port) as bound:
        running.origin = origin_of(bound)
        yield running


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
