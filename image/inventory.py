"""What is in the image, written while it is built: a CycloneDX list of parts, and every licence with its text.

    python inventory.py <folder of the packages> <folder to write to> <architecture> <list of runtime.py>

It knows what the installed packages say of themselves, and what was taken of the base.
"""

from __future__ import annotations

import json
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from itertools import chain
from pathlib import Path
from platform import freedesktop_os_release
from typing import Any
from urllib.parse import quote

WORDS = ("licen", "copying", "notice", "authors")
OURS = "lychgate"
PYTHON = "python"


def licence(package: Distribution) -> str:
    """In the package's own words: an SPDX expression where it has one."""
    about = package.metadata
    classifiers = [
        line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if line.startswith("License ::")
    ]
    said = about.get("License-Expression") or "; ".join(classifiers) or about.get("License") or "not said"
    return " ".join(said.split())[:200]


def texts(package: Distribution) -> Iterator[tuple[str, str]]:
    """The licence files that the package brings along."""
    for file in package.files or ():
        if ".dist-info" in str(file) and any(word in file.name.lower() for word in WORDS):
            yield str(file), Path(str(package.locate_file(file))).read_text("utf-8", "replace")


def component(package: Distribution) -> dict[str, Any]:
    """One entry of the list."""
    name, version, said = package.metadata["Name"], package.version, licence(package)
    expression = package.metadata.get("License-Expression")
    address = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    return {
        "type": "application" if name == OURS else "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
        "licenses": [{"expression": expression} if expression else {"license": {"name": said}}],
    }


def of_the_base(package: dict[str, str]) -> dict[str, Any]:
    """The entry of what was taken of the base: Python itself, and packages of the system."""
    name, version = package["name"], package["version"]
    if name == PYTHON:
        address = f"pkg:generic/python@{version}"
        return {"type": "platform", "bom-ref": address, "name": name, "version": version, "purl": address}
    system = freedesktop_os_release().get("ID", "linux")
    address = f"pkg:deb/{system}/{quote(name)}@{quote(version)}?arch={package['architecture']}"
    return {"type": "library", "bom-ref": address, "name": name, "version": version, "purl": address}


def bill(packages: list[Distribution], base: list[dict[str, str]], architecture: str) -> dict[str, Any]:
    """The CycloneDX document."""
    parts = [*map(component, packages), *map(of_the_base, base)]
    (own,) = (part for part in parts if part["name"] == OURS)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own, "properties": [{"name": "lychgate:architecture", "value": architecture}]},
        "components": [part for part in parts if part is not own],
    }


def base_texts(base: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    """The licences of what was taken of the base: Python's beside its library, a package's where Debian has it."""
    places = [Path(sysconfig.get_path("stdlib"), "LICENSE.txt")]
    places.extend(Path("/usr/share/doc", package["name"], "copyright") for package in base)
    for place in places:
        if place.exists():
            yield str(place), place.read_text("utf-8", "replace")


def main(place: str, target: str, architecture: str, runtime: str) -> None:
    """Write both."""
    base = json.loads(Path(runtime).read_text("utf-8"))
    packages = sorted(distributions(path=[place]), key=lambda package: package.metadata["Name"].lower())
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    document = json.dumps(bill(packages, base, architecture), indent=1)
    (folder / "sbom.cdx.json").write_text(document + "\n", "utf-8")
    with (folder / "licences.txt").open("w", encoding="utf-8") as file:
        for package in packages:
            file.write(f"{package.metadata['Name']} {package.version}: {licence(package)}\n")
        for part in base:
            file.write(f"{part['name']} {part['version']}: of the base\n")
        for name, text in chain(chain.from_iterable(map(texts, packages)), base_texts(base)):
            file.write(f"\n\n===== {name}\n\n{text}")


if __name__ == "__main__":
    main(*sys.argv[1:])
