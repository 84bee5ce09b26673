"""The gate is transparent: some hundreds of requests sent straight to a real nginx and a real Tomcat, and through
Lychgate as nobody and as a person, get the same answers, but for what is listed here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.core.routing import METHODS
from tests.e2e.servers import JAVAC, NGINX, TOMCAT, nginx, tomcat
from tests.web.rig import Site, World, world
from tests.web.wire import Answer, Wire

LISTED = frozenset({b"date", b"connection", b"keep-alive", b"transfer-encoding", b"x-request-id"})
"""Fields that differ: those of the hop, the clock's, and the one that we add. A body may be framed otherwise."""

Field = tuple[str, str]
PATHS = ["/", "/echo", "/echo/**", "/folder", "/folder/**", "/moved", "/nothing", "/gone", "/gzip", "/closed", "/nope"]
PATHS += ["/file.txt", "/nope.txt", "/some.txt", "/big.txt", "/empty.txt", "/f\xe4hre.txt", "/echo.jsp"]
PUBLIC = {"rules": [{"paths": PATHS, "answer": "public"}], "require": None}

needs_nginx = pytest.mark.skipif(NGINX is None, reason="needs nginx (Debian: `apt install nginx-light`)")
needs_tomcat = pytest.mark.skipif(
    not TOMCAT.exists() or JAVAC is None,
    reason="needs Tomcat 10 and javac (Debian: `apt install tomcat10 default-jdk`)",
)


@dataclass(frozen=True)
class Shape:
    """One request."""

    method: str
    target: str
    fields: tuple[Field, ...] = ()
    body: bytes | None = None


@dataclass
class Sides:
    """The application itself, and the gate before it."""

    port: int
    world: World
    cookie: Field
    compared: int = 0

    async def same(self, shape: Shape) -> None:
        """Straight, as nobody, and three times as a person: the last ones may take the quick way."""
        straight = _plain(await self._ask(self.port, shape, ()))
        assert straight == _plain(await self._ask(self.world.port, shape, ())), shape
        for _ in range(3 if shape.method in {"GET", "HEAD"} and shape.body is None else 1):
            assert straight == _plain(await self._ask(self.world.port, shape, (self.cookie,))), shape
        self.compared += 1

    async def _ask(self, port: int, shape: Shape, more: tuple[Field, ...]) -> Answer:
        wire = await Wire.open(port, self.world.host)
        try:
            wire.request(shape.method, shape.target, *shape.fields, *more, body=shape.body)
            return await wire.answer(shape.method)
        finally:
            await wire.close()


def _plain(answer: Answer) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    fields = [(name, value) for name, value in answer.fields if name.lower() not in LISTED]
    length = [value for name, value in fields if name.lower() == b"content-length"]
    if length == [b"%d" % len(answer.body)]:
        # Chunks on one side may be a length on the other.
        fields = [pair for pair in fields if pair[0].lower() != b"content-length"]
    return answer.status, sorted(fields), answer.body


async def _sides(port: int, folder: Path) -> AsyncIterator[Sides]:
    (folder / "gate").mkdir()
    async with world(folder / "gate", Site(upstream=f"http://127.0.0.1:{port}", agents=PUBLIC)) as gate:
        yield Sides(port, gate, await gate.sign_in("ada", "/browse/X-1"))


METHODS_AND_TARGETS = [
    Shape(method, target)
    for method in sorted(METHODS)
    for target in (
        "/echo", "/echo/a", "/echo/a?b=c", "/echo/%C3%A4%20b?x=%C3%A4%2F..%2F", "/echo/100%25+sure%3F", "/echo/a.b/~c",
        "/echo/x?a=1&a=2&&=&b", "/echo/x?", "/echo/[a]|b?[c]|{d}", "/echo/!$&'()*+,=:@-._~",
    )
]  # fmt: skip
FIELDS = [
    Shape("GET", "/echo", fields)
    for fields in (
        (("X-Test", "a"), ("x-test", "b"), ("X-TEST", "c")), (("X-Test", ""),), (("X-Test", "a\tb  c"),),
        (("X-Test", "caf\xe9"),), (("X-Test", "x" * 3000),), (("X-Test", "a,b, c ,d"),), (("X-Test", '"q;\\"r"'),),
        (("Accept-Encoding", "gzip"),), (("Accept", "*/*;q=0.1"),), (("Range", "bytes=0-1"),), (("TE", "trailers"),),
        (("X-Status", "201"),), (("X-Status", "204"),), (("X-Status", "304"),), (("X-Status", "404"),),
        (("X-Status", "418"),), (("X-Status", "500"),), (("X-Status", "503"),), (("X-Chunked", "1"),),
        (("X-Answer", "Set-Cookie=a=b; Path=/"), ("X-Answer", "Set-Cookie=c=d; HttpOnly")),
        (("X-Answer", "X-Odd=\xe4\xf6"),), (("X-Answer", "ETag=W/\"x\""),), (("X-Answer", "Vary=*"),),
        (("X-Answer", "Content-Disposition=attachment; filename=\"\xe4.txt\""),),
        (("X-Answer", "Link=</a>; rel=preload"), ("X-Answer", "Link=</b>")),
        (("X-Answer", "WWW-Authenticate=Negotiate"), ("X-Status", "401")),
        (("X-Answer", "Location=//elsewhere.example/x"), ("X-Status", "302")),
        (("X-Answer", "Refresh=5; url=/x"),), (("X-Answer", "X-Empty="),),
    )
]  # fmt: skip
BODIES = [
    Shape(method, "/echo/body", (("Content-Type", kind), *framed), body)
    for method in ("POST", "PUT", "PATCH", "PROPFIND", "DELETE")
    for kind in ("application/octet-stream", "application/json", "text/xml; charset=utf-8")
    for size in (0, 1, 8191, 70_000)
    for framed, body in (
        ((), bytes(size)),
        ((("Transfer-Encoding", "chunked"),), (b"%x\r\n%b\r\n" % (size, bytes(size)) if size else b"") + b"0\r\n\r\n"),
    )
]


@needs_tomcat
async def test_tomcat_is_the_same_through_the_gate(tmp_path: Path) -> None:
    async with tomcat(tmp_path) as port:
        async for sides in _sides(port, tmp_path):
            for shape in (*METHODS_AND_TARGETS, *FIELDS, *BODIES, *FILES):
                await sides.same(shape)
            assert sides.compared > 200
            await _queries(sides)
            await _trailers(sides)


FILES = [
    Shape(method, "/file.txt", fields)
    for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE")
    for fields in ((), (("Range", "bytes=0-9"),), (("Range", "bytes=900-"),), (("If-Modified-Since", "x"),))
] + [Shape("GET", "/"), Shape("GET", "/nope"), Shape("GET", "/echo.jsp")]


async def _queries(sides: Sides) -> None:
    """Every byte that Tomcat takes in a query passes unchanged; what it does not take is refused by one of the two."""
    for byte in range(0x21, 0x7F):
        shape = Shape("GET", f"/echo?a={chr(byte)}b")
        straight = await sides._ask(sides.port, shape, ())
        if straight.status == 200:
            await sides.same(shape)
            assert f"?a={chr(byte)}b".encode() in straight.body
        else:
            assert 400 == (await sides._ask(sides.world.port, shape, ())).status, chr(byte)


async def _trailers(sides: Sides) -> None:
    """Trailers are dropped, and no request follows behind them on the same connection."""
    wire = await Wire.open(sides.world.port, sides.world.host)
    try:
        body = b"3\r\nabc\r\n0\r\nX-Test: late\r\n\r\n"
        for _ in range(2):
            wire.request("POST", "/echo", ("Transfer-Encoding", "chunked"), ("Trailer", "X-Test"), body=body)
        answer = await wire.answer("POST")
        assert (200, b"3 294\n", "close") == (answer.status, answer.body[-6:], answer.header("Connection"))
        assert b"late" not in answer.body and await wire.is_over()
    finally:
        await wire.close()


def _nginx_shapes() -> Iterator[Shape]:
    # Not several ranges at once: nginx numbers their boundaries.
    conditions: tuple[tuple[Field, ...], ...] = (
        (), (("If-None-Match", "*"),), (("If-None-Match", '"x"'),), (("If-Match", '"x"'),),
        (("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT"),), (("Range", "bytes=0-3"),), (("Range", "bytes=-4"),),
        (("Range", "bytes=2-"),), (("Range", "bytes=999999999-"),),
        (("Range", "lines=1"),),
    )  # fmt: skip
    for method in ("GET", "HEAD"):
        for path in ("/some.txt", "/big.txt", "/empty.txt", "/f%C3%A4hre.txt", "/closed", "/nope.txt"):
            for fields in conditions:
                yield Shape(method, path, fields)
        for path in ("/", "/folder", "/folder/", "/moved", "/nothing", "/gone", "/some.txt?x=y", "/gzip"):
            yield Shape(method, path)
            yield Shape(method, path, (("Accept-Encoding", "gzip"),))
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
        yield Shape(method, "/some.txt")
        yield Shape(method, "/gone", body=b"x" * 5000)


@needs_nginx
async def test_nginx_is_the_same_through_the_gate(tmp_path: Path) -> None:
    async with nginx(tmp_path) as port:
        async for sides in _sides(port, tmp_path):
            for shape in _nginx_shapes():
                await sides.same(shape)
            assert sides.compared > 150
