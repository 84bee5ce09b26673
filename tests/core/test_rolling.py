"""A limit over the last hour."""

from __future__ import annotations

from sidecar.core.rolling import WINDOW, Rolling


def test_so_many_within_an_hour_and_no_more_and_room_as_they_age() -> None:
    rolling = Rolling()
    assert [True, True, False] == [rolling.allow(2, now) for now in (0.0, 10.0, 20.0)]
    assert not rolling.allow(2, WINDOW - 0.1)
    assert rolling.allow(2, WINDOW)
    # What was refused was not counted.
    assert not rolling.allow(2, WINDOW + 9.9)
    assert rolling.allow(2, WINDOW + 10)


def test_none_means_none() -> None:
    assert not Rolling().allow(0, 0.0)
