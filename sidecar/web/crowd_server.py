"""Lychgate as the product's Crowd server, on the landing listener: `/<application>/rest/usermanagement/1/…`.

Two sets: whose a token of single sign-on is, and the users and groups of the directory, read-only. Exact paths only;
the caller is an application with a password. Passwords of people are never taken: there are none.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from sidecar.core.crowd_asking import CrowdFault, Question, read_question
from sidecar.core.crowd_entities import (
    CrowdUser,
    Entity,
    as_json,
    as_xml,
    cookie_entity,
    error_entity,
    session_entity,
    user_entity,
)
from sidecar.core.grants import is_client, read_plain_basic
from sidecar.flows.crowd_ends import CrowdEnds
from sidecar.flows.crowd_tokens import COOKIE, Tokens
from sidecar.flows.directory import Directory
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Clock

LOG = logging.getLogger(__name__)
LARGEST_BODY = 16_384
MOST_AT_ONCE = 64
FAILURES = 30
"""Wrong passwords that are answered as such within a minute, for each application; the rest is 429, and not judged."""

_MIDDLE = "/rest/usermanagement/"
_HEADERS = {"Server": "lychgate", "Cache-Control": "no-store", "X-Embedded-Crowd-Version": "lychgate"}
_NO_PASSWORDS = "people sign in at Lychgate; no password is taken here"


class CrowdRefusal(Exception):  # noqa: N818 - an answer, not a fault of ours
    """An error that the client understands by its reason word."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.entity = error_entity(reason, message)


@dataclass(slots=True)
class Guest:
    """One product that takes us for its Crowd server.

    Attributes:
        name: Of the application here.
        client_id, secret: What the product calls itself, and its password.
        older: Passwords that are still taken, until it was told the other one.
        secure: Whether the product's address is https.
        failures: Wrong passwords since the minute *minute* began.
    """

    name: str
    client_id: str
    secret: str = field(repr=False)
    secure: bool
    older: tuple[str, ...] = field(default=(), repr=False)
    minute: float = 0.0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a known product."""

    guest: Guest
    method: str
    question: Question
    body: bytes
    is_json: bool


class CrowdServer:
    """The handler for all products that take us for their Crowd server."""

    def __init__(
        self,
        guests: Mapping[str, Guest],
        tokens: Tokens,
        directory: Directory,
        people: Callable[[Asked], Awaitable[Entity]],
        ends: CrowdEnds,
        clock: Clock,
    ) -> None:
        """*people* answers what is asked of users and groups."""
        self._guests = guests
        self._tokens = tokens
        self._directory = directory
        self._people = people
        self._ends = ends
        self._clock = clock
        self._under_way = 0

    def knows(self, path: str) -> bool:
        """Whether a path is one of ours."""
        name, middle, _ = path[1:].partition(_MIDDLE)
        return bool(middle) and name in self._guests

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request. Never raises."""
        if self._under_way >= MOST_AT_ONCE:
            return web.Response(
                status=503, text="Too much is asked at once.\n", headers=_HEADERS | {"Retry-After": "1"}
            )
        self._under_way += 1
        try:
            return await self._serve(request)
        except StateError:
            return web.Response(
                status=503, text="The state does not answer.\n", headers=_HEADERS | {"Retry-After": "5"}
            )
        except Exception:
            LOG.exception("the Crowd server failed")
            return web.Response(status=500, text="Lychgate failed; its log says more.\n", headers=_HEADERS)
        finally:
            self._under_way -= 1

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        raw, _, query = request.raw_path.partition("?")
        name, _, below = raw[1:].partition(_MIDDLE)
        guest, is_json = self._guests[name], "json" in request.headers.get("Accept", "")
        refused = self._stranger(guest, request)
        if refused is not None:
            return refused
        body = await _body(request)
        if body is None:
            return web.Response(status=413, text="The body is too large.\n", headers=_HEADERS)
        _, _, path = below.partition("/")
        is_json = is_json or path.endswith(".json")
        try:
            question = read_question("/" + path.removesuffix(".json"), query)
            asked = Asked(guest, request.method, question, body, "json" in request.content_type)
            status, entity = await self._answer(asked)
        except CrowdFault as fault:
            status, entity = 400, error_entity("ILLEGAL_ARGUMENT", fault.detail)
        except CrowdRefusal as refusal:
            status, entity = refusal.status, refusal.entity
        if entity is None:
            return web.Response(status=status, headers=_HEADERS)
        content = as_json(entity) if is_json else as_xml(entity)
        kind = "application/json" if is_json else "application/xml"
        return web.Response(status=status, body=content, headers=_HEADERS | {"Content-Type": kind})

    def _stranger(self, guest: Guest, request: web.BaseRequest) -> web.Response | None:
        """Why the caller is not answered; None: it is the product."""
        given = read_plain_basic(request.headers.getall("Authorization", ()))
        if is_client(given, guest.client_id, guest.secret, *guest.older):
            return None
        now = self._clock.monotonic()
        if now - guest.minute >= 60:
            guest.minute, guest.failures = now, 0
        guest.failures += 1
        if guest.failures == 1:
            LOG.warning("somebody at the Crowd server does not know the password of %s", guest.name)
        if guest.failures > FAILURES:
            return web.Response(status=429, text="Too many wrong passwords.\n", headers=_HEADERS)
        basic = {"WWW-Authenticate": 'Basic realm="Crowd REST Service"'}
        return web.Response(status=401, text="Application failed to authenticate.\n", headers=_HEADERS | basic)

    async def _answer(self, asked: Asked) -> tuple[int, Entity | None]:
        path, method = asked.question.path, asked.method
        if path == "/config/cookie" and method == "GET":
            return 200, cookie_entity(COOKIE, secure=asked.guest.secure)
        if path == "/session" or path.startswith("/session/"):
            return await self._session(asked, path[len("/session/") :])
        if path == "/authentication" and method == "POST":
            raise CrowdRefusal(400, "INVALID_USER_AUTHENTICATION", _NO_PASSWORDS)
        if path == "/authentication/notify" and method == "POST":
            return 200, await self._notified(asked)
        return 200, await self._people(asked)

    async def _session(self, asked: Asked, token: str) -> tuple[int, Entity | None]:
        name = asked.guest.name
        if not token:
            if asked.method == "DELETE":
                query = asked.question.query
                await self._ends.of_user(name, query.get("username", ""), query.get("exclude", ""))
                return 204, None
            # With a password or without one: sessions begin at the gate alone.
            raise CrowdRefusal(400, "INVALID_USER_AUTHENTICATION", _NO_PASSWORDS)
        given = await self._tokens.find(name, token)
        if asked.method == "DELETE":
            if given is not None:
                await self._ends.of_token(given)
            return 204, None
        if asked.method not in ("GET", "POST"):
            raise CrowdRefusal(405, "UNSUPPORTED_OPERATION", "a token can be asked for, and ended")
        if given is None:
            raise CrowdRefusal(404, "INVALID_SSO_TOKEN", "the token stands for nobody")
        # What the body says of addresses is not read: the gate ties its sessions to browsers by other means.
        whose = await self._user(asked.guest, given.username)
        return 200, session_entity(token, whose, given.token.at, given.ends_at)

    async def _user(self, guest: Guest, username: str) -> CrowdUser:
        """As the directory has it; where it has none, the name is all that is known here."""
        known = await self._directory.user(guest.name, username)
        return known or CrowdUser(name=username)

    async def _notified(self, asked: Asked) -> Entity:
        name = asked.question.query.get("username", "")
        known = await self._directory.user(asked.guest.name, name)
        if known is None:
            # The product goes on with its own copy.
            raise CrowdRefusal(404, "USER_NOT_FOUND", "there is no such user here")
        await self._directory.shown(asked.guest.name, (name,))
        return user_entity(known)


def _later(text: str, seconds: str) -> web.Response:
    return web.Response(status=503, text=f"{text}\n", headers=_HEADERS | {"Retry-After": seconds})


async def _body(request: web.BaseRequest) -> bytes | None:
    data = bytearray()
    async for piece in request.content.iter_any():
        data += piece
        if len(data) > LARGEST_BODY:
            return None
    return bytes(data)
