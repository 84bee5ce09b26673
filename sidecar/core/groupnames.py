"""From a value in the groups claim to the group's name: paths, distinguished names, ids.

`core.claims` asks for every value. Rule: a value that cannot be read has no name, and then all the groups are unknown;
it is never left out. Pure.
"""

from __future__ import annotations

import re

from sidecar.domain.shape import GroupFormat, GroupReading

_VALUE = r"(?:[^\\,+\"<>;=]|\\[0-9A-Fa-f]{2}|\\[ ,+\"\\<>;=#])+"
_COMMON_NAME = re.compile(rf"[Cc][Nn]\s*=\s*({_VALUE})(?:,(?:[^\\;]|\\.)*)?", re.DOTALL)
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)


def group_name(value: str, reading: GroupReading) -> str | None:
    """The name of one group, or None: the value is not of the format that was configured."""
    match reading.format:
        case GroupFormat.LAST_SEGMENT:
            name = _last_segment(value)
        case GroupFormat.COMMON_NAME:
            name = _common_name(value)
        case _:
            name = value
    return reading.names.get(name, name) if name else None


def _last_segment(value: str) -> str | None:
    """Keycloak's `/a/b` means `b`. A slash within a name is written `~/`, and then the segments cannot be told."""
    return None if "~/" in value else value.rpartition("/")[2]


def _common_name(value: str) -> str | None:
    """The common name at the head of a distinguished name (RFC 4514, section 3)."""
    found = _COMMON_NAME.fullmatch(value)
    if found is None:
        return None
    try:
        return _ESCAPED.sub(_unescaped, found[1]).strip()
    except UnicodeDecodeError:
        return None


def _unescaped(found: re.Match[str]) -> str:
    # Bytes in hexadecimal stand for UTF-8, and one character may need several.
    return bytes.fromhex(found[1].replace("\\", "")).decode() if found[1] else found[2]
