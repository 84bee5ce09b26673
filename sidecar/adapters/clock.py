"""The clock and the source of chance of the running process; tests bring their own."""

from __future__ import annotations

import secrets
import time

from sidecar.domain.identity import UnixSeconds


class SystemClock:
    """Implements `flows.telling.Clock`."""

    def now(self) -> UnixSeconds:
        """Wall-clock seconds."""
        return UnixSeconds(int(time.time()))

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


class SystemChance:
    """Implements `flows.telling.Chance`. A failing source of randomness raises and nothing goes on (rule 78)."""

    def token(self, size: int = 32) -> str:
        """URL-safe text of *size* random bytes, without padding."""
        return secrets.token_urlsafe(size)
