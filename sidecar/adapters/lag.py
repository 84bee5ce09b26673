"""How late the event loop wakes whoever sleeps: while one thing keeps it busy, everybody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

EVERY = 0.5
"""Seconds between two looks."""


async def watch_lag(observe: Callable[[float], None], every: float = EVERY) -> None:
    """Look for ever; ends when it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every
        await asyncio.sleep(every)
        observe(max(0.0, loop.time() - due))
