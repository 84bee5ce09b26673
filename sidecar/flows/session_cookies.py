"""Which session a cookie names: its signature is checked once and then remembered. Used by `flows.sessions`."""

from __future__ import annotations

from collections.abc import Iterable

from sidecar.core.kept import Kept, kept
from sidecar.flows.session_bounds import REMEMBERED
from sidecar.flows.session_making import key_of, purpose_of
from sidecar.flows.session_ports import Signer


class Cookies:
    """Signs and reads them.

    Attributes:
        known: The key of a session by application and cookie, for cookies that were found to be ours.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._lost: set[str] = set()
        self._unseen: set[str] = set()
        self.known: dict[tuple[str, str], str] = kept("session_cookies", Kept(), REMEMBERED)

    def made(self, application: str, token: str) -> str:
        """The value of a cookie."""
        return self._signer.sign(purpose_of(application), token)

    def key_of(self, application: str, cookie: str) -> str | None:
        """The key of the session that a cookie names; None if it is not ours."""
        known = self.known.get((application, cookie))
        if known is not None:
            return known
        token = self._signer.unsign(purpose_of(application), cookie)
        if token is None:
            return None
        if len(self.known) >= REMEMBERED:
            self.known.clear()
        return self.known.setdefault((application, cookie), key_of(token))

    def verify_anew(self, sessions: Iterable[str]) -> None:
        """Our keys may have changed, while *sessions* are in memory. What was remembered is forgotten."""
        found: dict[bool, set[str]] = {True: set(), False: set()}
        for (application, cookie), key in self.known.items():
            found[self._signer.unsign(purpose_of(application), cookie) is not None].add(key)
        self._lost, self._unseen = found[False] - found[True], set(sessions) - found[True]
        self.known.clear()

    def doubted(self) -> tuple[set[str], set[str]]:
        """Once for each change of keys: sessions of which no cookie that was seen is ours any more, and those that were
        in memory then and of which none has been seen."""
        lost, unseen = self._lost, self._unseen.difference(self.known.values())
        self._lost, self._unseen = set(), set()
        return lost, unseen
