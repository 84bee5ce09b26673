"""Small bodies of requests to our own endpoints: read within a bound, and only as what they say they are."""

from __future__ import annotations

from urllib.parse import parse_qsl

from sidecar.web.visit import Visit

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 20


async def body_of(visit: Visit, most: int) -> bytes | None:
    """The body; None if it is larger than *most* bytes."""
    data = bytearray()
    async for piece in visit.request.content.iter_any():
        data += piece
        if len(data) > most:
            return None
    return bytes(data)


async def form_of(visit: Visit, most: int) -> dict[str, str] | None:
    """The fields of a small form; None if it is no such thing, or a field stands there twice."""
    if content_type(visit) != FORM:
        return None
    data = await body_of(visit, most)
    if data is None:
        return None
    try:
        text = data.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        return None
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else None


def content_type(visit: Visit) -> str:
    """What the body says it is, without parameters."""
    return visit.head.get(b"content-type").partition(";")[0].strip().lower()
