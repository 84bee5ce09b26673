"""Static files: images, scripts and styles, also below the `/s/…/_/` forward. The table is in `table.py`."""

from __future__ import annotations

import hashlib
from html import escape
from pathlib import Path

from aiohttp import web

from sidecar.demo.jira.answers import not_found
from sidecar.demo.jira.visit import Visit

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = {path.suffix: path.read_bytes() for path in sorted(_FOLDER.iterdir())}


async def resource(visit: Visit) -> web.Response:
    """GET an image or a batch below `/images/` or `/download/`; one file per kind is enough here."""
    name = visit.target.path.rpartition("/")[2]
    kind = Path(name).suffix
    batch = visit.target.path.startswith(
        ("/download/resources/", "/download/batch/", "/download/contextbatch/", "/images/")
    )
    if not batch or kind not in _FILES:
        return not_found(visit)
    return _cached(visit, _FILES[kind], f"{_TYPES[kind]};charset=UTF-8")


async def avatar(visit: Visit) -> web.Response:
    """GET `/secure/useravatar?ownerId=…`, and the same below the customers' shim: the first letter in a circle."""
    letter = escape(visit.params.get("ownerId", "?")[:1].upper())
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48" role="img">'
        '<circle cx="24" cy="24" r="24" fill="#2f6f5e"/>'
        '<text x="24" y="32" font-family="sans-serif" font-size="24" text-anchor="middle" '
        f'fill="#fff">{letter}</text></svg>'
    )
    return _cached(visit, drawing.encode(), "image/svg+xml")


def _cached(visit: Visit, content: bytes, kind: str) -> web.Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "public,max-age=31536000"}
    if visit.request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=content, headers={"Content-Type": kind, **headers})
