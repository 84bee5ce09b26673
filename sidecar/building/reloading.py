"""The configuration in force with its secrets, and its replacement while the gate runs: whole, or not at all.

What is new is checked as at the start. What is wrong with it, or what only a restart can change, leaves the old one in
force, and is said aloud: log, audit trail, metric.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.secrets import Secret, SecretError
from sidecar.building.renewing import Commit, Renewals
from sidecar.config.faults import ConfigError, Severity
from sidecar.config.kept import Kept
from sidecar.config.load import Loaded, load, with_other_secrets
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
        renewed: When its secrets were.
    """

    __slots__ = ("_clock", "_loaded", "renewed", "since")

    def __init__(self, loaded: Loaded, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._loaded = loaded
        self.since = self.renewed = self._clock.now()

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

    def read(self, secret: Secret, /, *, at_least: int = 16) -> str:
        """A secret of it; see `adapters.secrets.Read`."""
        return self._loaded.kept.read(secret, at_least=at_least)

    def current(self) -> Policy:
        """The same, to be handed on."""
        return self._loaded.policy

    def now(self) -> UnixSeconds:
        """By the clock that the gate goes by."""
        return self._clock.now()

    def mark(self) -> bytes:
        """Of its secrets, and of the key that signed when they were taken; see `Kept.mark`."""
        return self._loaded.kept.mark(self.renewed)

    def replace(self, loaded: Loaded) -> None:
        """From now on *loaded* holds."""
        self.renewed = self._clock.now()
        if loaded.policy is not self._loaded.policy:
            self.since = self.renewed
        self._loaded = loaded


class ReloadMeter(Protocol):
    """Counts what became of new configurations and of other secrets."""

    def reloaded(self, result: str) -> None:
        """*result* is `done`, `refused` or `restart_needed`."""
        ...

    def renewed(self, result: str) -> None:
        """*result* is `done` or `refused`."""
        ...


class _RefusedError(Exception):
    """Nothing of it counts."""

    def __init__(self, result: str, faults: Iterable[str]) -> None:
        super().__init__(result)
        self.result = result
        self.faults = tuple(" ".join(fault.split()).removeprefix(": ") for fault in faults)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A new configuration that is not in force. *result* is that of `ReloadMeter`."""

    at: UnixSeconds
    cause: str
    result: str
    faults: tuple[str, ...]


class Reloading:
    """Replaces the configuration in force by the file's, and its secrets by those of now.

    Attributes:
        refused: The newest configuration that was refused; None once one was taken.
    """

    def __init__(
        self,
        in_force: InForce,
        renewals: Renewals,
        audit: Audit,
        meter: ReloadMeter,
        review: Callable[[], Awaitable[None]],
        clock: Clock | None = None,
    ) -> None:
        """*renewals* make what holds secrets anew; *review* judges open connections again."""
        self._clock = clock or SystemClock()
        self.refused: Refusal | None = None
        self.in_force = in_force
        self._renewals = renewals
        self._audit = audit
        self._meter = meter
        self._review = review

    async def reload(self, path: Path, cause: str) -> bool:
        """Put the file in force with the secrets that it names; False if it could not be. *cause* is told: `signal` or
        `file`."""
        try:
            after, commits = await self._made(partial(load, path, serving=True))
        except _RefusedError as error:
            self._meter.reloaded(error.result)
            for fault in error.faults:
                LOG.error("the new configuration is not in force: %s", fault)
            said = error.faults[:MOST_FAULTS]
            self.refused = Refusal(self._clock.now(), cause, error.result, said)
            facts: dict[str, Fact] = {"cause": cause, "result": error.result, "faults": said}
            self._audit.tell(Event(code=Code.CONFIG_REFUSED, outcome="failure", facts=facts))
            return False
        for warning in after.warnings:
            LOG.warning("%s", warning.render())
        changed = self._put(after, commits)
        self.refused = None
        self._meter.reloaded("done")
        LOG.info("a new configuration is in force: policy %s", after.policy.hash[:16])
        self.tell(cause)
        if changed:
            self._tell_renewed(changed, cause)
        await self._review()
        return True

    async def renew(self) -> bool:
        """Put in force what the secrets and the files of TLS hold now, whatever became of the file that names them;
        False if it could not be: the old ones stay."""
        before = self.in_force.loaded
        try:
            after, commits = await self._made(partial(with_other_secrets, before))
        except _RefusedError as error:
            self._meter.renewed("refused")
            for fault in error.faults:
                LOG.error("the old secrets stay in force: %s", fault)
            facts: dict[str, Fact] = {"faults": error.faults[:MOST_FAULTS]}
            self._audit.tell(Event(code=Code.SECRETS_REFUSED, outcome="failure", facts=facts))
            return False
        self._tell_renewed(self._put(after, commits), "file")
        # A key that is gone ends what it signed, WebSockets too.
        await self._review()
        return True

    async def _made(self, new: Callable[[], Loaded]) -> tuple[Loaded, Sequence[Commit]]:
        """Everything that is new, not yet in force.

        Raises:
            _RefusedError: some of it is not well.
        """
        try:
            after = await asyncio.to_thread(new)
            settled = needing_restart(self.in_force.loaded, after)
            if not settled:
                return after, await self._renewals.made(after)
        except ConfigError as error:
            faults = (fault.render() for fault in error.faults if fault.severity is Severity.ERROR)
            raise _RefusedError("refused", faults) from None
        except (SecretError, OSError) as error:
            # A file that was well when it was checked is another one since.
            raise _RefusedError("refused", [str(error)]) from None
        except Exception:
            # A gate that serves does not end because something new met a fault of ours.
            LOG.exception("what is new could not be taken")
            raise _RefusedError("refused", ["a fault of Lychgate; the log has more"]) from None
        raise _RefusedError("restart_needed", (f"{key}: counts from the next start only" for key in settled))

    def _put(self, after: Loaded, commits: Sequence[Commit]) -> tuple[str, ...]:
        """All of it at once; the settings whose secret is another one now."""
        before = self.in_force.loaded
        for commit in commits:
            commit()
        self.in_force.replace(after)
        return after.kept.changed(after.config, before.kept, before.config)

    def _tell_renewed(self, settings: tuple[str, ...], cause: str) -> None:
        self._meter.renewed("done")
        LOG.info("other secrets are in force: %s", ", ".join(settings) or "another key signs")
        self._audit.tell(Event(code=Code.SECRETS_RENEWED, facts={"settings": settings, "cause": cause}))

    def tell(self, cause: str) -> None:
        """Tell the audit trail what holds from now on."""
        loaded = self.in_force.loaded
        facts: dict[str, Fact] = {"hash": loaded.policy.hash[:16], "warnings": len(loaded.warnings), "cause": cause}
        self._audit.tell(Event(code=Code.CONFIG_LOADED, facts=facts))


class Looks:
    """What was seen of a file at each look."""

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
    """Reload when *told* is set, and when the file has become another one; renew when a secret has. Goes on until it is
    cancelled."""
    in_force = reloading.in_force
    files, secrets = Looks(await asyncio.to_thread(_mark_of, path)), Looks(in_force.mark())
    while True:
        try:
            async with asyncio.timeout(every):
                await told.wait()
        except TimeoutError:
            cause = "file" if files.is_to_be_taken(await asyncio.to_thread(_mark_of, path)) else ""
        else:
            told.clear()
            files, cause = Looks(await asyncio.to_thread(_mark_of, path)), "signal"
        if cause and await reloading.reload(path, cause):
            secrets = Looks(in_force.mark())
            continue
        # With every path followed anew: in Kubernetes it leads through a link that is turned.
        seen = await asyncio.to_thread(_mark_of_secrets, in_force)
        if secrets.is_to_be_taken(seen) and await reloading.renew():
            secrets = Looks(in_force.mark())


def _mark_of(path: Path) -> bytes | None:
    """What the file holds, in short; None while it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None


def _mark_of_secrets(in_force: InForce) -> bytes:
    """What the secrets of the configuration in force hold at this moment; one that is gone is another one."""
    return Kept.of(in_force.config).mark(in_force.now())
