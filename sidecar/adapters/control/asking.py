"""How a command asks the running gate: one request over its control socket, one answer.

Called by `commands.calling`. The folder of the socket must be the gate's own, and the process that answers must be its
owner's: nobody else in the folder's group can pass for the gate.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sidecar.adapters.control.place import within

PREFIX = "/v1/"
"""Paths of commands; the number is that of the protocol."""

LARGEST = 4 * 1024 * 1024
"""Bytes of an answer."""

PATIENCE = 90.0
"""Seconds for an answer; a command that changes accounts may have sixty."""

_CREDENTIALS = struct.Struct("iII")
"""`struct ucred`: process, user, group (unix(7), SO_PEERCRED)."""


class ControlError(Exception):
    """The gate was not reached, or did not do it. The text says what to do."""


class NotRunningError(ControlError):
    """No gate listens there."""


def ask(path: Path, command: str, arguments: Mapping[str, object], patience: float = PATIENCE) -> Mapping[str, Any]:
    """Let the gate that listens at *path* do *command*, such as `sessions end`.

    Raises:
        ControlError: no gate is there, we may not speak to it, or it refuses.
    """
    connection = _Connection(path, patience)
    try:
        body = json.dumps(arguments)
        connection.request("POST", PREFIX + command.replace(" ", "/"), body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read(LARGEST + 1)
    except TimeoutError:
        raise ControlError(f"the gate at {path} did not answer in {patience:.0f} seconds; its log has more") from None
    except (OSError, http.client.HTTPException) as error:
        raise ControlError(f"the gate at {path} broke off: {str(error) or type(error).__name__}") from None
    finally:
        connection.close()
    return _read(answer.status, text)


def _read(status: int, text: bytes) -> Mapping[str, Any]:
    try:
        if len(text) > LARGEST:
            raise ValueError
        found = json.loads(text)
    except ValueError:
        raise ControlError(f"the gate gave no answer that can be read (status {status})") from None
    if not isinstance(found, dict):
        raise ControlError(f"the gate gave no answer that can be read (status {status})")
    if status != http.client.OK:
        raise ControlError(str(found.get("error", f"the gate refused (status {status})")))
    return cast("Mapping[str, Any]", found)


class _Connection(http.client.HTTPConnection):
    """HTTP over the socket."""

    def __init__(self, path: Path, patience: float) -> None:
        super().__init__("lychgate", timeout=patience)
        self._path = path

    def connect(self) -> None:
        """Reach the gate, and nobody else.

        Raises:
            ControlError: see `ask`.
        """
        self.sock = _reached(self._path, self.timeout)


def _reached(path: Path, patience: float | None) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(patience)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            owner = os.fstat(folder).st_uid
            opened.connect(within(folder, path.name))
        finally:
            os.close(folder)
        if _user_of(opened) not in {0, owner}:
            raise ControlError(f"who listens at {path} is not the owner of its folder: do not trust it, and look there")
    except PermissionError:
        opened.close()
        raise ControlError(f"{path} is not for you: run this as root, or as the user of the gate") from None
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        opened.close()
        raise NotRunningError(f"no gate listens at {path}: start it, or name the socket of one with --socket") from None
    except BaseException:
        opened.close()
        raise
    return opened


def _user_of(connection: socket.socket) -> int:
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(found)[1])
