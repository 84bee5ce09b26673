"""How the application learns who is there (design, section 1). One port; `adapters.landing.header`,
`flows.headless` (with `flows.walking`) and `flows.crowd_landing` are behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sidecar.domain.finding import Finding
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar, Session
from sidecar.flows.examined import Examined
from sidecar.flows.streaming import AnswerHead, Fields

Keep = Callable[[str, Jar], None]
"""Keeps the application's cookies for a seat (`domain.session.seat_of`); afterwards the session has them."""


class Landing(Protocol):
    """Lands a person in one application. What it holds there are cookies, and those stand in the session's jars."""

    async def establish(
        self, session: Session, username: str, node: str, now: UnixSeconds, keep: Keep, *, surely: bool
    ) -> Fields:
        """What to add to the request so that the application serves *username*.

        Args:
            keep: Told of the cookies that came of it, before anybody hears that it is done.
            surely: The request cannot be sent twice: what is held is tried out first if it is old.

        Raises:
            LandingError: the application would not take the person in.
            UpstreamError: the application could not be asked.
        """
        ...

    def at_hand(self, session: Session, username: str, node: str, now: UnixSeconds) -> Fields | None:
        """What `establish` would give for a request that may be sent twice, if that needs no waiting; else None."""
        ...

    def check(self, session: Session, username: str, node: str, head: AnswerHead) -> Reason:
        """Whether the answer was served to *username*: `ok`, `landing_failed` (to nobody) or `landing_mismatch`
        (to somebody else)."""
        ...

    def lost(self, session: Session, username: str, node: str, sent: Jar) -> bool:
        """Nobody was served where *username* should have been, with the cookies *sent*: whether landing once more may
        help. Then the next `establish` does so."""
        ...

    async def end(self, session: Session) -> None:
        """The session is over: end what was established for it."""
        ...

    def keys(self) -> dict[str, object]:
        """The public key set by which the receiver checks assertions (RFC 7517); empty keys where none are used."""
        ...

    async def findings(self, examined: Examined) -> Sequence[Finding]:
        """What is wrong with this way of landing, as far as the application shows it (`lychgate doctor`).

        Raises:
            AccountError: the application cannot be asked.
        """
        ...


class LandingError(Exception):
    """The application does not take the person in.

    Attributes:
        detail: For the administrator.
        error_id: The number that the application gave to its own refusal, or "".
        reason: `landing_failed`, or `landing_mismatch` if it took the person for somebody else.
    """

    def __init__(self, detail: str, error_id: str = "", reason: Reason = Reason.LANDING_FAILED) -> None:
        super().__init__(f"{detail} ({error_id})" if error_id else detail)
        self.detail = detail
        self.error_id = error_id
        self.reason = reason


class WalkNeededError(LandingError):
    """The person's browser must walk the product's sign-on first.

    Attributes:
        username: Who is to be landed.
        walked: It has just done so, or failed: decide again.
    """

    def __init__(self, username: str, *, walked: bool = False) -> None:
        super().__init__("the browser has to walk the product's sign-on first", reason=Reason.LANDING_NEEDED)
        self.username = username
        self.walked = walked
