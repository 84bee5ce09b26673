"""An answer to a question of our own: its head and the beginning of its body are kept, and it goes to nobody.

Used by `flows.asking` and by `upstream.client` for the status page.
"""

from __future__ import annotations

from sidecar.flows.streaming import AnswerHead


class Nowhere:
    """A `flows.streaming.Sink` that leads nowhere."""

    writing_paused = False

    def write(self, data: bytes) -> None:
        """Drop it."""

    async def drain(self) -> None:
        """Nobody is behind."""

    def abort(self) -> None:
        """Nobody is there."""


class Heard:
    """A `flows.streaming.Answer` that is kept.

    Attributes:
        head: None: there was none.
        content: The beginning of the body.
        torn: Whether it broke off.
    """

    def __init__(self, largest: int) -> None:
        """*largest*: bytes of the body that are kept."""
        self.sink = Nowhere()
        self.head: AnswerHead | None = None
        self.content = b""
        self.torn = False
        self._largest = largest

    def interim(self, head: AnswerHead) -> None:
        """Says nothing."""

    def begin(self, head: AnswerHead) -> bool:
        """Take whatever comes."""
        self.head = head
        return True

    def body(self, data: bytes) -> None:
        """Keep what is not too much."""
        self.content += data[: self._largest - len(self.content)]

    def end(self) -> None:
        """It is whole."""

    def broke(self) -> None:
        """It is not."""
        self.torn = True

    def flush(self) -> None:
        """Nothing waits."""
