"""A world whose application has several nodes: stand-in Jiras that share people and content and no session."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sidecar.demo.jira import Call, CrowdConfig, JiraConfig, RunningJira, SsoConfig, serve_jira
from tests.web.rig import LANDING, Site, World, free_port, world


@dataclass(slots=True)
class Several:
    """Such a world. A node that was ended has no entry in `nodes`."""

    world: World
    ports: dict[str, int]
    nodes: dict[str, RunningJira] = field(default_factory=dict)
    ends: dict[str, AsyncExitStack] = field(default_factory=dict)
    seen: list[tuple[str, list[Call]]] = field(default_factory=list)

    @property
    def parts(self) -> Any:
        """The gate's own `upstream.nodes.Nodes`."""
        return self.world.gate.gateway._forwarding._applications["jira"].nodes

    async def begin(self, name: str) -> None:
        """Start a node, which knows nobody's session."""
        made = copy.copy(self.world.jira.state)
        made.sessions = {}
        site = self.world.site
        config = replace(_signs_on(site, self.world.url), base_url=self.world.url, header_limit=200_000)
        stack = self.ends[name] = AsyncExitStack()
        self.nodes[name] = await stack.enter_async_context(serve_jira(made, config, self.ports[name]))
        self.seen.append((name, self.nodes[name].calls))

    async def end(self, name: str) -> None:
        """End a node."""
        del self.nodes[name]
        await self.ends.pop(name).aclose()

    async def look(self) -> None:
        """Let the gate ask all nodes once more, as it does by itself every few seconds."""
        for _ in range(2):
            await self.parts._ask_all()

    def served(self, target: str) -> list[tuple[str, str | None]]:
        """Node and person of each such request, node by node."""
        calls = [(name, call) for name, calls in self.seen for call in calls]
        return [(name, call.username) for name, call in calls if call.target == target and call.status == 200]


def _signs_on(site: Site, url: str) -> JiraConfig:
    base = f"http://127.0.0.1:{site.landing_port}/jira"
    if site.proof == "crowd":
        return JiraConfig(crowd=CrowdConfig(f"{base}/rest/usermanagement/1", "lychgate", LANDING, interval=5))
    told = "" if site.walks == "headless" else f"{url}/.lychgate/authorize"
    return JiraConfig(sso=SsoConfig(base, "lychgate", LANDING, authorize_at=told))


@asynccontextmanager
async def several(folder: Path, *names: str, **settings: Any) -> AsyncIterator[Several]:
    """Start one with nodes of these names."""
    ports = {name: free_port() for name in names}
    addresses = [f"http://127.0.0.1:{port}" for port in ports.values()]
    jira = {"upstream": {"url": addresses[0], "also": addresses[1:], "status_every": 300}}
    site = replace(Site(proof="sso"), **{**settings, "jira": {**jira, **settings.get("jira", {})}})
    async with world(folder, site) as made:
        found = Several(made, ports)
        try:
            for name in names:
                await found.begin(name)
            await found.look()
            yield found
        finally:
            for stack in found.ends.values():
                await stack.aclose()
