"""adapters.control: where the socket lies, who may have it, and what a command is told when nobody fit is there."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.adapters.control.asking import ControlError, ask
from sidecar.adapters.control.place import listening

ROOT = os.geteuid() == 0
NOBODY = 65_534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_socket_is_its_owners_and_goes_with_its_gate(tmp_path: Path) -> None:
    path = tmp_path / "control" / "gate.sock"

    with listening(path):
        assert (0o600, 0o700) == (mode(path), mode(path.parent))
        assert stat.S_ISSOCK(path.stat().st_mode)
    assert not path.exists()


def test_a_socket_that_a_killed_gate_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    before = path.stat().st_ino

    with listening(path):
        assert before != path.stat().st_ino or stat.S_ISSOCK(path.stat().st_mode)
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(path))


def test_a_place_has_one_gate(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    with listening(path):
        with pytest.raises(OSError, match="another gate listens at"), listening(path):
            pass
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(path))
    with listening(path):
        pass


def test_a_path_may_be_longer_than_an_address(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 120) / "gate.sock"

    with listening(path) as opened:
        assert len(str(path)) > 107
        assert opened.getsockname().endswith("/gate.sock")
    assert not path.exists()


def _everybody_writes(folder: Path) -> None:
    folder.chmod(0o777)


def _another_user(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)


def _a_file(folder: Path) -> None:
    (folder / "gate.sock").write_text("mine")


def _a_lock_that_leads_away(folder: Path) -> None:
    (folder / "gate.sock.lock").symlink_to(folder / "elsewhere")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_everybody_writes, "can be written by anybody; name a new folder below it"),
        pytest.param(
            _another_user,
            f"belongs to the user {NOBODY}, not to ours",
            marks=pytest.mark.skipif(not ROOT, reason="needs root"),
        ),
        (_a_file, "is there and is no socket; remove it"),
        (_a_lock_that_leads_away, "gate.sock.lock cannot be had"),
    ],
)
def test_a_place_that_is_not_fit_says_what_to_do(spoil: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    folder = tmp_path / "control"
    folder.mkdir(0o700)
    spoil(folder)

    with pytest.raises(OSError, match=says), listening(folder / "gate.sock"):
        pass
    assert not (folder / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot be used"), listening(tmp_path / "no" / "such" / "gate.sock"):
        pass


def answering(path: Path, answer: bytes) -> tuple[socket.socket, threading.Thread]:
    """Somebody who answers one request at *path*, whatever it is."""
    opened = socket.socket(socket.AF_UNIX)
    opened.bind(str(path))
    opened.listen(1)

    def serve() -> None:
        connection, _ = opened.accept()
        with connection:
            while b"}" not in connection.recv(65_536):
                pass
            connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return opened, thread


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "no answer that can be read"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "no answer that can be read"),
        (b'HTTP/1.1 409 X\r\nContent-Length: 15\r\n\r\n{"error":"why"}', "why"),
        (b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}", "the gate refused"),
    ],
)
def test_an_answer_that_is_none_is_an_error(answer: bytes, says: str, tmp_path: Path) -> None:
    opened, thread = answering(tmp_path / "gate.sock", answer)

    with opened, pytest.raises(ControlError, match=says):
        ask(tmp_path / "gate.sock", "status", {})
    thread.join(5)


def test_a_gate_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    with listening(path), pytest.raises(ControlError, match="did not answer in 0 seconds"):
        ask(path, "status", {}, patience=0.1)


@pytest.mark.parametrize("there", [False, True], ids=["nothing", "a socket of nobody"])
def test_where_no_gate_listens_the_command_says_so(there: bool, tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    if there:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))

    with pytest.raises(ControlError, match="no gate listens at"):
        ask(path, "status", {})


IMPOSTOR = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
opened = socket.socket(socket.AF_UNIX); opened.bind(sys.argv[1]); opened.listen(1)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not ROOT, reason="needs root, to be somebody else")
def test_who_is_not_the_owner_of_the_folder_does_not_pass_for_the_gate(tmp_path: Path) -> None:
    """Somebody of the folder's group puts a socket of theirs there."""
    folder = tmp_path / "control"
    folder.mkdir()
    folder.chmod(0o770)
    os.chown(folder, 4711, NOBODY)
    for above in (tmp_path, *list(tmp_path.parents)[:3]):
        above.chmod(0o755)
    words = [sys.executable, "-c", IMPOSTOR, str(folder / "gate.sock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as impostor:
        assert impostor.stdout is not None
        assert "ready\n" == impostor.stdout.readline()
        with pytest.raises(ControlError, match="is not the owner of its folder"):
            ask(folder / "gate.sock", "status", {})
        impostor.communicate("")
