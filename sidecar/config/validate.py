"""From plain data to the model, with every fault in plain words.

Faults of shape would hide faults between the parts. So what is faulty is taken out, and the rest is looked at as well;
`Validated.dirty` says which parts not to trust.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sidecar.config.faults import Finding, Path
from sidecar.config.model import Config
from sidecar.config.shape import did_you_mean, keys_of, model_at

_ENTRIES = ("providers", "applications", "portals")
_STAND_INS = {
    "version": 1, "state": "memory", "cookie_keys": ["env://LYCHGATE_NO_KEY"],
    "providers": {}, "applications": {}, "portals": {},
}  # fmt: skip
_APPLICATION_STAND_INS = {
    "url": "https://lychgate.invalid", "upstream": "http://127.0.0.1:1",
    "landing": {"header": "X-Lychgate-User", "proof": "assertion"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Validated:
    """The outcome.

    Attributes:
        config: The whole model, or what is left without its faulty parts; None if too little is left.
        dirty: Entries such as `("portals", "agents")` and top-level keys that lost something.
        sections: The same one key deeper for applications and portals, which are large: `(…, "agents", "rules")`.
    """

    config: Config | None
    findings: tuple[Finding, ...]
    dirty: frozenset[Path]
    sections: frozenset[Path]


def validate(data: dict[str, Any]) -> Validated:
    """Check the shape of *data*, which is not changed."""
    try:
        return Validated(Config.model_validate(data), (), frozenset(), frozenset())
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    findings = tuple(dict.fromkeys(_finding(detail) for detail in details))
    # An unknown key says nothing about its neighbours.
    faulty = [_path(detail) for detail in details if detail["type"] != "extra_forbidden"]
    config, lost = _what_is_left(copy.deepcopy(data), details)
    dirty = frozenset({entry_of(path) for path in faulty} | lost)
    return Validated(config, findings, dirty, frozenset({section_of(path) for path in faulty} | lost))


def entry_of(path: Path) -> Path:
    """The entry that *path* belongs to: a provider, application or portal, or else a top-level key."""
    return path[:2] if path[:1] and path[0] in _ENTRIES else path[:1]


def section_of(path: Path) -> Path:
    """The entry, or in applications and portals the key below it."""
    return path[:3] if path[:1] in (("applications",), ("portals",)) else entry_of(path)


def _what_is_left(data: dict[str, Any], details: list[ErrorDetails]) -> tuple[Config | None, set[Path]]:
    """Cut out the faulty keys; where that leaves something unusable, what is around them, up to the whole entry."""
    lost: set[Path] = set()
    for outwards in (0, 1, 2, None):
        for detail in details:
            path = _path(detail)
            entry = entry_of(path)
            cut = entry if outwards is None else path[: max(len(path) - outwards, len(entry))]
            _remove(data, cut)
            if outwards is None:
                lost.add(entry)
        for application in _mappings_in(data.get("applications")):
            application.update({**_APPLICATION_STAND_INS, **application})
        if outwards is None:
            lost |= {(key,) for key in _STAND_INS.keys() - data.keys()}
            data = {**_STAND_INS, **data}
        try:
            return Config.model_validate(data), lost
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
    return None, lost


def _mappings_in(value: Any) -> list[dict[str, Any]]:
    return [item for item in value.values() if isinstance(item, dict)] if isinstance(value, dict) else []


def _remove(data: Any, path: Path) -> None:
    for key in path[:-1]:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(data, dict) and path:
        data.pop(path[-1], None)


def _path(detail: ErrorDetails) -> Path:
    return tuple(key for key in detail["loc"] if key != "[key]")


def _finding(detail: ErrorDetails) -> Finding:
    path, kind, context = _path(detail), detail["type"], detail.get("ctx", {})
    if kind == "fault":
        return Finding(path, str(context["wrong"]), str(context["cure"]))
    if kind == "extra_forbidden":
        model = model_at(Config, path[:-1])
        return Finding(path, "is an unknown key", did_you_mean(str(path[-1]), keys_of(model) if model else []))
    wrong, cure = _PLAIN.get(kind, ("is not what is expected here", "{expected}"))
    values = {"expected": detail["msg"], **context}
    return Finding(path, wrong.format_map(values), cure.format_map(values))


_PLAIN = {
    "missing": ("is missing", "add it; docs/configuration.md says what it takes"),
    "enum": ("is none of the known words", "write {expected}"),
    "literal_error": ("is none of the known words", "write {expected}"),
    "string_type": ("is no text", "write text; numbers, true and false go in quotes"),
    "int_type": ("is no whole number", "write a whole number without quotes"),
    "int_parsing": ("is no whole number", "write a whole number without quotes"),
    "bool_type": ("is neither true nor false", "write true or false"),
    "bool_parsing": ("is neither true nor false", "write true or false"),
    "greater_than_equal": ("is too small", "write at least {ge}"),
    "less_than_equal": ("is too large", "write at most {le}"),
    "tuple_type": ("is no list", "write a list: [one, another], or one entry per line after a hyphen"),
    "dict_type": ("has no keys of its own", "write keys below it, indented, or remove the line"),
    "model_type": ("has no keys of its own", "write keys below it, indented, or remove the line"),
    "model_attributes_type": ("has no keys of its own", "write keys below it, indented, or remove the line"),
}
