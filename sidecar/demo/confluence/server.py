"""Starts a stand-in Confluence on the loopback: sees who it is, finds the page, answers. Called by tests."""

from __future__ import annotations

import hmac
import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from sidecar.demo.confluence import administration, content_rest, crowd, editing, people_rest, sso
from sidecar.demo.confluence.answers import RefusedError, Visit
from sidecar.demo.confluence.state import ConfluenceConfig, ConfluenceState
from sidecar.demo.jira.listening import Listening, cookies_of
from sidecar.demo.jira.sso_memory import SsoMemory
from sidecar.demo.standin import Ask, json_answer, limited, serve

_Page = Callable[[Visit], Awaitable[web.StreamResponse]]


async def _server_information(visit: Visit) -> web.Response:
    if visit.user is None:
        raise RefusedError(401, "Authentication is required")
    return json_answer({"version": visit.config.version, "baseUrl": visit.base_url})


async def _status(_visit: Visit) -> web.Response:
    return json_answer({"state": "RUNNING"})


_TABLE: tuple[tuple[str, str, _Page], ...] = (
    ("GET", "/status", _status),
    ("GET", "/rest/applinks/1.0/manifest", administration.manifest),
    ("GET", "/rest/authconfig/1.0/sso", administration.sign_on),
    ("GET", "/rest/authconfig/1.0/idps", administration.providers),
    ("POST", "/rest/authconfig/1.0/idps", administration.providers),
    ("GET", "/rest/authconfig/1.0/idps/*", administration.provider),
    ("PATCH", "/rest/authconfig/1.0/idps/*", administration.provider),
    ("GET", "/rest/crowd/latest/directory", administration.directories),
    ("GET", "/rest/api/server-information", _server_information),
    ("GET", "/rest/api/user", people_rest.user),
    ("GET", "/rest/api/user/current", people_rest.current),
    ("GET", "/rest/api/user/memberof", people_rest.memberof),
    ("GET", "/rest/api/user/list", people_rest.everybody),
    ("PUT", "/rest/api/user/*/group/*", people_rest.membership),
    ("DELETE", "/rest/api/user/*/group/*", people_rest.membership),
    ("POST", "/rest/api/admin/user", people_rest.create),
    ("PUT", "/rest/api/admin/user/*", people_rest.update),
    ("PUT", "/rest/api/admin/user/*/enable", people_rest.switch),
    ("PUT", "/rest/api/admin/user/*/disable", people_rest.switch),
    ("GET", "/rest/api/group", people_rest.groups),
    ("GET", "/rest/api/group/*", people_rest.group),
    ("GET", "/rest/api/group/*/member", people_rest.group_members),
    ("POST", "/rest/api/admin/group", people_rest.make_group),
    ("DELETE", "/rest/api/admin/group/*", people_rest.remove_group),
    ("GET", "/rest/api/permissions/user/*", people_rest.permissions),
    ("GET", "/rest/license/1.0/license/remainingSeats", people_rest.seats),
    ("GET", "/rest/api/space", content_rest.spaces),
    ("GET", "/rest/api/search", content_rest.search),
    ("GET", "/rest/api/content", content_rest.contents),
    ("POST", "/rest/api/content", content_rest.contents),
    ("GET", "/rest/api/content/search", content_rest.search),
    ("GET", "/rest/api/content/*", content_rest.content),
    ("GET", "/rest/api/content/*/child/attachment", content_rest.files),
    ("POST", "/rest/api/content/*/child/attachment", content_rest.files),
    ("GET", editing.BELOW + "*/*", editing.socket),
)
_SINCE: dict[_Page, tuple[int, ...]] = {
    people_rest.everybody: (8, 4),
    people_rest.create: (8, 4),
    people_rest.update: (9, 4),
    people_rest.permissions: (9, 2, 5),
}
_PATTERNS = [(method, re.compile(re.escape(path).replace(r"\*", "[^/]+")), page) for method, path, page in _TABLE]


class _Confluence:
    """Answers every request of one stand-in Confluence."""

    def __init__(self, state: ConfluenceState, config: ConfluenceConfig, memory: SsoMemory) -> None:
        self._state = state
        self._config = config
        self._memory = memory
        self.base_url = config.base_url

    async def answer(self, ask: Ask) -> web.StreamResponse:
        visit = Visit(ask, self._state, self._config, self.base_url, self._memory, cookies_of(ask.request))
        await self._recognise(visit)
        administration.try_password(visit)
        if ask.path == administration.ADMIN_PAGE:
            return await administration.general_configuration(visit)
        page = sso.page_of(visit)
        if page is not None:
            return await page(visit)
        if not ask.path.startswith(("/rest/", "/status", editing.BELOW)):
            name = "anonymous" if visit.user is None else visit.user.username
            ask.extra.append(("X-AUSERNAME", name))
            return web.Response(text=f"<title>Confluence</title>Hello {html.escape(name)}", content_type="text/html")
        refused = limited(ask) if visit.user is not None else None
        if refused is not None:
            return refused
        try:
            return await self._find(visit)(visit)
        except RefusedError as error:
            return json_answer(error.body, error.status)

    def _find(self, visit: Visit) -> _Page:
        fitting = [
            (method, page)
            for method, pattern, page in _PATTERNS
            if pattern.fullmatch(visit.ask.path) and self._config.at_least(*_SINCE.get(page, ()))
        ]
        page = next((page for method, page in fitting if method == visit.ask.method), None)
        if page is not None:
            return page
        # `DELETE` of an account was there before `PUT`, so the path is known.
        known = bool(fitting) or re.fullmatch("/rest/api/admin/user/[^/]+", visit.ask.path)
        return _wrong_method if known else _nothing

    async def _recognise(self, visit: Visit) -> None:
        """The session or a Crowd server's token, else the trusted header with its proof, else the personal access
        token; a dead one leaves the call anonymous."""
        headers, config = visit.ask.request.headers, self._config
        proof = headers.get(config.secret_header, "")
        known = await crowd.recognise(visit, config.crowd) if config.crowd is not None else sso.recognise(visit)
        if not known and config.secret and hmac.compare_digest(config.secret.encode(), proof.encode()):
            visit.user = visit.active(headers.get(config.user_header, ""))
            visit.ask.call.how = "header"
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if visit.user is None and scheme.lower() == "bearer":
            alive = token not in visit.ask.faults.dead_tokens
            visit.user = visit.active(self._state.tokens.get(token, "")) if alive else None
            visit.ask.extra.append(("X-Seraph-LoginReason", "OK" if visit.user else "AUTHENTICATED_FAILED"))
            visit.ask.call.how = "pat"
        visit.ask.call.username = None if visit.user is None else visit.user.username


async def _nothing(_visit: Visit) -> web.Response:
    return json_answer({"message": "null for uri", "status-code": 404}, 404)


async def _wrong_method(_visit: Visit) -> web.Response:
    return json_answer({"message": "HTTP 405 Method Not Allowed", "status-code": 405}, 405)


@asynccontextmanager
async def serve_confluence(
    state: ConfluenceState, config: ConfluenceConfig | None = None, port: int = 0, memory: SsoMemory | None = None
) -> AsyncIterator[Listening]:
    """Serve that state on the loopback; port 0 takes a free one. *memory* has what the node knows of sign-ins."""
    config = config or ConfluenceConfig()
    memory = memory if memory is not None else SsoMemory(config.sso)
    confluence = _Confluence(state, config, memory)
    async with serve(confluence.answer, config.context_path, port) as running:
        confluence.base_url = config.base_url or running.url
        yield running
