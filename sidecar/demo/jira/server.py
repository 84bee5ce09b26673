"""Starts and stops a stand-in Jira on the loopback. Called by the demo and by tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import WSCloseCode, web

from sidecar.demo.jira.faults import Failure, Faults
from sidecar.demo.jira.handler import Handler
from sidecar.demo.jira.proof import Prover
from sidecar.demo.jira.recording import Call
from sidecar.demo.jira.settings import JiraConfig
from sidecar.demo.jira.sso_memory import SsoMemory
from sidecar.demo.jira.state import JiraState
from sidecar.demo.jira.visit import Site

_HOST = "127.0.0.1"


@dataclass(slots=True)
class RunningJira:
    """A stand-in Jira that listens. `origin` is scheme, host and port; `url` has the context path too."""

    origin: str
    port: int
    state: JiraState
    _site: Site

    @property
    def url(self) -> str:
        """Where it listens, with the context path."""
        return self.origin + self._site.config.context_path

    @property
    def base_url(self) -> str:
        """The public address, as links and the check of `Origin` use it."""
        return self._site.base_url

    @base_url.setter
    def base_url(self, value: str) -> None:
        # The gate's port is often known only after this server has started.
        self._site.base_url = value.rstrip("/")

    @property
    def calls(self) -> list[Call]:
        """Every request so far, in the order of arrival."""
        return self._site.calls.seen

    @property
    def faults(self) -> Faults:
        """The switches: read-only directory, no seats, dead tokens, rate limit."""
        return self._site.faults

    @property
    def sso(self) -> SsoMemory:
        """What it remembers of sign-ins at its OpenID provider, with the switches for them."""
        return self._site.sso

    def matching(self, method: str | None = None, target_prefix: str = "/") -> list[Call]:
        """Calls with that method (any by default) whose raw target, context path included, starts so."""
        return self._site.calls.matching(method, target_prefix)

    def count(self, method: str | None = None, target_prefix: str = "/") -> int:
        """How many such calls there were."""
        return len(self.matching(method, target_prefix))

    def usernames(self, target_prefix: str = "/") -> list[str | None]:
        """As whom each such call was served, in order; None is anonymous."""
        return [call.username for call in self.matching(None, target_prefix)]

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

    def kill_token(self, token: str) -> None:
        """The token is known no more: anonymous where anonymous may read, 401 elsewhere."""
        self.faults.dead_tokens.add(token)


@asynccontextmanager
async def serve_jira(state: JiraState, config: JiraConfig | None = None, port: int = 0) -> AsyncIterator[RunningJira]:
    """Serve that state on the loopback; port 0 takes a free one. All connections close at the end."""
    config = config or JiraConfig()
    site = Site(state, config, Prover(config.proof), config.base_url.rstrip("/"), SsoMemory(config.sso))
    server = web.Server(Handler(site), access_log=None, auto_decompress=False, handler_cancellation=True)
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        listener = web.TCPSite(runner, _HOST, port)
        await listener.start()
        bound = int(runner.addresses[0][1])
        origin = f"http://{_HOST}:{bound}"
        site.base_url = site.base_url or origin + config.context_path
        yield RunningJira(origin, bound, state, site)
    finally:
        for socket in tuple(site.sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)
        await runner.cleanup()
