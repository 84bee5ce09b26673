"""What `lychgate doctor` looks at in the database: its version, our schema's, how fast it is, how far standbys are.

One connection of its own that can write nothing.
"""

from __future__ import annotations

import time

import asyncpg

from sidecar.adapters.state.postgres.database import Way, arguments, told
from sidecar.adapters.state.postgres.schema import STEPS
from sidecar.core.doctor.site import Server


async def look_at_server(way: Way) -> Server:
    """What is there now.

    Raises:
        StateError: the database cannot be reached, or refuses.
    """
    with told():
        connection = await asyncpg.connect(
            timeout=way.timeout, command_timeout=way.timeout, **arguments(way, read_only=True)
        )
        try:
            began = time.monotonic()
            number = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
            took = time.monotonic() - began
            version = await _version(connection)
            return Server(
                major=number // 10_000,
                version=(version, len(STEPS)),
                took=took,
                standby=bool(await connection.fetchval("SELECT pg_is_in_recovery()")),
                behind=await connection.fetchval(
                    "SELECT extract(epoch FROM max(replay_lag))::float8 FROM pg_stat_replication"
                ),
                initialised=await _initialised(connection) if version else frozenset(),
            )
        finally:
            await connection.close(timeout=way.timeout)


async def _version(connection: asyncpg.Connection[asyncpg.Record]) -> int:
    if await connection.fetchval("SELECT to_regclass('lychgate.schema_version')") is None:
        return 0
    return int(await connection.fetchval("SELECT version FROM lychgate.schema_version") or 0)


async def _initialised(connection: asyncpg.Connection[asyncpg.Record]) -> frozenset[str]:
    rows = await connection.fetch("SELECT application FROM lychgate.meta")
    return frozenset(str(row["application"]) for row in rows)
