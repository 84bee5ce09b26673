"""Both heads as pure functions: what goes to the application, and what of its answer goes to the client (D6, D8).

Removal comes first and knows no exception: whatever a rule says, no identity header of a client reaches an application.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache

from sidecar.core.cookies import OWN_PREFIXES, cookies_up, set_cookie_name
from sidecar.domain.session import Jar

Fields = Iterable[tuple[bytes, bytes]]

FIXED_STRIP = frozenset(
    {
        b"remote-user",
        b"x-remote-user",
        b"x-remote-groups",
        b"x-forwarded-user",
        b"x-forwarded-email",
        b"x-forwarded-groups",
        b"x-forwarded-preferred-username",
        b"x-forwarded-access-token",
        b"x-rp-usr",
        b"x-auth-request-user",
        b"x-auth-request-email",
        b"x-auth-request-groups",
    }
)
"""Names that some receiver somewhere believes (D8), normalised; the policy adds its own."""

_STRIP_PREFIXES = (b"x-lychgate-",)
_FORWARDED_PREFIXES = (b"x-forwarded-", b"x-original-", b"x-rewrite-", b"x-envoy-", b"x-proxyuser-")
_FORWARDED = frozenset(
    {b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"x-cluster-client-ip", b"via"} | {b"x-request-id"}
)
_OVERRIDES = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
"""Would let a POST be another method behind rules that speak of methods."""

_HOP = frozenset(
    {b"keep-alive", b"proxy-connection", b"te", b"trailer", b"trailers", b"proxy-authenticate", b"proxy-authorization"}
    | {b"http2-settings"}
)
_REMEMBERED = 2048
_LONGEST_REMEMBERED = 64


class Part(IntEnum):
    """What is done with a request field of this name."""

    KEEP = 0
    DROP = 1
    IDENTITY = 2
    HOST = 3
    COOKIE = 4
    CREDENTIAL = 5
    FRAMING = 6
    CONNECTION = 7
    UPGRADE = 8


# Looking a member up on its class costs more than the comparison.
_KEEP, _COOKIE, _CREDENTIAL, _CONNECTION = Part.KEEP, Part.COOKIE, Part.CREDENTIAL, Part.CONNECTION


def normal_name(name: bytes) -> bytes:
    """Case folded and `_` as `-`: how lax servers compare names (rule 10)."""
    return name.lower().replace(b"_", b"-")


@dataclass(slots=True)
class Names:
    """Classifies request field names; each spelling once, in a bounded dictionary.

    Attributes:
        strip: Normalised names of all identity, secret and assertion headers of the policy.
    """

    strip: frozenset[bytes]
    _seen: dict[bytes, Part] = field(default_factory=dict)

    def part(self, name: bytes) -> Part:
        """The part that a field of this name plays."""
        known = self._seen.get(name)
        if known is None:
            known = self._classify(name)
            if len(self._seen) < _REMEMBERED and len(name) <= _LONGEST_REMEMBERED:
                self._seen[name] = known
        return known

    def _classify(self, name: bytes) -> Part:
        normal = normal_name(name)
        if normal in self.strip or normal in FIXED_STRIP or normal.startswith(_STRIP_PREFIXES):
            return Part.IDENTITY
        if normal in _FORWARDED or normal.startswith(_FORWARDED_PREFIXES):
            return Part.DROP
        if normal in _HOP or normal in _OVERRIDES:
            return Part.DROP
        plain = {
            b"host": Part.HOST,
            b"cookie": Part.COOKIE,
            b"cookie2": Part.DROP,
            b"authorization": Part.CREDENTIAL,
            b"content-length": Part.FRAMING,
            b"transfer-encoding": Part.FRAMING,
            b"connection": Part.CONNECTION,
            b"upgrade": Part.UPGRADE,
        }
        return plain.get(normal, Part.KEEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """How a request goes up.

    Attributes:
        host: The application's own host; the client's spelling does not pass.
        identity: Fields that tell the application who is there, with their proof; empty without a person.
        jar: The application's session cookies that we keep for the person.
        guarded: Case-folded cookie names a browser may not present; empty for a transparent portal.
        cookies: Whether the browser's other cookies pass.
        credential: Whether `Authorization` passes.
        forwarded: Rebuilt `X-Forwarded-*` fields.
        length: The announced body length, or None.
        chunked: Whether the body goes in chunked coding.
        upgrade: Whether this is a WebSocket handshake.
    """

    host: bytes
    identity: tuple[tuple[bytes, bytes], ...] = ()
    jar: Jar = ()
    guarded: frozenset[bytes] = frozenset()
    cookies: bool = True
    credential: bool = False
    forwarded: tuple[tuple[bytes, bytes], ...] = ()
    length: int | None = None
    chunked: bool = False
    upgrade: bool = False


def stripped_names(fields: Fields, names: Names) -> tuple[str, ...]:
    """The identity headers that a client tried to send, for the audit event; normally empty."""
    return tuple(normal_name(name).decode("latin-1") for name, _ in fields if names.part(name) is Part.IDENTITY)


def request_head(method: str, target: str, fields: Fields, names: Names, passage: Passage) -> bytes:
    """The head for the application (RFC 9110, section 7.6.1: hop-by-hop first, then ours, so that no client can name
    ours in its `Connection`)."""
    part_of = names.part
    kept: list[tuple[bytes, bytes]] = []
    cookies: list[bytes] = []
    named: frozenset[bytes] = frozenset()
    for entry in fields:
        part = part_of(entry[0])
        if part is _KEEP or (part is _CREDENTIAL and passage.credential):
            kept.append(entry)
        elif part is _COOKIE:
            cookies.append(entry[1])
        elif part is _CONNECTION:
            named |= _connection_tokens(entry[1])
    if named:
        kept = [entry for entry in kept if entry[0].lower() not in named or part_of(entry[0]) is _CREDENTIAL]
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1"), b"Host: " + passage.host]
    lines.extend([name + b": " + value for name, value in kept])
    cookie = cookies_up(cookies if passage.cookies else (), passage.guarded, passage.jar)
    if cookie is not None:
        lines.append(b"Cookie: " + cookie)
    lines.extend([name + b": " + value for name, value in (*passage.forwarded, *passage.identity)])
    framing = _framing(passage)
    if framing:
        lines.append(framing)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def _connection_tokens(value: bytes) -> frozenset[bytes]:
    """Names that a client wants removed at this hop; those that belong to the hop itself are no names."""
    return _tokens(value) - {b"close", b"keep-alive", b"upgrade"}


def _tokens(value: bytes) -> frozenset[bytes]:
    return frozenset(token.strip(b" \t").lower() for token in value.split(b",")) - {b""}


def _framing(passage: Passage) -> bytes:
    if passage.upgrade:
        return b"Connection: Upgrade\r\nUpgrade: websocket"
    if passage.chunked:
        return b"Transfer-Encoding: chunked"
    return b"" if passage.length is None else b"Content-Length: %d" % passage.length


_ANSWER_DROP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"te", b"trailer", b"upgrade"}
    | {b"proxy-authenticate", b"content-length", b"set-cookie2"}
)


_PLAIN, _DROPPED, _SET_COOKIE, _HOPS = range(4)


@lru_cache(maxsize=_REMEMBERED)
def _answer_part(name: bytes) -> int:
    """What is done with an answer's field of this name; applications use the same few dozen."""
    low = name.lower()
    if low == b"set-cookie":
        return _SET_COOKIE
    if low == b"connection":
        return _HOPS
    return _DROPPED if low in _ANSWER_DROP else _PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """How an answer comes down.

    Attributes:
        guarded: Case-folded names of cookies that never reach a browser: the product's sessions and remember-me.
        cookies: Whether the application's other cookies pass.
        length: Announced length, or None.
        chunked: Whether we send the body in chunked coding.
        bodiless: Whether no body follows.
        close: Whether the connection ends with this answer.
    """

    guarded: frozenset[bytes]
    cookies: bool = True
    length: int | None = None
    chunked: bool = False
    bodiless: bool = False
    close: bool = False


def answer_head(status: int, reason: bytes, fields: Fields, back: Return, extra: Fields = ()) -> bytes:
    """The client's head: the application's fields in their order, hop-by-hop ones and guarded cookies removed."""
    kept: list[tuple[bytes, bytes]] = []
    named: frozenset[bytes] = frozenset()
    for entry in fields:
        part = _answer_part(entry[0])
        if part == _PLAIN or (part == _SET_COOKIE and back.cookies and not _is_guarded(entry[1], back.guarded)):
            kept.append(entry)
        elif part == _HOPS:
            named |= _tokens(entry[1])
    if named:
        kept = [entry for entry in kept if entry[0].lower() not in named or _answer_part(entry[0]) == _SET_COOKIE]
    lines = [b"HTTP/1.1 %d %b" % (status, reason)]
    lines.extend([name + b": " + value for name, value in kept])
    lines.extend([name + b": " + value for name, value in extra])
    framed = status >= 200 and status != 204
    if back.length is not None and framed:
        lines.append(b"Content-Length: %d" % back.length)
    elif back.chunked and framed and status != 304 and not back.bodiless:
        lines.append(b"Transfer-Encoding: chunked")
    if back.close:
        lines.append(b"Connection: close")
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def _is_guarded(value: bytes, guarded: frozenset[bytes]) -> bool:
    name = set_cookie_name(value)
    return name in guarded or name.startswith(OWN_PREFIXES)


def guarded_set_cookies(fields: Fields, guarded: frozenset[bytes]) -> tuple[bytes, ...]:
    """The `Set-Cookie` values that stay with us."""
    return tuple(
        [value for name, value in fields if _answer_part(name) == _SET_COOKIE and set_cookie_name(value) in guarded]
    )
