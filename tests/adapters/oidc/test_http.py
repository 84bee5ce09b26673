"""adapters.oidc.http: limited in time and size, never redirected, every foreign failure translated."""

from __future__ import annotations

import asyncio
import contextlib
import gzip

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.adapters.oidc.http import CONNECTIONS, Outbound, open_session, parse_object
from sidecar.domain.reason import Reason
from sidecar.flows.login import LoginError
from tests.adapters.oidc.stand_in import HandClock, Reply, StandIn
from tests.upstream.scripted import until

LIMIT = 1000


async def failing(server: StandIn, session: aiohttp.ClientSession, path: str, *, total: float = 10.0) -> LoginError:
    with pytest.raises(LoginError) as caught:
        (await Outbound(session, total=total).get(server.issuer + path, LIMIT)).json()
    return caught.value


async def test_an_object_comes_back(server: StandIn, session: aiohttp.ClientSession) -> None:
    server.replies["/x"] = Reply({"a": 1})
    answer = await Outbound(session).get(server.issuer + "/x", LIMIT, {"Authorization": "Bearer b"})
    assert (answer.status, answer.json()) == (200, {"a": 1})
    assert server.last("/x").headers["Authorization"] == "Bearer b"


async def test_a_provider_that_holds_all_its_connections_holds_up_no_other(
    server: StandIn, session: aiohttp.ClientSession
) -> None:
    server.replies["/x"] = Reply({"a": 1})
    held: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    silent = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    outbound = Outbound(session)
    waiting = [asyncio.create_task(outbound.get(f"http://127.0.0.1:{port}/", LIMIT)) for _ in range(CONNECTIONS + 20)]
    await until(lambda: len(held) >= CONNECTIONS)
    assert 200 == (await outbound.get(server.issuer + "/x", LIMIT)).status
    # Nor does it get more than so many, however many wait.
    assert CONNECTIONS == len(held)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    silent.close()
    for writer in held:
        writer.close()
    await asyncio.gather(silent.wait_closed(), *(writer.wait_closed() for writer in held))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(server: StandIn, session: aiohttp.ClientSession, status: int) -> None:
    server.replies["/x"] = Reply({}, status=status, headers={"Location": "/elsewhere"})
    assert (await failing(server, session, "/x")).reason == Reason.PROVIDER_MISCONFIGURED
    assert server.counts["/elsewhere"] == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_server_in_trouble_counts_as_unreachable(
    server: StandIn, session: aiohttp.ClientSession, status: int
) -> None:
    server.replies["/x"] = Reply({}, status=status)
    assert (await failing(server, session, "/x")).reason == Reason.PROVIDER_UNREACHABLE


async def test_huge_answers_are_cut_off(server: StandIn, session: aiohttp.ClientSession) -> None:
    server.replies["/x"] = Reply({"a": "b" * (LIMIT - len('{"a": ""}'))})
    assert (await Outbound(session).get(server.issuer + "/x", LIMIT)).status == 200
    server.replies["/x"] = Reply({"a": "b" * LIMIT})
    error = await failing(server, session, "/x")
    assert (error.reason, "1000 bytes" in error.detail) == (Reason.PROVIDER_MISCONFIGURED, True)


async def test_the_limit_counts_what_is_unpacked(server: StandIn, session: aiohttp.ClientSession) -> None:
    packed = gzip.compress(b'{"a": "' + b"b" * 100_000 + b'"}')
    assert len(packed) < LIMIT
    server.replies["/x"] = Reply(packed, headers={"Content-Encoding": "gzip"})
    assert "1000 bytes" in (await failing(server, session, "/x")).detail


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'"a"', b"null", b'{"a": NaN}', b'{"a":', b"\xff\xfe", b"[" * 900],
)
async def test_what_is_no_json_object_is_misconfigured(
    server: StandIn, session: aiohttp.ClientSession, body: bytes
) -> None:
    server.replies["/x"] = Reply(body)
    error = await failing(server, session, "/x")
    assert (error.reason, "JSON" in error.detail) == (Reason.PROVIDER_MISCONFIGURED, True)


@pytest.mark.parametrize("body", [b'{"a":' * 200_000, b'{"a": ' + b"9" * 5000 + b"}", '{"a": -Infinity}'])
def test_what_python_cannot_take_is_a_value_error(body: bytes | str) -> None:
    with pytest.raises(ValueError):
        parse_object(body)


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_parsing_never_raises_anything_else(body: bytes | str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_object(body), dict)


async def test_silence_ends_in_time(server: StandIn, session: aiohttp.ClientSession) -> None:
    server.gate = asyncio.Event()
    error = await failing(server, session, "/x", total=0.05)
    server.gate.set()
    assert (error.reason, "in time" in error.detail) == (Reason.PROVIDER_UNREACHABLE, True)


async def test_nobody_there_is_unreachable(session: aiohttp.ClientSession, clock: HandClock) -> None:
    async with StandIn(clock) as server:
        pass
    error = await failing(server, session, "/x")
    assert (error.reason, server.issuer.removeprefix("http://") in error.detail) == (Reason.PROVIDER_UNREACHABLE, True)


async def test_no_cookie_goes_from_one_person_to_the_next(server: StandIn, session: aiohttp.ClientSession) -> None:
    server.replies["/x"] = Reply({}, headers={"Set-Cookie": "who=ann; Path=/"})
    outbound = Outbound(session)
    for _ in range(2):
        await outbound.get(server.issuer + "/x", LIMIT)
    assert "Cookie" not in server.last("/x").headers


async def test_a_session_that_keeps_cookies_or_believes_proxies_is_refused() -> None:
    async with (
        aiohttp.ClientSession() as keeping,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=True) as believing,
        open_session() as good,
    ):
        for bad in (keeping, believing):
            with pytest.raises(ValueError):
                Outbound(bad)
        Outbound(good)


async def test_proxy_variables_of_the_environment_do_not_count(
    server: StandIn, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server.replies["/x"] = Reply({})
    assert (await Outbound(session).get(server.issuer + "/x", LIMIT)).status == 200


async def test_details_are_short_and_printable(server: StandIn, session: aiohttp.ClientSession) -> None:
    with pytest.raises(LoginError) as caught:
        await Outbound(session).get("http://127.0.0.1:1/\x1b[31m" + "x" * 900, LIMIT)
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) <= 300
