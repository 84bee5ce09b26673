"""Switches with which a test makes a stand-in Jira fail. Asked by `handler.py` and the account REST."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Failure:
    """A prepared bad answer. Without a status the connection is cut instead."""

    status: int | None
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class RateLimit:
    """A token bucket that tests refill by hand. `interval` (seconds) and `fill` go out as advice only."""

    limit: int
    remaining: int
    interval: int = 60
    fill: int | None = None
    refused: int = 0

    def take(self) -> bool:
        """Spend one token; False when none is left."""
        if self.remaining == 0:
            self.refused += 1
            return False
        self.remaining -= 1
        return True

    def refill(self, intervals: int = 1) -> None:
        """Time has passed."""
        self.remaining = min(self.limit, self.remaining + intervals * (self.fill or self.limit))

    def headers(self) -> list[tuple[str, str]]:
        """What Jira puts on every limited answer; `retry-after` is 0 while tokens remain."""
        wait = 0 if self.remaining else self.interval
        return [
            ("X-RateLimit-Limit", str(self.limit)),
            ("X-RateLimit-Remaining", str(self.remaining)),
            ("X-RateLimit-Interval-Seconds", str(self.interval)),
            ("X-RateLimit-FillRate", str(self.fill or self.limit)),
            ("retry-after", str(wait)),
        ]


@dataclass(slots=True)
class _Prepared:
    path_prefix: str
    failure: Failure
    times: int


@dataclass(slots=True)
class Faults:
    """What goes wrong at present. Path prefixes are canonical and below the context path."""

    directory_read_only: bool = False
    active_ignored: bool = False
    """Whether a PUT that says `active` is answered well and does nothing."""
    late: set[str] = field(default_factory=set)
    """Lower-case usernames that the directory has and does not show yet."""
    seats_exhausted: bool = False
    dead_tokens: set[str] = field(default_factory=set)
    rate_limit: RateLimit | None = None
    delays: dict[str, float] = field(default_factory=dict)
    _prepared: list[_Prepared] = field(default_factory=list)

    def prepare(self, path_prefix: str, failure: Failure, times: int) -> None:
        """The next `times` requests below the prefix get this answer."""
        self._prepared.append(_Prepared(path_prefix, failure, times))

    def next_failure(self, path: str) -> Failure | None:
        """The failure due for this path, spent once."""
        for prepared in self._prepared:
            if prepared.times > 0 and path.startswith(prepared.path_prefix):
                prepared.times -= 1
                return prepared.failure
        return None

    def delay_of(self, path: str) -> float:
        """Seconds to wait before answering this path: the longest that applies."""
        return max((s for prefix, s in self.delays.items() if path.startswith(prefix)), default=0.0)

    def clear(self) -> None:
        """Everything works again."""
        self.directory_read_only = self.seats_exhausted = self.active_ignored = False
        self.late.clear()
        self.rate_limit = None
        self.dead_tokens.clear()
        self.delays.clear()
        self._prepared.clear()
