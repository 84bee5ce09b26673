"""Two gates on one PostgreSQL: people do not notice which of them they meet, nor that the database was gone."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from sidecar.adapters.seal import Sealer
from sidecar.app import Running, running
from sidecar.building.storing import state_for_change
from sidecar.config.load import load
from sidecar.domain.identity import UnixSeconds
from sidecar.flows import others
from sidecar.flows.sessions import StateError
from tests.postgres import Server, connected, needs_postgres, server
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World, free_port
from tests.web.wire import Answer, Wire

pytestmark = needs_postgres

PAGE = "/browse/KEY-1"
FRESH = {"paths": ["/secure/admin/**"], "fresh": "30m", "require": {"any_group": ["okta-jira-users"]}}


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    with server() as found:
        yield found


@dataclass(slots=True)
class Ahead:
    """The real time, and what the test adds to it."""

    more: int = 0

    def now(self) -> UnixSeconds:
        return UnixSeconds(int(time.time()) + self.more)

    def monotonic(self) -> float:
        return time.monotonic() + self.more


@dataclass(slots=True)
class Pair:
    """A world whose gate has a second one beside it."""

    world: World
    second: Running
    said: io.StringIO
    name: str
    clock: Ahead

    async def at(self, gate: Running, target: str, *fields: tuple[str, str], method: str = "GET") -> Answer:
        """Ask one of them."""
        wire = await Wire.open(gate.public, self.world.host)
        try:
            wire.request(method, target, *fields)
            return await wire.answer(method)
        finally:
            await wire.close()

    async def statuses(self, target: str, *fields: tuple[str, str]) -> tuple[int, int]:
        """What both answer."""
        first, second = [await self.at(gate, target, HTML, *fields) for gate in self.gates]
        return first.status, second.status

    @property
    def gates(self) -> tuple[Running, Running]:
        return self.world.gate, self.second

    def told(self, code: str) -> list[dict[str, Any]]:
        """What both audit trails say of a code."""
        lines = [json.loads(line) for line in self.said.getvalue().splitlines()]
        return self.world.told(code) + [line for line in lines if line["code"] == code]


@asynccontextmanager
async def pair(worlds: Worlds, database: Server, **settings: Any) -> AsyncIterator[Pair]:
    name, clock = await database.new_database(), Ahead()
    world = await worlds(
        state=database.way(name).address, clock=clock, proof="secret", agents={"rules": [FRESH]}, **settings
    )
    text = json.loads((world.folder / "lychgate.yaml").read_text(encoding="utf-8"))
    text["listen"]["public"] = f"127.0.0.1:{free_port()}"
    path = world.folder / "second.yaml"
    path.write_text(json.dumps(text), encoding="utf-8")
    said = io.StringIO()
    async with running(load(path, serving=True), audit=said, clock=clock) as second:
        yield Pair(world, second, said, name, clock)


async def until(done: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    """Wait for something that is only a question of time."""
    for _ in range(int(seconds / 0.1)):
        if await done():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen")


async def test_who_signed_in_at_one_is_served_at_the_other(worlds: Worlds, database: Server) -> None:
    async with pair(worlds, database) as both:
        cookie = await both.world.sign_in("ada")
        assert (200, 200) == await both.statuses(PAGE, cookie)
        assert ["ada", "ada"] == [call.username for call in both.world.arrived if call.target == PAGE][-2:]


async def test_a_sign_in_may_begin_at_one_and_end_at_the_other(worlds: Worlds, database: Server) -> None:
    async with pair(worlds, database) as both, both.world.browser() as browser:
        away = await both.at(both.second, PAGE, HTML)
        assert 302 == away.status
        for field in away.headers("Set-Cookie"):
            browser.session.cookie_jar.update_cookies(_cookie(field))
        assert 200 == (await browser.choose(away.location, "ada"))[0]


async def test_a_sign_out_at_one_is_one_everywhere_at_once(
    worlds: Worlds, database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody asks the database again: what the second gate knows, it was told.
    monkeypatch.setattr(others, "EVERY", 3600.0)
    async with pair(worlds, database) as both, both.world.browser() as browser:
        _ = await browser.sign_in("ada")
        cookie = browser.cookie
        assert 200 == (await both.at(both.second, PAGE, HTML, cookie)).status
        await browser.sign_out()

        async def is_out() -> bool:
            return (await both.at(both.second, "/rest/api/2/myself", cookie)).status == 401

        await until(is_out, 5.0)


async def test_a_sign_out_that_was_not_heard_is_noticed_all_the_same(worlds: Worlds, database: Server) -> None:
    async with pair(worlds, database) as both:
        cookie = await both.world.sign_in("ada")
        assert (200, 200) == await both.statuses(PAGE, cookie)
        async with connected(database.way(both.name)) as connection:
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
    async with pair(worlds, database) as both:
        cookie = await both.world.sign_in("ada")
        assert (200, 200) == await both.statuses(PAGE, cookie)
        # Used long ago, so that no round of every day would ask for it.
        both.clock.more = 300
        await until(lambda: _is_heard(both))
        async with connected(database.way(both.name)) as connection:
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
    async with pair(worlds, database) as both:
        cookie = await both.world.sign_in("ada")
        assert (200, 200) == await both.statuses(PAGE, cookie)
        both.clock.more = 1000
        await until(lambda: _is_heard(both))
        before = both.world.staff.counts["token"]
        answers = await asyncio.gather(*(both.at(gate, PAGE, HTML, cookie) for gate in both.gates * 5))
        assert {200} == {answer.status for answer in answers}
        assert 1 == both.world.staff.counts["token"] - before
        assert 1 == len(both.told("session.refreshed"))


async def test_an_account_is_made_once_however_many_gates_see_the_person_first(
    worlds: Worlds, database: Server
) -> None:
    async with pair(worlds, database) as both, both.world.browser() as browser:
        status, place, _ = await browser.go(both.world.url + PAGE)
        assert 302 == status
        # Up to the session, and not one request further.
        _ = await _signed_in(browser, place, "nina")
        cookie = browser.cookie
        answers = await asyncio.gather(*(both.at(gate, PAGE, HTML, cookie) for gate in both.gates * 5))
        assert {200} == {answer.status for answer in answers}
        made = [call for call in both.world.jira.calls if (call.method, call.target) == ("POST", "/rest/api/2/user")]
        assert 1 == len(made)
        assert 1 == len(both.told("user.created"))


async def test_while_the_database_is_gone_people_are_served_for_the_grace_and_nothing_opens(
    worlds: Worlds,
) -> None:
    with server() as own:
        async with pair(worlds, own, postgresql={"timeout": "1s", "grace": "60s"}) as both:
            ada, stella = await both.world.sign_in("ada"), await both.world.sign_in("stella")
            assert (200, 200) == await both.statuses(PAGE, ada)
            admin = "/secure/admin/user/UserBrowser.jspa"
            assert 200 == (await both.at(both.world.gate, admin, HTML, ada)).status
            own.kill()
            await until(lambda: _is_not_heard(both))
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
                assert 503 == await _signed_in(browser, place, "dora")
            both.clock.more = 61
            over = await both.at(both.world.gate, PAGE, HTML, ada)
            assert (503, True) == (over.status, b"state_unavailable" in over.body)
            own.start()
            await until(lambda: _is_heard(both))
            assert (200, 200) == await both.statuses(PAGE, ada)
            assert (200, 200) == await both.statuses(admin, ada)


async def test_a_database_that_hangs_keeps_nobody_waiting_who_is_known(worlds: Worlds) -> None:
    with server() as own:
        async with pair(worlds, own, postgresql={"timeout": "1s"}) as both:
            cookie = await both.world.sign_in("ada")
            assert (200, 200) == await both.statuses(PAGE, cookie)
            own.pause()
            try:
                asked = {len(asyncio.all_tasks())}
                for _ in range(20):
                    assert (200, 200) == await both.statuses(PAGE, cookie)
                    asked.add(len(asyncio.all_tasks()))
                # Requests leave nothing behind that waits for the database.
                assert max(asked) - min(asked) < 20
            finally:
                own.go_on()
            await until(lambda: _is_heard(both))
            assert (200, 200) == await both.statuses(PAGE, cookie)


async def test_commands_that_change_something_wait_for_the_gates_to_end(worlds: Worlds, database: Server) -> None:
    async with pair(worlds, database) as both:
        with pytest.raises(StateError, match="running gate"):
            async with state_for_change(both.world.loaded.config, Sealer([b"k" * 32])):
                pass


async def _lines(connection: Any) -> set[int]:
    """The processes of the database that serve the lines."""
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_is_in_recovery%'"
        " AND pid <> pg_backend_pid()"
    )
    return {row[0] for row in rows}


def _cookie(field: str) -> dict[str, str]:
    name, _, value = field.partition(";")[0].partition("=")
    return {name: value}


async def _signed_in(browser: Any, place: str, person: str) -> int:
    """Through the provider and the callback; the status of the callback's answer."""
    issuer = place.partition("/authorize")[0]
    _, _, text = await browser.go(place)
    interaction = text.partition('name="interaction" value="')[2].partition('"')[0]
    _, callback, _ = await browser.go(f"{issuer}/choose", "POST", data={"interaction": interaction, "person": person})
    return int((await browser.go(callback))[0])


async def _is_heard(both: Pair) -> bool:
    return all(gate.sessions.is_vouched_for(both.clock.now()) for gate in both.gates)


async def _is_not_heard(both: Pair) -> bool:
    return not any(gate.sessions.is_vouched_for(both.clock.now()) for gate in both.gates)
