"""The one record of a request: made at the door, filled on the way, read once for metrics and audit."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.domain.reason import Reason


@dataclass(slots=True)
class RequestRecord:
    """What became of a request.

    Attributes:
        request: Request id.
        started: Monotonic seconds.
        source: Client address as far as it is believed.
        chain: The same and all proxies behind it that the site trusts, as in `X-Forwarded-For`.
        outcome: `forwarded`, `anonymous`, `passed`, `login`, `own`, `denied`, `failed`, `gone`.
        status: What the client got.
        first_byte: Seconds the application took to its first byte; 0 if it was not asked.
        waited: Seconds spent waiting for the application in all.
        sent: Bytes to the client.
        stripped: Whether the client sent identity headers.
        cookies: Whether it sent cookies that only the gate may send to the application.
        told: Whether the audit trail has heard, under this request's id, why it was refused.
    """

    request: str
    started: float
    source: str = ""
    chain: str = ""
    application: str = ""
    portal: str = ""
    rule: str = ""
    method: str = ""
    outcome: str = "denied"
    reason: Reason = Reason.OK
    status: int = 0
    first_byte: float = 0.0
    waited: float = 0.0
    sent: int = 0
    stripped: bool = False
    cookies: bool = False
    told: bool = False

    @property
    def proxies(self) -> tuple[str, ...]:
        """The trusted proxies through which the request came, the nearest to the client first."""
        return tuple(self.chain.split(", ")[1:])
