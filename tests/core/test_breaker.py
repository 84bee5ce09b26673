"""core.breaker: removals across people stay within their number an hour."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.breaker import WINDOW, Removals


def test_what_fits_is_counted_and_what_does_not_is_not() -> None:
    removals = Removals()

    assert [True, False, True, False] == [
        removals.allow(count, 10, now) for count, now in ((8, 0.0), (3, 1.0), (2, 2.0), (1, 3.0))
    ]


def test_an_hour_later_there_is_room_again() -> None:
    removals = Removals()

    assert [True, False, True] == [removals.allow(10, 10, now) for now in (0.0, WINDOW - 1, WINDOW)]


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 900)), max_size=40), st.integers(0, 30))
def test_never_more_than_the_limit_within_an_hour(calls: list[tuple[int, float]], limit: int) -> None:
    """Whatever comes in whatever order of sizes: the sum over any hour stays within the limit."""
    removals, now, done = Removals(), 0.0, []
    for count, pause in calls:
        now += pause
        if removals.allow(count, limit, now):
            done.append((now, count))

    for start, _ in done:
        assert limit >= sum(count for at, count in done if start <= at < start + WINDOW)
