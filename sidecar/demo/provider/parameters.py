"""Reading the parameters of a request: each at most once, empty ones as if absent.

RFC 6749, section 3.1 says both. Every endpoint reads with `query` or `form`.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from aiohttp import web

FORM = "application/x-www-form-urlencoded"
LARGEST_FORM = 64 * 1024

Parameters = dict[str, str]


class UnreadableParametersError(Exception):
    """The parameters are doubled, too long, in no UTF-8, or no form at all."""


def query(request: web.BaseRequest) -> Parameters:
    """The parameters of the URL. Raises `UnreadableParametersError`."""
    return _single(request.rel_url.raw_query_string)


async def form(request: web.BaseRequest) -> Parameters:
    """The parameters of a form body. Raises `UnreadableParametersError`."""
    if request.content_type != FORM:
        raise UnreadableParametersError(f"the body must be {FORM}")
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise UnreadableParametersError("the form is too long")
    try:
        return _single(body.decode("ascii"))
    except UnicodeDecodeError as error:
        raise UnreadableParametersError("the form is not percent-encoded") from error


def _single(text: str) -> Parameters:
    try:
        pairs = parse_qsl(text, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise UnreadableParametersError("the parameters cannot be read") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableParametersError("a parameter was given more than once")
    return found
