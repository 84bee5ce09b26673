"""The way of one request through a stand-in Jira: read the path, fail if told to, see who it is, answer.

`server.py` gives this handler to `web.Server`. The tables of pages are in `table.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from sidecar.demo.jira.answers import RefusedError, json_answer, plain, refusal
from sidecar.demo.jira.listening import cookies_of, recorded, troubled, whole_body
from sidecar.demo.jira.paths import BadTargetError, Target, read_target
from sidecar.demo.jira.recognise import recognise
from sidecar.demo.jira.recording import Call
from sidecar.demo.jira.table import find_page, is_static, streams_its_body
from sidecar.demo.jira.visit import Site, Visit

_FORM = "application/x-www-form-urlencoded"
_FORM_TYPES = (_FORM, "multipart/form-data", "text/plain")
_MUTATING = ("POST", "PUT", "DELETE", "PATCH")


class Handler:
    """Answers every request of one stand-in Jira."""

    def __init__(self, site: Site) -> None:
        """The site is shared with the test that reads it."""
        self._site = site

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request and write it down."""
        call = recorded(request)
        self._site.calls.seen.append(call)
        try:
            answer = await self._answer(request, call)
            call.status = answer.status
            return answer
        finally:
            call.body_length = request.content.total_bytes

    async def _answer(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        config = self._site.config
        if sum(len(n) + len(v) + 4 for n, v in request.raw_headers) > config.header_limit:
            return plain("Request header is too large", 400)
        try:
            target = read_target(call.target, config.context_path, config.relaxed_path_chars)
        except BadTargetError as error:
            return plain(f"HTTP Status 400 – Bad Request: {error}", 400)
        if target is None:
            return plain("HTTP Status 404 – Not Found", 404)
        if target.path == "":
            query = f"?{target.query}" if target.query else ""
            return web.Response(status=302, headers={"Location": f"{config.context_path}/{query}"})
        trouble = await troubled(request, target.path, self._site.faults)
        if trouble is not None:
            return trouble
        return await self._serve(request, call, target)

    async def _serve(self, request: web.BaseRequest, call: Call, target: Target) -> web.StreamResponse:
        body = b"" if streams_its_body(request, target) else await whole_body(request)
        if body is None:
            return plain("The request body is too large.", 413)
        visit = Visit(self._site, request, call, target, _params(request, target, body), cookies_of(request), body)
        answer = await self._visit(visit)
        return answer if answer.prepared else visit.dress(answer)

    async def _visit(self, visit: Visit) -> web.StreamResponse:
        refused = await recognise(visit)
        if refused is not None:
            return refused
        if visit.session is None and not is_static(visit.target):
            visit.open_session(None)
        limited = _limit(visit) or _xsrf_refusal(visit)
        if limited is not None:
            return limited
        try:
            return await find_page(visit)(visit)
        except RefusedError as error:
            return refusal(error)


def _params(request: web.BaseRequest, target: Target, body: bytes) -> Mapping[str, str]:
    pairs = parse_qsl(target.query, keep_blank_values=True)
    if request.content_type == _FORM:
        pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    # The first value counts, as with `getParameter`.
    return dict(reversed(pairs))


def _limit(visit: Visit) -> web.Response | None:
    limit = visit.site.faults.rate_limit
    if limit is None or visit.user is None or not visit.target.path.startswith("/rest/"):
        return None
    granted = limit.take()
    visit.extra += limit.headers()
    if granted:
        return None
    return json_answer({"message": "Rate limit exceeded.", "status-code": 429}, 429)


def _xsrf_refusal(visit: Visit) -> web.Response | None:
    """The REST module's check: forms need the header, and a browser's Origin must be ours."""
    request = visit.request
    if request.method not in _MUTATING or not visit.target.path.startswith("/rest/"):
        return None
    origin = request.headers.get("Origin")
    public = urlsplit(visit.site.base_url)
    foreign = origin is not None and origin != f"{public.scheme}://{public.netloc}"
    token = request.headers.get("X-Atlassian-Token", "")
    form = request.method == "POST" and request.content_type in _FORM_TYPES
    if foreign or (form and token not in ("no-check", "nocheck")):
        return plain("XSRF check failed", 403)
    return None
