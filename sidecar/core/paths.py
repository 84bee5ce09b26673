"""One meaning per path, or refusal (D1). Called once per request by `core.routing`.

The application gets exactly the bytes that were judged; nothing here repairs a path. What could mean two things to two
readers is refused before any rule sees it. The query is neither judged nor rewritten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes

from sidecar.domain.product import Product

_SEGMENT = r"[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9_~!$&'()*+,=:@.-]*"
_PLAIN = re.compile(rf"/(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?\Z")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_DANGEROUS = frozenset(b"/\\;") | frozenset(range(0x20)) | {0x7F}
_OVERLONG = re.compile(rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]")
_MAX_LAYERS = 4

MAX_READINGS = 8
"""A path in which a product could find more internal forwards than this is refused: each reading is judged, so many of
them would cost more than any page is worth."""


@dataclass(frozen=True, slots=True)
class Target:
    """A request target that has one meaning.

    Attributes:
        path: Percent-decoded once; begins with "/". An allowed `%2F` stays as it is.
        raw: The path as sent: what the application gets.
        query: Without "?"; None if there was none.
        doubled: Whether the path has empty segments (`//`).
        semicolon: Whether it has path parameters.
        encoded_slash: Whether it has `%2F`.
    """

    path: str
    raw: str
    query: str | None
    doubled: bool = False
    semicolon: bool = False
    encoded_slash: bool = False


def read_target(target: str) -> Target | None:
    """Read an origin-form request target (RFC 9112, section 3.2.1); None = refuse with 400.

    Refused: other forms, fragments, raw backslashes, control bytes and bytes outside ASCII, broken escapes, bad UTF-8,
    dot segments in any spelling, encoded backslashes and control bytes, double encodings of any of these and of "/".
    """
    raw, mark, rest = target.partition("?")
    query = rest if mark else None
    if not raw.startswith("/") or not _is_plain(raw) or not is_plain_query(rest):
        return None
    if _PLAIN.match(raw) is not None:
        return Target(raw, raw, query)
    if "\\" in raw or _BAD_ESCAPE.search(raw) is not None:
        return None
    try:
        pieces = [unquote_to_bytes(piece).decode("utf-8") for piece in re.split("%2f", raw, flags=re.IGNORECASE)]
    except UnicodeDecodeError:
        return None
    probe, encoded_slash = "/".join(pieces), len(pieces) > 1
    # An empty segment that an encoded slash makes cannot be mended by a redirect.
    if not _is_clean(probe) or not _is_flat(probe) or (encoded_slash and "//" in probe):
        return None
    return Target("%2F".join(pieces), raw, query, "//" in probe, ";" in probe, encoded_slash)


def is_plain_query(query: str) -> bool:
    """Whether a query holds nothing that may stand in no target: it is not judged otherwise."""
    return _is_plain(query)


def single_slashes(path: str) -> str:
    """The path with every run of slashes made one."""
    return re.sub("/{2,}", "/", path)


def collapsed(target: Target) -> str:
    """The target with every run of slashes made one, query kept: where a GET with `//` is sent (308)."""
    path = single_slashes(target.raw)
    return path if target.query is None else f"{path}?{target.query}"


def without_parameters(path: str) -> str:
    """The path as Tomcat maps it: `;…` is cut from every segment."""
    return "/".join(segment.partition(";")[0] for segment in path.split("/"))


def product_readings(below: str, product: Product) -> tuple[str, ...]:
    """What the product may serve for the path *below* its context path; every reading is judged.

    Both products forward `/s/<any>/_/<rest>` to `/<rest>` inside, whatever the case of the `s`, and find an action by
    the last segment alone. Empty if there are more than `MAX_READINGS` internal forwards: refuse.
    """
    found = [place for reading in _forwarded(below, product) for place in _homes(reading, product)]
    return tuple(dict.fromkeys(found))


def _forwarded(below: str, product: Product) -> list[str]:
    if all(below[: len(prefix)].lower() != prefix for prefix, _ in product.forwards):
        return [below]
    done: list[str] = []
    seen, todo = {below}, [below]
    while todo:
        if len(seen) > MAX_READINGS:
            return []
        path = todo.pop()
        targets = {
            layer
            for prefix, marker in product.forwards
            if path[: len(prefix)].lower() == prefix
            for rest in _after_each(path, marker, len(prefix) - 1)
            for layer in _layers(rest)
        }
        if not targets:
            done.append(path)
        todo.extend(sorted(targets - seen))
        seen |= targets
    return done


def _after_each(path: str, marker: str, start: int) -> list[str]:
    ends: list[str] = []
    at = path.find(marker, start)
    while at >= 0 and len(ends) <= MAX_READINGS:
        ends.append(path[at + len(marker) - 1 :])
        at = path.find(marker, at + 1)
    return ends


def _layers(path: str) -> list[str]:
    """The path and what is left when it is decoded again: a servlet container may decode the target of a forward."""
    layers = [path]
    while "%" in layers[-1] and len(layers) <= _MAX_LAYERS:
        again = unquote(layers[-1])
        if again == layers[-1]:
            break
        layers.append(again)
    return layers


def _homes(path: str, product: Product) -> tuple[str, ...]:
    """An action's home comes first; where it stands is judged too, since a servlet may be mapped there."""
    home = product.action_home
    if not home or not path.endswith(product.action_suffixes) or path.startswith(home + "/"):
        return (path,)
    return home + path[path.rindex("/") :], path


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text and "#" not in text


def _is_clean(path: str) -> bool:
    """No backslash, no control character, no dot segment, no segment that is empty but for its parameters."""
    if "\\" in path or "/;" in path or any(ord(ch) < 0x20 or 0x7F <= ord(ch) < 0xA0 for ch in path):
        return False
    return not any(segment.partition(";")[0] in {".", ".."} for segment in path.split("/"))


def _is_flat(path: str) -> bool:
    """No second layer of escapes that hides a separator, a control byte or a dot segment."""
    for _ in range(_MAX_LAYERS):
        hidden = {int(found, 16) for found in _ESCAPE.findall(path)}
        if not hidden:
            return True
        if hidden & _DANGEROUS:
            return False
        data = unquote_to_bytes(path)
        path = data.decode("utf-8", "replace")
        if not _is_clean(path) or _OVERLONG.search(data) is not None:
            return False
    return False
