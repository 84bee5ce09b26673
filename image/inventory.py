"""What is in the image, written while it is built: a CycloneDX list of parts, and every licence with its text.

    python inventory.py <folder of the packages> <folder to write to> <architecture>

It knows what the installed packages say of themselves; the base image's own packages are in the base image's list.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

WORDS = ("licen", "copying", "notice", "authors")
OURS = "lychgate"


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


def bill(packages: list[Distribution], architecture: str) -> dict[str, Any]:
    """The CycloneDX document."""
    parts = [component(package) for package in packages]
    (own,) = (part for part in parts if part["name"] == OURS)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own, "properties": [{"name": "lychgate:architecture", "value": architecture}]},
        "components": [part for part in parts if part is not own],
    }


def main(place: str, target: str, architecture: str) -> None:
    """Write both."""
    packages = sorted(distributions(path=[place]), key=lambda package: package.metadata["Name"].lower())
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    document = json.dumps(bill(packages, architecture), indent=1)
    (folder / "sbom.cdx.json").write_text(document + "\n", "utf-8")
    with (folder / "licences.txt").open("w", encoding="utf-8") as file:
        for package in packages:
            file.write(f"{package.metadata['Name']} {package.version}: {licence(package)}\n")
        for package in packages:
            for name, text in texts(package):
                file.write(f"\n\n===== {name}\n\n{text}")


if __name__ == "__main__":
    main(*sys.argv[1:])
