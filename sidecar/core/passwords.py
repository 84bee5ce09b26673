"""Passwords that try to get past the sign-in (D12): field names in the query and at the head of a form."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import unquote_plus

FORM_HEAD = 16_384
"""Bytes of a form post that are looked at; the rest is streamed on unseen. Seraph reads the log-in form's own fields,
which a browser sends in well under this."""


def query_has(query: str, names: Collection[str]) -> bool:
    """Whether a query or form body names one of the (lower-case) fields, percent-decoded first."""
    if not query:
        return False
    for pair in query.replace(";", "&").split("&"):
        name = unquote_plus(pair.partition("=")[0], errors="replace")
        if name.strip().lower() in names or unquote_plus(name).strip().lower() in names:
            return True
    return False


def form_has(content_type: str, head: bytes, names: Collection[str]) -> bool:
    """Whether the first bytes of a form post carry one of the fields, in either form encoding of HTML."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return query_has(head.decode("latin-1"), names)
    if kind == "multipart/form-data":
        text = head.decode("latin-1").lower()
        return any(f'name="{name}"' in text or f"name={name}" in text for name in names)
    return False
