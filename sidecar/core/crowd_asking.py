"""What a Crowd client asks: paths with their query, and searches with a restriction, in XML or JSON.

Called by the listener at which products ask. What cannot be read is a `CrowdFault`; XML is read without declarations
of any kind, so there are no entities to expand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

from sidecar.core.crowd_entities import CrowdUser

DEEPEST = 20
"""Levels of a search; products nest two or three."""

MOST = 10_000
"""Entries in one answer; whoever wants more asks for the next ones."""

_NAMES = frozenset({"name", "username"})


class CrowdFault(Exception):  # noqa: N818 - a fault of what was asked, not of ours
    """The question cannot be read. *detail* is for the one who asks."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Question:
    """A path below `/rest/usermanagement/1`, and its query."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)

    def page(self) -> slice:
        """Which entries are wanted. A negative number of results means all."""
        start, most = self._number("start-index", 0), self._number("max-results", 1000)
        begin = max(0, start)
        return slice(begin, begin + (MOST if most < 0 else min(most, MOST)))

    def expands(self, kind: str) -> bool:
        """Whether more than names is wanted."""
        return kind in self.query.get("expand", "").split(",")

    def _number(self, name: str, usual: int) -> int:
        text = self.query.get(name, "")
        if not text:
            return usual
        try:
            return int(text)
        except ValueError:
            raise CrowdFault(f"{name} is no number") from None


def read_question(path: str, query: str) -> Question:
    """The first of several values counts."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=50, errors="strict")
    except ValueError:
        raise CrowdFault("the query cannot be read") from None
    return Question(path, dict(reversed(pairs)))


Restriction = Callable[[Mapping[str, str]], bool]
"""Whether an entry, as the texts of its properties, is searched for."""


def entry_of(user: CrowdUser) -> dict[str, str]:
    """A user as restrictions see it."""
    return {
        "name": user.name,
        "email": user.email,
        "displayname": user.shown,
        "firstname": user.first_name,
        "lastname": user.last_name,
        "active": "true" if user.active else "false",
        "key": user.key,
    }


def group_entry_of(name: str) -> dict[str, str]:
    """A group as restrictions see it."""
    return {"name": name, "active": "true"}


def read_restriction(body: bytes, *, is_json: bool) -> Restriction:
    """The restriction of a search; an empty body restricts nothing.

    Raises:
        CrowdFault: it cannot be read.
    """
    if not body.strip():
        return _everything
    return _of_json(_json(body), 0) if is_json else _of_xml(_xml(body), 0)


def _everything(_entry: Mapping[str, str]) -> bool:
    return True


def _of_xml(element: Element, depth: int) -> Restriction:
    kind = _local(element.tag)
    if kind == "boolean-search-restriction":
        wrapped = [child for child in element if _local(child.tag) == "restrictions"]
        parts = [part for child in wrapped for part in child]
        return _boolean(element.get("boolean-logic", "and"), [_of_xml(part, _deeper(depth)) for part in parts])
    if kind == "property-search-restriction":
        texts = {_local(child.tag): child.text or "" for child in element.iter()}
        return _property(texts.get("name", ""), texts.get("match-mode", ""), texts.get("value", ""))
    return _other(kind)


def _of_json(body: object, depth: int) -> Restriction:
    if not isinstance(body, dict):
        raise CrowdFault("the search is no object")
    kind = body.get("restriction-type")
    if kind == "boolean-search-restriction":
        parts = body.get("restrictions")
        if not isinstance(parts, list):
            raise CrowdFault("the search has no restrictions")
        return _boolean(str(body.get("boolean-logic", "and")), [_of_json(part, _deeper(depth)) for part in parts])
    if kind == "property-search-restriction":
        named = body.get("property")
        name = named.get("name", "") if isinstance(named, dict) else ""
        value = body.get("value", "")
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)
        return _property(str(name), str(body.get("match-mode", "")), text)
    return _other(str(kind))


def _other(kind: str) -> Restriction:
    if kind == "null-search-restriction":
        return _everything
    raise CrowdFault("the search has a restriction of an unknown kind")


def _boolean(logic: str, parts: list[Restriction]) -> Restriction:
    together = {"and": all, "or": any}.get(logic.lower())
    if together is None:
        raise CrowdFault("the search combines restrictions in an unknown way")
    if not parts:
        return _everything
    return lambda entry: together(part(entry) for part in parts)


def _property(name: str, mode: str, value: str) -> Restriction:
    match = _MODES.get(mode.upper() or "EXACTLY_MATCHES")
    if match is None:
        raise CrowdFault("the search compares in an unknown way")
    prop = name.replace("-", "").casefold()
    prop, wanted = "name" if prop in _NAMES else prop, value.casefold()
    # What nobody has (attributes of a product's own) nobody is found by.
    return lambda entry: prop in entry and match(entry[prop].casefold(), wanted)


_MODES: dict[str, Callable[[str, str], bool]] = {
    "EXACTLY_MATCHES": lambda found, wanted: found == wanted,
    "STARTS_WITH": lambda found, wanted: found.startswith(wanted),
    "ENDS_WITH": lambda found, wanted: found.endswith(wanted),
    "CONTAINS": lambda found, wanted: wanted in found,
    "NULL": lambda found, wanted: not found,
}


def _deeper(depth: int) -> int:
    if depth >= DEEPEST:
        raise CrowdFault("the search is nested too deeply")
    return depth + 1


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise CrowdFault("the body is no JSON") from None


def _xml(body: bytes) -> Element:
    builder, parser = TreeBuilder(), ParserCreate(namespace_separator="}")
    parser.StartDoctypeDeclHandler = _no_declarations
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(body, True)
        return builder.close()
    except (ExpatError, ParseError, ValueError, AssertionError):
        raise CrowdFault("the body is no XML") from None


def _no_declarations(*_: object) -> None:
    raise CrowdFault("the body has a document type, and none is read")


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]
