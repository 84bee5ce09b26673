"""Two gates on one PostgreSQL, before a product that asks whichever of them the balancer leads it to: codes, walks and
tokens that one gate gave are good at the other, once, and for no longer than their session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import aiohttp
import pytest

from sidecar.app import Running
from sidecar.core.grants import CODE_LIFE, Grant
from sidecar.core.holders import holder_of
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import seat_of
from sidecar.flows.crowd_tokens import COOKIE
from tests.postgres import Server, needs_postgres, server
from tests.web.balancer import Balancer, balancer
from tests.web.conftest import Worlds
from tests.web.pairs import Pair, pair, until
from tests.web.rig import HTML, LANDING, free_port
from tests.web.test_headless import BACK, PATH, START, WHO, cookie_of

pytestmark = needs_postgres

AUTHORIZE = "/.lychgate/authorize"


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    with server() as found:
        yield found


@dataclass(slots=True)
class Site:
    """Two gates, and the balancer in front of their landing listeners."""

    both: Pair
    balancer: Balancer
    ports: tuple[int, int]

    def lead_to(self, which: int) -> None:
        """The product's next question goes to that gate."""
        self.balancer.to = self.ports[which]

    async def page(self, which: int, target: str, *fields: tuple[str, str]) -> Any:
        """A navigation at a gate."""
        return await self.both.at(self.both.gates[which], target, HTML, *fields)

    async def redeem(self, which: int, code: str) -> tuple[int, Any]:
        """As the product, at a gate's own listener."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.both.world.url + BACK}
        return await self._ask(which, "POST", "/jira/token", data=form)

    async def whose(self, which: int, token: str) -> int:
        """Whether a token of Crowd's stands for somebody there."""
        return (await self._ask(which, "GET", f"/jira/rest/usermanagement/1/session/{token}"))[0]

    async def users(self, which: int) -> list[str]:
        """All names in the directory, as a gate tells them."""
        path = "/jira/rest/usermanagement/1/search?entity-type=user&max-results=-1"
        return sorted(user["name"] for user in (await self._ask(which, "POST", path, data=b""))[1]["users"])

    async def userinfo(self, which: int, token: str) -> int:
        """Whether an access token speaks of somebody there."""
        fields = {"Authorization": f"Bearer {token}"}
        return (await self._ask(which, "GET", "/jira/userinfo", headers=fields))[0]

    async def _ask(self, which: int, method: str, path: str, **options: Any) -> tuple[int, Any]:
        basic = aiohttp.encode_basic_auth("lychgate", quote_plus(LANDING))
        headers = {"Accept": "application/json", "Authorization": basic, **options.pop("headers", {})}
        if "usermanagement" in path:
            headers["Authorization"] = aiohttp.encode_basic_auth("lychgate", LANDING)
        url = f"http://127.0.0.1:{self.ports[which]}{path}"
        async with aiohttp.ClientSession() as client, client.request(method, url, headers=headers, **options) as answer:
            return answer.status, await answer.json() if "json" in answer.headers.get("Content-Type", "") else None


@asynccontextmanager
async def site(worlds: Worlds, database: Server, **settings: Any) -> AsyncIterator[Site]:
    ports = free_port(), free_port()

    def otherwise(text: Any) -> None:
        text["listen"]["landing"] = f"127.0.0.1:{ports[1]}"
        # A change of keys that is half-way: both know both, and each signs with another one.
        text["cookie_keys"] = ["env://LYCHGATE_KEY_2", "env://LYCHGATE_KEY_1"]

    way = database.way(await database.new_database())
    listen, keys = (
        {"landing": f"127.0.0.1:{ports[0]}"},
        {"cookie_keys": ["env://LYCHGATE_KEY_1", "env://LYCHGATE_KEY_2"]},
    )
    wanted = {"balanced": True, "listen": listen, "more": keys, "agents": {}, **settings}
    async with (
        pair(worlds, way.address, otherwise, **wanted) as both,
        balancer(both.world.site.landing_port, ports[0]) as leads,
    ):
        yield Site(both, leads, ports)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LYCHGATE_KEY_1", "the first key of two, in the middle of a change of keys")
    monkeypatch.setenv("LYCHGATE_KEY_2", "another one, which the second gate signs and seals with")


def landing_of(gate: Running) -> Any:
    return gate.gateway._forwarding._applications["jira"].landing


async def code_at(both: Pair, gate: Running) -> str:
    """A code for the only session, as a gate gives it."""
    (entry,) = both.world.gate.sessions._entries.values()
    dance = landing_of(gate)._dance_at("")
    grant = Grant(
        client=dance._floor.client, nonce="n", challenge=None, username="ada", subject="s", auth_time=None, name="",
        email="", holder=holder_of(entry.session), ends_at=UnixSeconds(both.clock.now() + CODE_LIFE),
    )  # fmt: skip
    return str(dance._codes.issue(grant))


async def is_kept(both: Pair, gate: Running, person: str) -> None:
    """Return once the store has the application's cookies of somebody whom that gate has landed."""
    (key,) = [key for key, one in gate.sessions._entries.items() if one.session.jars.get(seat_of("", person))]

    async def kept() -> bool:
        stored = await both.world.gate.state.sessions.get(key)
        return stored is not None and bool(stored[0].jars.get(seat_of("", person)))

    await until(kept)


async def test_a_code_is_redeemed_at_whichever_gate_once_and_no_longer_than_its_session(
    worlds: Worlds, database: Server
) -> None:
    async with site(worlds, database, proof="sso") as found:
        both = found.both
        # Each gate walks, and the product redeems at the other one.
        for walks, person in ((0, "ada"), (1, "nina")):
            found.lead_to(1 - walks)
            cookie = await cookie_of(both.world, person)
            assert 200 == (await found.page(walks, PATH, cookie)).status
            assert [found.ports[1 - walks]] == sorted(set(found.balancer.led))
            found.balancer.led.clear()
            assert person == both.world.arrived[-1].username
            # What came of it is soon in the session, and good at the other gate without another dance.
            await is_kept(both, both.gates[walks], person)
            assert 200 == (await found.page(1 - walks, PATH, cookie)).status
            assert [] == found.balancer.led
        assert [] == both.told("landing.failed")
        for gate in both.gates:
            for entry in list(both.world.gate.sessions._entries.values()):
                _ = await gate.sessions.end(entry.session.key, "test")
        async with both.world.browser() as browser:
            _ = await browser.sign_in("ada")
            # One use at each gate at the same time.
            for turn in range(6):
                code = await code_at(both, both.gates[turn % 2])
                answers = await asyncio.gather(found.redeem(0, code), found.redeem(1, code))
                assert [200, 400] == sorted(status for status, _ in answers)
                token = next(body["access_token"] for status, body in answers if status == 200)
                # And the second one spoils what came of the first, everywhere.
                assert [401, 401] == [await found.userinfo(which, token) for which in (0, 1)]
            first, second, third = [await code_at(both, both.world.gate) for _ in range(3)]
            _, body = await found.redeem(1, first)
            assert [200, 200] == [await found.userinfo(which, body["access_token"]) for which in (0, 1)]
            await browser.sign_out()
        # At once: what is asked is the store.
        assert 400 == (await found.redeem(1, second))[0]
        assert 400 == (await found.redeem(0, third))[0]
        assert [401, 401] == [await found.userinfo(which, body["access_token"]) for which in (0, 1)]


async def test_a_walk_may_begin_at_one_gate_and_end_at_the_other(worlds: Worlds, database: Server) -> None:
    async with site(worlds, database, proof="sso", walks="browser") as found:
        both = found.both
        cookie = await cookie_of(both.world)
        # The second gate knows the session already, as it was before.
        assert 401 == (await both.at(both.second, WHO, cookie)).status
        for first in (0, 1):
            found.lead_to(first)
            target, steps = PATH, []
            for step in range(5):
                which = (first + step) % 2
                if step == 2:
                    # Whoever comes meanwhile waits, at whichever gate.
                    waiting = [asyncio.create_task(both.at(gate, WHO, cookie)) for gate in both.gates]
                answer = await found.page(which, target, cookie)
                if answer.status == 200:
                    break
                assert 303 == answer.status, (step, answer.text)
                target = (answer.header("Location") or "").removeprefix(both.world.origin)
                steps.append(target.partition("?")[0])
            assert [START, AUTHORIZE, BACK, PATH] == steps and 200 == answer.status
            assert [200, 200] == [(await one).status for one in waiting]
            (entry,) = both.world.gate.sessions._entries.values()
            assert entry.session.walk is not None and entry.session.walk.over
            # Thrown away, to walk once more.
            await landing_of(both.world.gate)._forget(holder_of(entry.session))
            key = entry.session.key

            async def is_heard(key: str = key) -> bool:
                return not both.second.sessions._entries[key].session.jars.get(seat_of("", "ada"))

            await until(is_heard)
        assert [] == both.told("landing.failed")


async def test_a_walk_ends_with_its_session_at_both_gates(worlds: Worlds, database: Server) -> None:
    async with site(worlds, database, proof="sso", walks="browser") as found, found.both.world.browser() as browser:
        _, place, _ = await browser.go(found.both.world.url + PATH)
        _, _, text = await browser.go(place)
        data = {"interaction": text.partition('name="interaction" value="')[2].partition('"')[0], "person": "ada"}
        _, then, _ = await browser.go(f"{place.partition('/authorize')[0]}/choose", "POST", data=data)
        _ = await browser.go(then)
        cookie, target = browser.cookie, PATH
        for which in (0, 1, 0):
            answer = await found.page(which, target, cookie)
            target = (answer.header("Location") or "").removeprefix(found.both.world.origin)
        assert BACK == target.partition("?")[0]
        await browser.sign_out()
        for which in (1, 0):
            assert 403 == (await found.page(which, target, cookie)).status
        assert not [call for call in found.both.world.arrived if call.target.startswith(BACK)]


async def test_a_token_of_crowd_is_good_at_both_gates_and_dead_at_both_with_its_session(
    worlds: Worlds, database: Server
) -> None:
    async with site(worlds, database, proof="crowd") as found, found.both.world.browser() as browser:
        both = found.both
        found.lead_to(1)
        _ = await browser.sign_in("ada")
        assert [found.ports[1]] == sorted(set(found.balancer.led)) and "ada" == both.world.arrived[-1].username
        (entry,) = both.world.gate.sessions._entries.values()
        token = dict(entry.session.jars[seat_of("", "ada")])[COOKIE]
        assert [200, 200] == [await found.whose(which, token) for which in (0, 1)]
        # The other gate makes none of its own.
        await is_kept(both, both.world.gate, "ada")
        cookie = browser.cookie
        assert 200 == (await found.page(1, PATH, cookie)).status
        theirs = both.second.sessions._entries[entry.session.key].session.jars
        assert token == dict(theirs[seat_of("", "ada")])[COOKIE]
        await browser.sign_out()
        assert 404 == await found.whose(0, token)

        async def is_dead() -> bool:
            return await found.whose(1, token) == 404

        await until(is_dead, 5.0)


async def test_a_directory_is_one_whichever_gate_writes_it_and_whichever_the_product_asks(
    worlds: Worlds, database: Server
) -> None:
    more = {"crowd": {"directory": True}, "accounts": {"directory": True}, "support": {"usernames": {}}}
    async with site(worlds, database, proof="crowd", **more) as found:
        # Made ready by one gate, asked for at the other, at once.
        for which, person in ((0, "nina"), (1, "dora")):
            found.lead_to(1 - which)
            cookie = await cookie_of(found.both.world, person)
            assert 200 == (await found.page(which, PATH, cookie)).status
            assert (person, "crowd") == (found.both.world.arrived[-1].username, found.both.world.arrived[-1].how)
            assert {"jira-software-users"} == found.both.world.jira.state.users[person].groups
        assert [["dora", "nina"]] * 2 == [await found.users(which) for which in (0, 1)]
