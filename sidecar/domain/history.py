"""What became of somebody: one refusal, sign-in or change of an account, as `lychgate why` tells it."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.domain.identity import Person, UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One of them.

    Attributes:
        code: Of the audit event (`domain.events.Code`).
        outcome: Of the event.
        reason: The reason word; `ok` where nothing was refused.
        person: None where only the account is known.
        username: Of the account, or "".
        detail: What the event says more: path, group, detail.
        request: Request id, by which the audit trail and the log have the rest; or "".
    """

    at: UnixSeconds
    code: str
    outcome: str
    reason: str
    person: Person | None
    username: str
    application: str
    portal: str = ""
    provider: str = ""
    source: str = ""
    detail: str = ""
    request: str = ""
