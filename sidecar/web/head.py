"""The request's head, read in one pass: identity headers leave it before anything else looks (D8, rule 11)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from aiohttp import web

from sidecar.core.headers import Names, Part, normal_name
from sidecar.core.kinds import kind_of
from sidecar.domain.decision import RequestFacts

MAX_HEAD = 64 * 1024
"""Bytes of all fields together; aiohttp's own limits are per field."""

_NOTED = frozenset(
    {
        b"host",
        b"cookie",
        b"authorization",
        b"origin",
        b"upgrade",
        b"connection",
        b"accept",
        b"sec-fetch-mode",
        b"sec-fetch-dest",
        b"sec-purpose",
        b"purpose",
        b"x-requested-with",
        b"user-agent",
        b"content-type",
        b"content-length",
        b"transfer-encoding",
        b"expect",
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"x-forwarded-for",
        b"x-request-id",
    }
)
_JOINED = frozenset({b"connection", b"x-forwarded-for"})
"""Lists: several lines are one value (RFC 9110, section 5.3), and every proxy may have written a line of its own."""
_ONCE = frozenset({b"host", b"authorization", b"content-type", b"origin", b"sec-websocket-key", b"x-request-id"})

Networks = tuple[IPv4Network | IPv6Network, ...]


@dataclass(slots=True)
class Head:
    """What the gate knows of a request's head.

    Attributes:
        fields: All fields but the identity headers, as on the wire.
        stripped: Normalised names of the identity headers that the client tried to send.
        noted: The fields that we read ourselves, by lower-case name, decoded as Latin-1; of several lines of a list
            all count, of others the last one.
        cookies: All `Cookie` values.
        twice: Whether a field stands there twice that may stand once.
        size: Bytes of all fields.
    """

    fields: list[tuple[bytes, bytes]]
    stripped: list[str]
    noted: dict[bytes, str]
    cookies: list[bytes] = field(default_factory=list)
    twice: bool = False
    size: int = 0

    def get(self, name: bytes) -> str:
        """A noted field, or ""."""
        return self.noted.get(name, "")


def read_head(request: web.BaseRequest, names: Names) -> Head:
    """Read all fields once."""
    head = Head([], [], {})
    for name, value in request.raw_headers:
        head.size += len(name) + len(value) + 4
        if names.part(name) is Part.IDENTITY:
            head.stripped.append(normal_name(name).decode("latin-1"))
            continue
        head.fields.append((name, value))
        low = name.lower()
        if low in _NOTED:
            if low == b"cookie":
                head.cookies.append(value)
            elif low in _JOINED and low in head.noted:
                head.noted[low] += "," + value.decode("latin-1")
            else:
                head.twice = head.twice or (low in _ONCE and low in head.noted)
                head.noted[low] = value.decode("latin-1")
    return head


def facts_of(request: web.BaseRequest, head: Head) -> RequestFacts:
    """What decisions may know of the request."""
    upgrade = _upgrade(head) if b"upgrade" in head.noted else ""
    websocket = upgrade.lower() == "websocket"
    return RequestFacts(
        method=request.method,
        host=head.get(b"host"),
        target=request.raw_path,
        kind=kind_of(
            mode=head.get(b"sec-fetch-mode"),
            dest=head.get(b"sec-fetch-dest"),
            accept=head.get(b"accept"),
            requested_with=head.get(b"x-requested-with"),
            agent=head.get(b"user-agent"),
            purpose=head.get(b"sec-purpose") or head.get(b"purpose"),
            websocket=websocket,
        ),
        authorization=head.noted.get(b"authorization"),
        origin=head.noted.get(b"origin"),
        upgrade=upgrade or None,
        websocket=websocket and _is_handshake(request, head),
        has_body=request.body_exists,
    )


def _upgrade(head: Head) -> str:
    """An upgrade is asked for only where `Connection` names it (RFC 9110, section 7.8)."""
    tokens = {token.strip().lower() for token in head.get(b"connection").split(",")}
    return head.get(b"upgrade").strip() if "upgrade" in tokens else ""


def _is_handshake(request: web.BaseRequest, head: Head) -> bool:
    """RFC 6455, section 4.2.1: GET, HTTP/1.1, no body, version 13, a key of 16 bytes."""
    try:
        key = base64.b64decode(head.get(b"sec-websocket-key").strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return (
        request.method == "GET"
        and request.version == (1, 1)
        and not request.body_exists
        and head.get(b"sec-websocket-version").strip() == "13"
        and len(key) == 16
    )


def framing_fault(request: web.BaseRequest, head: Head) -> bool:
    """What aiohttp's parser lets pass and two readers could take for two things (rules 14 and 19)."""
    if request.version not in {(1, 0), (1, 1)}:
        return True
    # Transfer codings came with HTTP/1.1 (RFC 9112, section 6.1): an older hop would not have framed the body so.
    return request.version == (1, 0) and b"transfer-encoding" in head.noted


def websocket_accept(key: str) -> bytes:
    """What the application must answer to a key (RFC 6455, section 4.2.2)."""
    digest = hashlib.sha1(key.strip().encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False)
    return base64.b64encode(digest.digest())


REMEMBERED_CLIENTS = 4096
LONGEST_CHAIN = 256
MOST_HOPS = 16
"""Bounds of what is remembered and read of `X-Forwarded-For`."""


@dataclass(slots=True)
class Clients:
    """Whose address a request has: the socket's, unless the peer is a proxy that the site trusts (rules 8 and 9)."""

    trusted: Networks
    _known: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def read(self, peer: str, forwarded_for: str) -> tuple[str, str]:
        """The client's address, and the chain for `X-Forwarded-For`."""
        if not self.trusted:
            return peer, peer
        known = self._known.get((peer, forwarded_for))
        if known is None:
            known = self._judge(peer, forwarded_for)
            if len(self._known) >= REMEMBERED_CLIENTS:
                self._known.clear()
            # What a stranger writes into the header is not worth the memory.
            if len(forwarded_for) <= LONGEST_CHAIN:
                self._known[peer, forwarded_for] = known
        return known

    def _judge(self, peer: str, forwarded_for: str) -> tuple[str, str]:
        if not self._is_trusted(peer):
            return peer, peer
        chain: list[str] = []
        hops = [text.strip() for text in forwarded_for.split(",")[-MOST_HOPS:]]
        for part in reversed([hop for hop in hops if hop]):
            if not _is_address(part):
                break
            chain.insert(0, part)
            if not self._is_trusted(part):
                break
        client = chain[0] if chain else peer
        return client, ", ".join([*chain, peer])

    def _is_trusted(self, address: str) -> bool:
        if not self.trusted or not _is_address(address):
            return False
        parsed = ip_address(address)
        return any(parsed.version == network.version and parsed in network for network in self.trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
