"""How the application learns who is there (design, section 1). One port; `header` is the first landing behind it."""

from __future__ import annotations

from typing import Protocol

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.streaming import AnswerHead, Fields


class Landing(Protocol):
    """Lands a person in one application."""

    async def establish(self, session: Session, username: str, node: str, now: UnixSeconds) -> Fields:
        """What to add to the request so that the application serves *username*.

        Raises:
            LandingError: the application would not take the person in.
        """
        ...

    def at_hand(self, session: Session, username: str, node: str, now: UnixSeconds) -> Fields | None:
        """What `establish` would give, if that needs no waiting; else None."""
        ...

    def check(self, username: str, head: AnswerHead) -> Reason:
        """Whether the answer was served to *username*: `ok`, `landing_failed` (to nobody) or `landing_mismatch`
        (to somebody else)."""
        ...

    async def end(self, session: Session) -> None:
        """The session is over: end what was established for it."""
        ...

    def keys(self) -> dict[str, object]:
        """The public key set by which the receiver checks assertions (RFC 7517); empty keys where none are used."""
        ...


class LandingError(Exception):
    """The application does not take the person in. *detail* is for the administrator."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
