"""The command as a process: the demonstration from its first line to its last, and the small commands beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from sidecar import __version__
from sidecar.demo.cast import CUSTOMERS, STAFF

PATIENCE = 60.0
"""Seconds after which a process is given up."""

ROOT = Path(__file__).parents[2]


def command(*arguments: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Start `lychgate` in an environment of its own."""
    own = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "sidecar", *arguments],
        cwd=folder,
        env=own,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def outcome(*arguments: str, folder: Path) -> tuple[int, str, str]:
    """Run a command to its end: exit code, output, errors."""
    with command(*arguments, folder=folder) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


@contextmanager
def demonstration(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `lychgate demo` and what it said until it was ready; whatever happens, it ends with the test."""
    with command("demo", *arguments, folder=folder) as process:
        # A process that says nothing would hold the test for ever: its end ends the reading.
        guard = threading.Timer(PATIENCE, process.kill)
        guard.start()
        try:
            yield process, "".join(_until_ready(process))
        finally:
            if process.poll() is None:
                process.kill()
            guard.cancel()
            process.communicate()


def _until_ready(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line
        if "Ctrl-C" in line:
            return


def fetched(url: str, **headers: str) -> tuple[int, str]:
    """Status and address after redirects, or of the first refusal."""
    try:
        with urlopen(Request(url, headers=headers), timeout=PATIENCE) as answer:
            return answer.status, answer.url
    except HTTPError as error:
        with error:
            return error.code, error.url


def link(said: str) -> str:
    """The printed link."""
    found = re.search(r"Open\s+(http://localhost:\d+/browse/KEY-1)\n", said)
    assert found is not None, said
    return found[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_says_what_to_try_serves_and_ends_without_a_trace(tmp_path: Path, number: signal.Signals) -> None:
    with demonstration(tmp_path, "--port", "0") as (process, said):
        assert all(f"{role.name}  " in said and role.expect in said for role in (*STAFF, *CUSTOMERS))
        status, where = fetched(link(said), Accept="text/html")
        assert (200, True) == (status, where.startswith("http://127.0.0.1:"))
        assert 401 == fetched(link(said), Accept="application/json")[0]
        operations = re.search(r"http://127\.0\.0\.1:\d+/metrics", said)
        assert operations is not None
        assert 200 == fetched(operations[0])[0]
        assert [] != list(tmp_path.glob("lychgate-demo-*"))
        process.send_signal(number)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert (0, "") == (process.returncode, errors)
    assert "login.start" in rest
    assert "The demonstration is over; nothing of it was kept.\n" == rest[-51:]
    assert [] == list(tmp_path.iterdir())


def test_the_secrets_of_the_demo_are_its_own(tmp_path: Path) -> None:
    with demonstration(tmp_path, "--port", "0"):
        (folder,) = tmp_path.glob("lychgate-demo-*")
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir() if path.is_file()}
        assert 0o700 == folder.stat().st_mode & 0o777
    assert {0o600} == {modes[name] for name in ("cookie-key", "staff-secret", "customers-secret", "jira-token")}


def test_a_taken_port_is_said_and_another_one_is_used(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with demonstration(tmp_path, "--port", str(port)) as (_, said):
            assert said.startswith(f"Port {port} is taken; using another one.\n")
            assert f":{port}/" not in said
            assert 200 == fetched(link(said), Accept="text/html")[0]


def test_the_wanted_port_is_used(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with demonstration(tmp_path, "--port", str(port)) as (_, said):
        assert f"http://localhost:{port}/browse/KEY-1" == link(said)


def test_version(tmp_path: Path) -> None:
    assert (0, f"lychgate {__version__}\n", "") == outcome("version", folder=tmp_path)


def test_schema(tmp_path: Path) -> None:
    code, out, err = outcome("schema", folder=tmp_path)
    assert (0, "", True) == (code, err, "portals" in json.loads(out)["properties"])


def config(folder: Path, **changes: object) -> Path:
    """A small good file, or one with other keys at the top."""
    for name in ("cookie-key", "client-secret", "jira-token"):
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(f"{name}-{os.urandom(24).hex()}", encoding="ascii")
    content: Mapping[str, object] = {
        "version": 1,
        "listen": {"public": "127.0.0.1:8080", "operations": "127.0.0.1:9090"},
        "state": f"file://{folder}/state",
        "cookie_keys": [f"file://{folder}/cookie-key"],
        "providers": {
            "okta": {
                "preset": "okta",
                "issuer": "https://example.okta.com",
                "client_id": "0oa1b2c3",
                "client_secret": f"file://{folder}/client-secret",
            }
        },
        "applications": {
            "jira": {
                "product": "jira",
                "url": "https://jira.example.com",
                "upstream": "http://127.0.0.1:8081",
                "landing": {"header": "X-Lychgate-User", "proof": "assertion"},
                "username": {"from": ["preferred_username"]},
                "accounts": {"token": f"file://{folder}/jira-token"},
            }
        },
        "portals": {"agents": {"application": "jira", "default": True, "provider": "okta"}},
        **changes,
    }
    path = folder / "lychgate.yaml"
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


def test_check_of_a_good_file(tmp_path: Path) -> None:
    path = config(tmp_path)
    code, out, _ = outcome("check", str(path), folder=tmp_path)
    assert (0, True) == (code, out.startswith(f"{path}: well. Portals: agents. Policy "))
    # Checking changes nothing: no state was made.
    assert not (tmp_path / "state").exists()


def test_check_of_a_bad_file_names_every_fault_with_its_line(tmp_path: Path) -> None:
    path = config(tmp_path, lisen={}, version=7)
    code, out, err = outcome("check", str(path), folder=tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert (1, "") == (code, out)
    for key in ("version", "lisen"):
        number = next(number for number, line in enumerate(lines, 1) if f'"{key}"' in line)
        assert f"{path}:{number}: error: {key}" in err


def test_check_of_no_file(tmp_path: Path) -> None:
    code, out, err = outcome("check", str(tmp_path / "absent.yaml"), folder=tmp_path)
    assert (1, "", True, False) == (code, out, "absent.yaml" in err, "Traceback" in err)


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    code, _, err = outcome("frobnicate", folder=tmp_path)
    assert (2, True) == (code, "Usage: lychgate" in err)
