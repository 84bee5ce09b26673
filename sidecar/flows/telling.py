"""The ports through which every flow tells what happened: audit events and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sidecar.domain.events import Event
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.record import RequestRecord
from sidecar.domain.session import Session


class Audit(Protocol):
    """Where audit events go."""

    def tell(self, event: Event) -> None:
        """Hand an event to the sinks. Does not block and does not raise."""
        ...


class AuditError(Exception):
    """The audit trail does not take what it must have; what was to be told may not be done."""


class SureAudit(Audit, Protocol):
    """An audit trail that work can wait for."""

    async def sure(self, event: Event) -> None:
        """As `tell`, and back once every sink that may hold work up has the event: in its queue, or on its disk.

        A `change.intended` is written only where somebody waits for it.

        Raises:
            AuditError: one of them does not take it in time.
        """
        ...


class Clock(Protocol):
    """The only clock."""

    def now(self) -> UnixSeconds:
        """Wall-clock seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""
        ...


class Chance(Protocol):
    """The only source of randomness."""

    def token(self, size: int = 32) -> str:
        """URL-safe text of *size* random bytes, without padding: `[A-Za-z0-9_-]` (ADFS loses anything else)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What ties the events of one request together.

    Attributes:
        request: Request id.
        source: Client address as far as it is believed.
        proxies: The trusted proxies between the client and us, the nearest to the client first.
        session: The first 16 characters of the session's key, or "".
    """

    request: str = ""
    source: str = ""
    proxies: tuple[str, ...] = ()
    session: str = ""


def trace_of(record: RequestRecord, session: Session | None) -> Trace:
    """What ties the events of a request together; with the session that it belongs to, if any."""
    key = session.key[:16] if session is not None else ""
    return Trace(request=record.request, source=record.source, proxies=record.proxies, session=key)


class Meter(Protocol):
    """Counts requests. Hot path: must cost next to nothing."""

    def began(self) -> None:
        """A request came in."""
        ...

    def withdrew(self) -> None:
        """It is begun again by another way, and counted there."""
        ...

    def request(self, record: RequestRecord, took: float) -> None:
        """It is over after *took* seconds."""
        ...
