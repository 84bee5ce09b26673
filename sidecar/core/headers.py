"""The head of a request: read line by line, and made anew for the application (D6, D8).

Removal comes first and knows no exception: whatever a rule says, no identity header of a client reaches an application.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from sidecar.core.cookies import browser_cookies, cookies_up
from sidecar.core.lines import MOST_DIGITS, BadLineError, Remembered, split_line
from sidecar.domain.session import Jar

FIXED_STRIP = frozenset(
    {
        b"remote-user",
        b"x-forwarded-user",
        b"x-forwarded-email",
        b"x-forwarded-groups",
        b"x-forwarded-preferred-username",
        b"x-forwarded-access-token",
        b"x-rp-usr",
        b"x-authenticated-user",
        b"x-webauth-user",
        b"sm-user",
        b"iv-user",
    }
)
"""Names that some receiver somewhere believes (D8), normalised; the policy adds its own."""

_STRIP_PREFIXES = (
    b"x-lychgate-",
    b"x-remote-",
    b"x-auth-request-",
    # Trusted Applications name a user and sign it with a key of their own; Crowd's clients name a user and a token.
    b"x-seraph-trusted-app-",
    b"x-crowd-",
    # What a proxy in front found in a client's certificate (RFC 9440 and older); Tomcat's SSLValve reads the first.
    b"ssl-client-",
    b"x-ssl-client-",
    b"client-cert",
    b"x-client-cert",
    b"x-arr-clientcert",
    # What the gates of clouds and other gates say of a person.
    b"oidc-claim-",
    b"x-amzn-oidc-",
    b"x-goog-authenticated-user-",
    b"x-goog-iap-",
    b"x-ms-client-principal",
    b"cf-access-",
    b"x-pomerium-",
)
_FORWARDED_PREFIXES = (
    *(b"x-forwarded-", b"x-original-", b"x-rewrite-", b"x-envoy-", b"x-proxyuser-", b"x-real-", b"x-cluster-"),
    *(b"x-arr-", b"x-ssl-", b"ssl-", b"wl-proxy-", b"x-azure-"),
)
_FORWARDED = frozenset(
    {b"forwarded", b"x-forwarded", b"x-client-ip", b"true-client-ip", b"client-ip", b"via", b"x-request-id"}
    | {b"x-scheme", b"x-url-scheme", b"front-end-https", b"x-ssl", b"x-https", b"x-host", b"x-port"}
    | {b"cf-connecting-ip", b"fastly-client-ip", b"x-appengine-user-ip", b"proxy-client-ip", b"http-client-ip"}
)
"""What proxies say of the way: rebuilt by us where the application needs it (rules 8 and 9), never passed on."""

_OVERRIDES = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
"""Would let a POST be another method behind rules that speak of methods."""

_HOP = frozenset(
    {b"keep-alive", b"proxy-connection", b"te", b"trailer", b"trailers", b"proxy-authenticate", b"proxy-authorization"}
    | {b"http2-settings"}
)
_REMEMBERED = 2048
_LONGEST_REMEMBERED = 64

_NOTED = frozenset(
    {b"host", b"cookie", b"authorization", b"origin", b"upgrade", b"connection", b"accept", b"expect"}
    | {b"sec-fetch-mode", b"sec-fetch-dest", b"sec-purpose", b"purpose", b"x-requested-with", b"user-agent"}
    | {b"content-type", b"content-length", b"transfer-encoding", b"x-forwarded-for", b"x-request-id"}
    | {b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-key1"}
    | {b"content-location", b"content-range", b"etag", b"max-forwards", b"server"}
)
_JOINED = frozenset({b"connection", b"x-forwarded-for"})
"""Lists: several lines are one value (RFC 9110, section 5.3), and every proxy may have written a line of its own."""

_ONCE = frozenset(
    {b"host", b"authorization", b"content-type", b"origin", b"sec-websocket-key", b"x-request-id", b"user-agent"}
    | {b"content-location", b"content-range", b"etag", b"max-forwards", b"server"}
)


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
_IDENTITY = Part.IDENTITY


def normal_name(name: bytes) -> bytes:
    """Case folded and `_` as `-`: how lax servers compare names (rule 10)."""
    return name.lower().replace(b"_", b"-")


class RequestLine:
    """One line of a request's head; never changed.

    Attributes:
        raw: Name and value with one blank between, as it goes on.
        name: Lower case.
        value: Without the blanks around it.
        part: What is done with it.
        text: The value as text, where we read it ourselves; else None.
        plain: Whether it goes on, and nobody here reads it.
        names: Those that a `Connection` line wants removed, lower case.
        size: Bytes, with the line's end.
    """

    __slots__ = ("name", "names", "part", "plain", "raw", "size", "text", "value")

    def __init__(self, name: bytes, value: bytes, part: Part) -> None:
        self.raw = name + b": " + value
        self.name = name.lower()
        self.value = value
        self.part = part
        self.text = value.decode("latin-1") if self.name in _NOTED and part is not Part.COOKIE else None
        self.plain = part is Part.KEEP and self.text is None
        self.names = _tokens(value) - _OF_THE_HOP if part is Part.CONNECTION else frozenset[bytes]()
        self.size = len(self.raw) + 2

    @property
    def forget(self) -> bool:
        """Cookies and credentials are one person's; what a stranger writes to be somebody is not worth the memory."""
        return self.part in _PERSONAL


_PERSONAL = frozenset({Part.COOKIE, Part.CREDENTIAL, Part.IDENTITY})


@dataclass(slots=True)
class Names:
    """Classifies request fields; each spelling of a name, and each line, once.

    Attributes:
        strip: Normalised names of all identity, secret and assertion headers of the policy.
        lines: What lines say: `lines[raw]`.
    """

    strip: frozenset[bytes]
    lines: Remembered[RequestLine] = field(init=False)
    _seen: dict[bytes, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = Remembered(self._read)

    def _read(self, raw: bytes) -> RequestLine:
        name, value = split_line(raw)
        if len(value) > MOST_DIGITS and name.lower() == b"content-length":
            raise BadLineError("no length")
        return RequestLine(name, value, self.part(name))

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


@dataclass(slots=True, kw_only=True)
class Passage:
    """How a request goes up. A value; frozen, it would cost a microsecond of every request.

    Attributes:
        host: The application's own host; the client's spelling does not pass.
        jar: The application's session cookies that we keep for the person.
        guarded: Case-folded cookie names a browser may not present; empty for a transparent portal.
        cookies: Whether the browser's other cookies pass.
        carried: What of the browser's cookies passes, if that was found before; then *guarded* was heeded.
        credential: Whether `Authorization` passes.
        ours: Whole lines of ours: rebuilt `X-Forwarded-*`, then who is there, with the proof.
        length: The announced body length, or None.
        chunked: Whether the body goes in chunked coding.
        upgrade: Whether this is a WebSocket handshake.
    """

    host: bytes
    jar: Jar = ()
    guarded: frozenset[bytes] = frozenset()
    cookies: bool = True
    carried: Sequence[bytes] | None = None
    credential: bool = False
    ours: tuple[bytes, ...] = ()
    length: int | None = None
    chunked: bool = False
    upgrade: bool = False


@dataclass(slots=True)
class Head:
    """What the gate knows of a request's head.

    Attributes:
        kept: Lines that go to the application as they are, in their order.
        stripped: Normalised names of the identity headers that the client tried to send.
        noted: The fields that we read ourselves, by lower-case name, decoded as Latin-1; of several lines of a list
            all count, of others the last one.
        cookies: All `Cookie` values.
        credential: The line of `Authorization`, or None.
        credential_at: Before which of *kept* it stood.
        named: Names that the client's `Connection` wants removed at this hop, lower case.
        twice: Whether a field stands there twice that may stand once.
        size: Bytes of all fields.
    """

    kept: list[bytes] = field(default_factory=list)
    stripped: list[str] = field(default_factory=list)
    noted: dict[bytes, str] = field(default_factory=dict)
    cookies: list[bytes] = field(default_factory=list)
    credential: bytes | None = None
    credential_at: int = 0
    named: frozenset[bytes] = frozenset()
    twice: bool = False
    size: int = 0

    def get(self, name: bytes) -> str:
        """A noted field, or ""."""
        return self.noted.get(name, "")

    def forget(self, name: bytes) -> None:
        """Do not send a field on."""
        self.kept = [line for line in self.kept if _name_of(line) != name]
        self.credential_at = min(self.credential_at, len(self.kept))


def read_lines(raw_lines: Iterable[bytes], names: Names) -> Head:
    """Read a head in one pass: identity headers leave it before anything else looks (rule 11).

    Raises:
        BadLineError: a line is none.
    """
    known = names.lines
    lines = [known[raw] for raw in raw_lines]
    head = Head([line.raw for line in lines if line.part is _KEEP])
    noted, size = head.noted, 0
    for line in lines:
        size += line.size
        if line.plain:
            continue
        part, text = line.part, line.text
        if part is _IDENTITY:
            head.stripped.append(normal_name(line.name).decode("latin-1"))
            continue
        if part is _COOKIE:
            head.cookies.append(line.value)
        elif part is _CREDENTIAL:
            head.credential = line.raw
            head.credential_at = sum(one.part is _KEEP for one in lines[: lines.index(line)])
        elif part is _CONNECTION:
            head.named |= line.names
        if text is not None:
            name = line.name
            if name in noted:
                if name in _JOINED:
                    text = f"{noted[name]},{text}"
                elif name in _ONCE:
                    head.twice = True
            noted[name] = text
    head.size = size
    return head


def request_head(method: str, target: str, head: Head, passage: Passage) -> bytes:
    """The head for the application (RFC 9110, section 7.6.1: hop-by-hop first, then ours, so that no client can name
    ours in its `Connection`)."""
    kept = head.kept
    if passage.credential and head.credential is not None:
        kept = [*kept[: head.credential_at], head.credential, *kept[head.credential_at :]]
    if head.named:
        # Nobody may have a credential removed by naming it.
        kept = [line for line in kept if _name_of(line) not in head.named or line is head.credential]
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1"), b"Host: " + passage.host, *kept]
    carried = passage.carried
    if carried is None:
        carried = browser_cookies(head.cookies, passage.guarded) if passage.cookies else ()
    cookie = cookies_up(carried, passage.jar)
    if cookie is not None:
        lines.append(b"Cookie: " + cookie)
    lines.extend(passage.ours)
    framing = _framing(passage)
    if framing:
        lines.append(framing)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def _name_of(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()


_OF_THE_HOP = frozenset({b"close", b"keep-alive", b"upgrade"})
"""Words of `Connection` that belong to the hop itself: they are no names of fields."""


def _tokens(value: bytes) -> frozenset[bytes]:
    return frozenset(token.strip(b" \t").lower() for token in value.split(b",")) - {b""}


def _framing(passage: Passage) -> bytes:
    if passage.upgrade:
        return b"Connection: Upgrade\r\nUpgrade: websocket"
    if passage.chunked:
        return b"Transfer-Encoding: chunked"
    return b"" if passage.length is None else b"Content-Length: %d" % passage.length
