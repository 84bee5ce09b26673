"""The rooms of the house: import contracts, sizes, door-plates; broken ones show here before they hurt."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sidecar"
FILES = sorted(PACKAGE.rglob("*.py"))
FORBIDDEN = {"utils", "helpers", "common", "common_utils", "misc"}
TESTS = Path(__file__).parent
TEST_FILES = sorted(path for path in TESTS.rglob("*.py") if "node_modules" not in path.parts)


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _long_functions(tree: ast.AST) -> list[str]:
    return [node.name for node in _functions(tree) if (node.end_lineno or 0) - node.lineno >= 60]


def _locations(tree: ast.AST) -> list[ast.Constant]:
    """The header's name wherever it stands, but for a comparison, which only reads."""
    compared = {id(name) for node in ast.walk(tree) if isinstance(node, ast.Compare) for name in ast.walk(node)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in compared]
    return [node for node in names if str(node.value).lower() in {"location", "b'location'"}]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_small_and_says_what_it_is(path: Path) -> None:
    """At most 400 lines, functions at most 60, a docstring at the top, no room for odds and ends."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)

    assert text.count("\n") <= 400
    assert [] == _long_functions(tree)
    assert ast.get_docstring(tree)
    assert path.stem not in FORBIDDEN


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_a_file_of_tests_is_small_too(path: Path) -> None:
    """The same sizes, and no room for odds and ends either."""
    text = path.read_text(encoding="utf-8")

    assert text.count("\n") <= 400
    assert [] == _long_functions(ast.parse(text))
    assert path.stem not in FORBIDDEN


def test_one_place_writes_where_a_redirect_leads() -> None:
    """Rule 23: what goes into `Location` passes one function, outside of the demo's own servers."""
    found = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        if path.relative_to(PACKAGE).parts[0] != "demo"
        for _ in _locations(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert ["web/replies.py"] == found


def test_import_contracts_hold() -> None:
    """Imports go down only; the core does no IO."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_web_and_the_demo_serve(path: Path) -> None:
    """`aiohttp.web` is imported by `web` and by the demo, whose stand-ins are servers too."""
    room = path.relative_to(PACKAGE).parts[0]
    names = {
        alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }

    assert room in {"web", "demo"} or not any(name.startswith("aiohttp.web") for name in names)


def test_nothing_is_decided_by_assert() -> None:
    """`python -O` removes assertions (rule 79)."""
    found = [
        f"{path}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]

    assert [] == found


def test_the_test_tree_mirrors_the_package() -> None:
    """Every room of the package has a room of tests."""
    tests = Path(__file__).parent
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}

    assert set() == {room for room in rooms if not (tests / room).is_dir()}
