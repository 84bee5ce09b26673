"""Stops removals across people: a mistake at the provider must not empty groups while nobody looks (D5).

Asked by `flows.removals` before a plan that leaves groups is carried out. Keeps the rule that a freeze lasts as long as
somebody comes from whom something would be taken: a mistake that was mended is no longer there an hour later, and one
that was not goes no further.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sidecar.domain.identity import UnixSeconds

WINDOW = 3600
"""Seconds over which removals are counted, and after which a freeze ends if nothing was held back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What is remembered of one application's removals.

    Attributes:
        taken: When how many memberships were taken, within the last hour.
        frozen: Since when nothing is taken, or None.
        held: When something was held back last, or None.
    """

    taken: tuple[tuple[UnixSeconds, int], ...] = ()
    frozen: UnixSeconds | None = None
    held: UnixSeconds | None = None


def asked(breaker: Breaker, count: int, limit: int, now: UnixSeconds) -> tuple[bool, Breaker]:
    """Whether *count* more memberships may be taken, and what is remembered then.

    Args:
        breaker: As it was.
        count: Groups that one person is about to leave.
        limit: Most removals an hour.
        now: Of this question.
    """
    breaker = settled(breaker, now)
    total = count + sum(number for _, number in breaker.taken)
    if breaker.frozen is not None or total > limit:
        return False, replace(breaker, frozen=now if breaker.frozen is None else breaker.frozen, held=now)
    return True, replace(breaker, taken=(*breaker.taken, (now, count)))


def settled(breaker: Breaker, now: UnixSeconds) -> Breaker:
    """Without what is older than an hour; a freeze ends when nothing was held back for so long."""
    taken = tuple((at, count) for at, count in breaker.taken if at > now - WINDOW)
    over = breaker.held is not None and breaker.held <= now - WINDOW
    return Breaker(taken=taken) if over else replace(breaker, taken=taken)
