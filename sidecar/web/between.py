"""Whether aiohttp's parser stands between two requests: only then may another reader of the connection take over.
Followed by `web.inbound` with every piece that is fed to the parser.
"""

from __future__ import annotations

from sidecar.core.lines import MOST_DIGITS
from sidecar.web.head import MAX_HEAD


class Between:
    """It does after a head without a body that came alone, and after a body whose announced end is the end of what
    came. In doubt it does not, and then never again on this connection.

    Attributes:
        two: Whether it does.
    """

    __slots__ = ("_before", "_expected", "two")

    def __init__(self) -> None:
        self.two = True
        self._before = b""
        self._expected = 0

    def follow(self, data: bytes, requests: int, message: object) -> None:
        """Take account of what was fed.

        Args:
            data: The piece.
            requests: How many requests came of it.
            message: The head of the last of them as aiohttp read it, if it is still at hand.
        """
        if self._expected:
            self._expected -= len(data)
            self.two = self._expected == 0
            self._expected = max(self._expected, 0)
            return
        if self._before:
            data, self._before, self.two = self._before + data, b"", True
        if self.two and not requests and len(data) <= MAX_HEAD:
            self._before = data
        if not self.two or requests != 1:
            self.two = False
            return
        end = data.find(b"\r\n\r\n") + 4
        headers = getattr(message, "headers", None)
        if end < 4 or headers is None or getattr(message, "chunked", True) or getattr(message, "upgrade", True):
            self.two = False
            return
        length = headers.get("Content-Length", "0")
        expected = int(length) - (len(data) - end) if length.isdigit() and len(length) <= MOST_DIGITS else -1
        self.two = expected == 0
        self._expected = max(expected, 0)
