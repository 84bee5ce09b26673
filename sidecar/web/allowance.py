"""What clients may take of a listener."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Bounds; times in seconds.

    Attributes:
        connections: Most open connections of a listener.
        head_time: A head must have come whole within it.
        body_time: Each such stretch of a body must bring `web.inbound.BODY_LEAST` bytes, unless we were not reading.
        answer_time: Each such stretch must take `web.behind.ANSWER_LEAST` bytes of what waits for the client.
        keep_alive: A connection without a request is closed after it.
        drain: At the end, so long every answer says that its connection ends, while new ones are still taken.
    """

    connections: int = 8192
    head_time: float = 15.0
    body_time: float = 30.0
    answer_time: float = 60.0
    keep_alive: float = 75.0
    drain: float = 0.0


class Drain:
    """Whether a listener has begun to end; shared by its connections."""

    on = False
