"""core.breaker: removals across people stay within their number an hour, and too many stop all of them."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.breaker import WINDOW, Breaker, asked, settled
from sidecar.domain.identity import UnixSeconds


def answers(questions: Iterable[tuple[int, int]], limit: int = 10) -> list[bool]:
    """What becomes of (count, time) after each other."""
    breaker, told = Breaker(), []
    for count, now in questions:
        allowed, breaker = asked(breaker, count, limit, UnixSeconds(now))
        told.append(allowed)
    return told


def test_one_too_many_stops_all_the_others_too() -> None:
    assert [True, True, False, False] == answers([(8, 0), (2, 1), (1, 2), (1, 3)])
    assert [True, False, False] == answers([(8, 0), (3, 1), (1, 2)])


def test_it_lasts_as_long_as_something_is_held_back() -> None:
    every_half_hour = [(1, half * WINDOW // 2) for half in range(1, 6)]
    last = every_half_hour[-1][1]
    assert [True, False] + [False] * 5 == answers([(10, 0), (1, 1), *every_half_hour])
    assert [False, True] == answers(
        [(10, 0), (1, 1), *every_half_hour, (1, last + WINDOW - 1), (1, last + 2 * WINDOW)]
    )[-2:]


def test_a_quiet_hour_ends_it_and_nothing_else_does() -> None:
    fallen = asked(Breaker(), 11, 10, UnixSeconds(5))[1]
    assert Breaker(frozen=UnixSeconds(5), held=UnixSeconds(5)) == fallen
    assert fallen == settled(fallen, UnixSeconds(5 + WINDOW - 1))
    assert Breaker() == settled(fallen, UnixSeconds(5 + WINDOW))


def test_an_hour_later_there_is_room_again() -> None:
    assert [True, True] == answers([(10, 0), (10, WINDOW)])
    assert [True, False] == answers([(10, 0), (1, WINDOW - 1)])


def test_where_none_is_allowed_none_is_taken() -> None:
    assert [False] == answers([(1, 0)], limit=0)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 2 * WINDOW)), max_size=40), st.integers(0, 30))
def test_never_more_than_the_limit_within_an_hour(calls: list[tuple[int, int]], limit: int) -> None:
    """Whatever comes in whatever order of sizes: the sum over any hour stays within the limit, and after one that was
    held back nothing is taken for an hour."""
    now, times = 0, []
    for count, pause in calls:
        now += pause
        times.append((count, now))
    told = list(zip(times, answers(times, limit), strict=True))
    for (_, start), _ in told:
        hour = [(count, allowed) for (count, at), allowed in told if start <= at < start + WINDOW]
        assert limit >= sum(count for count, allowed in hour if allowed)
    held = [(number, at) for number, ((_, at), allowed) in enumerate(told) if not allowed]
    for number, at in held:
        assert not any(allowed for (_, then), allowed in told[number:] if then < at + WINDOW)
