"""web.head: whose address a request has, and what is read of its head (rules 8, 9, 11, 14, 19).

Heads are read from a real socket, because aiohttp's parser has its say first.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import pytest
from aiohttp import web

from sidecar.core.headers import Head, Names
from sidecar.domain.decision import Kind, RequestFacts
from sidecar.web.head import MAX_HEAD, Clients, facts_of, framing_fault, read_head
from sidecar.web.server import Listener
from tests.web.conftest import Worlds
from tests.web.wire import PATIENCE, Wire

PROXIES = Clients(tuple(map(ip_network, ("10.0.0.0/8", "fd00::/8"))))
PEER, INNER, CLIENT, OTHER = "10.0.0.1", "10.0.0.2", "192.0.2.7", "198.51.100.9"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client", "chain"),
    [
        # nobody trusts the peer: what it says of others is ignored
        (CLIENT, OTHER, CLIENT, CLIENT),
        (CLIENT, "", CLIENT, CLIENT),
        (CLIENT, PEER, CLIENT, CLIENT),
        ("11.0.0.1", OTHER, "11.0.0.1", "11.0.0.1"),
        ("2001:db8::1", OTHER, "2001:db8::1", "2001:db8::1"),
        ("", OTHER, "", ""),
        ("no address", OTHER, "no address", "no address"),
        # one trusted hop
        (PEER, CLIENT, CLIENT, f"{CLIENT}, {PEER}"),
        (PEER, f"  {CLIENT} ", CLIENT, f"{CLIENT}, {PEER}"),
        (PEER, "", PEER, PEER),
        (PEER, " , ,", PEER, PEER),
        # two trusted hops, and only proxies
        (PEER, f"{CLIENT}, {INNER}", CLIENT, f"{CLIENT}, {INNER}, {PEER}"),
        (PEER, f"{CLIENT},{INNER}", CLIENT, f"{CLIENT}, {INNER}, {PEER}"),
        (PEER, INNER, INNER, f"{INNER}, {PEER}"),
        # the left part is the client's own invention
        (PEER, f"{OTHER}, {CLIENT}", CLIENT, f"{CLIENT}, {PEER}"),
        (PEER, f"{INNER}, {CLIENT}", CLIENT, f"{CLIENT}, {PEER}"),
        (PEER, f"{OTHER}, {CLIENT}, {INNER}", CLIENT, f"{CLIENT}, {INNER}, {PEER}"),
        (PEER, f"evil, {CLIENT}", CLIENT, f"{CLIENT}, {PEER}"),
        # junk ends the chain
        (PEER, "unknown", PEER, PEER),
        (PEER, f"{CLIENT}, unknown", PEER, PEER),
        (PEER, f"{CLIENT}, unknown, {INNER}", INNER, f"{INNER}, {PEER}"),
        (PEER, f"{CLIENT}:4711", PEER, PEER),
        (PEER, "10.0.0.2\r\nX: y", PEER, PEER),
        (PEER, "010.0.0.2", PEER, PEER),
        (PEER, "10.0.0.0/8", PEER, PEER),
        # the other version of the protocol
        (PEER, "2001:db8::7", "2001:db8::7", f"2001:db8::7, {PEER}"),
        ("fd00::1", f"{CLIENT}, fd00::2", CLIENT, f"{CLIENT}, fd00::2, fd00::1"),
        ("fd00::1", "[2001:db8::7]", "fd00::1", "fd00::1"),
        ("::ffff:10.0.0.1", CLIENT, "::ffff:10.0.0.1", "::ffff:10.0.0.1"),
    ],
)
def test_whose_address_a_request_has(peer: str, forwarded: str, client: str, chain: str) -> None:
    # Twice: the second answer is remembered.
    for _ in range(2):
        assert (client, chain) == PROXIES.read(peer, forwarded)
    # Where no proxy is trusted, the socket alone counts.
    assert (peer, peer) == Clients(()).read(peer, forwarded)


def test_what_is_remembered_has_a_bound_and_stays_right() -> None:
    clients = Clients(PROXIES.trusted)
    for number in range(5000):
        last = f"192.0.{number // 250}.{number % 250}"
        assert last == clients.read(PEER, last)[0]
    assert len(clients._known) <= 4096


@dataclass(slots=True)
class Reader:
    """Reads heads and answers 204; one listener serves one test."""

    names: Names = field(default_factory=lambda: Names(frozenset({b"x-site-user"})))
    heads: list[Head] = field(default_factory=list)
    facts: list[RequestFacts] = field(default_factory=list)
    faults: list[bool] = field(default_factory=list)

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        head = read_head(request, self.names)
        self.heads.append(head)
        self.facts.append(
            facts_of(
                request.method,
                request.raw_path,
                head,
                has_body=request.body_exists,
                current=request.version == (1, 1),
            )
        )
        self.faults.append(framing_fault(request, head))
        return web.Response(status=204)


async def _read(raw: bytes) -> Reader:
    reader = Reader()
    listener = Listener(reader)
    await listener.open("127.0.0.1", 0)
    try:
        wire = await Wire.open(listener.port)
        try:
            wire.send(raw)
            async with asyncio.timeout(PATIENCE):
                _ = await wire.reader.readuntil(b"\r\n\r\n")
        finally:
            await wire.close()
    finally:
        await listener.close()
    return reader


def _get(*lines: bytes, version: bytes = b"1.1", method: bytes = b"GET", body: bytes = b"") -> bytes:
    return b"\r\n".join([method + b" /p?q HTTP/" + version, b"Host: h", *lines, b"", body])


async def _head(*lines: bytes) -> Head:
    (head,) = (await _read(_get(*lines))).heads
    return head


async def _facts(*lines: bytes, method: bytes = b"GET", body: bytes = b"", version: bytes = b"1.1") -> RequestFacts:
    (facts,) = (await _read(_get(*lines, method=method, body=body, version=version))).facts
    return facts


async def test_identity_headers_leave_before_anything_looks_at_them() -> None:
    head = await _head(b"X-Site-User: a", b"x_site_user: b", b"REMOTE-USER: c", b"X-Lychgate-New: d", b"X-Kept: e")
    assert ["x-site-user", "x-site-user", "remote-user", "x-lychgate-new"] == head.stripped
    assert ([b"X-Kept: e"], "h") == (head.kept, head.get(b"host"))


async def test_fields_stay_as_they_were_on_the_wire() -> None:
    head = await _head(b"x-OdD: \xe4  \xff", b"X-Two: 1", b"X-Two: 2", b"Cookie: a=1", b"cookie: b=2")
    assert [b"x-OdD: \xe4  \xff", b"X-Two: 1", b"X-Two: 2"] == head.kept
    assert [b"a=1", b"b=2"] == head.cookies and not head.twice and "" == head.get(b"cookie")


@pytest.mark.parametrize(
    ("lines", "name", "value"),
    [
        ([b"X-Forwarded-For: 192.0.2.1", b"x-forwarded-for: 192.0.2.2"], b"x-forwarded-for", "192.0.2.1,192.0.2.2"),
        ([b"Connection: a", b"Connection: Upgrade"], b"connection", "a,Upgrade"),
        ([b"Accept: a", b"Accept: b"], b"accept", "b"),
        ([b"User-Agent: \xe4"], b"user-agent", "\xe4"),
        ([b"X-Unknown: a"], b"x-unknown", ""),
    ],
)
async def test_lists_are_joined_and_others_are_not(lines: list[bytes], name: bytes, value: str) -> None:
    assert value == (await _head(*lines)).get(name)


@pytest.mark.parametrize(
    ("name", "twice"),
    [("Authorization", True), ("Origin", True), ("Sec-WebSocket-Key", True), ("X-Request-Id", True),
     ("Cookie", False), ("X-Forwarded-For", False), ("Accept", False), ("X-Site-User", False)],
)  # fmt: skip
async def test_what_may_stand_once_is_noticed_twice(name: str, twice: bool) -> None:
    lines = [f"{name}: a".encode(), f"{name.lower()}: a".encode()]
    assert twice == (await _head(*lines)).twice
    assert not (await _head(lines[0])).twice


async def test_the_size_counts_every_field_the_removed_ones_too() -> None:
    lines = [b"X-Site-User: abc", b"X-Kept: e"]
    assert sum(len(line) + 2 for line in (b"Host: h", *lines)) == (await _head(*lines)).size
    assert MAX_HEAD < (await _head(*[b"X-%d: " % number + b"a" * 30_000 for number in range(3)])).size


KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
SOCKET = (b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket", b"Sec-WebSocket-Version: 13", KEY)


async def test_facts_of_an_ordinary_request() -> None:
    facts = await _facts(b"Accept: text/html", b"Origin: http://o", b"Authorization: Bearer x")
    assert ("GET", "h", "/p?q", Kind.NAVIGATION) == (facts.method, facts.host, facts.target, facts.kind)
    assert ("http://o", "Bearer x", None, False) == (facts.origin, facts.authorization, facts.upgrade, facts.websocket)
    assert not facts.has_body
    assert (await _facts(b"Content-Length: 1", method=b"POST", body=b"x")).has_body
    bare = await _facts()
    assert (None, None, Kind.API) == (bare.origin, bare.authorization, bare.kind)


@pytest.mark.parametrize(
    ("lines", "method", "version", "upgrade", "websocket"),
    [
        (SOCKET, b"GET", b"1.1", "WebSocket", True),
        ((b"Connection: x", *SOCKET), b"GET", b"1.1", "WebSocket", True),
        (SOCKET[1:], b"GET", b"1.1", None, False),
        ((b"Connection: close", *SOCKET[1:]), b"GET", b"1.1", None, False),
        ((SOCKET[0], b"Upgrade: h2c", *SOCKET[2:]), b"GET", b"1.1", "h2c", False),
        (SOCKET[:2], b"GET", b"1.1", "WebSocket", False),
        ((*SOCKET[:2], KEY), b"GET", b"1.1", "WebSocket", False),
        ((*SOCKET[:2], b"Sec-WebSocket-Version: 12", KEY), b"GET", b"1.1", "WebSocket", False),
        ((*SOCKET[:3], b"Sec-WebSocket-Key: c2hvcnQ="), b"GET", b"1.1", "WebSocket", False),
        ((*SOCKET[:3], b"Sec-WebSocket-Key: !!"), b"GET", b"1.1", "WebSocket", False),
        (SOCKET, b"PUT", b"1.1", "WebSocket", False),
        (SOCKET, b"GET", b"1.0", "WebSocket", False),
    ],
)
async def test_facts_of_an_upgrade(
    lines: tuple[bytes, ...], method: bytes, version: bytes, upgrade: str | None, websocket: bool
) -> None:
    facts = await _facts(*lines, method=method, version=version)
    assert (upgrade, websocket) == (facts.upgrade, facts.websocket)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (_get(), False),
        (_get(version=b"1.0"), False),
        (_get(b"Content-Length: 1", method=b"POST", body=b"x", version=b"1.0"), False),
        (_get(b"Transfer-Encoding: chunked", method=b"POST", body=b"0\r\n\r\n"), False),
        (_get(b"Transfer-Encoding: chunked", method=b"POST", body=b"0\r\n\r\n", version=b"1.0"), True),
        (_get(version=b"0.9"), True),
        (_get(version=b"2.0"), True),
    ],
)
async def test_what_two_readers_could_take_for_two_things(raw: bytes, fault: bool) -> None:
    assert [fault] == (await _read(raw)).faults


ID = "given-by-the-proxy-1"


@pytest.mark.parametrize(
    ("trusted", "lines", "believed", "chain"),
    [
        ((), (("X-Forwarded-For", CLIENT),), False, "127.0.0.1"),
        (("10.0.0.0/8",), (("X-Forwarded-For", CLIENT),), False, "127.0.0.1"),
        (("127.0.0.0/8",), (("X-Forwarded-For", CLIENT),), True, f"{CLIENT}, 127.0.0.1"),
        (("127.0.0.0/8", "10.0.0.0/8"), (("X-Forwarded-For", CLIENT), ("X-Forwarded-For", INNER)), True,
         f"{CLIENT}, {INNER}, 127.0.0.1"),
        (("127.0.0.0/8",), (("X-Forwarded-For", OTHER), ("X-Forwarded-For", CLIENT)), True, f"{CLIENT}, 127.0.0.1"),
        (("127.0.0.0/8",), (("X-Forwarded-For", "junk"),), False, "127.0.0.1"),
    ],
)  # fmt: skip
async def test_a_request_id_is_believed_from_a_trusted_proxy_only(
    worlds: Worlds, trusted: tuple[str, ...], lines: tuple[tuple[str, str], ...], believed: bool, chain: str
) -> None:
    world = await worlds()
    world.loaded = replace(world.loaded, policy=replace(world.loaded.policy, trusted_proxies=trusted))
    await world.restart()
    for given in (ID, "short", "with blanks in it", "x" * 65, "a\u00e4bcdefghi"):
        world.forget()
        await world.page("/public/page", ("X-Request-Id", given), *lines)
        (call,) = world.arrived
        assert [chain] == call.header_values("X-Forwarded-For")
        assert (believed and given == ID) == ([given] == call.header_values("X-Request-Id"))


def test_what_strangers_write_into_the_chain_is_not_remembered() -> None:
    """Neither from an untrusted peer without proxies, nor beyond a chain's honest length; deep chains stay cheap."""
    alone, behind = Clients(()), Clients((ip_network("10.0.0.0/8"),))
    for number in range(50):
        alone.read("192.0.2.1", f"{number}" * 200)
        behind.read("10.0.0.1", f"{number}, " * 200)

    assert ({}, {}) == (alone._known, behind._known)
    assert "10.0.0.2" == behind.read("10.0.0.1", "10.0.0.2, " * 16)[0]
