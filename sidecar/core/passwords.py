"""Passwords that try to get past the sign-in (D12): field names in the query and at the head of a form."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote, unquote_plus

FORM_HEAD = 16_384
"""Bytes of a form post that are looked at; the rest is streamed on unseen. Seraph reads the log-in form's own fields,
which a browser sends in well under this."""

_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([^\s;,\"']*)")
_ASCII_LIKE = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "windows-1252", "iso-8859-1", "iso-8859-15", "latin1"})
_DISPOSITION = re.compile(r"content-disposition\s*:([^\r\n]*)")
_FOLD = re.compile(r"\r?\n[ \t]+|\r(?!\n)|(?<!\r)\n")
_FILE_NAME = re.compile(r"filename\*?\s*=\s*(?:\"[^\"\\]*\"|[^;\"\s]*)")
_EXTENDED = re.compile(r"(?<![a-z])name\s*\*")


def query_has(query: str, names: Collection[str]) -> bool:
    """Whether a query or form body names one of the (lower-case) fields, percent-decoded first."""
    # Most queries name none of them anywhere: seen in one go, since 30 kB of `&` would cost a dozen milliseconds.
    if not query or not _is_anywhere(query, names):
        return False
    for pair in query.replace(";", "&").split("&"):
        name = unquote_plus(pair.partition("=")[0], errors="replace")
        if name.strip().lower() in names or unquote_plus(name).strip().lower() in names:
            return True
    return False


def _is_anywhere(query: str, names: Collection[str]) -> bool:
    """Whether a name stands in the query at all, decoded as often as a reader of names would."""
    once = unquote_plus(query, errors="replace")
    low = f"{once}\n{unquote_plus(once)}".lower()
    return any(name in low for name in names)


def form_has(content_type: str, head: bytes, names: Collection[str]) -> bool:
    """Whether the first bytes of a form post carry one of the fields, in either form encoding of HTML.

    True as well for a form whose names cannot be read the way a browser writes them.
    """
    low = content_type.lower()
    kind = low.partition(";")[0].strip()
    form = kind == "application/x-www-form-urlencoded"
    if not form and not kind.startswith("multipart/"):
        return False
    if has_odd_charset(content_type):
        return True
    text = head.decode("latin-1")
    return query_has(text, names) if form else _parts_have(text.lower(), names)


def has_odd_charset(content_type: str) -> bool:
    """Whether a form says that it is written in a charset in which ASCII is not ASCII (EBCDIC, UTF-16).

    A servlet container would read other names out of the same bytes, and with `useBodyEncodingForURI` out of the query
    too.
    """
    return any(found.strip() not in _ASCII_LIKE for found in _CHARSET.findall(content_type.lower()))


def _parts_have(text: str, names: Collection[str]) -> bool:
    """A name in quotes, bare, folded (RFC 822), extended (RFC 5987) or as an encoded word (RFC 2047): the libraries
    below the products read all of them; browsers write the first only. Names of files are no names of fields."""
    for found in _DISPOSITION.findall(_FOLD.sub(" ", text)):
        rest = _FILE_NAME.sub("", found)
        if "=?" in rest or _EXTENDED.search(rest) is not None:
            return True
        plain = unquote(rest).replace("\\", "")
        if any(name in plain for name in names):
            return True
    return False
