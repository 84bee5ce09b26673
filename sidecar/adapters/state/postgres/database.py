"""One database: a bounded pool of connections, and work on it as transactions that end within a bound.

Everything that goes wrong is a `StateError` whose text holds names of tables at most, never values or a password.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import Pool, PoolConnectionProxy

from sidecar.adapters.state.postgres.hosts import Hosts
from sidecar.adapters.state.worker import Told
from sidecar.core.kept import kept
from sidecar.flows.owned import OwnedTasks
from sidecar.flows.sessions import StateError

T = TypeVar("T")
# The library's classes take no parameters while they run.
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Values = str | int | bytes | bool | list[str] | None

PAUSE = 1.0
"""Seconds in which a database that did not answer in time is not asked again: a queue of waits helps nobody."""
WAITING = 1024
"""Most pieces of work that wait for a connection."""

_SEARCH_PATH = "lychgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How the database is reached.

    Attributes:
        address: `postgresql://user@host:port/database`, without a password; several hosts where one takes over from
            another: the one that can be written is used.
        password: Asked for with every connection, so that another one counts for the next; or None: the database
            trusts the way.
        tls: Checks the database's certificate; False: plain.
        connections: Most of them for requests; one more listens.
        timeout: Seconds after which it did not answer.
    """

    address: str
    password: str | Callable[[], str] | None = None
    tls: SSLContext | bool = False
    connections: int = 10
    timeout: float = 5.0


class Database:
    """Asks the pool, for the store *name*."""

    def __init__(self, pool: Pool[asyncpg.Record], name: str, timeout: float, told: Told) -> None:
        self._pool = pool
        self._name = name
        self._timeout = timeout
        self._told = told
        self._tasks = kept("state_work", OwnedTasks(), WAITING)
        self._down_until = 0.0

    async def do(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run *work* in a transaction of its own: all of it, or nothing and an exception.

        What was begun comes to its end, whether or not somebody still waits for the answer.

        Raises:
            StateError: the database failed, did not answer in time, or a value cannot be stored.
        """
        loop = asyncio.get_running_loop()
        if len(self._tasks) >= WAITING or loop.time() < self._down_until:
            self._told(self._name, "refused", 0.0)
            raise StateError("the database did not answer a moment ago, or too much waits for it")
        return await self._tasks.finish(self._timed(work))

    async def change(self, statement: str, *values: Values) -> int:
        """Run one statement in a transaction of its own; the number of rows that it changed.

        Raises:
            StateError: as `do`.
        """
        return await self.do(lambda connection: changed(connection, statement, *values))

    async def rows(self, query: str, *values: Values) -> list[asyncpg.Record]:
        """All rows of a query.

        Raises:
            StateError: as `do`.
        """
        return await self.do(lambda connection: connection.fetch(query, *values))

    async def row(self, query: str, *values: Values) -> asyncpg.Record | None:
        """The first row of a query.

        Raises:
            StateError: as `do`.
        """
        return await self.do(lambda connection: connection.fetchrow(query, *values))

    async def close(self) -> None:
        """Let what was begun come to its end."""
        await self._tasks.close()

    async def _timed(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            with told():
                answer = await self._transaction(work)
        except StateError as error:
            self._told(self._name, "failed", loop.time() - began)
            if isinstance(error.__cause__, TimeoutError):
                self._down_until = loop.time() + PAUSE
            raise
        except BaseException:
            # What the work itself refuses, as a pin that stands in the way, is an answer of the database all the same.
            self._told(self._name, "ok", loop.time() - began)
            raise
        self._told(self._name, "ok", loop.time() - began)
        return answer

    async def _transaction(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await self._pool.acquire(timeout=self._timeout)
        try:
            async with asyncio.timeout(self._timeout), connection.transaction():
                return await work(connection)
        except TimeoutError:
            # A connection that does not answer is not waited for to be cleaned up, and the others lead there too.
            connection.terminate()
            await self._pool.expire_connections()
            raise
        finally:
            await self._pool.release(connection, timeout=self._timeout)


@asynccontextmanager
async def pooled(
    way: Way, told_of: Told | None, *, read_only: bool = False
) -> AsyncIterator[tuple[Database, Database]]:
    """A pool that is open within the block, for the sessions and for the ledger.

    Raises:
        StateError: the database cannot be reached. Says where.
    """
    with told():
        pool = await asyncpg.create_pool(
            connect=Hosts(way.address, way.timeout).connect,
            min_size=0,
            max_size=way.connections,
            command_timeout=way.timeout,
            **arguments(way, read_only=read_only),
        )
    try:
        sessions, ledger = (Database(pool, name, way.timeout, told_of or _unheard) for name in ("sessions", "ledger"))
        yield sessions, ledger
        await asyncio.gather(sessions.close(), ledger.close())
    finally:
        try:
            async with asyncio.timeout(way.timeout):
                await pool.close()
        except TimeoutError:
            pool.terminate()


def arguments(way: Way, *, read_only: bool = False) -> dict[str, Any]:
    """What every connection is opened with."""
    settings = {"search_path": _SEARCH_PATH, "application_name": "lychgate", "timezone": "UTC"}
    if read_only:
        settings["default_transaction_read_only"] = "on"
    return {
        "password": way.password,
        "ssl": way.tls,
        "server_settings": settings,
        # The primary, wherever it is after a failover.
        "target_session_attrs": "any" if read_only else "read-write",
    }


async def changed(connection: Connection, statement: str, *values: Values) -> int:
    """Run one statement within a transaction; the number of rows that it changed."""
    # The command tag ends with the number: "UPDATE 3".
    return int((await connection.execute(statement, *values)).rpartition(" ")[2])


@contextmanager
def told() -> Iterator[None]:
    """Raise what asyncpg and the network raise as a `StateError`."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise StateError(f"the database refused ({type(error).__name__}): {_harmless(error)}") from error
    except TimeoutError as error:
        raise StateError("the database did not answer in time") from error
    except OSError as error:
        raise StateError(f"the database cannot be reached: {error.strerror or type(error).__name__}") from error
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise StateError("no host of the database can be written: each is a copy, or away") from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError, OverflowError) as error:
        raise StateError(f"the database cannot be asked that: {type(error).__name__}") from error


def _harmless(error: asyncpg.PostgresError) -> str:
    """The main message; its details would repeat values."""
    message = getattr(error, "message", None) or ""
    return str(message)[:200]


def _unheard(_: str, __: str, ___: float) -> None:
    return
