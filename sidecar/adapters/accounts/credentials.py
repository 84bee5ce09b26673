"""The credential of a connector, and the one that takes over when the first is refused.

Used by `accounts.rest`. Nothing here shows a credential: not its `repr`, and no local variable of a frame that an
error can pass through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sidecar.adapters.secrets import SecretError
from sidecar.flows.accounts import CredentialRefusedError
from sidecar.flows.telling import Clock

PAUSE = 10
"""Seconds for which a credential that was refused is not shown again while there is no other."""

SECOND_THOUGHT = 600
"""Seconds after which the first one is tried again while the second one works."""

NOT_ACCEPTED = "the application does not accept the access token: it is wrong, expired or revoked"

Read = Callable[[], str]
"""Gives the value of `Authorization` of the moment.

Raises:
    SecretError: it cannot be read.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A credential for one call. *place* is 1 for the first, 2 for the one that takes over."""

    place: int
    value: str = field(repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with the call."""
        return {"Authorization": self.value}


class Credentials:
    """One application's. `refused` says how many of them the application does not take: 0, 1 or all."""

    def __init__(
        self,
        first: Read,
        second: Read | None,
        clock: Clock,
        told: Callable[[int, bool], None] = lambda place, all_of_them: None,
        refused: str = NOT_ACCEPTED,
    ) -> None:
        """Reads nothing yet. *told* hears of each refusal once: which place, and whether none is left. *refused* is
        what an error says then."""
        self._reads = (first,) if second is None else (first, second)
        self._clock = clock
        self._told = told
        self._words = refused
        self._dead: dict[int, tuple[Shown | None, float]] = {}

    def __repr__(self) -> str:
        return f"Credentials({len(self._reads)})"

    @property
    def refused(self) -> int:
        """How many are known to be refused."""
        return len(self._dead)

    def choose(self) -> Shown:
        """The credential to show now.

        Raises:
            CredentialRefusedError: all were refused a moment ago, or none can be read.
        """
        wait = PAUSE if len(self._dead) == len(self._reads) else SECOND_THOUGHT
        for place, read in enumerate(self._reads, 1):
            shown = self._read(place, read)
            if shown is None:
                continue
            known, since = self._dead.get(place, (None, 0.0))
            if known != shown or self._clock.monotonic() - since >= wait:
                return shown
        raise self.refusal()

    def accepted(self, shown: Shown) -> None:
        """The application took it."""
        self._dead.pop(shown.place, None)

    def was_refused(self, shown: Shown) -> None:
        """It did not."""
        self._bury(shown.place, shown)

    def refusal(self) -> CredentialRefusedError:
        """The error for credentials that are not taken."""
        return CredentialRefusedError(self._words)

    def _read(self, place: int, read: Read) -> Shown | None:
        try:
            return Shown(place, read())
        except SecretError:
            # A file that is being replaced, or one that is not there yet. `lychgate check` names what is wrong.
            self._bury(place, None)
            return None

    def _bury(self, place: int, shown: Shown | None) -> None:
        known = self._dead.get(place)
        self._dead[place] = shown, self._clock.monotonic()
        if known is None or known[0] != shown:
            self._told(place, len(self._dead) == len(self._reads))


def bearer(token: Callable[[], str]) -> Read:
    """The value of `Authorization` for a token (RFC 6750, section 2.1)."""
    return lambda: f"Bearer {token().strip()}"
