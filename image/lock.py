"""`make lock`: what goes into the image, as hashed requirements without addresses.

Asks pip, for every Python and both architectures that the image is built for, which wheels it would take of the
versions in constraints.txt. A package without a wheel for one of them ends it here, and not in somebody's build.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
PYTHONS = ("3.11", "3.12", "3.13")
ARCHITECTURES = ("x86_64", "aarch64")
GLIBCS = (5, 12, 17, 24, 26, 27, 28, 31, 34, 35, 36)
HEAD = "# Written by `make lock`: do not edit. Names, versions and hashes of {what}; where from is pip's to know.\n"

Hashes = dict[str, set[str]]
"""Hashes by `name==version`."""


def hashes(requirements: list[str], python: str, architecture: str) -> Hashes:
    """Of the wheels that pip would take."""
    platforms = [f"manylinux_2_{glibc}_{architecture}" for glibc in GLIBCS]
    # An older name of 2.17: a wheel that has it alone would be passed over for a slower one without machine code.
    platforms.append(f"manylinux2014_{architecture}")
    with tempfile.TemporaryDirectory() as name:
        report, target = Path(name) / "report.json", Path(name) / "target"
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed",
             "--only-binary", ":all:", "--python-version", python, "--target", str(target), "--report", str(report),
             *(word for platform in platforms for word in ("--platform", platform)),
             "--constraint", str(ROOT / "constraints.txt"), *requirements],
            check=True,
        )  # fmt: skip
        taken = json.loads(report.read_text("utf-8"))["install"]
    found: Hashes = defaultdict(set)
    for one in taken:
        about = one["metadata"]
        found[f"{about['name'].lower()}=={about['version']}"].add(
            one["download_info"]["archive_info"]["hashes"]["sha256"]
        )
    return found


def locked(requirements: list[str], what: str) -> str:
    """The text of a requirements file."""
    found: Hashes = defaultdict(set)
    for python in PYTHONS:
        for architecture in ARCHITECTURES:
            for name, some in hashes(requirements, python, architecture).items():
                found[name] |= some
    lines = (
        " \\\n    ".join([name, *(f"--hash=sha256:{one}" for one in sorted(some))])
        for name, some in sorted(found.items())
    )
    return HEAD.format(what=what) + "\n".join(lines) + "\n"


def main() -> None:
    """Write the files."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    gate, tracing = about["project"]["dependencies"], about["project"]["optional-dependencies"]["tracing"]
    wanted = {"requirements.txt": (gate, "what the gate needs"),
              "tracing.txt": ([*gate, *tracing], "what the gate needs with tracing"),
              "build.txt": (about["build-system"]["requires"], "what its wheel is built with")}  # fmt: skip
    for name, (requirements, what) in wanted.items():
        (FOLDER / name).write_text(locked(requirements, what), "utf-8")


if __name__ == "__main__":
    main()
