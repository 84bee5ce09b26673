"""The fields of the head that every answer of our own carries. Called by `web.pages` only.

Rules kept: nothing is cached, nothing runs, nothing is loaded, nobody frames us (security rules 60 and 85).
"""

from __future__ import annotations

import re

Headers = tuple[tuple[str, str], ...]

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")


def page_headers(
    nonce: str, *, form_targets: tuple[str, ...], has_form: bool, framed: bool, retry_after: int | None
) -> Headers:
    """For HTML.

    Args:
        nonce: Of the one style sheet.
        form_targets: Origins to which a form may lead; browsers hold redirects after a POST against this list too.
        has_form: `no-referrer` would turn the `Origin` of our own forms into "null", and their check would refuse them.
        framed: Others may frame this page.
        retry_after: Whole seconds, or None.

    Raises:
        ValueError: A form target is no origin, or one that a policy cannot name.
    """
    return (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", _policy(nonce, form_targets, framed)),
        ("Referrer-Policy", "same-origin" if has_form else "no-referrer"),
        *(() if framed else (("Cross-Origin-Opener-Policy", "same-origin"),)),
        *_always(retry_after),
    )


def plain_headers(content_type: str, retry_after: int | None = None) -> Headers:
    """For JSON and text."""
    return (
        ("Content-Type", content_type),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("Referrer-Policy", "no-referrer"),
        *_always(retry_after),
    )


def framed_headers(framers: tuple[str, ...]) -> Headers:
    """For a tiny page that only *framers* may frame: origins, as form targets are.

    Raises:
        ValueError: One is no origin.
    """
    ancestors = " ".join(_checked(framers)) or "'none'"
    return (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", f"default-src 'none'; frame-ancestors {ancestors}"),
        ("Referrer-Policy", "no-referrer"),
        *_always(None),
    )


def _checked(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Each is checked: a `;` in one would begin a directive of its own."""
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("a form target is an origin: scheme, host and port")
    return origins


def _policy(nonce: str, form_targets: tuple[str, ...], framed: bool) -> str:
    """CSP 3."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src 'nonce-{nonce}'",
            "img-src data:",
            " ".join(("form-action 'self'", *_checked(form_targets))),
            "frame-ancestors *" if framed else "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def _always(retry_after: int | None) -> Headers:
    return (
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Vary", "Accept"),
        *(() if retry_after is None else (("Retry-After", str(retry_after)),)),
    )
