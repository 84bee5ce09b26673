"""The small cookies of a sign-in: attempts on their way, and the memory of the last one that was finished.

Used by `flows.signin`. The server stores nothing of an attempt; what the browser carries it can neither read nor make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.core.logins import (
    ATTEMPT_LIFE,
    LOOP_WINDOW,
    SKEW,
    Attempt,
    attempt_from_bytes,
    attempt_name,
    attempt_to_bytes,
    finished_from_bytes,
    finished_to_bytes,
    is_attempt_name,
    too_many,
)
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Application

ATTEMPT = "attempt"
LOOP = "loop"
"""Purpose and name of the small cookie that remembers the last finished sign-in."""


class AttemptSealer(Protocol):
    """Seals what a browser carries but may not read (AEAD)."""

    def seal_text(self, purpose: str, aad: bytes, plaintext: bytes) -> str:
        """Sealed, URL-safe text, good for the purpose and *aad* only."""
        ...

    def open_text(self, purpose: str, aad: bytes, text: str) -> bytes | None:
        """The plaintext, or None. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class CookieChange:
    """A cookie to set, or (value None) to take back. *name* is the part after the product's prefix."""

    name: str
    value: str | None
    max_age: int | None = None


class AttemptCookies:
    """Writes and reads them. *cookies* are always the flow cookies of one application, without the prefix."""

    def __init__(self, sealer: AttemptSealer) -> None:
        self._sealer = sealer

    def begin(self, application: Application, attempt: Attempt, cookies: Mapping[str, str]) -> tuple[CookieChange, ...]:
        """The new attempt's cookie; those that are dead or for which there is no room any more are taken back."""
        name = attempt_name(attempt.state)
        sealed = self._sealer.seal_text(ATTEMPT, _bound(application.name, name), attempt_to_bytes(attempt))
        alive: list[tuple[UnixSeconds, str, int]] = []
        dead: list[str] = []
        for other, text in cookies.items():
            if not is_attempt_name(other):
                continue
            known = self.attempt(application.name, other, text)
            if known is None or not -SKEW <= attempt.began - known.began <= ATTEMPT_LIFE:
                dead.append(other)
            else:
                alive.append((known.began, other, _size(application, other, text)))
        dropped = (*dead, *too_many(alive, _size(application, name, sealed)))
        return (*(CookieChange(other, None) for other in dropped), CookieChange(name, sealed, ATTEMPT_LIFE))

    def attempt(self, application: str, name: str, text: str | None) -> Attempt | None:
        """The attempt in the cookie *name* of an application; None if there is none or it is not ours."""
        data = self._sealer.open_text(ATTEMPT, _bound(application, name), text) if text else None
        return attempt_from_bytes(data) if data is not None else None

    def finished(self, application: Application, at: UnixSeconds, circles: int) -> CookieChange:
        """Remember a finished sign-in for as long as the next one would be suspicious."""
        text = self._sealer.seal_text(LOOP, application.name.encode(), finished_to_bytes(at, circles))
        return CookieChange(LOOP, text, LOOP_WINDOW * 2)

    def last(self, application: Application, cookies: Mapping[str, str]) -> tuple[int | None, int]:
        """When this browser last finished a sign-in (None: not lately), and the circles until then."""
        text = cookies.get(LOOP)
        data = self._sealer.open_text(LOOP, application.name.encode(), text) if text else None
        found = finished_from_bytes(data) if data is not None else None
        return found if found is not None else (None, 0)


def _bound(application: str, name: str) -> bytes:
    return f"{application}/{name}".encode()


def _size(application: Application, name: str, text: str) -> int:
    """Bytes in the `Cookie` field: `<session cookie>.<name>=<text>; `."""
    return len(application.cookie) + 1 + len(name) + 1 + len(text) + 2
