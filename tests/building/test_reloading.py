"""When a file that changed is taken: the looks at it, as a table. The rest is tests/web/test_reload.py."""

from __future__ import annotations

import pytest

from sidecar.building.reloading import Looks


@pytest.mark.parametrize(
    ("seen", "taken"),
    [
        ([b"a", b"a"], []),
        ([b"b", b"b"], [1]),
        ([b"b", b"b", b"b"], [1]),
        # still being written
        ([b"b", b"c", b"d"], []),
        ([b"b", b"c", b"c"], [2]),
        # back to what is in force
        ([b"b", b"a", b"a"], []),
        ([b"b", b"b", b"a", b"a"], [1, 3]),
        # away for a while
        ([None, None, b"a", b"a"], []),
        ([None, b"b", b"b"], [2]),
        ([b"b", None, b"b", b"b"], [3]),
    ],
)
def test_a_file_is_taken_when_it_was_the_same_at_two_looks(seen: list[bytes | None], taken: list[int]) -> None:
    looks = Looks(b"a")
    assert taken == [number for number, digest in enumerate(seen) if looks.is_to_be_taken(digest)]
