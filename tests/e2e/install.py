"""`python -m tests.e2e.install`: fetch the packages of the test provider, once.

The Makefile and the CI call it before the tests marked `node`.
It does nothing when the wanted versions are already there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from tests.e2e import rigs

NPM = ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")


def main() -> int:
    """Return 0 when the provider can run, 1 with a word on standard error when it cannot."""
    if rigs.npm_ready():
        return 0
    if shutil.which("node") is None or shutil.which("npm") is None:
        sys.stderr.write("tests/e2e: install Node.js 20 or later with npm first\n")
        return 1
    finished = subprocess.run(NPM, cwd=rigs.NODE_FOLDER, check=False)
    return 0 if finished.returncode == 0 and rigs.npm_ready() else 1


if __name__ == "__main__":
    sys.exit(main())
