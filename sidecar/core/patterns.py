"""The regular expressions of the configuration: compiled once, matched whole, in time linear in the text.

Used by settings, checks and everything that matches what a provider sent. Names come from outside, so how long a match
takes must not depend on them: RE2 never goes back in the text, and has no back references and no look-around for it
(ADR 25).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

LONGEST = 200
"""Characters of a pattern."""
_SHORT = 255
"""Characters of a text that is remembered with what was found in it."""


class PatternError(ValueError):
    """The text is no pattern. Says what is wrong with it."""


@lru_cache(maxsize=2048)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        text = error.args[0]
        raise PatternError(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)) from None


def brackets(pattern: str) -> int:
    """How many brackets of *pattern* keep what they matched.

    Raises:
        PatternError: it is no pattern.
    """
    return int(_compiled(pattern).groups)


def matches(pattern: str, text: str) -> bool:
    """Whether *pattern* matches the whole of *text*."""
    return found(pattern, text) is not None


def found(pattern: str, text: str) -> tuple[str, ...] | None:
    """What matched, then what each bracket matched ("" where it took no part); None if not the whole of *text* does."""
    return _remembered(pattern, text) if len(text) <= _SHORT else _found(pattern, text)


def _found(pattern: str, text: str) -> tuple[str, ...] | None:
    match = _compiled(pattern).fullmatch(text)
    return None if match is None else (text, *match.groups(default=""))


_remembered = lru_cache(maxsize=8192)(_found)
"""One person's groups are another's too: a few hundred names are matched for thousands of people."""


def literal(text: str) -> str:
    """The pattern that matches just *text*."""
    return str(re2.escape(text))
