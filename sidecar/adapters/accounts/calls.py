"""Outgoing calls of connectors and webhooks: one strict client session, bounded answers, one kind of error.

Keeps the rules that our own calls follow no redirect, carry no cookie and no proxy of the environment, and that no
answer can fill the memory.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDictProxy
from yarl import URL

from sidecar.adapters.accounts.credentials import Shown
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

MOST_PLACES = 3
"""Nodes that one call tries."""

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes; an account with some thousand groups is well below."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node of an application with several.

    Attributes:
        origin: Where it is.
        server_name: The name in its certificate, if that is not its host.
        is_named: Whether requests name it as their host, and not the address that leads to all nodes.
    """

    origin: URL
    server_name: str | None = None
    is_named: bool = True


Places = Callable[[], Sequence[Place]]
"""The nodes of an application, one at least; the one to go to first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read to its end. *showed* are the credentials of the call: no words of the answer are repeated
    with them."""

    status: int
    headers: CIMultiDictProxy[str]
    content_type: str
    body: bytes
    showed: tuple[str, ...] = field(default=(), repr=False)


@asynccontextmanager
async def open_session(
    *,
    seconds: float = 5.0,
    connections: int = 20,
    tls: Callable[[], ssl.SSLContext] | None = None,
    server_name: str | None = None,
    socket: str | None = None,
    places: Places | None = None,
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client session for calls of our own.

    Args:
        seconds: The most that one whole call takes.
        connections: The most that are open.
        tls: How TLS is spoken at this moment, asked with every connection; None: as the machine does.
        server_name: The name that the certificate must bear, if it is not the host of the address.
        socket: Path of a Unix socket to which all calls go, whatever their address says.
        places: The nodes to which calls go in place of their address: to the next one if no connection can be had. What
            may have been sent is not sent twice.
    """
    # Tomcat closes idle connections after 20 seconds by default; ours are gone before.
    connector: aiohttp.BaseConnector
    if socket is not None:
        connector = aiohttp.UnixConnector(socket, limit=connections, keepalive_timeout=10)
    elif tls is not None:
        connector = _Connector(tls, connections)
    else:
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=10)
    middlewares = [_named(server_name)] if server_name is not None else []
    timeout = aiohttp.ClientTimeout(total=seconds)
    if places is not None:
        middlewares.append(_somewhere(places))
        # A node that is silent leaves time for the others.
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=seconds / (MOST_PLACES + 1))
    async with aiohttp.ClientSession(
        connector=connector,
        middlewares=middlewares,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        timeout=timeout,
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Lychgate"},
    ) as session:
        yield session


class _Connector(aiohttp.TCPConnector):
    """Speaks the TLS of the moment: files may be renewed while it lives."""

    def __init__(self, tls: Callable[[], ssl.SSLContext], connections: int) -> None:
        super().__init__(limit=connections, keepalive_timeout=10, ssl=tls())
        self._tls = tls

    def _get_ssl_context(self, req: aiohttp.ClientRequest) -> ssl.SSLContext | None:
        # Not of aiohttp's public surface; tests/web/test_aiohttp_leans.py holds it.
        return self._tls() if super()._get_ssl_context(req) is not None else None


def _named(server_name: str) -> aiohttp.ClientMiddlewareType:
    async def named(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.server_hostname = server_name
        return await handler(request)

    return named


def _somewhere(places: Places) -> aiohttp.ClientMiddlewareType:
    async def somewhere(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        *first, last = places()[:MOST_PLACES]
        for place in first:
            _lead(request, place)
            try:
                return await handler(request)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                continue
        _lead(request, last)
        return await handler(request)

    return somewhere


def _lead(request: aiohttp.ClientRequest, place: Place) -> None:
    there = place.origin
    request.url = request.url.with_scheme(there.scheme).with_host(there.host or "").with_port(there.port)
    if place.is_named:
        request.headers[hdrs.HOST] = request.url.host_port_subcomponent or ""
    if place.server_name is not None:
        request.server_hostname = place.server_name


async def call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    failed: Reason,
    largest: int = LARGEST_ANSWER,
    shown: Shown | None = None,
) -> Answer:
    """One call. *url* goes out as it is written, and with the headers go those of the credential *shown*.

    Raises:
        AccountError: *failed*, when there was no whole answer of at most *largest* bytes.
    """
    try:
        async with session.request(
            method,
            URL(url, encoded=True),
            headers={**headers, **(shown.headers if shown else {})},
            data=body,
            allow_redirects=False,
        ) as response:
            content = bytearray()
            async for part in response.content.iter_any():
                content += part
                if len(content) > largest:
                    response.close()
                    raise AccountError(failed, f"the answer is larger than {largest} bytes", retry=False)
            showed = _credentials(response.request_info)
            return Answer(response.status, response.headers, response.content_type, bytes(content), showed)
    except TimeoutError:
        raise AccountError(failed, "no answer in time") from None
    except (aiohttp.ClientError, OSError) as error:
        # The text of the exception may hold the address with its query, and its frames the headers; its kind is enough.
        raise AccountError(failed, f"the call failed: {type(error).__name__}") from None


def _credentials(request: aiohttp.RequestInfo) -> tuple[str, ...]:
    """What a call showed: a token, or Basic credentials as they went and the password in them."""
    _, _, credential = request.headers.get("Authorization", "").partition(" ")
    try:
        password = base64.b64decode(credential, validate=True).decode().partition(":")[2]
    except ValueError:
        password = ""
    return tuple(secret for secret in (credential, password) if secret)


def masked(said: str, secrets: Iterable[str]) -> str:
    """The other side's words, which end up in the log and on a terminal, without *secrets* that they repeat."""
    for secret in secrets:
        for spelling in (secret, quote_plus(secret)):
            said = said.replace(spelling, "…")
    return said
