"""What `lychgate doctor` looks at in the database: its version, our schema's, how fast it is, how far standbys are.

One connection of its own that can write nothing.
"""

from __future__ import annotations

import time

import asyncpg

from sidecar.adapters.state.postgres.database import Way, arguments, told
from sidecar.adapters.state.postgres.hosts import Hosts, Opened
from sidecar.adapters.state.postgres.schema import STEPS
from sidecar.core.doctor.site import Server


async def look_at_server(way: Way) -> Server:
    """What is there now.

    Raises:
        StateError: the database cannot be reached, or refuses.
    """
    with told():
        connection = await _opened(way)
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


async def _opened(way: Way) -> Opened:
    """The primary, as a gate has it; where there is none, whatever answers."""
    given = {**arguments(way, read_only=True), "command_timeout": way.timeout}
    try:
        return await Hosts(way.address, way.timeout).connect(**{**given, "target_session_attrs": "primary"})
    except asyncpg.TargetServerAttributeNotMatched:
        return await Hosts(way.address, way.timeout).connect(**given)


async def _version(connection: Opened) -> int:
    if await connection.fetchval("SELECT to_regclass('lychgate.schema_version')") is None:
        return 0
    return int(await connection.fetchval("SELECT version FROM lychgate.schema_version") or 0)


async def _initialised(connection: Opened) -> frozenset[str]:
    rows = await connection.fetch("SELECT application FROM lychgate.meta")
    return frozenset(str(row["application"]) for row in rows)
