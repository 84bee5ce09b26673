"""The directory of the embedded store: who may look into it, who holds it, and how a file in it begins.

Called by `sqlite` inside the worker's thread. Our files are readable by their owner only.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sidecar.adapters.disk import sync_folder
from sidecar.adapters.state.database import connect
from sidecar.adapters.state.schema import Schema
from sidecar.flows.sessions import StateError

LOCK = "lock"
ENDING = ".sqlite3"

_OWNER_ONLY = 0o600
_OTHERS_WRITE = 0o002
_HEADER_BYTES = 100


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Make *directory* if it is not there, and hold it for this process alone.

    Raises:
        StateError: another process holds it, anybody may write into it, or it cannot be made.
    """
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        if directory.stat().st_mode & _OTHERS_WRITE:
            raise StateError(f"{directory} can be written by anybody: let `state` name a new directory below it.")
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _OWNER_ONLY)
    except OSError as error:
        raise StateError(f"{directory}: {error.strerror}: the directory of `state` must be ours to write.") from error
    try:
        _take(lock, directory)
        yield
    finally:
        os.close(lock)


def _take(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
        raise StateError(
            f"{directory} is in use by another process ({holder}): stop it, or let `state` name a directory of its own."
        ) from error
    except OSError as error:
        raise StateError(f"{directory} cannot be locked ({error.strerror}): use a local disk for `state`.") from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def opened(directory: Path, schema: Schema) -> sqlite3.Connection:
    """The connection to the file of *schema*, which is made if it was never there.

    Raises:
        StateError: see `connect`; also a file that was cut where SQLite would not mind.
    """
    path = directory / f"{schema.name}{ENDING}"
    try:
        if not path.exists():
            if any(log.exists() for log in _logs(path)):
                raise StateError(f"{path} is missing, but its -wal or -shm file is there. {schema.cure}")
            _begin(path, schema)
        if not _is_whole(path):
            raise StateError(f"{path} is damaged (it was cut). {schema.cure}")
        path.chmod(_OWNER_ONLY)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}: the file must belong to us.") from error
    return connect(str(path), schema)


def _begin(path: Path, schema: Schema) -> None:
    """Make the file under another name first: a crash in between leaves no half file under the right one."""
    new = path.with_name(f"{path.name}.new")
    for leftover in (new, *_logs(new)):
        with suppress(FileNotFoundError):
            leftover.unlink()
    # SQLite gives its logs the mode of the file.
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY))
    with closing(connect(str(new), schema)):
        pass
    new.rename(path)
    sync_folder(path.parent)


def _is_whole(path: Path) -> bool:
    """Whether the file has its header and ends with a page (SQLite file format, section 1.3).

    SQLite itself takes a file without a header for a new one, and fills a page that was cut with zeros.
    Only its log may know better: a crash in the middle of copying a page leaves the page in the log.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return False
    page = int.from_bytes(header[16:18], "big") or 1
    log = _logs(path)[0]
    return path.stat().st_size % page == 0 or (log.exists() and log.stat().st_size > 0)


def _logs(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
