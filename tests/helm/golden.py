"""What the chart makes of each file in values/, kept in golden/: a change of a template is seen in what it changes.

`python -m tests.helm.golden` writes them anew; read the difference before it is committed. Beside `plain` only what
differs from it is kept. Files of the chart that are handed on whole stand there by their names.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.helm.rendering import CHART, Objects, objects

VALUES = Path(__file__).parent / "values"
GOLDEN = Path(__file__).parent / "golden"
PLAIN = "plain"


def names() -> list[str]:
    """Of all files with values."""
    return sorted(path.stem for path in VALUES.glob("*.yaml"))


def with_database(folder: Path) -> Path:
    """The chart for a program that takes `state: postgresql://…`: the schema follows the program, the templates do
    not wait for it."""
    chart = folder / "lychgate"
    shutil.copytree(CHART, chart)
    schema = json.loads((chart / "values.schema.json").read_text("utf-8"))
    schema["properties"]["config"]["allOf"][0]["properties"]["state"] = {}
    (chart / "values.schema.json").write_text(json.dumps(schema), "utf-8")
    return chart


def rendered(name: str, chart: Path) -> Objects:
    """The objects of the release with these values."""
    return objects(yaml.safe_load((VALUES / f"{name}.yaml").read_text("utf-8")) or {}, chart=chart)


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


def goldens(chart: Path) -> Iterator[tuple[str, str]]:
    """Each name with its text."""
    plain = rendered(PLAIN, chart)
    for name in names():
        yield name, kept(rendered(name, chart), None if name == PLAIN else plain)


def main() -> int:
    """Write all of them."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in goldens(with_database(Path(folder))):
            (GOLDEN / f"{name}.yaml").write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
