"""Just enough of WebSocket framing to tell typing from heartbeats, and where a frame ends (RFC 6455, section 5.2)."""

from __future__ import annotations


class FrameWatch:
    """Follows the frames of one direction over arbitrary cuts of the byte stream; looks at no payload."""

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    @property
    def at_boundary(self) -> bool:
        """Whether a frame ended with the last byte: another one may be put behind it."""
        return not self._left and not self._head

    def feed(self, data: bytes) -> bool:
        """Whether *data* begins a frame that carries something: text, binary or a continuation of them.

        Ping, pong and close are control frames: browsers answer pings by themselves, so they prove nobody's presence.
        """
        carries = False
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            self._head += data[at : at + 1]
            at += 1
            size = _payload_size(self._head)
            if size is not None:
                carries = carries or (self._head[0] & 0x0F < 0x8 and size > 0)
                self._left = size
                self._head = b""
        return carries


def _payload_size(head: bytes) -> int | None:
    """Bytes of payload behind a complete head; None while it is incomplete."""
    if len(head) < 2:
        return None
    short = head[1] & 0x7F
    extended = {126: 2, 127: 8}.get(short, 0)
    masked = 4 if head[1] & 0x80 else 0
    if len(head) < 2 + extended + masked:
        return None
    return int.from_bytes(head[2 : 2 + extended], "big") if extended else short
