"""`lychgate keys new`: prints a key and nothing else, or says what became of a list."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sidecar.adapters.key_lists import read_keys
from sidecar.adapters.secrets import Secret
from sidecar.cli import main
from sidecar.domain.identity import UnixSeconds


def typed(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["keys", "new", *words])
    return done.exit_code, done.output


def test_it_prints_the_key_alone() -> None:
    (one, first), (other, second) = typed(), typed("--kind", "ed25519")
    assert (0, 0, 1) == (one, other, len(first.splitlines()))
    assert 43 == len(first.strip())
    assert second.startswith("-----BEGIN PRIVATE KEY-----\n")


def test_it_says_what_became_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "cookie-key"
    assert "signs from now on" in typed("--into", str(path))[1]
    first = path.read_text("utf-8").strip()
    assert "Older keys that still verify: 1." in typed("--into", str(path))[1]
    # For five minutes the key of before signs, until every gate knows the new one.
    place, now = Secret("file", str(path)), UnixSeconds(int(path.stat().st_mtime))
    assert first == read_keys([place], now)[0]
    assert first == read_keys([place], UnixSeconds(now + 310))[1]
    status, said = typed("--into", str(path), "--keep", "0", "--lead", "0s")
    assert (0, True) == (status, "Keys that are gone: 2. What they signed ends." in said)
    assert 1 == len(read_keys([place], now))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lead", "soon"], "write a number with its unit"),
        (["--keep", "16"], "16"),
        (["--kind", "rot13"], "rot13"),
        (["--kind", "ed25519", "--into", "FILE"], "another kind"),
        (["--into", "FOLDER/none/key"], "cannot be written"),
    ],
)
def test_what_it_cannot_do_changes_nothing(words: list[str], said: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    _ = typed("--into", str(file))
    before = file.read_text("utf-8")
    words = [word.replace("FILE", str(file)).replace("FOLDER", str(tmp_path)) for word in words]
    status, output = typed(*words)
    assert (True, True) == (status != 0, said in output), output
    assert before == file.read_text("utf-8")
