"""A limit over the last hour, kept in memory: so many and no more, and room again as old ones age.

Asked by `flows.leavers` before an account is made inactive: a mistake at the provider must not empty a site.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW = 3600.0
"""Seconds over which is counted."""


@dataclass(slots=True)
class Rolling:
    """What was let through within the last hour."""

    _times: deque[float] = field(default_factory=deque)

    def allow(self, limit: int, now: float) -> bool:
        """Whether one more stays within *limit* an hour; if so, it is counted. *now* in monotonic seconds."""
        while self._times and self._times[0] <= now - WINDOW:
            self._times.popleft()
        if len(self._times) >= limit:
            return False
        self._times.append(now)
        return True
