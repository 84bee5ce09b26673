"""YAML: every key knows its line, and what is ambiguous or hostile is refused with a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.config.faults import ConfigError
from sidecar.config.source import LARGEST, parse_source, read_source


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"), ("on", "on"), ("yes", "yes"), ("No", "No"), ("true", True), ("false", False), ("True", "True"),
        ("1:30", "1:30"), ("2024-01-01", "2024-01-01"), ("10", 10), ("-1", -1), ("010", "010"), ("0x10", "0x10"),
        ("1e3", "1e3"), ("1.5", "1.5"), ("~", None), ("null", None), ("", None), ("'10'", "10"), ("=", "="),
        ("1_000", "1_000"), ("!!str 5", "5"), ("file:///x", "file:///x"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object) -> None:
    assert {"a": value} == parse_source("f", f"a: {text}\n").data


def test_lines() -> None:
    source = parse_source("f", "a:\n  b: 1\n  c:\n    - x\n    - y: 2\n      z: 3\n")
    assert {
        ("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4, ("a", "c", 1): 5, ("a", "c", 1, "y"): 5,
        ("a", "c", 1, "z"): 6,
    } == source.lines  # fmt: skip
    assert 3 == source.line(("a", "c", 7, "q"))


def test_anchors_and_merges() -> None:
    text = "a: &a {x: 1, y: 2}\nb: *a\nc:\n  <<: *a\n  y: 3\n"
    source = parse_source("f", text)
    assert {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": {"x": 1, "y": 3}} == source.data
    assert 5 == source.lines["c", "y"]
    assert 2 == source.lines[("b",)]


BILLION = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "stands twice; the first one is on line 1"),
        ("a: 1\nb: [1\n", 3, "is no YAML"),
        ("a: 1\n\tb: 2\n", 2, "is no YAML"),
        ("a: *b\n", 1, "is no YAML"),
        ("a: 1\n---\nb: 2\n", 2, "is no YAML"),
        ("a: 1\nb: !env X\n", 2, "has the tag !env"),
        ("a: !!binary aGk=\n", 1, "has the tag"),
        ("a: !!set {x}\n", 1, "has the tag"),
        ("a: !!int x\n", 1, "has the tag"),
        ("? [x, y]\n: 1\n", 1, "key that is no text"),
        ("a: 1\n<<: 3\n", 2, "merges something"),
        ("- a\n", 0, "holds no settings"),
        ("", 0, "holds no settings"),
        ("a: \x07\n", 0, "characters that YAML forbids"),
        ("a: &a [*a]\n", 1, "too large"),
        (BILLION, 5, "too large"),
        ("a: " + "[" * 40 + "]" * 40, 1, "too large"),
        ("a: " + "[" * 5000 + "]" * 5000, 0, "nested too deeply"),
    ],
)
def test_refused(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_source("f", text)
    assert words in caught.value.faults[0].wrong
    assert line == caught.value.faults[0].line


def test_duplicates_are_all_told() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_source("f", "a: 1\na: 2\nb:\n  c: 1\n  c: 2\n")
    assert [(2, "a"), (5, "b.c")] == [(fault.line, fault.path) for fault in caught.value.faults]


def test_bytes(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError, match=r"f\.yaml:2: error: the file is not UTF-8"):
        read_source(path)
    path.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        read_source(path)
    path.write_bytes(b"\xef\xbb\xbfa: \xc3\xa4\n")
    assert {"a": "ä"} == read_source(path).data
