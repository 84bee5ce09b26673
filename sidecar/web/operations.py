"""The operations listener: health, readiness, metrics, what the applications say of themselves.

GET only, changes nothing, tells nothing personal (D9).
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from sidecar.web.upstream_status import PATH, UpstreamStatus


class Operations:
    """Serves the paths that probes and Prometheus ask; everything else is 404."""

    def __init__(
        self, metrics: Callable[[], tuple[str, bytes]], ready: Callable[[], bool], applications: UpstreamStatus
    ) -> None:
        self._metrics = metrics
        self._ready = ready
        self._applications = applications

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Exact paths only."""
        if request.method not in {"GET", "HEAD"}:
            return _text(405, "GET only\n")
        match request.raw_path:
            case "/healthz":
                return _text(200, "alive\n")
            case "/readyz":
                return _text(200, "ready\n") if self._ready() else _text(503, "not ready\n")
            case "/metrics":
                kind, body = self._metrics()
                return web.Response(body=body, headers={"Content-Type": kind, "Server": "lychgate"})
            case path if path == PATH or path.startswith(f"{PATH}/"):
                return await self._applications.answer(path)
            case _:
                return _text(404, "there are /healthz, /readyz, /metrics and /upstream-status\n")


def _text(status: int, text: str) -> web.Response:
    headers = {"Server": "lychgate", "Cache-Control": "no-store"}
    return web.Response(status=status, text=text, headers=headers)
