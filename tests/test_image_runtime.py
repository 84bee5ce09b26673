"""What the image takes of its base: Python runs in it alone, with nothing else that could be run.

`image/runtime.py` is run as the build runs it, over the Python of these tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNTIME = Path(__file__).parent.parent / "image" / "runtime.py"
PYTHON = Path(os.path.realpath(sys.executable))

# What the gate and its packages load of the standard library's compiled parts, and what a cluster's files are for.
SEEN_WITHIN = """
import _bz2, _ctypes, _decimal, _lzma, _sqlite3, _uuid, asyncio, hashlib, os, socket, sqlite3, ssl, zlib, zoneinfo
assert ssl.create_default_context().get_ca_certs()
assert zoneinfo.ZoneInfo("Europe/Berlin")
assert socket.gethostbyname("written-by-the-cluster") == "127.0.0.9"
os.setgroups([]); os.setgid(10001); os.setuid(10001)
assert os.path.expanduser("~") == "/var/lib/lychgate"
open("/tmp/x", "w")
print("well")
"""


def made(folder: Path, *more: Path) -> subprocess.CompletedProcess[str]:
    """The runtime in `<folder>/runtime`, for a program that has nothing but *more*."""
    program = folder / "program"
    (program / "bin").mkdir(parents=True)
    (program / "bin/python").symlink_to(PYTHON)
    for path in more:
        path.rename(program / path.name)
    command = [str(PYTHON), str(RUNTIME), str(folder / "runtime"), str(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def test_python_runs_in_it_and_nothing_else_could(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    told = made(tmp_path)
    assert (0, "") == (told.returncode, told.stderr)
    runtime = tmp_path / "runtime"
    files = [path for path in runtime.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not {path.name for path in files} & {"sh", "bash", "dash", "busybox", "apt", "dpkg", "pip"}
    programs = {path.name for path in files if path.parent.name in {"bin", "sbin"}}
    assert {PYTHON.name} == programs
    assert not [path for path in files if path.stat().st_mode & 0o6000]
    if os.geteuid() != 0:
        request.node.add_marker(pytest.mark.outside)
        pytest.skip("a root of one's own takes root")
    (runtime / "etc/hosts").write_text("127.0.0.9 written-by-the-cluster\n", "ascii")
    within = ["/usr/sbin/chroot", str(runtime), str(PYTHON), "-c", SEEN_WITHIN]
    seen = subprocess.run(within, capture_output=True, text=True, timeout=60, check=False, env={})
    assert ("well\n", "") == (seen.stdout, seen.stderr)


def test_a_library_that_is_missing_ends_the_build(tmp_path: Path) -> None:
    some = next(path for path in Path(sys.base_prefix).rglob("_struct*.so"))
    broken = tmp_path / "broken.so"
    broken.write_bytes(some.read_bytes().replace(b"libc.so.6", b"libq.so.6"))
    told = made(tmp_path, broken)
    assert told.returncode != 0
    assert "broken.so needs what the base does not have: libq.so.6 => not found" in told.stderr
