"""From the text of a YAML file to plain data that knows on which line each key stands.

Stricter than YAML: duplicate keys, tags, several documents and keys that are no text are faults, `off` is a word and
not *false*, `1:30` and dates stay text. Called by `config.load`, and by `config.control`, which looks for two keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from sidecar.config.faults import ConfigError, Fault, Path, Severity, spell_path

LARGEST = 262_144
"""Bytes a configuration file may have."""

_MOST_NODES = 20_000
_DEEPEST = 24
_TAG = "tag:yaml.org,2002:"
_SCALARS = {f"{_TAG}str", f"{_TAG}int", f"{_TAG}bool", f"{_TAG}null"}


class _Loader(yaml.SafeLoader):
    """Plain scalars by YAML 1.2's JSON schema, with `~` and an empty value for null."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the library's own shape


for _kind, _pattern, _firsts in (
    ("bool", r"true|false", "tf"),
    ("null", r"~|null|", ["~", "n", ""]),
    ("int", r"-?(0|[1-9][0-9]{0,17})", "-0123456789"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"^(?:{_pattern})$"), list(_firsts))


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read.

    Attributes:
        name: As messages call it.
        data: Plain dictionaries, lists, texts, whole numbers, booleans and None.
        lines: Key path to the line of the key (of a list's entry: of the entry), counted from 1.
    """

    name: str
    data: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of *path*, or of the nearest key around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, path: Path, wrong: str, cure: str, severity: Severity = Severity.ERROR) -> Fault:
        """A fault at *path*."""
        return Fault(self.name, self.line(path), spell_path(path), severity, wrong, cure)


def read_source(path: FilePath) -> Source:
    """Read a file.

    Raises:
        ConfigError: if it cannot be read or is no YAML that Lychgate takes.
    """
    name = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise _whole_file(name, f"cannot be read: {reason}", "correct the path, or let the process read it") from None
    if len(content) > LARGEST:
        raise _whole_file(name, "is larger than 256 KiB", "name the configuration file") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError([_at(name, line, "the file is not UTF-8 here", "save it as UTF-8")]) from None
    return parse_source(name, text)


def parse_source(name: str, text: str) -> Source:
    """Parse the text of a file; *name* is for messages.

    Raises:
        ConfigError: with all faults of this kind.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "it cannot be read"
        cure = "correct the line or the one before it; texts with `: `, `#` or a colon at the end go in quotes"
        raise ConfigError([_at(name, mark.line + 1 if mark else 0, f"is no YAML: {problem}", cure)]) from None
    except yaml.YAMLError:
        raise _whole_file(name, "holds characters that YAML forbids", "remove control characters") from None
    except RecursionError:
        raise _whole_file(name, "is nested too deeply", "write it flatter") from None
    if not isinstance(root, yaml.MappingNode):
        raise _whole_file(name, "holds no settings", "begin with the line `version: 1`")
    builder = _Builder(name)
    data = builder.build(root, (), 0)
    if builder.faults:
        raise ConfigError(builder.faults)
    return Source(name, data, builder.lines)


def _at(name: str, line: int, wrong: str, cure: str) -> Fault:
    return Fault(name, line, "", Severity.ERROR, wrong, cure)


def _whole_file(name: str, wrong: str, cure: str) -> ConfigError:
    return ConfigError([_at(name, 0, wrong, cure)])


@dataclass(slots=True)
class _Builder:
    """Walks the nodes once; counts them, since aliases can make few bytes many nodes."""

    name: str
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    nodes: int = 0

    def build(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > _MOST_NODES or depth > _DEEPEST:
            top = path[:1]
            wrong, cure = "the file grows too large here", "use fewer aliases, and nest less"
            raise ConfigError([Fault(self.name, self.lines[top], spell_path(top), Severity.ERROR, wrong, cure)])
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return self._sequence(node, path, depth)
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node, path)
        self.faults.append(self._fault(node, path, f"has the tag {node.tag}", "remove the tag"))
        return None

    def _sequence(self, node: yaml.SequenceNode, path: Path, depth: int) -> list[Any]:
        items = []
        for number, item in enumerate(node.value):
            self.lines[*path, number] = item.start_mark.line + 1
            items.append(self.build(item, (*path, number), depth + 1))
        return items

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                merged.update(self._merge(value_node, path, depth))
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            line = key_node.start_mark.line + 1
            if key in own:
                first = self.lines[*path, key]
                wrong = f"stands twice; the first one is on line {first}"
                self.faults.append(
                    Fault(self.name, line, spell_path((*path, key)), Severity.ERROR, wrong, "keep one of the two")
                )
                continue
            self.lines[*path, key] = line
            own[key] = self.build(value_node, (*path, key), depth + 1)
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: Path, depth: int) -> dict[str, Any]:
        if isinstance(node, yaml.MappingNode):
            lines = dict(self.lines)
            merged = self._mapping(node, path, depth + 1)
            # Keys that stand at the place itself keep their own lines.
            self.lines.update(lines)
            return merged
        self.faults.append(self._fault(node, path, "merges something that has no keys", "merge one mapping: <<: *name"))
        return {}

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS and node.value:
            return str(node.value)
        self.faults.append(self._fault(node, path, "has a key that is no text", "write a plain word before the colon"))
        return None

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> str | int | bool | None:
        if node.tag == f"{_TAG}str":
            return str(node.value)
        if node.tag == f"{_TAG}null":
            return None
        if node.tag == f"{_TAG}bool" and node.value in {"true", "false"}:
            return bool(node.value == "true")
        if node.tag == f"{_TAG}int" and re.fullmatch(r"-?[0-9]{1,18}", node.value):
            return int(node.value)
        self.faults.append(self._fault(node, path, f"has the tag {node.tag}", "remove the tag"))
        return None

    def _fault(self, node: yaml.Node, path: Path, wrong: str, cure: str) -> Fault:
        return Fault(self.name, node.start_mark.line + 1, spell_path(path), Severity.ERROR, wrong, cure)
