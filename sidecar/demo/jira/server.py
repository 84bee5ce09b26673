"""Starts and stops a stand-in Jira on the loopback. Called by the demo and by tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import WSCloseCode

from sidecar.demo.jira.handler import Handler
from sidecar.demo.jira.listening import Listening, listen, origin_of
from sidecar.demo.jira.proof import Prover
from sidecar.demo.jira.settings import CrowdConfig, JiraConfig
from sidecar.demo.jira.sso_memory import SsoMemory
from sidecar.demo.jira.state import JiraState
from sidecar.demo.jira.synchronising import synchronise
from sidecar.demo.jira.visit import Site


@dataclass(slots=True, kw_only=True)
class RunningJira(Listening):
    """A stand-in Jira that listens."""

    port: int
    state: JiraState
    _site: Site

    @property
    def base_url(self) -> str:
        """The public address, as links and the check of `Origin` use it."""
        return self._site.base_url

    @base_url.setter
    def base_url(self, value: str) -> None:
        # The gate's port is often known only after this server has started.
        self._site.base_url = value.rstrip("/")

    @property
    def sso(self) -> SsoMemory:
        """What it remembers of sign-ins at its OpenID provider, with the switches for them."""
        return self._site.sso

    def count(self, method: str | None = None, target_prefix: str = "/") -> int:
        """How many such calls there were."""
        return len(self.matching(method, target_prefix))

    def usernames(self, target_prefix: str = "/") -> list[str | None]:
        """As whom each such call was served, in order; None is anonymous."""
        return [call.username for call in self.matching(None, target_prefix)]

    async def synchronise(self, config: CrowdConfig | None = None) -> None:
        """Take users, groups and memberships over from a Crowd server: that of its sign-on unless another is named."""
        wanted = config or self._site.config.crowd
        if wanted is None:
            raise LookupError("there is no Crowd server")
        await synchronise(self.state, self._site.crowd_users, wanted)

    def kill_token(self, token: str) -> None:
        """The token is known no more: anonymous where anonymous may read, 401 elsewhere."""
        self.faults.dead_tokens.add(token)


@asynccontextmanager
async def serve_jira(state: JiraState, config: JiraConfig | None = None, port: int = 0) -> AsyncIterator[RunningJira]:
    """Serve that state on the loopback; port 0 takes a free one. All connections close at the end."""
    config = config or JiraConfig()
    site = Site(state, config, Prover(config.proof), config.base_url.rstrip("/"), SsoMemory(config.sso))
    async with listen(Handler(site), port) as bound:
        try:
            site.base_url = site.base_url or origin_of(bound) + config.context_path
            yield RunningJira(
                origin=origin_of(bound),
                context_path=config.context_path,
                faults=site.faults,
                record=site.calls,
                port=bound,
                state=state,
                _site=site,
            )
        finally:
            for socket in tuple(site.sockets):
                await socket.close(code=WSCloseCode.GOING_AWAY)
