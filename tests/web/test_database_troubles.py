"""Two gates in mid-traffic while their database is switched over to a copy, put back from a backup, or full: whoever is
signed in goes on, what ended stays ended, and it is as docs/several-instances.md says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from sidecar.flows import lineage
from tests.postgres import Server, connected, needs_postgres, server
from tests.postgres_copies import (
    CAN_MOUNT,
    DISK,
    caught_up,
    copy_of,
    cut_off,
    dumped,
    fill,
    make_room,
    needs_mount,
    on_the_small_disk,
    promote,
    put_back,
)
from tests.web.conftest import Worlds
from tests.web.pairs import PAGE, Pair, pair, signed_in
from tests.web.rig import HTML, Browser

pytestmark = needs_postgres

Cookie = tuple[str, str]


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    with server(small=DISK if CAN_MOUNT else 0) as found:
        yield found


@asynccontextmanager
async def traffic(both: Pair, cookie: Cookie) -> AsyncIterator[set[int]]:
    """Somebody who works at both gates all the time; what they were answered."""
    answered, over = set[int](), False

    async def work() -> None:
        while not over:
            for gate in both.gates:
                answered.add((await both.at(gate, PAGE, HTML, cookie)).status)
            await asyncio.sleep(0.02)

    working = asyncio.create_task(work())
    try:
        yield answered
    finally:
        over = True
        await working


async def signed_out(browser: Browser, person: str) -> Cookie:
    """Sign in and out; the cookie that somebody could have kept."""
    _ = await browser.sign_in(person)
    cookie = browser.cookie
    await browser.sign_out()
    return cookie


async def sign_in_at(both: Pair, person: str) -> int:
    """What the callback answers."""
    async with both.world.browser() as browser:
        status, place, _ = await browser.go(both.world.url + PAGE)
        assert 302 == status
        return await signed_in(browser, place, person)


async def test_a_copy_that_was_behind_takes_over_and_nobody_comes_back(worlds: Worlds) -> None:
    with server() as first, copy_of(first) as copy:
        name = await first.new_database()
        address = f"postgresql://lychgate@127.0.0.1:{first.port},127.0.0.1:{copy.port}/{name}"
        async with pair(worlds, address, postgresql={"timeout": "2s"}) as both, both.world.browser() as browser:
            ada = await both.world.sign_in("ada")
            _ = await browser.sign_in("stella")
            stella = browser.cookie
            assert (200, 200) == await both.statuses(PAGE, ada)
            assert (200, 200) == await both.statuses(PAGE, stella)
            await caught_up(first, copy)
            await cut_off(copy)
            await browser.sign_out()
            nina = await both.world.sign_in("nina")
            async with traffic(both, ada) as answered:
                # The machine is cut off: connections stay open, and nothing answers.
                first.pause()
                await promote(copy)
                await both.hear_anew()
                first.kill()
                # The copy has her session, and does not have nina's.
                assert (302, 302) == await both.statuses(PAGE, stella)
                assert (302, 302) == await both.statuses(PAGE, nina)
                assert 1 == len([event for event in both.told("session.ended") if event["facts"]["cause"] == "again"])
                again = await both.world.sign_in("nina")
                assert (200, 200) == await both.statuses(PAGE, again)
            assert {200} == answered
            assert [] == both.told("sessions.cleared")


async def test_a_backup_that_was_put_back_brings_nobody_back(worlds: Worlds, own: Server) -> None:
    name = await own.new_database()
    async with pair(worlds, own.way(name).address) as both, both.world.browser() as browser:
        ada = await both.world.sign_in("ada")
        _ = await browser.sign_in("stella")
        stella = browser.cookie
        assert (200, 200) == await both.statuses(PAGE, ada)
        backup = dumped(own, name)
        await browser.sign_out()
        async with traffic(both, ada) as answered:
            await put_back(own, name, backup)
            await both.hear_anew()
            # It is so young that all that ended since is known.
            assert (302, 302) == await both.statuses(PAGE, stella)
        assert {200} == answered
        # One of long ago, before the first beat of these gates.
        old = re.sub(r"(COPY lychgate\.pulse .*\n)t\t\d+\t.*\n", r"\1t\t0\t2020-01-01 00:00:00+00\n", backup)
        assert old != backup
        await put_back(own, name, old)
        await both.hear_anew()
        assert (302, 302) == await both.statuses(PAGE, ada)
        assert (302, 302) == await both.statuses(PAGE, stella)
        assert ("older", 2) == tuple(both.told("sessions.cleared")[0]["facts"].values())
        assert (200, 200) == await both.statuses(PAGE, await both.world.sign_in("ada"))


@needs_mount
async def test_while_the_database_is_full_people_work_and_sign_out_and_nobody_new_gets_in(
    worlds: Worlds, own: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each round wants to write.
    monkeypatch.setattr(lineage, "BEAT", 0.0)
    way = await on_the_small_disk(own)
    async with pair(worlds, way.address) as both, both.world.browser() as browser:
        ada = await both.world.sign_in("ada")
        _ = await browser.sign_in("stella")
        stella = browser.cookie
        await fill(way)
        async with traffic(both, ada) as answered:
            # A few get into what room the tables have left, and then nobody.
            assert 503 == [await sign_in_at(both, "nina") for _ in range(12)][-1]
            async with connected(way) as connection:
                kept = await connection.fetchval("SELECT count(*) FROM sessions")
            # A session can be removed without room.
            await browser.sign_out()
            assert (302, 302) == await both.statuses(PAGE, stella)
            # The gates still hear each other, and stay ready.
            await both.hear_anew()
            await both.world.gate.sessions.sweep()
        assert {200} == answered
        await make_room(way)
        assert (200, 200) == await both.statuses(PAGE, await both.world.sign_in("nina"))
        async with connected(way) as connection:
            assert kept == await connection.fetchval("SELECT count(*) FROM sessions")
