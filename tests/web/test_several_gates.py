"""Two gates on one PostgreSQL: people do not notice which of them they meet, nor that the database was gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest

from sidecar.adapters.key_lists import new_key, renewed
from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.postgres.database import Way
from sidecar.building.reloading import follow
from sidecar.building.storing import state_for_change
from sidecar.flows import others
from sidecar.flows.sessions import StateError
from tests.postgres import Server, connected, needs_postgres, server
from tests.upstream import scripted
from tests.web.conftest import Worlds
from tests.web.load import set_cookie, under_load
from tests.web.pairs import PAGE, Pair, is_heard, is_not_heard, pair, signed_in, until
from tests.web.rig import HTML
from tests.web.wire import Wire

pytestmark = needs_postgres


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    with server() as found:
        yield found


@asynccontextmanager
async def two(worlds: Worlds, database: Server, **settings: Any) -> AsyncIterator[tuple[Pair, Way]]:
    """Two gates on an empty database of the server."""
    way = database.way(await database.new_database())
    async with pair(worlds, way.address, **settings) as both:
        yield both, way


async def test_who_signed_in_at_one_is_served_at_the_other(worlds: Worlds, database: Server) -> None:
    async with two(worlds, database) as (both, _):
        cookie = await both.world.sign_in("ada")
        assert (200, 200) == await both.statuses(PAGE, cookie)
        assert ["ada", "ada"] == [call.username for call in both.world.arrived if call.target == PAGE][-2:]


async def test_a_sign_in_may_begin_at_one_and_end_at_the_other(worlds: Worlds, database: Server) -> None:
    async with two(worlds, database) as (both, _), both.world.browser() as browser:
        away = await both.at(both.second, PAGE, HTML)
        assert 302 == away.status
        for field in away.headers("Set-Cookie"):
            browser.session.cookie_jar.update_cookies(set_cookie(field))
        assert 200 == (await browser.choose(away.location, "ada"))[0]


async def test_a_sign_out_at_one_is_one_everywhere_at_once(
    worlds: Worlds, database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody asks the database again: what the second gate knows, it was told.
    monkeypatch.setattr(others, "EVERY", 3600.0)
    async with two(worlds, database) as (both, _), both.world.browser() as browser:
        _ = await browser.sign_in("ada")
        cookie = browser.cookie
        assert 200 == (await both.at(both.second, PAGE, HTML, cookie)).status
        await browser.sign_out()

        async def is_out() -> bool:
            return (await both.at(both.second, "/rest/api/2/myself", cookie)).status == 401

        await until(is_out, 5.0)


async def test_a_sign_out_that_was_not_heard_is_noticed_all_the_same(worlds: Worlds, database: Server) -> None:
    async with two(worlds, database) as (both, way):
        cookie = await both.world.sign_in("ada")
        assert (200, 200) == await both.statuses(PAGE, cookie)
        async with connected(way) as connection:
            # Without a word to anybody, as while the line was down.
            _ = await connection.execute("DELETE FROM sessions")

        async def are_out() -> bool:
            try:
                return (302, 302) == await both.statuses(PAGE, cookie)
            except asyncio.IncompleteReadError:
                # It ended just while this was answered, and what is open for a session ends with it.
                return False

        await until(are_out)


async def test_a_line_that_was_cut_is_not_believed_until_everything_was_asked_for(
    worlds: Worlds, database: Server
) -> None:
    async with two(worlds, database) as (both, way):
        cookie = await both.world.sign_in("ada")
        assert (200, 200) == await both.statuses(PAGE, cookie)
        # Used long ago, so that no round of every day would ask for it.
        both.clock.more = 300
        await until(lambda: is_heard(both))
        async with connected(way) as connection:
            _ = await connection.execute("DELETE FROM sessions")
            cut = await _lines(connection)
            _ = await connection.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", list(cut))

            async def are_back() -> bool:
                return len(await _lines(connection) - cut) == 2

            await until(are_back)
        await asyncio.sleep(1.0)
        # Nobody has used the session meanwhile: it is the line that made them ask.
        assert (302, 302) == await both.statuses(PAGE, cookie)


async def test_claims_are_confirmed_once_however_many_gates_want_it(worlds: Worlds, database: Server) -> None:
    async with two(worlds, database) as (both, _):
        cookie = await both.world.sign_in("ada")
        assert (200, 200) == await both.statuses(PAGE, cookie)
        both.clock.more = 1000
        await until(lambda: is_heard(both))
        before = both.world.staff.counts["token"]
        answers = await asyncio.gather(*(both.at(gate, PAGE, HTML, cookie) for gate in both.gates * 5))
        assert {200} == {answer.status for answer in answers}
        assert 1 == both.world.staff.counts["token"] - before
        assert 1 == len(both.told("session.refreshed"))


async def test_an_account_is_made_once_however_many_gates_see_the_person_first(
    worlds: Worlds, database: Server
) -> None:
    async with two(worlds, database) as (both, _), both.world.browser() as browser:
        status, place, _ = await browser.go(both.world.url + PAGE)
        assert 302 == status
        # Up to the session, and not one request further.
        _ = await signed_in(browser, place, "nina")
        cookie = browser.cookie
        answers = await asyncio.gather(*(both.at(gate, PAGE, HTML, cookie) for gate in both.gates * 5))
        assert {200} == {answer.status for answer in answers}
        made = [call for call in both.world.jira.calls if (call.method, call.target) == ("POST", "/rest/api/2/user")]
        assert 1 == len(made)
        assert 1 == len(both.told("user.created"))


async def test_while_the_database_is_gone_people_are_served_for_the_grace_and_nothing_opens(
    worlds: Worlds, database: Server
) -> None:
    async with two(worlds, database, postgresql={"timeout": "1s", "grace": "60s"}) as (both, _):
        ada, stella = await both.world.sign_in("ada"), await both.world.sign_in("stella")
        assert (200, 200) == await both.statuses(PAGE, ada)
        admin = "/secure/admin/user/UserBrowser.jspa"
        assert 200 == (await both.at(both.world.gate, admin, HTML, ada)).status
        database.kill()
        await until(lambda: is_not_heard(both))
        # Known people go on, also those who were not seen at the second gate: they are not known there.
        assert (200, 200) == await both.statuses(PAGE, ada)
        assert (200, 503) == await both.statuses(PAGE, stella)
        # Who must have signed in lately could have been signed out meanwhile.
        refused = await both.at(both.world.gate, admin, HTML, ada)
        assert (503, True) == (refused.status, b"state_unavailable" in refused.body)
        # Nobody gets in anew.
        async with both.world.browser() as browser:
            status, place, _ = await browser.go(both.world.url + PAGE)
            assert 302 == status
            assert 503 == await signed_in(browser, place, "dora")
        # Who signs out is told that not all of it could be done; it is made up for once the database is back.
        assert 503 == await _signs_out(both, stella)
        assert (503, 503) == await both.statuses(PAGE, stella)
        both.clock.more = 61
        over = await both.at(both.world.gate, PAGE, HTML, ada)
        assert (503, True) == (over.status, b"state_unavailable" in over.body)
        database.start()
        await until(lambda: is_heard(both))
        assert (200, 200) == await both.statuses(PAGE, ada)
        assert (200, 200) == await both.statuses(admin, ada)
        assert (302, 302) == await both.statuses(PAGE, stella)


async def test_a_database_that_hangs_keeps_nobody_waiting_who_is_known(worlds: Worlds, database: Server) -> None:
    async with two(worlds, database, postgresql={"timeout": "1s"}) as (both, _):
        cookie = await both.world.sign_in("ada")
        assert (200, 200) == await both.statuses(PAGE, cookie)
        database.pause()
        try:
            asked = {len(asyncio.all_tasks())}
            for _ in range(20):
                assert (200, 200) == await both.statuses(PAGE, cookie)
                asked.add(len(asyncio.all_tasks()))
            # Requests leave nothing behind that waits for the database.
            assert max(asked) - min(asked) < 20
        finally:
            database.go_on()
        await until(lambda: is_heard(both))
        assert (200, 200) == await both.statuses(PAGE, cookie)


async def test_commands_that_change_something_wait_for_the_gates_to_end(worlds: Worlds, database: Server) -> None:
    async with two(worlds, database) as (both, _):
        with pytest.raises(StateError, match="running gate"):
            async with state_for_change(both.world.loaded.config, Sealer([b"k" * 32])):
                pass


async def test_keys_change_twice_under_load_and_no_gate_meets_a_cookie_that_it_does_not_know(
    worlds: Worlds, database: Server
) -> None:
    """The file reaches the second gate minutes later, as a cluster brings it, and still before the key signs."""
    more = {"sessions": {"per_person": 1000, "recheck": "6h"}}
    async with two(worlds, database, key="second-key", more=more, postgresql={"grace": "1h", "timeout": "30s"}) as (
        both,
        _,
    ):
        first, second = both.world.folder / "cookie-key", both.world.folder / "second-key"
        follows = [
            asyncio.create_task(follow(both.world.folder / name, asyncio.Event(), gate.reloading, every=0.02))
            for name, gate in zip(("lychgate.yaml", "second.yaml"), both.gates, strict=True)
        ]

        async def renewals(number: int) -> None:
            await scripted.until(lambda: len(both.told("secrets.renewed")) == number)

        try:
            async with under_load(both.world, *both.gates) as load:
                for so_far in (0, 4):
                    await load.more()
                    _ = renewed(first, new_key("cookie"), both.clock.now(), keep=3, lead=300)
                    await renewals(so_far + 1)
                    await load.more()
                    second.write_bytes(first.read_bytes())
                    await renewals(so_far + 2)
                    await load.more()
                    # Its time has come, at one gate some moments before the other.
                    both.clock.more += 300
                    await renewals(so_far + 4)
                await load.more()
            assert {200} == {*load.answers, *load.signed_in}
            # Nobody is lost, whenever they signed in and wherever.
            assert {200} == set(await load.everybody())
            first.write_text(first.read_text("utf-8").splitlines()[1] + "\n", "utf-8")
            await renewals(9)
            # Without the first key, the first gate no longer knows who came under it; so the test is no empty one.
            assert {200, 302} == set(await load.everybody())
        finally:
            _ = [one.cancel() for one in follows]
            await asyncio.gather(*follows, return_exceptions=True)


async def _signs_out(both: Pair, cookie: tuple[str, str]) -> int:
    """At the first gate; what the form's answer is."""
    form = await both.at(both.world.gate, "/.lychgate/logout", HTML, cookie)
    token = form.text.partition('name="token" value="')[2].partition('"')[0]
    wire = await Wire.open(both.world.gate.public, both.world.host)
    try:
        kind = ("Content-Type", "application/x-www-form-urlencoded")
        origin = ("Origin", both.world.origin)
        wire.request("POST", "/.lychgate/logout", cookie, kind, origin, body=urlencode({"token": token}).encode())
        return (await wire.answer("POST")).status
    finally:
        await wire.close()


async def _lines(connection: Any) -> set[int]:
    """The processes of the database that serve the lines."""
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_is_in_recovery%'"
        " AND pid <> pg_backend_pid()"
    )
    return {row[0] for row in rows}
