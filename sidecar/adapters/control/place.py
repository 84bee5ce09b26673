"""The place of the control socket: a file in a folder that only the gate's own user writes (D9).

`building.controlling` listens there, `adapters.control.asking` speaks there. Who may reach the socket is decided by the
folder, by the mode of the file, and by the kernel's word of who is at the other end (`web.control`).
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OWNER_ONLY = 0o600
_OTHERS_WRITE = 0o002
_PENDING = 16


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A socket that listens at *path*, as long as the block lasts; a folder that is not there is made.

    The folder is held open and names are taken within it, so that it cannot be exchanged after it was looked at, and
    that it may have a path that is longer than an address of a socket (unix(7): 107 bytes).

    Raises:
        OSError: the place is not fit, or another gate has it. Says what to do.
    """
    folder = _folder(path)
    try:
        lock = _lock(path, folder)
        try:
            yield from _bound(path, folder)
        finally:
            os.close(lock)
    finally:
        os.close(folder)


def within(folder: int, name: str) -> str:
    """The address of the socket *name* in a folder that is open."""
    return f"/proc/self/fd/{folder}/{name}"


def _folder(path: Path) -> int:
    folder = path.parent
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OSError(
            f"listen.control: {folder} cannot be used ({error.strerror}); make a folder there that is ours, or name "
            "another place"
        ) from None
    found = os.fstat(opened)
    if found.st_uid != os.geteuid():
        wrong = f"belongs to the user {found.st_uid}, not to ours ({os.geteuid()})"
    elif found.st_mode & _OTHERS_WRITE:
        wrong = "can be written by anybody"
    else:
        return opened
    os.close(opened)
    raise OSError(f"listen.control: {folder} {wrong}; name a new folder below it, which Lychgate makes")


def _lock(path: Path, folder: int) -> int:
    """Held as long as we listen: whoever has it knows that a socket that lies there is nobody's."""
    try:
        lock = os.open(f"{path.name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _OWNER_ONLY, dir_fd=folder)
    except OSError as error:
        raise OSError(f"listen.control: {path}.lock cannot be had ({error.strerror}); remove it") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise OSError(
            f"listen.control: another gate listens at {path}; stop it, or give each a place of its own"
        ) from None
    return lock


def _bound(path: Path, folder: int) -> Iterator[socket.socket]:
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(f"listen.control: {path} is there and is no socket; remove it, or name another place")
        os.unlink(path.name, dir_fd=folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as opened:
        try:
            opened.bind(within(folder, path.name))
            # Nobody can connect before it listens.
            os.chmod(path.name, _OWNER_ONLY, dir_fd=folder)
        except OSError as error:
            raise OSError(f"listen.control: {path} cannot be made ({error.strerror}); name another place") from None
        opened.listen(_PENDING)
        try:
            yield opened
        finally:
            with suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=folder)
