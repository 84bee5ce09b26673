"""Whether a client takes what waits for it. Asked by `web.inbound` once a second."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios

ANSWER_LEAST = 4096
"""Bytes that a client which is behind must take within `web.allowance.Allowance.answer_time`."""


class Behind:
    """Follows one connection. It is behind while we may not write, or while its end waits for its last bytes."""

    __slots__ = ("_bytes", "_since")

    def __init__(self) -> None:
        self._since = 0.0
        self._bytes = 0

    def caught_up(self) -> None:
        """It is not, for now."""
        self._since = 0.0

    def is_stuck(self, wire: asyncio.Transport, now: float, patience: float) -> bool:
        """Whether it has taken next to nothing for *patience* seconds; *now* in loop time."""
        waiting = wire.get_write_buffer_size() + _unsent(wire)
        if not self._since or waiting <= self._bytes - ANSWER_LEAST:
            self._since, self._bytes = now, waiting
        return now - self._since > patience


def _unsent(wire: asyncio.Transport) -> int:
    """Bytes that wait in the kernel. On a fast way they are many, and it asks for more only when a third is gone."""
    try:
        return int(
            struct.unpack("i", fcntl.ioctl(wire.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
        )
    except (OSError, ValueError):
        return 0
