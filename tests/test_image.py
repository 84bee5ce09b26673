"""The image: what it installs is what the tests ran with, by hash and without addresses; its Dockerfile keeps its word.

Building it needs a base image: tests/helm/build_image.py; what was built is run by tests/helm/test_image_run.py.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILES = ["requirements.txt", "tracing.txt", "build.txt"]
ROOT = Path(__file__).parent.parent
IMAGE = ROOT / "image"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
LINE = re.compile(r"([a-z0-9._-]+)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)")


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes by name."""
    text = (IMAGE / name).read_text("utf-8").replace(" \\\n   ", "")
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            found[canonicalize_name(match[1])] = (match[2], match[3].count("--hash"))
    return found


def pinned() -> dict[str, str]:
    pairs = (line.split("==") for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def needed(name: str, extra: str = "") -> Iterator[str]:
    """Everything that an installed package needs, itself included, and what an extra of its own asks for."""
    seen: set[str] = set()
    queue = [name]
    while queue:
        one = canonicalize_name(queue.pop())
        if one in seen:
            continue
        seen.add(one)
        yield one
        wanted = [Requirement(text) for text in importlib.metadata.requires(one) or ()]
        queue.extend(
            item.name
            for item in wanted
            if item.marker is None or item.marker.evaluate({"extra": extra if one == name else ""})
        )


def test_the_image_installs_all_that_the_gate_needs_and_nothing_else() -> None:
    """`make lock` writes it."""
    assert set(needed("lychgate")) - {"lychgate"} == set(locked("requirements.txt"))
    assert set(needed("lychgate", "tracing")) - {"lychgate"} == set(locked("tracing.txt"))


@pytest.mark.parametrize("name", FILES)
def test_its_versions_are_those_that_the_tests_ran_with(name: str) -> None:
    versions = pinned()
    assert {package: versions.get(package) for package in locked(name)} == {
        package: version for package, (version, _) in locked(name).items()
    }


@pytest.mark.parametrize("name", FILES[:2])
def test_what_is_compiled_has_a_wheel_for_each_python_and_both_architectures(name: str) -> None:
    """Two, where one does for every Python; three Pythons otherwise. `make lock` asks for each, and writes no other."""
    found = {package: count for package, (_, count) in locked(name).items()}
    assert set(found.values()) <= {1, 2, 6}
    assert {package for package in found if is_compiled(package)} == {one for one, count in found.items() if count > 1}


def is_compiled(package: str) -> bool:
    """Whether the installed one holds machine code."""
    return any(file.suffix == ".so" for file in importlib.metadata.distribution(package).files or ())


def test_no_address_stands_in_them() -> None:
    for path in IMAGE.glob("*.txt"):
        assert not re.search(r"://|--(extra-)?index|--find-links", path.read_text("utf-8")), path


def test_what_the_image_says_of_its_parts(tmp_path: Path) -> None:
    """Of the packages here: the same program runs over those of the image."""
    site = Path(importlib.metadata.distribution("aiohttp")._path).parent  # type: ignore[attr-defined]
    base = [{"name": "python", "version": "3.12.9", "architecture": "aarch64"},
            {"name": "libstdc++6", "version": "1:12.2-14", "architecture": "arm64"}]  # fmt: skip
    (tmp_path / "base.json").write_text(json.dumps(base), "utf-8")
    inventory = [sys.executable, IMAGE / "inventory.py", site, tmp_path, "arm64", tmp_path / "base.json"]
    subprocess.run(inventory, check=True, timeout=60)
    bill = json.loads((tmp_path / "sbom.cdx.json").read_text("utf-8"))
    assert ("CycloneDX", "1.6", "lychgate") == (
        bill["bomFormat"], bill["specVersion"], bill["metadata"]["component"]["name"]
    )  # fmt: skip
    parts = {canonicalize_name(part["name"]): part for part in bill["components"]}
    assert set(locked("requirements.txt")) <= set(parts)
    assert f"pkg:pypi/aiohttp@{parts['aiohttp']['version']}" == parts["aiohttp"]["purl"]
    assert ("platform", "pkg:generic/python@3.12.9") == (parts["python"]["type"], parts["python"]["purl"])
    assert re.fullmatch(r"pkg:deb/[a-z]+/libstdc%2B%2B6@1%3A12\.2-14\?arch=arm64", parts["libstdc++6"]["purl"])
    texts = (tmp_path / "licences.txt").read_text("utf-8")
    assert "aiohttp" in texts and "Apache License" in texts and "not said" not in texts.partition("=====")[0]


def test_the_dockerfile_keeps_its_word() -> None:
    gate = DOCKERFILE.partition("AS gate")[2].partition("\nFROM ")[0]
    # There is no shell: nothing is run in the last stage, and every command is a list.
    assert DOCKERFILE.count("FROM scratch AS gate") == 1 and "COPY --from=build /runtime/ /" in gate
    assert not re.search(r"^RUN ", gate, re.MULTILINE)
    for command in ("ENTRYPOINT", "CMD"):
        assert all(
            line.strip().startswith(f"{command} [") for line in re.findall(rf"^ *{command}.*", gate, re.MULTILINE)
        )
    assert "USER 10001:10001" in gate and "HEALTHCHECK" in gate and "STOPSIGNAL SIGTERM" in gate
    assert "ARG PARTS=requirements\n" in DOCKERFILE and "--require-hashes -r image/${PARTS}.txt" in DOCKERFILE
    assert DOCKERFILE.rstrip().endswith("FROM gate"), "what is built without a target is the gate"
    assert {"title", "description", "licenses", "version", "revision", "created"} == set(
        re.findall(r"org\.opencontainers\.image\.(\w+)=", gate)
    )
