"""What a landing may ask of its application when it is examined. Used by the landings; `flows.doctor` brings it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.domain.identity import UnixSeconds
from sidecar.flows.streaming import Fields


class Asks(Protocol):
    """The application, asked directly: past everything that the gate takes off."""

    async def served(self, fields: Fields) -> str | None:
        """Whom the application says that it serves a request with these fields: an account, or None for nobody.

        Raises:
            AccountError: it does not say; with `connector_unreachable` there was no answer at all.
        """
        ...

    async def sign_ons(self) -> Sequence[Mapping[str, object]]:
        """The providers of its own sign-on, each whole.

        Raises:
            AccountError: it cannot be asked, or does not let us.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One application under examination.

    Attributes:
        account: Whom to pretend to be, as the application writes the name; "" if nobody is known.
        customers: Whether the product has a portal for customers.
        heard: Whether what the product asks of us reaches this process.
        now: For proofs that have a time.
    """

    asks: Asks
    account: str
    customers: bool
    heard: bool
    now: UnixSeconds
