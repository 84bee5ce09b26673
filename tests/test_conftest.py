"""tests/conftest.py: in CI a skipped test is a failure, unless it is marked `outside`; with workers as without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = "[pytest]\nmarkers = outside: may be skipped\n"
PASSED = "def test_that_passes(): pass\n"
TESTS = {
    "skipped": "import pytest\n@pytest.mark.skip\ndef test_it(): pass\n",
    "skips itself": "import pytest\ndef test_it(): pytest.skip('no reason')\n",
    "marked": "import pytest\n@pytest.mark.outside\ndef test_it(): pytest.skip('nobody there')\n",
    "whole file": "import pytest\npytest.skip('not here', allow_module_level=True)\n",
    "fails as expected": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False\n",
}


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "workers"])
@pytest.mark.parametrize(
    ("kind", "ci", "code"),
    [
        ("skipped", "true", 1),
        ("skips itself", "true", 1),
        ("whole file", "true", 1),
        ("marked", "true", 0),
        ("fails as expected", "true", 0),
        ("skipped", "", 0),
    ],
)
def test_a_skipped_test_fails_ci(tmp_path: Path, kind: str, ci: str, code: int, workers: tuple[str, ...]) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path / "conftest.py")
    (tmp_path / "pytest.ini").write_text(SETTINGS, encoding="ascii")
    (tmp_path / "test_it.py").write_text(TESTS[kind] + PASSED, encoding="ascii")
    environment = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")}
    # What other plugins bring is not asked here, and takes longer to load than all of this.
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    if ci:
        environment["CI"] = ci
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    assert (code == 1) == ("Skipped in CI:" in done.stdout)
