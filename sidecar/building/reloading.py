"""The configuration in force, and its replacement while the gate runs: whole, or not at all.

A new file is checked as at the start. What is wrong with it, or what only a restart can change, leaves the old one in
force, and is said aloud: log, audit trail, metric.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sidecar.adapters.clock import SystemClock
from sidecar.config.faults import ConfigError, Severity
from sidecar.config.load import Loaded, load
from sidecar.config.model import Config
from sidecar.config.settled import needing_restart
from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Policy
from sidecar.flows.telling import Audit, Clock

LOG = logging.getLogger(__name__)
EVERY = 5.0
"""Seconds between two looks at the file. A change counts when it was the same at two of them: it is written whole."""

MOST_FAULTS = 20
"""Faults that one audit event names."""


class InForce:
    """The configuration that holds now. Whoever reads it twice may read two of them.

    Attributes:
        since: When it was put in force.
    """

    __slots__ = ("_clock", "_loaded", "since")

    def __init__(self, loaded: Loaded, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.replace(loaded)

    @property
    def loaded(self) -> Loaded:
        """The whole."""
        return self._loaded

    @property
    def config(self) -> Config:
        """As it was written."""
        return self._loaded.config

    @property
    def policy(self) -> Policy:
        """As it is decided by."""
        return self._loaded.policy

    def current(self) -> Policy:
        """The same, to be handed on."""
        return self._loaded.policy

    def replace(self, loaded: Loaded) -> None:
        """From now on *loaded* holds."""
        self._loaded = loaded
        self.since = self._clock.now()


class ReloadMeter(Protocol):
    """Counts what became of new configurations."""

    def reloaded(self, result: str) -> None:
        """*result* is `done`, `refused` or `restart_needed`."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """A new configuration that is not in force. *result* is that of `ReloadMeter`."""

    at: UnixSeconds
    cause: str
    result: str
    faults: tuple[str, ...]


class Reloading:
    """Replaces the configuration in force by the file's.

    Attributes:
        refused: The newest one that was refused; None once one was taken.
    """

    def __init__(
        self,
        in_force: InForce,
        audit: Audit,
        meter: ReloadMeter,
        review: Callable[[], Awaitable[None]],
        clock: Clock | None = None,
    ) -> None:
        """*review* judges open connections again."""
        self._clock = clock or SystemClock()
        self.refused: Refusal | None = None
        self._in_force = in_force
        self._audit = audit
        self._meter = meter
        self._review = review

    async def reload(self, path: Path, cause: str) -> bool:
        """Put the file in force; False if it could not be. *cause* is told: `signal` or `file`."""
        try:
            after = await asyncio.to_thread(load, path, serving=True)
        except ConfigError as error:
            errors = (fault.render() for fault in error.faults if fault.severity is Severity.ERROR)
            self._refuse("refused", cause, tuple(errors))
            return False
        except Exception:
            # A gate that serves does not end because a new file met a fault of ours.
            LOG.exception("a configuration could not be read")
            self._refuse("refused", cause, ("a fault of Lychgate; the log has more",))
            return False
        if settled := needing_restart(self._in_force.loaded, after):
            self._refuse("restart_needed", cause, tuple(f"{key}: counts from the next start only" for key in settled))
            return False
        for warning in after.warnings:
            LOG.warning("%s", warning.render())
        self._in_force.replace(after)
        self.refused = None
        self._meter.reloaded("done")
        LOG.info("a new configuration is in force: policy %s", after.policy.hash[:16])
        self.tell(cause)
        await self._review()
        return True

    def tell(self, cause: str) -> None:
        """Tell the audit trail what holds from now on."""
        loaded = self._in_force.loaded
        facts: dict[str, Fact] = {"hash": loaded.policy.hash[:16], "warnings": len(loaded.warnings), "cause": cause}
        self._audit.tell(Event(code=Code.CONFIG_LOADED, facts=facts))

    def _refuse(self, result: str, cause: str, faults: tuple[str, ...]) -> None:
        self._meter.reloaded(result)
        for fault in faults:
            LOG.error("the new configuration is not in force: %s", fault)
        said = tuple(" ".join(fault.split()) for fault in faults[:MOST_FAULTS])
        self.refused = Refusal(self._clock.now(), cause, result, said)
        facts: dict[str, Fact] = {"cause": cause, "result": result, "faults": said}
        self._audit.tell(Event(code=Code.CONFIG_REFUSED, outcome="failure", facts=facts))


class Looks:
    """What was seen of the file at each look."""

    __slots__ = ("_held", "_last")

    def __init__(self, held: bytes | None) -> None:
        """*held* is what the file held when it was last taken."""
        self._held = self._last = held

    def is_to_be_taken(self, seen: bytes | None) -> bool:
        """Whether the file is another one than the last that was taken, and was the same at two looks: it is written
        whole. None: it could not be read."""
        before, self._last = self._last, seen
        if seen is None or seen == self._held or seen != before:
            return False
        self._held = seen
        return True


async def follow(path: Path, told: asyncio.Event, reloading: Reloading, *, every: float = EVERY) -> None:
    """Reload when *told* is set, and when the file has become another one. Goes on until it is cancelled."""
    looks = Looks(await _digest(path))
    while True:
        try:
            async with asyncio.timeout(every):
                await told.wait()
        except TimeoutError:
            if looks.is_to_be_taken(await _digest(path)):
                await reloading.reload(path, "file")
        else:
            told.clear()
            looks = Looks(await _digest(path))
            await reloading.reload(path, "signal")


async def _digest(path: Path) -> bytes | None:
    """What the file holds, in short; None while it cannot be read. The path is followed anew: in Kubernetes it is a
    link that is turned."""
    return await asyncio.to_thread(_digest_now, path)


def _digest_now(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None
