"""Stops removals across people: a mistake at the provider must not empty groups while nobody looks (D5).

Asked by `flows.provisioning` before a plan that leaves groups is carried out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW = 3600.0
"""Seconds over which removals are counted."""


@dataclass(slots=True)
class Removals:
    """Removals of one application within the last hour. A full breaker lets the next ones through as old ones age."""

    _times: deque[tuple[float, int]] = field(default_factory=deque)

    def allow(self, count: int, limit: int, now: float) -> bool:
        """Whether *count* more removals stay within *limit* an hour; if so, they are counted.

        Args:
            count: Groups that one person is about to leave.
            limit: Most removals an hour.
            now: Monotonic seconds.
        """
        while self._times and self._times[0][0] <= now - WINDOW:
            self._times.popleft()
        if sum(number for _, number in self._times) + count > limit:
            return False
        self._times.append((now, count))
        return True
