"""Requests to a provider: limited in time and size, never redirected, every foreign failure translated.

Everything in this folder that leaves the process goes through `Outbound`. Rule: no failure carries a secret. That is
why details name only the host and the kind of failure, and causes are cut off (`from None`): aiohttp's exceptions keep
the request's headers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal, NoReturn
from urllib.parse import urlsplit

import aiohttp

from sidecar.adapters.breaker import Breaker
from sidecar.domain.reason import Reason
from sidecar.flows.login import LoginError

DOCUMENT_LIMIT = 512 * 1024
"""Bytes of a discovery document or a key set."""

ANSWER_LIMIT = 1024 * 1024
"""Bytes of an answer of the token or userinfo endpoint."""

LONGEST_DETAIL = 300

Endpoint = Literal["discovery", "keys", "token", "push", "userinfo", "graph", "other"]
Told = Callable[[Endpoint, str, float], None]
"""Hears of every request: where to, what came of it (`ok`, `refused`, `cancelled` or a reason), and its seconds."""

CONNECTIONS = 100
"""To one host of a provider at once. There is no bound over all, or a slow provider would hold up the others."""


def open_session() -> aiohttp.ClientSession:
    """A session fit for `Outbound`: no cookies kept between people, no proxy from the environment. The caller
    closes it."""
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def failure(reason: Reason, detail: str) -> LoginError:
    """A `LoginError` whose detail is short and printable."""
    printable = "".join(character if character.isprintable() else " " for character in detail)
    return LoginError(reason, printable if len(printable) <= LONGEST_DETAIL else printable[: LONGEST_DETAIL - 1] + "…")


def parse_object(body: bytes | str, *, names_once: bool = False) -> Mapping[str, object]:
    """The JSON object in *body*; with *names_once* no name may stand twice in an object of it.

    Raises:
        ValueError: There is none. Never another exception, whatever the bytes (deep nesting, huge numbers).
    """
    try:
        value = json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=_named_once if names_once else None)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _named_once(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a name stands there twice")
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("not a JSON number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a provider answered, whole. *host* is for details; *challenge* is its `WWW-Authenticate`, *date* its
    `Date`."""

    host: str
    status: int
    body: bytes = field(repr=False)
    challenge: str = field(default="", repr=False)
    date: str = ""

    def json(self) -> Mapping[str, object]:
        """The JSON object in it.

        Raises:
            LoginError: `provider_misconfigured`, if there is none.
        """
        try:
            return parse_object(self.body)
        except ValueError:
            detail = f"{self.host} answered {self.status} without a JSON object"
            raise failure(Reason.PROVIDER_MISCONFIGURED, detail) from None


class SilenceError(Exception):
    """There was no answer, or not a whole one in time. The text names the host and the kind of failure only."""


class Outbound:
    """The only way out to a provider. *connect* and *total* are seconds, per request; a host that stays silent is left
    alone for a while by the *breaker*; *told* hears of every request.

    Raises:
        ValueError: The session keeps cookies or believes proxy variables; see `open_session`.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        connect: float = 5.0,
        total: float = 10.0,
        breaker: Breaker | None = None,
        told: Told | None = None,
    ) -> None:
        if session.trust_env or not isinstance(session.cookie_jar, aiohttp.DummyCookieJar):
            raise ValueError("the session must keep no cookies and ignore proxy variables")
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=total, connect=connect)
        self._breaker = breaker
        self._told = told

    async def get(
        self, url: str, limit: int, headers: Mapping[str, str] | None = None, *, endpoint: Endpoint = "other"
    ) -> Answer:
        """GET *url*; at most *limit* bytes. *endpoint* is for the metrics.

        Raises:
            LoginError: `provider_unreachable`, `provider_misconfigured`.
        """
        return await self._timed(endpoint, self._request("GET", url, limit, headers or {}, None))

    async def post(
        self, url: str, limit: int, headers: Mapping[str, str], body: str, *, endpoint: Endpoint = "other"
    ) -> Answer:
        """POST *body* to *url*; errors as with `get`."""
        return await self._timed(endpoint, self._request("POST", url, limit, headers, body.encode()))

    async def _timed(self, endpoint: Endpoint, request: Coroutine[None, None, Answer]) -> Answer:
        began, result = monotonic(), "cancelled"
        try:
            answer = await request
            result = "ok" if answer.status < 400 else "refused"
        except LoginError as error:
            result = error.reason.value
            raise
        finally:
            if self._told is not None:
                self._told(endpoint, result, monotonic() - began)
        return answer

    async def _request(
        self, method: str, url: str, limit: int, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        host, breaker = urlsplit(url).netloc, self._breaker
        if breaker is not None and not breaker.may_call(host):
            raise failure(Reason.PROVIDER_UNREACHABLE, f"{host} did not answer several times; it is left alone a while")
        try:
            status, whole, told = await self._exchange(method, url, limit, headers, body)
        except SilenceError as error:
            if breaker is not None:
                breaker.was_silent(host)
            raise failure(Reason.PROVIDER_UNREACHABLE, str(error)) from None
        if breaker is not None:
            breaker.answered(host)
        _refuse_status(host, status)
        if whole is None:
            raise failure(Reason.PROVIDER_MISCONFIGURED, f"{host} answered with more than {limit} bytes")
        challenge, date = told
        return Answer(host=host, status=status, body=whole, challenge=challenge, date=date)

    async def _exchange(
        self, method: str, url: str, limit: int, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes | None, tuple[str, str]]:
        """Status, body (None for one beyond *limit*), and challenge with date. Raises `SilenceError`."""
        host = urlsplit(url).netloc
        try:
            async with self._session.request(
                method,
                url,
                headers={"Accept": "application/json", **headers},
                data=body,
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                told = response.headers.get("WWW-Authenticate", ""), response.headers.get("Date", "")
                return response.status, await _read(response, limit), told
        except TimeoutError:
            raise SilenceError(f"{host} did not answer in time") from None
        except aiohttp.ClientConnectorError as error:
            # Its text has the address and the cause (refused, name unknown, certificate), and nothing of the request.
            raise SilenceError(f"no connection to {host}: {error}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SilenceError(f"talking to {host} failed: {type(error).__name__}") from None


def _refuse_status(host: str, status: int) -> None:
    if status >= 500 or status == 429:
        raise failure(Reason.PROVIDER_UNREACHABLE, f"{host} answered {status}")
    if 300 <= status < 400:
        # A redirect could carry our credentials elsewhere.
        raise failure(Reason.PROVIDER_MISCONFIGURED, f"{host} answered with a redirect ({status})")


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    # Counted after decompression, so that a small answer cannot unfold into a large one.
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
