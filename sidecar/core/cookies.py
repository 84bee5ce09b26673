"""Cookies on their way through: which are ours, which are kept from the browser, which pass (D2, D8).

All three parties read cookies a little differently, so whatever could be read as a guarded name is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

from sidecar.domain.session import Jar

OWN_PREFIXES = (b"__host-lychgate-", b"__secure-lychgate-", b"lychgate-")
"""Names of our own cookies, case-folded; they never reach an application (rule 71)."""

_PLAIN = re.compile(rb"([!#$%&*+.^_`|~0-9A-Za-z-]+)=[!#-+\--:<-\[\]-~]*")
_WORD = re.compile(rb"[!#$%&*+.^_`|~0-9A-Za-z-]+")
_SECONDS = re.compile(r"-?[0-9]+")


def find_cookie(field: bytes, name: bytes) -> str | None:
    """The value of the one cookie *name* in a `Cookie` field; None if it is absent or stands there twice.

    Plain search: parsing all cookies costs ten times as much, and this runs on every request.
    """
    found: bytes | None = None
    at = field.find(name + b"=")
    while at >= 0:
        before = at
        while before and field[before - 1] in b" \t":
            before -= 1
        if not before or field[before - 1] == 0x3B:
            if found is not None:
                return None
            end = field.find(b";", at)
            found = field[at + len(name) + 1 : None if end < 0 else end].strip(b" \t")
        at = field.find(name + b"=", at + 1)
    return None if found is None else found.decode("latin-1")


def browser_cookies(fields: Iterable[bytes], guarded: frozenset[bytes]) -> list[bytes]:
    """The browser's cookies that an application may see: without ours and the guarded ones.

    Args:
        fields: The client's `Cookie` fields.
        guarded: Case-folded names that a browser may not present: the product's session and remember-me cookies.
    """
    return [
        text
        for field in fields
        for piece in field.split(b";")
        if (text := piece.strip(b" \t")) and not _is_kept_back(text, guarded)
    ]


def names_any(fields: Iterable[bytes], guarded: frozenset[bytes]) -> bool:
    """Whether a browser presents a guarded cookie, which it was never given. Our own cookies do not count."""
    # Nearly always none of the names stands there at all, and that is quickly seen.
    return any(
        any(name in lower for name in guarded)
        and any(_names(piece.strip(b" \t"), guarded) for piece in field.split(b";"))
        for field in fields
        if (lower := field.lower())
    )


def cookies_up(carried: Iterable[bytes], jar: Jar) -> bytes | None:
    """The `Cookie` value for the application: what of the browser's may go up, then the session cookies that we keep
    for the person; None if there is nothing."""
    cookies = [*carried, *[f"{name}={value}".encode("latin-1") for name, value in jar]]
    return b"; ".join(cookies) if cookies else None


class Carried:
    """What one `Cookie` field says at one application. A browser sends the same field again and again.

    Attributes:
        field: As it came.
        application: Name of our cookie there.
        session: Its value, or None.
        up: What of it an application may see.
        bad: Whether a guarded cookie stands there.
    """

    __slots__ = ("application", "bad", "field", "session", "up")

    def __init__(self, field: bytes, application: str, guarded: frozenset[bytes]) -> None:
        self.field = field
        self.application = application
        self.session = find_cookie(field, application.encode())
        self.up = browser_cookies((field,), guarded)
        self.bad = names_any((field,), guarded)


def _is_kept_back(piece: bytes, guarded: frozenset[bytes]) -> bool:
    return any(name in guarded or name.startswith(OWN_PREFIXES) for name in _words(piece))


def _names(piece: bytes, guarded: frozenset[bytes]) -> bool:
    return any(name in guarded for name in _words(piece))


def _words(piece: bytes) -> list[bytes]:
    """The names that some reader may find in a piece, case-folded."""
    # A reader that takes a comma, a blank or a quote for a separator (RFC 2109 and older) must not find a guarded name
    # behind one, so a piece that is not plainly one pair is searched word by word.
    plain = _PLAIN.fullmatch(piece)
    return [word.lower() for word in ([plain[1]] if plain is not None else _WORD.findall(piece))]


def set_cookie_name(field: bytes) -> bytes:
    """The case-folded name of a `Set-Cookie` value; behind an empty name, the one that a browser would send back."""
    return field.partition(b";")[0].lstrip(b" \t=").partition(b"=")[0].strip(b" \t").lower()


def jar_after(jar: Jar, field: bytes, *, empty: bool = False) -> Jar:
    """The jar once the application has set (or ended) one of its session cookies. *empty*: one without a value is one
    too."""
    pair, _, attributes = field.partition(b";")
    raw_name, _, raw_value = pair.partition(b"=")
    name, value = raw_name.strip().decode("latin-1"), raw_value.strip().decode("latin-1")
    if not name:
        return jar
    rest = tuple(entry for entry in jar if entry[0] != name)
    if (not value and not empty) or _is_over(attributes):
        return rest
    return tuple(sorted((*rest, (name, value))))


def _is_over(attributes: bytes) -> bool:
    """`Max-Age` wins over `Expires` (RFC 6265, section 4.1.2.2)."""
    given: dict[str, str] = {}
    for attribute in attributes.decode("latin-1").split(";"):
        name, _, value = attribute.partition("=")
        given[name.strip().lower()] = value.strip()
    seconds = given.get("max-age", "")
    if _SECONDS.fullmatch(seconds) is not None:
        return seconds.startswith("-") or not seconds.strip("0")
    return "expires" in given and _is_long_past(given["expires"])


def _is_long_past(date: str) -> bool:
    """Servers end a cookie with a date at the beginning of the epoch; anything readable before 2000 counts."""
    try:
        return parsedate_to_datetime(date).year < 2000
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
