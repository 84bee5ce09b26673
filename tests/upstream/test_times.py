"""How long an application is waited for: as long as any, or as long as the request's path says. One sweeper looks."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.domain.paths import path_set
from sidecar.flows.streaming import Outgoing, Patience, Patiences, UpstreamError
from sidecar.upstream.connection import Connection
from sidecar.upstream.limits import Limits
from tests.upstream.asking import OK, Told, asking, client_of, fetch
from tests.upstream.receiving import RecordingAnswer
from tests.upstream.scripted import ScriptedServer, answering, until

SLOW = Patience(first_byte=3600, idle_body=1200)
QUICK = Patience(first_byte=10, idle_body=5)


def patient(patience: Patience | None) -> Outgoing:
    request = asking()
    request.patience = patience
    return request


def stalling(wire: bytes) -> ScriptedServer:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(wire)
        await reader.read()

    server = ScriptedServer(script)
    return server


@pytest.mark.parametrize(
    ("patience", "wire", "limit"),
    [
        (None, b"", 600),
        (SLOW, b"", 3600),
        (QUICK, b"", 10),
        (None, OK[:-1], 300),
        (SLOW, OK[:-1], 1200),
        (QUICK, OK[:-1], 5),
    ],
)
async def test_a_request_is_waited_for_as_long_as_its_path_says(
    patience: Patience | None, wire: bytes, limit: float
) -> None:
    """The clock is moved instead of waited for: the sweeper's look is given its time."""
    async with stalling(wire) as server:
        client = client_of(server, Limits(first_byte=600, idle_body=300))
        answer = RecordingAnswer()
        exchange = asyncio.create_task(client.exchange(patient(patience), answer))
        await until(lambda: bool(answer.content if wire else server.heads))
        (connection,) = client._busy
        connection.end_if_still(connection._moved + limit - 1)
        await asyncio.sleep(0)
        assert not exchange.done()
        connection.end_if_still(connection._moved + limit + 1)
        with pytest.raises(UpstreamError) as caught:
            await exchange
        assert ("body" if wire else "timeout") == caught.value.stage
        assert f"{limit:g} s" in caught.value.detail


async def test_the_patience_of_one_request_is_not_that_of_the_next_on_its_connection() -> None:
    async with answering(OK, b"", then=b"") as server:
        client = client_of(server)
        await client.exchange(patient(SLOW), RecordingAnswer())
        told = Told()
        abandon = client.begin(patient(None), RecordingAnswer(), told)
        assert abandon is not None
        (connection,) = client._busy
        connection.end_if_still(connection._moved + 601)
        (error,) = told.results
        assert isinstance(error, UpstreamError) and "timeout" == error.stage


async def test_no_request_has_a_timer_of_its_own() -> None:
    async with answering(then=OK) as server:
        client = client_of(server)
        await fetch(client)
        loop = asyncio.get_running_loop()
        timers = len(loop._scheduled)  # type: ignore[attr-defined]
        for _ in range(50):
            await client.exchange(patient(SLOW), RecordingAnswer())
        assert timers == len(loop._scheduled)  # type: ignore[attr-defined]
        await client.close()


async def test_the_sweeper_rests_when_there_is_nothing_to_look_at() -> None:
    async with answering(then=OK) as server:
        client = client_of(server, Limits(sweep=0.01, idle_expiry=0.02))
        await fetch(client)
        assert client._sweeper is not None
        await until(lambda: client._sweeper is None)
        assert 0 == client.idle
        await fetch(client)
        assert client._sweeper is not None
        await client.close()


def test_the_first_entry_whose_paths_match_counts() -> None:
    patiences = Patiences(
        ((path_set("/rest/api/2/search", "/export/**"), SLOW), (path_set("/export/quick", "Status.jspa"), QUICK))
    )
    found = {path: patiences.of(path) for path in ("/export/quick", "/export", "/secure/Status.jspa", "/browse/A-1")}
    assert {"/export/quick": SLOW, "/export": SLOW, "/secure/Status.jspa": QUICK, "/browse/A-1": None} == found


def test_a_connection_without_an_exchange_has_nothing_to_end() -> None:
    async def look() -> None:
        Connection(Limits(), memoryview(bytearray(1)), {}).end_if_still(1e9)  # type: ignore[arg-type]

    asyncio.run(look())
