"""The two kinds of answers that are no page: JSON and a redirect. None may be stored."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache", "Referrer-Policy": "no-referrer"}


def json_answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON document."""
    return web.json_response(document, status=status, headers={**NO_STORE, **(headers or {})})


def error_answer(
    error: str, description: str, status: int = 400, headers: dict[str, str] | None = None
) -> web.Response:
    """An OAuth error as JSON (RFC 6749, section 5.2)."""
    return json_answer({"error": error, "error_description": description}, status, headers)


def redirect(uri: str, parameters: dict[str, str]) -> web.Response:
    """A 303 to the address with the parameters added to its query."""
    joint = "&" if "?" in uri else "?"
    target = f"{uri}{joint}{urlencode(parameters)}" if parameters else uri
    return web.Response(status=303, headers={**NO_STORE, "Location": target})
