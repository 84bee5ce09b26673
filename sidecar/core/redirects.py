"""The one judge of return targets (rules 20 to 26): every `Location` that leads back is checked here."""

from __future__ import annotations

from urllib.parse import unquote

from sidecar.core.paths import product_readings, read_target
from sidecar.core.routing import OWN_PREFIX
from sidecar.domain.policy import Application
from sidecar.domain.product import Product

MAX_TARGET = 2048
"""Longer ones fall back to the start page; they are never cut (rule 26)."""


CONFIRMED = f"{OWN_PREFIX}/confirmed"
"""Below the context: where a step-up ends that was begun beside a form."""

TEST = f"{OWN_PREFIX}/test"
"""Below the context: the test page, which asks for a recent sign-in."""


def safe_return(target: str | None, application: Application) -> str:
    """*target* if it is a path and query on the application's own origin, else the application's start page.

    Deep links and query strings survive unchanged. Our own endpoints (but for the page that says that all is confirmed,
    and the test page) and the product's log-in and log-out pages are no place to return to.
    """
    fallback = application.start_of()
    if not target or len(target) > MAX_TARGET or not _is_local(target):
        return fallback
    read = read_target(target)
    if read is None or read.doubled or read.semicolon:
        return fallback
    context = application.context
    if read.path != context and not read.path.startswith(context + "/"):
        return fallback
    below = read.path[len(context) :] or "/"
    own = below == OWN_PREFIX or (below.startswith(OWN_PREFIX + "/") and below not in {CONFIRMED, TEST})
    return fallback if own or _is_door(below, application.product) else target


def _is_local(target: str) -> bool:
    """Exactly one leading slash and nothing a browser would read as a host, before and after decoding."""
    path = target.partition("?")[0]
    if any(ord(ch) <= 0x20 or ord(ch) >= 0x7F for ch in target) or "\\" in path:
        return False
    return all(text.startswith("/") and text[1:2] not in {"/", "\\"} for text in (path, unquote(path)))


def _is_door(below: str, product: Product) -> bool:
    """Whether it would sign the person out again, or show the page from which the sign-in came."""
    readings = product_readings(below, product)
    return any(path in product.login_paths or path in product.logout_paths for path in readings)
