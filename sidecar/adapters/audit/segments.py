"""The files of an audit trail: one that grows, and sealed segments beside it whose names sort by sequence.

Readable by their owner only, held by one process, only ever added to. Used by the sink's thread.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from sidecar.adapters.audit.chain import LONGEST, Link, read_link
from sidecar.adapters.disk import sync_folder
from sidecar.domain.identity import UnixSeconds

_OWNER_ONLY = 0o600
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_TIME = "%Y%m%dT%H%M%SZ"
_REGION = 4 * LONGEST
"""Bytes from the end in which the last whole record is looked for."""


class Damage(NamedTuple):
    """What stood behind the last whole record at a start: a line that was being written when the process died."""

    size: int
    sha256: str


class Ending(NamedTuple):
    """How the trail ended before.

    Attributes:
        last: Its last whole record, or None: there was no trail.
        joint: What must be written first, so that the next record begins a line.
        aside: Name of a file that is no trail of ours and was moved out of the way, or "".
    """

    last: Link | None
    damage: Damage | None
    joint: bytes
    aside: str


class Limits(NamedTuple):
    """When a segment is sealed (bytes, seconds), and how many sealed ones are kept how long."""

    size: int
    age: int
    keep: int
    keep_for: int


class Segments:
    """Implements `Output` on a directory."""

    waits = True

    def __init__(self, path: Path, limits: Limits) -> None:
        """
        Raises:
            OSError: the file cannot be opened, or another process writes it.
        """
        self._path = path
        self._limits = limits
        self._lock = os.open(path.with_name(f"{path.name}.lock"), _FLAGS, _OWNER_ONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file = self._opened()
        except BaseException:
            os.close(self._lock)
            raise
        self._size = os.fstat(self._file).st_size
        self._began: UnixSeconds | None = None

    def ending(self, now: UnixSeconds) -> Ending:
        """Where the trail stands. What is no trail of ours is moved aside, never touched and never continued.

        Raises:
            OSError: it cannot be read, or not be moved.
        """
        last, rest = _last(self._file)
        if last is None:
            aside = ""
            if self._size:
                name = self._path.with_name(f"{self._path.stem}-aside-{_stamp(now)}{self._path.suffix}")
                self._replace(name)
                aside = name.name
            sealed = self.sealed()
            return Ending(_last_of(sealed[-1]) if sealed else None, None, b"", aside)
        joint = b"" if rest.endswith(b"\n") else b"\n"
        # Of a record that lacks nothing but its line break nothing is lost.
        damaged = (rest + joint)[1:]
        damage = Damage(len(damaged), sha256(damaged).hexdigest()) if damaged else None
        return Ending(last, damage, joint, "")

    def write(self, data: memoryview) -> int:
        """See `Output`."""
        count = os.write(self._file, data)
        self._size += count
        return count

    def sync(self) -> None:
        """See `Output`."""
        os.fsync(self._file)

    def is_full(self, now: UnixSeconds) -> bool:
        """Whether it is so large or so old. An empty one is never full."""
        if self._began is None:
            self._began = self._first_time(now)
        old = not self._began <= now < self._began + self._limits.age
        return bool(self._size) and (self._size >= self._limits.size or old)

    def seal(self, first: int, now: UnixSeconds) -> None:
        """Give the file its lasting name, which begins with its first sequence, and begin another.

        Raises:
            OSError: the old one goes on.
        """
        os.fsync(self._file)
        self._replace(self._path.with_name(f"{self._path.stem}-{first:012}-{_stamp(now)}{self._path.suffix}"))
        self._began = now

    def first_sequence(self) -> int:
        """Of the growing file; 0 if it is empty."""
        line = os.pread(self._file, LONGEST, 0).partition(b"\n")[0]
        link = read_link(line)
        return link.sequence if link is not None else 0

    def last_sequence(self, path: Path) -> int:
        """Of a sealed segment; 0 if it cannot be told."""
        link = _last_of(path)
        return link.sequence if link is not None else 0

    def sealed(self) -> list[Path]:
        """The sealed segments, oldest first."""
        return sealed_beside(self._path)

    def too_many(self, now: UnixSeconds) -> list[Path]:
        """The sealed segments that need not be kept, oldest first."""
        sealed = self.sealed()
        surplus = max(0, len(sealed) - self._limits.keep)
        old = (path for path in sealed[surplus:] if _sealed_at(path) < now - self._limits.keep_for)
        return [*sealed[:surplus], *old]

    def remove(self, paths: list[Path]) -> None:
        """Delete sealed segments."""
        for path in paths:
            path.unlink(missing_ok=True)
        sync_folder(self._path.parent)

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._file)
        os.close(self._lock)

    def _opened(self) -> int:
        file = os.open(self._path, _FLAGS, _OWNER_ONLY)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(22, "no regular file")
            os.fchmod(file, _OWNER_ONLY)
            sync_folder(self._path.parent)
        except BaseException:
            os.close(file)
            raise
        return file

    def _replace(self, name: Path) -> None:
        if name.exists():
            raise FileExistsError(17, f"{name.name} is there already")
        # It may have been moved away by somebody else.
        if self._path.exists() and self._path.stat().st_ino == os.fstat(self._file).st_ino:
            self._path.rename(name)
        file = self._opened()
        os.close(self._file)
        self._file = file
        self._size = os.fstat(file).st_size

    def _first_time(self, now: UnixSeconds) -> UnixSeconds:
        link = read_link(os.pread(self._file, LONGEST, 0).partition(b"\n")[0])
        if link is None:
            return now
        return UnixSeconds(int(datetime.fromisoformat(str(link.record()["time"])).timestamp()))


def sealed_beside(path: Path) -> list[Path]:
    """The sealed segments of the trail whose growing file is *path*, oldest first."""
    pattern = re.compile(rf"{re.escape(path.stem)}-\d{{12}}-\d{{8}}T\d{{6}}Z{re.escape(path.suffix)}")
    if not path.parent.is_dir():
        return []
    return sorted(found for found in path.parent.iterdir() if pattern.fullmatch(found.name))


def _last(file: int) -> tuple[Link | None, bytes]:
    """The last whole record, and the bytes behind it: a line break, unless the process died in the middle."""
    size = os.fstat(file).st_size
    start = max(0, size - _REGION)
    data = os.pread(file, size - start, start)
    for begin, end in _lines_backwards(data):
        link = read_link(data[begin:end])
        if link is not None:
            return link, data[end:]
    return None, b""


def _last_of(path: Path) -> Link | None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _last(file)[0]
    finally:
        os.close(file)


def _lines_backwards(data: bytes) -> Iterator[tuple[int, int]]:
    end = len(data)
    while end > 0:
        begin = data.rfind(b"\n", 0, end) + 1
        yield begin, end
        end = begin - 1


def _sealed_at(path: Path) -> float:
    text = path.stem.rpartition("-")[2]
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp()


def _stamp(now: UnixSeconds) -> str:
    return datetime.fromtimestamp(now, UTC).strftime(_TIME)
