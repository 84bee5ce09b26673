"""The request's head, read in one pass: identity headers leave it before anything else looks (D8, rule 11)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from aiohttp import web

from sidecar.core.headers import Head, Names, read_lines
from sidecar.core.kinds import kind_of
from sidecar.domain.decision import RequestFacts

MAX_HEAD = 64 * 1024
"""Bytes of all fields together; aiohttp's own limits are per field."""

Networks = tuple[IPv4Network | IPv6Network, ...]


def read_head(request: web.BaseRequest, names: Names) -> Head:
    """Read all fields once."""
    return read_lines([name + b": " + value for name, value in request.raw_headers], names)


def facts_of(method: str, target: str, head: Head, *, has_body: bool, current: bool = True) -> RequestFacts:
    """What decisions may know of the request; *current* says HTTP/1.1."""
    noted = head.noted.get
    upgrade = _upgrade(head) if b"upgrade" in head.noted else ""
    websocket = upgrade.lower() == "websocket"
    return RequestFacts(
        method=method,
        host=noted(b"host", ""),
        target=target,
        kind=kind_of(
            mode=noted(b"sec-fetch-mode", ""),
            dest=noted(b"sec-fetch-dest", ""),
            accept=noted(b"accept", ""),
            requested_with=noted(b"x-requested-with", ""),
            agent=noted(b"user-agent", ""),
            purpose=noted(b"sec-purpose") or noted(b"purpose", ""),
            websocket=websocket,
        ),
        authorization=noted(b"authorization"),
        origin=noted(b"origin"),
        upgrade=upgrade or None,
        websocket=websocket and current and method == "GET" and not has_body and _is_handshake(head),
        has_body=has_body,
    )


def _upgrade(head: Head) -> str:
    """An upgrade is asked for only where `Connection` names it (RFC 9110, section 7.8)."""
    tokens = {token.strip().lower() for token in head.get(b"connection").split(",")}
    return head.get(b"upgrade").strip() if "upgrade" in tokens else ""


def _is_handshake(head: Head) -> bool:
    """RFC 6455, section 4.2.1: version 13, a key of 16 bytes."""
    try:
        key = base64.b64decode(head.get(b"sec-websocket-key").strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return head.get(b"sec-websocket-version").strip() == "13" and len(key) == 16


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
        if not self.trusts(peer):
            return peer, peer
        chain: list[str] = []
        hops = [text.strip() for text in forwarded_for.split(",")[-MOST_HOPS:]]
        for part in reversed([hop for hop in hops if hop]):
            if not _is_address(part):
                break
            chain.insert(0, part)
            if not self.trusts(part):
                break
        client = chain[0] if chain else peer
        return client, ", ".join([*chain, peer])

    def trusts(self, address: str) -> bool:
        """Whether it is a proxy that the site trusts."""
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
