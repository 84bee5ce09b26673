"""docs/pains.md: every answer names settings that are so by default, and a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETTINGS = (ROOT / "docs" / "configuration.md").read_text("utf-8")
_CELL = re.compile(r"(?<!\\)\|")


def _rows() -> list[list[str]]:
    lines = [line for line in (ROOT / "docs" / "pains.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in _CELL.split(line.strip("|"))] for line in lines[2:]]


ROWS = _rows()


def _code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def _tests_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds) and node.name.startswith("test_")}


def test_the_table_is_read() -> None:
    assert 20 <= len(ROWS)
    assert all(4 == len(row) and row[0] and row[1] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_test_is_there(row: list[str]) -> None:
    (named,) = _code(row[3])
    path, _, name = named.partition("::")
    assert name in _tests_in(ROOT / path)


@pytest.mark.parametrize("row", [row for row in ROWS if row[2]], ids=lambda row: row[0])
def test_the_settings_are_so_by_default(row: list[str]) -> None:
    for named in _code(row[2]):
        key, _, default = named.partition(": ")
        cells = [_CELL.split(line)[3].strip() for line in SETTINGS.splitlines() if line.startswith(f"| `{key}` |")]
        assert f"`{default}`" in cells, named
