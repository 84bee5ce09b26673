"""The records of decisions: each has its form, its number, and its line in the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ADR = sorted((ROOT / "docs" / "adr").glob("0*.md"))
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("path", ADR, ids=lambda path: path.stem)
def test_a_decision_has_its_form_and_its_line_in_the_index(path: Path) -> None:
    text = path.read_text("utf-8")
    index = (path.parent / "README.md").read_text("utf-8")
    title, *sections = _HEADING.findall(text)

    assert ["Status", "Context", "Decision", "Consequences", "Alternatives"] == sections
    assert title.startswith(f"{int(path.stem[:4])}. ")
    assert f"[{title.partition(' ')[2]}]({path.name})" in index
    assert text.count("\n") <= 60
