"""Renders docs/configuration.md from the models; `python -m sidecar.config.reference` prints it."""

from __future__ import annotations

import sys
import types
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from sidecar.adapters.audit.settings import FileSettings, StdoutSettings
from sidecar.adapters.secrets import AtLeast, Secret
from sidecar.adapters.settings import Seconds, spell
from sidecar.adapters.state.settings import StateSettings
from sidecar.config.model import Config
from sidecar.config.model_upstream import UpstreamSettings
from sidecar.config.shape import key_of, models_in

_HEAD = """\
# Configuration

<!-- Generated from the settings models. After a change: python -m sidecar.config.reference > docs/configuration.md -->

One YAML file. `lychgate check FILE` names all faults at once with line and cure; `lychgate schema` prints a JSON Schema
for editors. Unknown keys are faults.

- A *duration* is written `30s`, `15m`, `10h`, `7d`, `1h30m`, or as whole seconds.
- A *secret* never stands in the file: write `file:///absolute/path` or `env://NAME`. Its last line break is ignored.
  Empty, short and placeholder secrets are faults.
- Where a *list of words* is taken, one word may stand without brackets.
- Only `true` and `false` are truth values; `off`, `yes` and dates are words.
- *Paths* stand below the context path, decoded. `/exact`, `/all/below/**`, `/one/*/segment`; a pattern without a slash,
  `Setup*.jspa`, is an action and matches the last segment wherever it stands; `@admin` and its like are sets that the
  product brings.
"""


def render() -> str:
    """The whole page."""
    places: dict[type[BaseModel], list[str]] = {}
    _collect(Config, "", places)
    return "\n".join([_HEAD, *(_section(model, paths) for model, paths in places.items())])


def _collect(model: type[BaseModel], path: str, places: dict[type[BaseModel], list[str]]) -> None:
    """Every model with all key paths where it stands; outer ones before inner ones."""
    places.setdefault(model, []).append(path)
    for name, field in model.model_fields.items():
        for inner in models_in(field.annotation):
            _collect(inner, _path(path, key_of(name, field), field.annotation), places)


def _path(outer: str, key: str, annotation: Any) -> str:
    text = f"{outer}.{key}" if outer else key
    bare = _bare(annotation)
    if get_origin(bare) is dict:
        return f"{text}.<name>"
    return f"{text}[]" if get_origin(bare) is tuple else text


def _section(model: type[BaseModel], paths: list[str]) -> str:
    heading = f"`{paths[0]}`" if paths[0] else "The file"
    text = (model.__doc__ or "").strip().splitlines()[0]
    if len(paths) > 1:
        text += " Also: " + ", ".join(f"`{path}`" for path in paths[1:]) + "."
    lines = [f"## {heading}", "", text, "", "| setting | type | default | meaning |", "| --- | --- | --- | --- |"]
    lines.extend(_row(key_of(name, field), field) for name, field in model.model_fields.items())
    return "\n".join([*lines, ""])


def _row(key: str, field: FieldInfo) -> str:
    marks = [mark for mark in field.metadata if isinstance(mark, AtLeast)]
    note = (
        f" At least {marks[0].characters} characters." if marks and "at least" not in (field.description or "") else ""
    )
    cells = (f"`{key}`", _type(field), _default(field), f"{field.description}{note}")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _type(field: FieldInfo) -> str:
    if _is_duration(field):
        return "duration"
    return _name(field.annotation)


def _is_duration(field: FieldInfo) -> bool:
    seconds = get_args(Seconds)[1]
    if seconds in field.metadata:
        return True
    return any(get_origin(part) is Annotated and seconds in get_args(part) for part in get_args(field.annotation))


_NAMES: dict[Any, str] = {
    str: "text",
    int: "whole number",
    bool: "true or false",
    date: "day",
    Secret: "secret",
    StateSettings: "address",
    UpstreamSettings: "address, or keys",
    StdoutSettings: "`json`, `text`, `off`, or keys",
    FileSettings: "path, or keys",
}


def _name(annotation: Any) -> str:
    bare = _bare(annotation)
    if bare in _NAMES:
        return _NAMES[bare]
    if get_origin(bare) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(bare))
    if get_origin(bare) is dict:
        return "keys of your choice"
    if get_origin(bare) is tuple:
        inner = _name(get_args(bare)[0])
        return {"text": "list of words", "keys": "list"}.get(inner, f"list of {inner}")
    if isinstance(bare, type) and issubclass(bare, Enum):
        return ", ".join(f"`{member.value}`" for member in bare)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return "keys"
    return "text, number, true or false"


def _bare(annotation: Any) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return _bare(parts[0]) if len(parts) == 1 else annotation
    return annotation


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "**required**"
    if value is None:
        return "–"
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, int) and _is_duration(field):
        return f"`{spell(value)}`"
    return "empty" if value == "" else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(render())
