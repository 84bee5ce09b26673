"""Where bytes go that are no file of ours: standard output, and the second place of checkpoints."""

from __future__ import annotations

import io
import os
import select
from pathlib import Path
from typing import Protocol, TextIO

from sidecar.domain.identity import UnixSeconds

_OWNER_ONLY = 0o600
_PATIENCE = 0.5


class Output(Protocol):
    """Takes bytes. Whatever it did not take is given again: the bytes of a trail are never torn by a fault that ends.

    Attributes:
        waits: Whether taking may last; if not, no thread is needed.
    """

    waits: bool

    def write(self, data: memoryview) -> int:
        """Take the first bytes of *data*; returns how many.

        Raises:
            OSError: none was taken.
        """
        ...

    def sync(self) -> None:
        """Make what was taken outlive the machine.

        Raises:
            OSError: nobody knows whether it does.
        """
        ...

    def is_full(self, now: UnixSeconds) -> bool:
        """Whether it should be sealed and followed by another."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class Stream:
    """A text stream, past its buffer where it has a file descriptor: a buffer does not say how much it gave on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        try:
            stream.flush()
            self._number: int | None = stream.fileno()
        except (io.UnsupportedOperation, AttributeError):
            self._number = None
        self.waits = self._number is not None

    def write(self, data: memoryview) -> int:
        """See `Output`."""
        if self._number is not None:
            try:
                return os.write(self._number, data)
            except BlockingIOError:
                # Somebody made it so that it does not wait.
                _ = select.select([], [self._number], [], _PATIENCE)
                return 0
        self._stream.write(bytes(data).decode())
        self._stream.flush()
        return len(data)

    def sync(self) -> None:
        """Whoever reads it keeps it."""

    def is_full(self, now: UnixSeconds) -> bool:
        """It has no end."""
        return False

    def close(self) -> None:
        """It is not ours to close."""


class Witness:
    """The second place of checkpoints: a file that is opened for each, so that its volume may come and go."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, line: bytes) -> None:
        """Add a checkpoint.

        Raises:
            OSError: it is not there. The next one covers the same records.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(self._path, flags, _OWNER_ONLY)
        try:
            end = os.fstat(file).st_size
            if end and os.pread(file, 1, end - 1) != b"\n":
                line = b"\n" + line
            while line:
                line = line[os.write(file, line) :]
            os.fsync(file)
        finally:
            os.close(file)
