"""adapters.state.postgres.hosts: a host that hangs does not use up the time of the one that serves."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.adapters.state.postgres.database import Way, pooled
from sidecar.adapters.state.postgres.hosts import Hosts, one_by_one
from sidecar.flows.session_ports import StateError
from tests.postgres import PASSWORD, Server, connected, needs_postgres


def test_an_address_is_taken_apart() -> None:
    assert (
        "postgresql://l%40x@db1/l",
        "postgresql://l%40x@db2:5433/l",
        "postgresql://l%40x@[::1]:5432/l",
    ) == one_by_one("postgresql://l%40x@db1,db2:5433,[::1]:5432/l")


@needs_postgres
async def test_a_host_that_answers_nothing_is_passed_over_and_asked_last(postgres: Server) -> None:
    asked = 0

    def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writers.append(writer)

    writers = list[asyncio.StreamWriter]()
    name = await postgres.new_database()
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as hung:
        port = hung.sockets[0].getsockname()[1]
        address = f"postgresql://lychgate@127.0.0.1:{port},127.0.0.1:{postgres.port}/{name}"
        hosts = Hosts(address, 1.0)
        for _ in range(3):
            connection = await hosts.connect(password=PASSWORD, ssl=False)
            await connection.close()
        assert 1 == asked
        async with pooled(Way(address=address, password=PASSWORD, timeout=2.0), None) as (database, _):
            assert 1 == (await database.rows("SELECT 1 AS one"))[0]["one"]
        assert 2 == asked
        for writer in writers:
            writer.close()


@needs_postgres
async def test_where_only_copies_are_left_it_is_said(postgres: Server) -> None:
    hosts = f"127.0.0.1:{postgres.port},localhost:{postgres.port}"
    name = await postgres.new_database()
    # As a copy says of itself, and every session that may not write.
    way = Way(address=f"postgresql://lychgate@{hosts}/{name}", password=PASSWORD, timeout=4.0)
    async with connected(postgres.way("postgres")) as connection:
        _ = await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(StateError, match="each is a copy, or away"):
        async with pooled(way, None) as (database, _):
            _ = await database.rows("SELECT 1")
