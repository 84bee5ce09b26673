"""How Tomcat and Jira read a request target. Pure; called once per request by `handler.py`.

It is written apart from the gate's own reading of paths: two readings that agree prove something.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

# Tomcat refuses these raw in a path unless `relaxedPathChars` names them (RFC 3986, section 3.3).
_NEVER_RAW = frozenset('"<>[\\]^`{|}')
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORWARD = re.compile(r"^/s/(.*)/_/((?!(?:web-inf|meta-inf)).*)", re.IGNORECASE | re.DOTALL)


class BadTargetError(ValueError):
    """Tomcat answers 400 to this target."""


@dataclass(frozen=True, slots=True)
class Target:
    """`path` is decoded, normalised and below the context; `forwarded` tells of the static `/s/` rewrite."""

    path: str
    query: str
    forwarded: bool = False

    @property
    def action(self) -> tuple[str, str] | None:
        """The action and its method when the last segment ends in `.jspa`, wherever it stands."""
        last = self.path.rpartition("/")[2]
        if not last.endswith(".jspa"):
            return None
        name, _, command = last.removesuffix(".jspa").partition("!")
        return name, command


def read_target(raw: str, context_path: str = "", relaxed: str = "") -> Target | None:
    """Read a raw request target; None when it lies outside the context path.

    Raises BadTargetError where Tomcat answers 400.
    """
    path, _, query = _without_authority(raw).partition("?")
    path = canonical_path(path, relaxed)
    if path == context_path:
        return Target("", query)
    if not path.startswith(context_path + "/"):
        return None
    path = path[len(context_path) :]
    forward = _FORWARD.match(path)
    if forward is None:
        return Target(path, query)
    return Target(_normalised("/" + forward[2]), query, forwarded=True)


def canonical_path(raw: str, relaxed: str = "") -> str:
    """The path that Tomcat maps: parameters stripped, decoded once, then dots and double slashes resolved."""
    refused = _NEVER_RAW - frozenset(relaxed)
    if not raw.startswith("/") or any(c in refused or not " " < c < "\x7f" for c in raw):
        raise BadTargetError("invalid character in the request target")
    # Parameters go before the dots are resolved, so `/a/..;x/b` is `/b`.
    bare = "/".join(segment.partition(";")[0] for segment in raw.split("/"))
    if _BAD_ESCAPE.search(bare) or re.search("%2f|%5c|%00", bare, re.IGNORECASE):
        raise BadTargetError("invalid escape in the request target")
    try:
        decoded = unquote_to_bytes(bare).decode()
    except UnicodeDecodeError as error:
        raise BadTargetError("the path is not UTF-8") from error
    return _normalised(decoded)


def _normalised(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if not kept:
                raise BadTargetError("the path leads above the root")
            kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    ends_open = segments[-1] in ("", ".", "..") and kept
    return "/" + "/".join(kept) + ("/" if ends_open else "")


def _without_authority(raw: str) -> str:
    """The origin form of an absolute-form target (RFC 9112, section 3.2.2)."""
    if raw.startswith("/") or "://" not in raw:
        return raw
    rest = raw.partition("://")[2]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"
