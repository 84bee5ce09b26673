"""What the image needs of its base and nothing else: Python, the libraries that it loads, certificates, time zones.

    python runtime.py <folder to write to> <folder of the program>

Run while the image is built, in the base. There is no shell, no package manager and no other program in what it
writes. A library that is missing ends it here, and not in somebody's pod.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

USER = 10001
LDD, DPKG = "/usr/bin/ldd", "/usr/bin/dpkg-query"
LEFT_OUT = {
    "__pycache__", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tests",
    "tkinter", "turtledemo",
}  # fmt: skip
"""Folders of the standard library that no server needs."""

NOT_LOADED = re.compile(r"(_tkinter|_curses.*|_dbm|_gdbm|_test.*|_ctypes_test|_?xx.*|nis|ossaudiodev|readline)\.")
"""Modules of it that need libraries which no server needs."""

FILES = {
    "etc/passwd": f"root:x:0:0:root:/:/\nlychgate:x:{USER}:{USER}:lychgate:/var/lib/lychgate:/\n",
    "etc/group": f"root:x:0:\nlychgate:x:{USER}:\n",
    # A runtime lays its own over it; where none does, loopback has its name all the same.
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    # Without it names of /etc/hosts, which a cluster writes, would be asked of the name server first.
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
KEPT = ("/etc/os-release", "/etc/ld.so.cache", "/etc/ssl/openssl.cnf", "/usr/share/zoneinfo")


class Runtime:
    """The folder under way."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.taken: set[Path] = set()

    def take(self, path: Path) -> Path:
        """Copy a file or a folder to the place where it was, with the links on the way; the place without links."""
        place = Path("/")
        for part in path.absolute().parts[1:]:
            place = Path(os.path.normpath(place / part))
            if place.is_symlink():
                copy, leads_to = self._below(place), place.readlink()
                if not copy.is_symlink():
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.symlink_to(leads_to)
                place = self.take(place.parent / leads_to)
        if place.is_dir():
            self._below(place).mkdir(parents=True, exist_ok=True)
        elif place not in self.taken:
            self._below(place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(place, self._below(place))
            self.taken.add(place)
        return place

    def take_all(self, folder: Path) -> None:
        """A folder with what is in it."""
        for path in sorted(self.take(folder).rglob("*")):
            self.take(path)

    def _below(self, place: Path) -> Path:
        return self._target / place.relative_to("/")


def libraries(files: Iterable[Path]) -> Iterator[Path]:
    """What the dynamic linker would load for them, itself included.

    Raises:
        SystemExit: One is missing.
    """
    # It says what is no program at all on its standard error, and goes on.
    told = subprocess.run([LDD, *map(str, files)], capture_output=True, text=True, check=False).stdout
    at = ""
    for line in told.splitlines():
        if not line.startswith("\t"):
            at = line.rstrip(":")
        elif "not found" in line:
            sys.exit(f"{at} needs what the base does not have: {line.strip()}")
        elif found := re.match(r"\t(?:.*=> )?(/\S+) \(0x", line):
            yield Path(found[1])


def standard_library(folder: Path) -> Iterator[Path]:
    """Its files."""
    for path in sorted(folder.iterdir()):
        if path.name in LEFT_OUT or path.name.startswith("config-"):
            continue
        if path.is_dir():
            yield from standard_library(path)
        elif not NOT_LOADED.match(path.name):
            yield path


def packages(taken: set[Path]) -> list[dict[str, str]]:
    """The base's packages that the files came with, as Debian's own list tells it; none where the base has no such."""
    if not Path(DPKG).exists():
        return []
    # Files are listed where they were before /lib became a link.
    names = [name for path in sorted(taken) for name in (str(path), str(path).removeprefix("/usr"))]
    told = subprocess.run([DPKG, "--search", *names], capture_output=True, text=True, check=False).stdout
    owners = {one.strip() for line in told.splitlines() for one in line.partition(": ")[0].split(",")}
    if not owners:
        return []
    form = "${Package}\t${Version}\t${Architecture}\n"
    told = subprocess.run([DPKG, "--show", f"--showformat={form}", *sorted(owners)], capture_output=True,
                          text=True, check=True).stdout  # fmt: skip
    keys = ("name", "version", "architecture")
    return [dict(zip(keys, line.split("\t"), strict=True)) for line in sorted(set(told.splitlines()))]


def main(target: str, program: str) -> None:
    """Write it, and beside it `packages.json` with what it was made of."""
    folder = Path(target)
    runtime = Runtime(folder)
    python = Path(os.path.realpath(sys.executable))
    files = list(standard_library(Path(sysconfig.get_path("stdlib"))))
    ours = Path(program).rglob("*.so*")
    loading = [*ours, *(path for path in files if ".so" in path.suffixes), python]
    needed = sorted(library for library in set(libraries(loading)) if not library.is_relative_to(program))
    for path in (*files, Path(program, "bin", "python").resolve(), python):
        runtime.take(path)
    for path in Path(program, "bin").iterdir():
        # `python` of the program leads to the base's, perhaps over other names.
        if path.is_symlink():
            runtime.take(Path(os.path.normpath(path.parent / path.readlink())))
    for library in needed:
        runtime.take(library)
    places = ssl.get_default_verify_paths()
    for place in (places.openssl_cafile, places.openssl_capath, *KEPT):
        if Path(place).exists():
            (runtime.take_all if Path(place).is_dir() else runtime.take)(Path(place))
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    (folder / "var/lib").mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    found = [{"name": "python", "version": platform.python_version(), "architecture": platform.machine()},
             *packages(runtime.taken)]  # fmt: skip
    Path(f"{target}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
