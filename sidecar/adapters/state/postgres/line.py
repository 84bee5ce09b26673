"""The line on which instances tell each other what became of sessions: LISTEN and NOTIFY on a connection of its own.

Implements `flows.others.Line`. The connection holds, for as long as it lives, a lock that keeps commands from changing
the state beside a running gate; and a command's own lock keeps gates from starting.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import asyncpg

from sidecar.adapters.state.postgres.database import Way, arguments, told
from sidecar.adapters.state.postgres.hosts import Hosts
from sidecar.adapters.state.postgres.sessions import CHANNEL
from sidecar.flows.sessions import StateError

GATES = 0x4C596775
"""Number of the lock that gates share and a command has alone."""

_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class PostgresLine:
    """Opens such connections."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._hosts = Hosts(way.address, way.timeout)

    @asynccontextmanager
    async def open(self, heard: Callable[[str, int], None]) -> AsyncIterator[PostgresCall]:
        """See `Line.open`.

        Raises:
            StateError: the database cannot be reached, or a command changes the state just now.
        """
        async with _connected(self._way, self._hosts) as connection:

            def listen(_: object, __: int, ___: str, payload: object) -> None:
                version, _____, key = str(payload).partition(" ")
                if version.isdecimal() and key:
                    heard(key, int(version))

            with told():
                await connection.add_listener(CHANNEL, listen)
                if not await connection.fetchval("SELECT pg_try_advisory_lock_shared($1)", GATES):
                    raise StateError("a command is changing the state just now")
            yield PostgresCall(connection, self._way.timeout)


class PostgresCall:
    """One open line."""

    def __init__(self, connection: _Connection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout

    async def prove(self) -> None:
        """See `Call.prove`."""
        with told():
            async with asyncio.timeout(self._timeout):
                # Everything that was told before the answer has been heard by now.
                if await self._connection.fetchval("SELECT pg_is_in_recovery()"):
                    raise StateError("the database is a copy that cannot be written")


@asynccontextmanager
async def held_alone(way: Way) -> AsyncIterator[None]:
    """Keep the state for one command.

    Raises:
        StateError: a gate or another command has it.
    """
    async with _connected(way, Hosts(way.address, way.timeout)) as connection:
        with told():
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", GATES):
                raise StateError("the state is in use by a running gate or another command: stop it first")
        yield


@asynccontextmanager
async def _connected(way: Way, hosts: Hosts) -> AsyncIterator[_Connection]:
    with told():
        given: dict[str, Any] = arguments(way)
        connection = await hosts.connect(command_timeout=way.timeout, **given)
    try:
        yield connection
    finally:
        with suppress(Exception):
            await connection.close(timeout=1.0)
