"""Files at issues: the upload form, the upload, the download. The table is in `table.py`."""

from __future__ import annotations

import hmac
from urllib.parse import quote

from aiohttp import BodyPartReader, MultipartReader, web

from sidecar.demo.jira.answers import RefusedError, demand_user, not_found, page, redirect, to_login
from sidecar.demo.jira.state import Attachment, Issue
from sidecar.demo.jira.visit import Visit

_CHUNK = 65536  # bytes


def attachment_bean(visit: Visit, attachment: Attachment) -> dict[str, object]:
    """An attachment as REST shows it."""
    name = quote(attachment.name)
    return {
        "self": visit.site.url(f"/rest/api/2/attachment/{attachment.id}"),
        "id": attachment.id,
        "filename": attachment.name,
        "author": {"name": attachment.author},
        "size": len(attachment.content),
        "mimeType": attachment.content_type,
        "content": visit.site.url(f"/secure/attachment/{attachment.id}/{name}"),
    }


async def attach_form(visit: Visit) -> web.StreamResponse:
    """POST `/secure/AttachFile.jspa?key=KEY-1`: a multipart form with `atl_token` before its files."""
    if visit.user is None:
        return to_login(visit)
    issue = visit.site.state.issues.get(visit.params.get("key", ""))
    if issue is None or visit.request.method != "POST":
        return not_found(visit)
    if visit.request.content_type != "multipart/form-data":
        return page(visit, "message.html", 400, title="No file", text="Choose a file first.")
    token_sent = visit.request.headers.get("X-Atlassian-Token", "")
    trusted = token_sent in ("no-check", "nocheck")
    trusted, _ = await read_files(visit, issue, trusted=trusted)
    if not trusted:
        return page(
            visit,
            "message.html",
            403,
            title="XSRF Security Token Missing",
            text="The form carried no valid token. Go back, reload the page and try again.",
        )
    return redirect(visit.below_context(f"/browse/{issue.key}"))


async def read_files(visit: Visit, issue: Issue, *, trusted: bool = True) -> tuple[bool, list[Attachment]]:
    """Store the files of a multipart body at an issue; nothing is stored before the form is trusted.

    Answers whether it was trusted, and the new attachments. Raises RefusedError 413 beyond the limit.
    """
    made: list[Attachment] = []
    reader = MultipartReader(visit.request.headers, visit.request.content)
    async for part in reader:
        if not isinstance(part, BodyPartReader):
            raise RefusedError(400, "Nested multipart bodies are not accepted.")
        if part.filename is None:
            value = await _content(part, 4096)
            trusted = trusted or (part.name == "atl_token" and _is_token(visit, value))
            continue
        if not trusted:
            break
        content = await _content(part, visit.site.config.attachment_limit)
        kind = part.headers.get("Content-Type", "application/octet-stream")
        made.append(visit.site.state.attach(issue.key, part.filename, kind, content, demand_user(visit)))
    return trusted, made


async def download(visit: Visit) -> web.StreamResponse:
    """GET and HEAD `/secure/attachment/{id}/{name}`, streamed."""
    if visit.user is None:
        return to_login(visit)
    number = visit.target.path.removeprefix("/secure/attachment/").partition("/")[0]
    found = visit.site.state.attachments.get(number)
    if found is None:
        return not_found(visit)
    answer = web.StreamResponse(
        headers={
            "Content-Type": found.content_type,
            "Content-Length": str(len(found.content)),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name)}",
        }
    )
    if await visit.send_head(answer):
        for start in range(0, len(found.content), _CHUNK):
            await answer.write(found.content[start : start + _CHUNK])
    await answer.write_eof()
    return answer


async def _content(part: BodyPartReader, limit: int) -> bytes:
    kept = bytearray()
    while chunk := await part.read_chunk(_CHUNK):
        kept += chunk
        if len(kept) > limit:
            raise RefusedError(413, f"The file is larger than {limit} bytes.")
    return bytes(kept)


def _is_token(visit: Visit, value: bytes) -> bool:
    session = visit.session
    return session is not None and hmac.compare_digest(session.xsrf_token.encode(), value)
