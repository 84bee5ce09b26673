"""What answers at `listen.landing`: the provider of products' own sign-on, and the Crowd server, each at its paths."""

from __future__ import annotations

from aiohttp import web

from sidecar.web.crowd_server import CrowdServer
from sidecar.web.landing_provider import LandingProvider


class LandingListener:
    """The one handler of that listener."""

    def __init__(self, provider: LandingProvider, crowd: CrowdServer | None) -> None:
        self._provider = provider
        self._crowd = crowd

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request. Never raises."""
        if self._crowd is not None and self._crowd.knows(request.raw_path):
            return await self._crowd(request)
        return await self._provider(request)
