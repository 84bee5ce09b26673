"""Header lines, each looked at once: what a line says depends on its bytes alone, and the same few hundred come again.

Used by both heads: `core.headers` (what clients send) and `core.answers` (what applications send). A line is read by
the grammar of RFC 9110, section 5.5, and stricter: what two readers could take for two things is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from sidecar.core.kept import kept

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROLS = bytes([*range(9), *range(10, 32), 127])

REMEMBERED = 1024
LONGEST_REMEMBERED = 512
"""Bounds of what is remembered of lines, in number and in bytes of each."""

MOST_DIGITS = 18
"""Of a `Content-Length`; with more it is a length that nobody has, and work for nothing."""


class BadLineError(ValueError):
    """This is no header line, or one that could be read in two ways."""


def split_line(raw: bytes) -> tuple[bytes, bytes]:
    """Name and value of a line without its line end; the value without the blanks around it.

    Raises:
        BadLineError: no colon, no token before it (a blank there, or a folded line), or control bytes in the value.
    """
    name, colon, value = raw.partition(b":")
    if not colon or _TOKEN.fullmatch(name) is None:
        raise BadLineError("no field name")
    value = value.strip(b" \t")
    if value.translate(None, _CONTROLS) != value:
        raise BadLineError("control bytes")
    return name, value


class Learned(Protocol):
    """What a line was found to say."""

    @property
    def forget(self) -> bool:
        """Whether it must not be remembered: it is a secret, or nobody's but one client's."""
        ...


T = TypeVar("T", bound=Learned)


class Remembered(dict[bytes, T], Generic[T]):
    """What lines say, by their bytes: `remembered[line]` learns what it does not know.

    Bounded by two generations: the one that is full becomes the old one, from which what is used comes back. Reading
    one line that is known is one look into a dictionary.

    Raises (from `[]`):
        BadLineError: as *learn* does; nothing is remembered of it.
    """

    __slots__ = ("__weakref__", "_bound", "_learn", "_longest", "_old")

    def __init__(self, learn: Callable[[bytes], T], bound: int = REMEMBERED, longest: int = LONGEST_REMEMBERED) -> None:
        super().__init__()
        self._learn = learn
        self._bound = bound
        self._longest = longest
        self._old: dict[bytes, T] = {}
        _ = kept("header_lines", self, bound)

    def __missing__(self, raw: bytes) -> T:
        found = self._old.get(raw)
        if found is None:
            found = self._learn(raw)
            if found.forget or len(raw) > self._longest:
                return found
        if len(self) >= self._bound:
            self._old = dict(self)
            self.clear()
        self[raw] = found
        return found
