"""The one judge of return targets (rules 20 to 26): every `Location` that leads back is checked here."""

from __future__ import annotations

from urllib.parse import unquote

from sidecar.core.paths import read_target
from sidecar.domain.policy import Application

MAX_TARGET = 2048
"""Longer ones fall back to the start page; they are never cut (rule 26)."""


def safe_return(target: str | None, application: Application) -> str:
    """*target* if it is a path and query on the application's own origin, else the application's start page.

    Deep links and query strings survive unchanged. Our own endpoints are no place to return to.
    """
    fallback = application.context + application.product.start
    if not target or len(target) > MAX_TARGET or not _is_local(target):
        return fallback
    read = read_target(target)
    if read is None or read.doubled or ";" in read.path:
        return fallback
    context = application.context
    inside = read.path == context or read.path.startswith(context + "/")
    own = read.path.startswith(context + "/.lychgate")
    return target if inside and not own else fallback


def _is_local(target: str) -> bool:
    """Exactly one leading slash and nothing a browser would read as a host, before and after decoding."""
    for text in (target, unquote(target.partition("?")[0])):
        if not text.startswith("/") or text[1:2] in {"/", "\\"}:
            return False
        if any(ord(ch) <= 0x20 or ch == "\\" or ord(ch) == 0x7F for ch in text.partition("?")[0]) and text is target:
            return False
    return not any(ord(ch) <= 0x20 or ord(ch) == 0x7F for ch in target)
