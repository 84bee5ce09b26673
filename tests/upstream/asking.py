"""Requests and clients for the tests of the way to an application."""

from __future__ import annotations

import pytest

from sidecar.flows.streaming import Outcome, Outgoing, Upstream, UpstreamError
from sidecar.upstream.client import Client, connect_to
from sidecar.upstream.limits import Limits
from sidecar.upstream.startup import StatusPage
from tests.upstream.receiving import RecordingAnswer
from tests.upstream.scripted import ScriptedServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADE = Outgoing(
    method="GET",
    head=b"GET /ws HTTP/1.1\r\nHost: jira\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    upgrade=True,
)


def asking(method: str = "GET", path: str = "/") -> Outgoing:
    """A request without a body."""
    return Outgoing(method=method, head=f"{method} {path} HTTP/1.1\r\nHost: jira\r\n\r\n".encode())


def client_of(server: ScriptedServer, limits: Limits | None = None, status: StatusPage | None = None) -> Client:
    """The way to a server on 127.0.0.1."""
    return Client(connect_to("127.0.0.1", server.port), limits, status)


async def fetch(client: Upstream, request: Outgoing | None = None) -> RecordingAnswer:
    """Have a request answered."""
    answer = RecordingAnswer()
    await client.exchange(request or asking(), answer)
    return answer


async def failure(client: Upstream, answer: RecordingAnswer | None = None, request: Outgoing | None = None) -> str:
    """The stage at which a request fails."""
    with pytest.raises(UpstreamError) as caught:
        await client.exchange(request or asking(), answer or RecordingAnswer())
    return caught.value.stage


class Told:
    """An `Over` that remembers."""

    def __init__(self) -> None:
        self.results: list[Outcome | UpstreamError | None] = []

    def __call__(self, result: Outcome | UpstreamError | None) -> None:
        self.results.append(result)
