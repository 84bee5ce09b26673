"""Which of a database's hosts is asked: the one that served last, then the others, each with its share of the time.

A host that hangs, as one does whose machine was cut off, must not use up the time of the one that took over from it;
the library alone gives all of them one time together.
"""

from __future__ import annotations

from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg

Opened: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_NOT_THIS_ONE = (
    OSError,
    TimeoutError,
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
)
"""What a host says that is away, starts, ends, or is only a copy."""


class Hosts:
    """The hosts of one address."""

    def __init__(self, address: str, timeout: float) -> None:
        """*timeout*: seconds for all of them together."""
        self._addresses = one_by_one(address)
        self._timeout = timeout

    async def connect(self, *_: object, **given: Any) -> Opened:
        """Open a connection to the first host that serves; *given*: what the library wants beside the address.

        Raises:
            Exception: what the library raised for the last host that was asked.
        """
        *first, last = self._addresses
        given = {**given, "timeout": self._timeout / (len(first) + 1)}
        for address in first:
            try:
                return await self._open(address, given)
            except _NOT_THIS_ONE:
                continue
        return await self._open(last, given)

    async def _open(self, address: str, given: dict[str, Any]) -> Opened:
        found: Opened = await asyncpg.connect(address, **given)
        # Whoever comes next asks this one first.
        self._addresses = (address, *(other for other in self._addresses if other != address))
        return found


def one_by_one(address: str) -> tuple[str, ...]:
    """The same address for each of its hosts."""
    parts = urlsplit(address)
    user, at, hosts = parts.netloc.rpartition("@")
    return tuple(urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(","))
