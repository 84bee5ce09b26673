"""core.lines: a header line has one reading or is refused, and what is remembered of lines is bounded and right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.lines import BadLineError, Remembered, split_line

GOOD = [
    (b"Host: h", b"Host", b"h"),
    (b"a:b", b"a", b"b"),
    (b"a:", b"a", b""),
    (b"a: \t b \t", b"a", b"b"),
    (b"X-y_z!#$%&'*+.^`|~0: caf\xe9\tb", b"X-y_z!#$%&'*+.^`|~0", b"caf\xe9\tb"),
    (b"a: b: c", b"a", b"b: c"),
]
BAD = [
    b"", b"a", b": b", b"a : b", b" a: b", b"\ta: b", b"a\x00: b", b"a: \x00", b"a: b\rc", b"a: b\nc", b"a: \x7f",
    b"a\xe9: b", b"a(b): c", b"a b: c", b"a: b\r", b"\r", b"a:\x0b", b"[a]: b", b'a": b',
]  # fmt: skip


@pytest.mark.parametrize(("raw", "name", "value"), GOOD)
def test_a_line_has_a_name_and_a_value(raw: bytes, name: bytes, value: bytes) -> None:
    assert (name, value) == split_line(raw)


@pytest.mark.parametrize("raw", BAD)
def test_what_could_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    with pytest.raises(BadLineError):
        split_line(raw)


@given(st.binary(max_size=60))
def test_a_line_is_read_or_refused(raw: bytes) -> None:
    try:
        name, value = split_line(raw)
    except BadLineError:
        return
    assert raw.startswith(name + b":") and value in raw and value == value.strip(b" \t")
    assert not set(name + value) & {*range(9), *range(10, 32), 127}


class Line:
    """Knows how often it was read."""

    read = 0

    def __init__(self, raw: bytes) -> None:
        split_line(raw)
        type(self).read += 1
        self.raw = raw

    @property
    def forget(self) -> bool:
        return self.raw.startswith(b"secret")


def test_a_line_is_read_once_while_it_is_used() -> None:
    lines, before = Remembered(Line, 4), Line.read
    for number in range(100):
        assert b"a: often" == lines[b"a: often"].raw
        assert b"n: %d" % number == lines[b"n: %d" % number].raw
    # Read anew only where it had fallen out of both generations, which it never does.
    assert 101 == Line.read - before
    assert len(lines) <= 4 and len(lines._old) <= 4


def test_secrets_and_long_lines_are_not_remembered() -> None:
    lines = Remembered(Line)
    for raw in (b"secret: 1", b"a: " + b"x" * 600):
        assert raw == lines[raw].raw
    with pytest.raises(BadLineError):
        lines[b"no line"]
    assert {} == lines
