"""How long and how much the way to one application waits, holds and accepts.

Made by the composition root, read by the client, its pool and its connections.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one client; all times in seconds.

    Attributes:
        connect: Longest wait for a new connection, name look-up and TLS included.
        first_byte: Longest standstill before the final head of an answer has come. A request body that is
            still moving is no standstill. A request may bring another one (`flows.streaming.Patience`).
        idle_body: Longest standstill after it, whether the application or the receiver is to blame. As above.
        sweep: How often the times are looked at; all but `connect` are kept to within one such step.
        idle_connections: Most connections kept open for reuse.
        idle_expiry: Longest time a connection is kept open for reuse; shorter than the application keeps it, or a
            request meets its farewell (Tomcat: 20 s unless changed).
        connection_age: A connection of that age serves no further request. The next one looks the name up anew.
        in_flight: Most requests at the application at a time. An open WebSocket is none.
        anonymous: Most of them that nobody who signed in asks for.
        queue: Most requests that wait for one of them to end.
        queue_wait: Longest such wait.
        tunnels: Most WebSockets that are open or being opened.
    """

    connect: float = 5.0
    first_byte: float = 600.0
    idle_body: float = 300.0
    sweep: float = 1.0
    idle_connections: int = 512
    idle_expiry: float = 15.0
    connection_age: float = 300.0
    in_flight: int = 512
    anonymous: int = 384
    queue: int = 256
    queue_wait: float = 5.0
    tunnels: int = 4096
