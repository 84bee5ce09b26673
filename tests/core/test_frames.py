"""core.frames.FrameWatch: sees the frames of a WebSocket however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.frames import FrameWatch


def frame(opcode: int, size: int, *, masked: bool = True, fin: bool = True) -> bytes:
    """A frame of RFC 6455, section 5.2, with the longest payload as zeros."""
    bit = 0x80 if masked else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 65_536:
        length = bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([bit | 127]) + size.to_bytes(8, "big")
    return bytes([(0x80 if fin else 0) | opcode]) + length + (b"\x81\x85ab" if masked else b"") + b"\x81" * size


frames = st.lists(
    st.tuples(st.integers(0, 15), st.sampled_from([0, 1, 5, 125, 126, 127, 300, 70_000]), st.booleans(), st.booleans()),
    max_size=6,
)


@given(frames, st.data())
def test_each_frame_is_seen_in_the_piece_that_completes_its_head(
    drawn: list[tuple[int, int, bool, bool]], data: st.DataObject
) -> None:
    stream, complete = b"", []
    for opcode, size, masked, fin in drawn:
        whole = frame(opcode, size, masked=masked, fin=fin)
        if opcode < 8 and size:
            complete.append(len(stream) + len(whole) - size)
        stream += whole
    near = {min(max(at + by, 0), len(stream)) for at in complete for by in (-2, -1, 0, 1)}
    cuts = data.draw(st.lists(st.integers(0, len(stream)) | st.sampled_from(sorted(near) or [0]), max_size=8))
    edges = [0, *sorted(cuts), len(stream)]
    watch = FrameWatch()
    for start, end in pairwise(edges):
        assert any(start < at <= end for at in complete) == watch.feed(stream[start:end])


@given(frames)
def test_byte_by_byte_sees_as_many_frames(drawn: list[tuple[int, int, bool, bool]]) -> None:
    drawn = [(opcode, min(size, 300), masked, fin) for opcode, size, masked, fin in drawn]
    stream = b"".join(frame(opcode, size, masked=masked, fin=fin) for opcode, size, masked, fin in drawn)
    watch = FrameWatch()
    seen = sum(watch.feed(stream[at : at + 1]) for at in range(len(stream)))
    assert sum(opcode < 8 and size > 0 for opcode, size, _, _ in drawn) == seen


@pytest.mark.parametrize(
    ("opcode", "size", "carries"),
    [(1, 1, True), (2, 200, True), (0, 70_000, True), (1, 0, False), (8, 2, False), (9, 4, False), (10, 125, False)],
)
def test_typing_is_told_from_heartbeats(opcode: int, size: int, carries: bool) -> None:
    assert carries == FrameWatch().feed(frame(opcode, size))


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    watch = FrameWatch()
    assert {True, False} >= {watch.feed(piece) for piece in pieces}
