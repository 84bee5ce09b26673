"""Answers of every framing, for tests of the data plane: long, chunked, ended by the close, echoed."""

from __future__ import annotations

from aiohttp import web

from sidecar.demo.jira.answers import RefusedError, demand_user, json_answer, to_login
from sidecar.demo.jira.users_rest import number
from sidecar.demo.jira.visit import Visit

_BLOCK = bytes(range(256)) * 256  # 64 KiB
_MOST = 4 * 1024**3  # bytes


async def big(visit: Visit) -> web.StreamResponse:
    """GET `/secure/attachment/big?bytes=N`: N bytes 00 01 … FF 00 …, with their length announced."""
    if visit.user is None:
        return to_login(visit)
    size = number(visit.params.get("bytes"), 1024 * 1024)
    if size > _MOST:
        raise RefusedError(400, f"At most {_MOST} bytes.")
    answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)})
    if await visit.send_head(answer):
        for start in range(0, size, len(_BLOCK)):
            await answer.write(_BLOCK[: size - start])
    await answer.write_eof()
    return answer


async def chunked(visit: Visit) -> web.StreamResponse:
    """GET `/plugins/servlet/demo/chunked?parts=N`: N lines in chunks of their own."""
    parts = number(visit.params.get("parts"), 5)
    answer = web.StreamResponse(headers={"Content-Type": "text/plain;charset=UTF-8"})
    if await visit.send_head(answer):
        for part in range(parts):
            await answer.write(f"part {part + 1} of {parts}\n".encode())
    await answer.write_eof()
    return answer


class _UntilClose(web.StreamResponse):
    """An answer with neither length nor chunks: the end of the connection ends it (RFC 9112, section 6.3)."""

    _length_check = False


async def until_close(visit: Visit) -> web.StreamResponse:
    """GET `/plugins/servlet/demo/until-close?bytes=N`: N bytes, then the connection closes."""
    size = number(visit.params.get("bytes"), 1000)
    answer = _UntilClose(headers={"Content-Type": "application/octet-stream"})
    answer.force_close()
    if await visit.send_head(answer):
        for start in range(0, size, len(_BLOCK)):
            await answer.write(_BLOCK[: size - start])
    await answer.write_eof()
    return answer


async def echo(visit: Visit) -> web.StreamResponse:
    """POST `/plugins/servlet/demo/echo`: the body comes back while it is still arriving."""
    if visit.user is None:
        return to_login(visit)
    answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    if await visit.send_head(answer):
        async for chunk in visit.request.content.iter_chunked(len(_BLOCK)):
            await answer.write(chunk)
    await answer.write_eof()
    return answer


async def seen_request(visit: Visit) -> web.Response:
    """Any method on `/plugins/servlet/demo/request`: what arrived here, as JSON."""
    demand_user(visit)
    call = visit.call
    return json_answer(
        {
            "method": call.method,
            "target": call.target,
            "headers": call.headers,
            "username": call.username,
            "how": call.how,
            "body": visit.body.decode("utf-8", "replace"),
        }
    )
