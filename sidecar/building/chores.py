"""What is done every minute, and what came of it the last time. Used by `app`; `lychgate status` tells it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sidecar.domain.identity import UnixSeconds
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Clock

LOG = logging.getLogger(__name__)
EVERY = 60.0

Work = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a chore the last time. *failed*: why it did not come to its end, or ""."""

    at: UnixSeconds
    failed: str = ""


class Chores:
    """Does all of it, whatever of it fails.

    Attributes:
        last: By the name of a chore.
    """

    def __init__(self, works: Mapping[str, Work], clock: Clock) -> None:
        self._works = works
        self._clock = clock
        self.last: dict[str, Done] = {}

    async def go_on(self) -> None:
        """Every minute, until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.round()

    async def round(self) -> None:
        """Do everything once. A fault of ours in one keeps none of the others from its turn."""
        for name, work in self._works.items():
            failed = ""
            try:
                await work()
            except StateError as error:
                LOG.error("the state could not be swept (%s): %s", name, error)
                failed = str(error)
            except Exception:
                LOG.exception("what is done every minute failed (%s)", name)
                failed = "a fault of Lychgate; the log has more"
            self.last[name] = Done(self._clock.now(), failed)
