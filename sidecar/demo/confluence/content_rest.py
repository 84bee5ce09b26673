"""REST of spaces, pages, comments and files, as far as public clients and the demonstration need it. The table is in
`server.py`.
"""

from __future__ import annotations

import re

from aiohttp import BodyPartReader, MultipartReader, web

from sidecar.demo.confluence.answers import RefusedError, Visit, body_of, demand_user, paged, text_of
from sidecar.demo.confluence.state import Page
from sidecar.demo.standin import json_answer

_TITLE = re.compile(r"title\s*[=~]\s*\"([^\"]*)\"")


async def spaces(visit: Visit) -> web.Response:
    """GET `/rest/api/space`; anonymous sees none."""
    known = visit.state.spaces if visit.user is not None else {}
    return json_answer(paged(visit, [_space_bean(visit, key) for key in sorted(known)]))


async def contents(visit: Visit) -> web.Response:
    """GET with `spaceKey` and `title`, and POST, of `/rest/api/content`."""
    demand_user(visit)
    if visit.ask.method == "POST":
        return _create(visit)
    space, title = visit.ask.params.get("spaceKey"), visit.ask.params.get("title")
    found = [
        page
        for page in visit.state.pages.values()
        if page.kind == "page" and space in (None, page.space) and title in (None, page.title)
    ]
    return json_answer(paged(visit, [_bean(visit, page) for page in found]))


async def content(visit: Visit) -> web.Response:
    """GET `/rest/api/content/{id}`."""
    demand_user(visit)
    return json_answer(_bean(visit, _known(visit, visit.ask.below("/rest/api/content")[0])))


async def files(visit: Visit) -> web.Response:
    """GET and POST `/rest/api/content/{id}/child/attachment`."""
    demand_user(visit)
    page = _known(visit, visit.ask.below("/rest/api/content")[0])
    if visit.ask.method == "POST":
        return await _attach(visit, page)
    name = visit.ask.params.get("filename")
    found = [
        one
        for one in visit.state.pages.values()
        if one.kind == "attachment" and one.parent == page.id and name in (None, one.title)
    ]
    return json_answer(paged(visit, [_bean(visit, one) for one in found]))


async def search(visit: Visit) -> web.Response:
    """GET `/rest/api/search` and `/rest/api/content/search`: CQL that asks for a title; anonymous sees nothing."""
    wanted = _TITLE.search(visit.ask.params.get("cql", ""))
    pages = visit.state.pages.values() if visit.user is not None else ()
    found = [
        page
        for page in pages
        if page.kind == "page" and (wanted is None or wanted[1].strip("*").lower() in page.title.lower())
    ]
    beans = [_bean(visit, page) for page in found]
    if visit.ask.path.endswith("/content/search"):
        return json_answer(paged(visit, beans))
    return json_answer(paged(visit, [{"content": bean, "title": bean["title"]} for bean in beans]))


def _create(visit: Visit) -> web.Response:
    body = body_of(visit)
    kind, title = text_of(body, "type"), text_of(body, "title")
    space, container, storage = body.get("space"), body.get("container"), body.get("body")
    key = text_of(space, "key") if isinstance(space, dict) else ""
    parent = str(container.get("id", "")) if isinstance(container, dict) else ""
    text = _storage(storage)
    if kind == "comment":
        page = _known(visit, parent)
        return json_answer(
            _bean(visit, visit.state.add(kind, f"Re: {page.title}", page.space, body=text, parent=parent))
        )
    if kind != "page" or not title:
        raise RefusedError(400, "A page needs a title")
    if key not in visit.state.spaces:
        raise RefusedError(404, f"No space found with key : {key}")
    if any(page.title == title and page.space == key for page in visit.state.pages.values()):
        raise RefusedError(400, f"A page with this title already exists: {title}")
    return json_answer(_bean(visit, visit.state.add(kind, title, key, body=text)))


async def _attach(visit: Visit, page: Page) -> web.Response:
    request = visit.ask.request
    if request.content_type != "multipart/form-data":
        raise RefusedError(415, "The request must be multipart/form-data", "Unsupported Media Type")
    if request.headers.get("X-Atlassian-Token") not in ("no-check", "nocheck"):
        return web.Response(text="XSRF check failed", status=403)
    made: list[dict[str, object]] = []
    async for part in MultipartReader(request.headers, request.content):
        if isinstance(part, BodyPartReader) and part.filename is not None:
            one = visit.state.add("attachment", part.filename, page.space, parent=page.id)
            one.content = bytes(await part.read())
            one.content_type = part.headers.get("Content-Type", "application/octet-stream")
            made.append(_bean(visit, one))
    return json_answer(paged(visit, made))


def _known(visit: Visit, number: str) -> Page:
    found = visit.state.pages.get(number)
    if found is None:
        raise RefusedError(404, f"No content found with id : ContentId{{id={number}}}")
    return found


def _storage(body: object) -> str:
    storage = body.get("storage") if isinstance(body, dict) else None
    return text_of(storage, "value") if isinstance(storage, dict) else ""


def _space_bean(visit: Visit, key: str) -> dict[str, object]:
    return {"key": key, "name": visit.state.spaces[key], "type": "global", "_links": {"webui": f"/display/{key}"}}


def _bean(visit: Visit, page: Page) -> dict[str, object]:
    bean: dict[str, object] = {
        "id": page.id,
        "type": page.kind,
        "status": "current",
        "title": page.title,
        "space": {"key": page.space, "name": visit.state.spaces.get(page.space, "")},
        "version": {"number": page.version},
        "body": {"storage": {"value": page.body, "representation": "storage"}},
        "_links": {"base": visit.base_url, "webui": f"/pages/viewpage.action?pageId={page.id}"},
    }
    if page.kind == "attachment":
        bean["extensions"] = {"mediaType": page.content_type, "fileSize": len(page.content)}
    return bean
