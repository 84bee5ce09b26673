"""`python -m tests.bench.install`: what only the benchmark needs, once, into the environment's own folder.

It builds oauth2-proxy where there is a Go toolchain and fetches uvloop; neither is a dependency of the gate.
The Makefile calls it before `make bench`; packages of the system it never touches.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(sys.prefix) / "bench"
OAUTH2_PROXY = CACHE / "bin" / "oauth2-proxy"
OAUTH2_PROXY_VERSION = "v7.15.6"
UVLOOP = CACHE / "uvloop"
UVLOOP_VERSION = "0.23.0"

_SOURCE = f"github.com/oauth2-proxy/oauth2-proxy/v7@{OAUTH2_PROXY_VERSION}"
_LINKED = f"-X github.com/oauth2-proxy/oauth2-proxy/v7/pkg/version.VERSION={OAUTH2_PROXY_VERSION}"


def _build() -> str:
    """Build oauth2-proxy; gives what is wrong, "" if nothing is."""
    if OAUTH2_PROXY.exists():
        return ""
    if shutil.which("go") is None:
        return "oauth2-proxy needs a Go toolchain"
    # Only the toolchain that is there: none is fetched for it.
    env = {**os.environ, "GOBIN": str(OAUTH2_PROXY.parent), "GOTOOLCHAIN": "local"}
    done = subprocess.run(["go", "install", "-ldflags", _LINKED, _SOURCE], env=env, check=False)
    return "" if done.returncode == 0 and OAUTH2_PROXY.exists() else "oauth2-proxy could not be built"


def _fetch() -> str:
    """Fetch uvloop beside the environment's packages, so that nothing but the benchmark sees it."""
    if (UVLOOP / "uvloop").is_dir():
        return ""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(UVLOOP)]
    done = subprocess.run([*pip, f"uvloop=={UVLOOP_VERSION}"], check=False)
    return "" if done.returncode == 0 else "uvloop could not be fetched"


def main() -> int:
    """Return 0 when everything is there; else 1, with a word for each thing that is not."""
    faults = [fault for fault in (_build(), _fetch()) if fault]
    for fault in faults:
        sys.stderr.write(f"tests/bench: {fault}; its rows will say so\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
