"""docs/pains.md: every answer names settings that are so by default, and a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETTINGS = (ROOT / "docs" / "configuration.md").read_text("utf-8")
_CELL = re.compile(r"(?<!\\)\|")


ALL = set(range(1, 34))
"""The numbers of the complaints."""


def _rows(part: str) -> list[list[str]]:
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in _CELL.split(line.strip("|"))] for line in lines[2:]]


_ANSWERED, _, _ELSEWHERE = (ROOT / "docs" / "pains.md").read_text("utf-8").partition("## Not about accounts")
ELSEWHERE = _rows(_ELSEWHERE)
NUMBERED = _rows(_ANSWERED)
ROWS = [row[1:] for row in NUMBERED]


def _code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def _tests_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds) and node.name.startswith("test_")}


def test_the_table_is_read() -> None:
    assert 20 <= len(ROWS)
    assert all(4 == len(row) and all(row) for row in ROWS)
    assert all(3 == len(row) and all(row) for row in ELSEWHERE)


def test_every_complaint_is_answered_or_said_to_be_another_part_s() -> None:
    answered = {int(row[0]) for row in NUMBERED}
    elsewhere = [int(row[0]) for row in ELSEWHERE]
    assert ALL == answered | set(elsewhere)
    assert set() == answered & set(elsewhere)
    assert len(elsewhere) == len(set(elsewhere))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_test_is_there(row: list[str]) -> None:
    (named,) = _code(row[3])
    path, _, name = named.partition("::")
    assert name in _tests_in(ROOT / path)


@pytest.mark.parametrize("row", [row for row in ROWS if row[2] != "always"], ids=lambda row: row[0])
def test_the_settings_are_so_by_default(row: list[str]) -> None:
    assert _code(row[2])
    for named in _code(row[2]):
        key, _, default = named.partition(": ")
        cells = [_CELL.split(line)[3].strip() for line in SETTINGS.splitlines() if line.startswith(f"| `{key}` |")]
        assert f"`{default}`" in cells, named
