"""Outgoing calls of connectors and webhooks: one strict client session, bounded answers, one kind of error.

Keeps the rules that our own calls follow no redirect, carry no cookie and no proxy of the environment, and that no
answer can fill the memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes; an account with some thousand groups is well below."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    content_type: str
    body: bytes


@asynccontextmanager
async def open_session(*, seconds: float = 5.0, connections: int = 20) -> AsyncIterator[aiohttp.ClientSession]:
    """A client session for calls of our own. *seconds* is the most that one whole call takes."""
    # Tomcat closes idle connections after 20 seconds by default; ours are gone before.
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=10)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=seconds),
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Lychgate"},
    ) as session:
        yield session


async def call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    failed: Reason,
    largest: int = LARGEST_ANSWER,
) -> Answer:
    """One call. *url* goes out as it is written.

    Raises:
        AccountError: *failed*, when there was no whole answer of at most *largest* bytes.
    """
    try:
        async with session.request(
            method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
        ) as response:
            content = bytearray()
            async for part in response.content.iter_any():
                content += part
                if len(content) > largest:
                    response.close()
                    raise AccountError(failed, f"the answer is larger than {largest} bytes", retry=False)
            return Answer(response.status, response.headers, response.content_type, bytes(content))
    except TimeoutError:
        raise AccountError(failed, "no answer in time") from None
    except (aiohttp.ClientError, OSError) as error:
        # The text of the exception may hold the address with its query; its kind is enough.
        raise AccountError(failed, f"the call failed: {type(error).__name__}") from error
