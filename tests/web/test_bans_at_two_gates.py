"""What an administrator does at one of two gates on one PostgreSQL holds at the other, pushed or asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sidecar.adapters.state.postgres import bans
from sidecar.app import Running
from sidecar.flows import others
from tests.postgres import Server, needs_postgres, server
from tests.web.commanding import done, told
from tests.web.conftest import Worlds
from tests.web.pairs import PAGE, Pair, pair, until
from tests.web.rig import HTML
from tests.web.wire import Answer

pytestmark = needs_postgres
WHY = ("--reason", "incident 7")


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    with server() as found:
        yield found


@asynccontextmanager
async def two(worlds: Worlds, database: Server, folder: Path, **settings: Any) -> AsyncIterator[Pair]:
    """Two gates, the first with a control socket."""
    way = database.way(await database.new_database())
    listen = {"control": str(folder / "control" / "gate.sock")}
    async with pair(worlds, way.address, listen=listen, **settings) as both:
        yield both


@pytest.mark.parametrize("pushed", [True, False], ids=["pushed", "asked for"])
async def test_a_block_at_one_gate_holds_at_the_other(
    worlds: Worlds, database: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushed: bool
) -> None:
    # Each way alone: what is pushed does not wait for a round, and a round does not need the push.
    monkeypatch.setattr(others, "EVERY", 300.0 if pushed else 0.2)
    if not pushed:
        monkeypatch.setattr(bans, "_TELL", "SELECT 1")
    async with two(worlds, database, tmp_path) as both:
        cookie = await both.world.sign_in("ada")
        assert (200, 200) == await both.statuses(PAGE, cookie)

        await done(both.world, "block", "ada", *WHY)

        await until(lambda: _out(both, cookie), 10)
        # The end of the session is pushed in any case, and may be there before the ban is.
        await until(lambda: _refused(both, b"blocked"), 10)
        assert "blocked" in {event["facts"]["cause"] for event in both.told("session.ended")}
        assert 2 == (await told(both.world, "status"))["bans"]["count"]

        await done(both.world, "unblock", "ada", *WHY)
        fresh = await both.world.sign_in("ada")
        await until(lambda: _served(both, fresh), 10)


async def _refused(both: Pair, reason: bytes) -> bool:
    answer = await _sign_in_at(both, both.second, "ada")
    return answer.status == 403 and reason in answer.body


async def _served(both: Pair, cookie: tuple[str, str]) -> bool:
    return (200, 200) == await both.statuses(PAGE, cookie)


async def test_sessions_ended_and_a_provider_revoked_at_one_gate_are_so_at_the_other(
    worlds: Worlds, database: Server, tmp_path: Path
) -> None:
    async with two(worlds, database, tmp_path) as both:
        for words in (("sessions", "end", "--all"), ("revoke", "person", "ada"), ("revoke", "provider", "staff")):
            # What begins in the second of a revocation is revoked too.
            both.clock.more += 2
            cookie = await both.world.sign_in("ada")
            assert (200, 200) == await both.statuses(PAGE, cookie)
            assert "1 sessions ended" in await done(both.world, *words, *WHY)
            await until(lambda cookie=cookie: _out(both, cookie), 10)  # type: ignore[misc]
        refused = await _sign_in_at(both, both.second, "ada")
        assert (403, True) == (refused.status, b"provider_revoked" in refused.body)


async def _sign_in_at(both: Pair, gate: Running, person: str) -> Answer:
    """Begin and end a sign-in at one of the gates; its answer to the callback."""
    away = await both.at(gate, PAGE, HTML)
    cookies = "; ".join(field.partition(";")[0] for field in away.headers("Set-Cookie"))
    issuer = away.location.partition("/authorize")[0]
    async with both.world.browser() as browser:
        _, _, text = await browser.go(away.location)
        interaction = text.partition('name="interaction" value="')[2].partition('"')[0]
        data = {"interaction": interaction, "person": person}
        _, callback, _ = await browser.go(f"{issuer}/choose", "POST", data=data)
    return await both.at(gate, callback.removeprefix(both.world.origin), HTML, ("Cookie", cookies))


async def _out(both: Pair, cookie: tuple[str, str]) -> bool:
    return (302, 302) == await both.statuses(PAGE, cookie)
