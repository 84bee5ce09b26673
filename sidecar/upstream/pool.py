"""The idle connections to one application: last in, first out, bounded in number and in age.

Used by `client` only. The newest is taken first, so that connections which the load no longer needs grow old and go.
"""

from __future__ import annotations

from sidecar.upstream.connection import Connection
from sidecar.upstream.limits import Limits


class IdlePool:
    """Connections between two exchanges, oldest first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: list[Connection] = []

    def __len__(self) -> int:
        return len(self._idle)

    def put(self, connection: Connection, now: float) -> None:
        """Keep *connection* unless its time is over, and no more than the most; *now* is loop time in seconds."""
        if now >= connection.retire_at:
            connection.close()
            return
        connection.idle_since = now
        self._idle.append(connection)
        if len(self._idle) > self._limits.idle_connections:
            self._idle.pop(0).close()

    def take(self, now: float) -> Connection | None:
        """Return the newest connection that is fit for a request, or None. Unfit ones are closed on the way."""
        oldest = now - self._limits.idle_expiry
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since >= oldest and connection.quiet:
                return connection
            connection.close()
        return None

    def sweep(self, now: float) -> None:
        """Close the connections that are too old, dead, or have something to read."""
        oldest = now - self._limits.idle_expiry
        kept = []
        for connection in self._idle:
            if connection.idle_since >= oldest and connection.retire_at > now and connection.quiet:
                kept.append(connection)
            else:
                connection.close()
        self._idle = kept

    def close(self) -> None:
        """Close them all."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
