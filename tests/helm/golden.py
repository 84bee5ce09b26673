"""What the chart makes of each file in values/, kept in golden/: a change of a template is seen in what it changes.

`python -m tests.helm.golden` writes them anew; read the difference before it is committed. Beside `plain` only what
differs from it is kept. Files of the chart that are handed on whole stand there by their names.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.helm.rendering import Objects, objects

VALUES = Path(__file__).parent / "values"
GOLDEN = Path(__file__).parent / "golden"
PLAIN = "plain"


def names() -> list[str]:
    """Of all files with values."""
    return sorted(path.stem for path in VALUES.glob("*.yaml"))


@cache
def rendered(name: str) -> Objects:
    """The objects of the release with these values; nobody changes them."""
    return objects(yaml.safe_load((VALUES / f"{name}.yaml").read_text("utf-8")) or {})


def kept(found: Objects, plain: Objects | None) -> str:
    """The text of a golden file; without *plain* it is that of `plain` itself."""
    gone = sorted(f"{kind} {name}" for kind, name in (plain or {}).keys() - found.keys())
    shown = [_shortened(item) for key, item in sorted(found.items()) if plain is None or item != plain.get(key)]
    head = f"# not there: {', '.join(gone)}\n" if gone else ""
    return head + yaml.safe_dump_all(shown, sort_keys=True, width=110, allow_unicode=True)


def _shortened(item: Any) -> Any:
    if isinstance(item, dict):
        if item.get("kind") == "PrometheusRule":
            return {**item, "spec": "rules/lychgate.yaml"}
        return {key: _shortened(value) for key, value in item.items()}
    if isinstance(item, list):
        return [_shortened(one) for one in item]
    if isinstance(item, str) and item.lstrip().startswith("{") and '"panels"' in item:
        return "dashboards/"
    return "probe.py" if isinstance(item, str) and "def findings(" in item else item


def goldens() -> Iterator[tuple[str, str]]:
    """Each name with its text."""
    for name in names():
        yield name, kept(rendered(name), None if name == PLAIN else rendered(PLAIN))


def main() -> int:
    """Write all of them."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir()
    for name, text in goldens():
        (GOLDEN / f"{name}.yaml").write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
