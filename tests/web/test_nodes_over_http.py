"""An application with several nodes: who sits where, stays there, and moves when the node is lost; never as somebody
else, and never with a request lost that was not yet sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from sidecar.flows.nodes import Node
from sidecar.upstream.nodes import Nodes
from tests.web.conftest import Worlds
from tests.web.lanes import BROWSER, signed_in, watched
from tests.web.rig import MACHINES
from tests.web.several import Several, several
from tests.web.test_headless import BACK, PATH, WHO, cookie_of

ECHO = "/plugins/servlet/demo/echo"
NAMES = ("a", "b", "c")
MAKE = ("POST", "/rest/api/2/user")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Several]:
    async with several(tmp_path, *NAMES) as made:
        yield made


async def _seat(site: Several, cookie: tuple[str, str]) -> str:
    """The node on which that person is served."""
    mark = f"{ECHO}?{len(site.world.audit.getvalue())}-{sum(len(calls) for _, calls in site.seen)}"
    answer = await site.world.ask("POST", mark, cookie, body=b"x")
    assert 200 == answer.status, answer.text
    ((name, _),) = site.served(mark)
    return name


def _asked(site: Several, target: str) -> list[str]:
    return [name for name, calls in site.seen for call in calls if call.target.partition("?")[0] == target]


async def test_a_person_stays_on_a_node_and_the_loss_of_one_moves_only_its_people(site: Several) -> None:
    world = site.world
    cookies = {}
    for number in range(4):
        for person in ("ada", "nina"):
            cookies[person, number] = await cookie_of(world, person)
    for _ in range(3):
        for (person, _number), cookie in cookies.items():
            assert f'"name":"{person}"' in (await world.ask("GET", WHO, cookie)).text
    before = {}
    for who, cookie in cookies.items():
        mark = f"{ECHO}?{who[0]}{who[1]}"
        assert 200 == (await world.ask("POST", mark, cookie, body=b"x")).status
        ((before[who], name),) = site.served(mark)
        assert who[0] == name
    # Each landed once, on its own node.
    assert len(cookies) == len(_asked(site, BACK))
    gone = before["ada", 0]
    await site.end(gone)
    for who, cookie in cookies.items():
        # What cannot be sent twice goes through as well: it was not sent to the node that is gone.
        mark = f"{ECHO}?again{who[0]}{who[1]}"
        assert (who, 200) == (who, (await world.ask("POST", mark, cookie, body=b"x")).status)
        ((now, name),) = site.served(mark)
        assert who[0] == name and (now == before[who]) == (before[who] != gone) and now != gone
    # It comes back, and so do they; it has forgotten them, and nobody notices.
    await site.begin(gone)
    await site.look()
    for who, cookie in cookies.items():
        mark = f"{ECHO}?back{who[0]}{who[1]}"
        assert (who, 200) == (who, (await world.ask("POST", mark, cookie, body=b"x")).status)
        assert [(before[who], who[0])] == site.served(mark)
    assert [] == world.told("landing.failed") + world.told("landing.mismatch")


async def test_a_node_that_does_not_say_running_gets_nobody(site: Several) -> None:
    cookie = await cookie_of(site.world)
    seat = await _seat(site, cookie)
    line = f'lychgate_upstream_node_serving{{node="jira/127.0.0.1:{site.ports[seat]}"}}'
    for word in ("STARTING", "MAINTENANCE", "ERROR", "FIRST_RUN"):
        site.nodes[seat].fail_next("/status", 200, f'{{"state": "{word}"}}', times=2)
        await site.look()
        assert (word, True) == (word, seat != await _seat(site, cookie))
        assert f"{line} 0" in site.world.gate.metrics.render()[1].decode()
        assert (200, True) == await _status(site)
        await site.look()
        assert (word, seat) == (word, await _seat(site, cookie))
        assert f"{line} 1" in site.world.gate.metrics.render()[1].decode()
    assert [] == site.world.told("landing.failed")


async def _status(site: Several) -> tuple[int, bool]:
    """The status of `/upstream-status`, and whether it says that the application serves."""
    async with aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{site.world.gate.operations}/upstream-status"
        async with client.get(url) as answer:
            return answer.status, "RUNNING" in await answer.text()


async def test_with_one_node_nobody_asks_which(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick way costs what it did: one attribute is read, and no function called."""

    def asked(*_: object) -> Node:
        raise AssertionError("somebody asked")

    for name in ("of", "any", "of_client"):
        monkeypatch.setattr(Nodes, name, asked)
    world, seen = await worlds(), watched(monkeypatch)
    cookie = await signed_in(world)
    taken = seen.taken
    async with world.wire() as wire:
        for _ in range(3):
            wire.request("GET", PATH, *BROWSER, cookie)
            assert 200 == (await wire.answer("GET")).status
    assert taken + 3 == seen.taken
    assert 200 == (await world.ask("GET", WHO, ("Authorization", f"Bearer {MACHINES}"))).status
    assert [] == [call for call in world.jira.calls if call.target == "/status"]


async def test_one_lost_answer_moves_nobody(site: Several) -> None:
    cookie = await cookie_of(site.world)
    seat = await _seat(site, cookie)
    site.nodes[seat].cut_next("/status")
    await site.parts._ask_all()
    assert seat == await _seat(site, cookie)


async def test_with_all_nodes_lost_there_is_a_page_and_no_loop(site: Several) -> None:
    cookie = await cookie_of(site.world)
    assert 200 == (await site.world.page(PATH, cookie)).status
    for name in NAMES:
        await site.end(name)
    answer = await site.world.page(PATH, cookie)
    assert 503 == answer.status and "upstream_unreachable" in answer.text
    await site.look()
    assert (503, False) == await _status(site)
    await site.begin("b")
    await site.look()
    assert 200 == (await site.world.page(PATH, cookie)).status


async def test_a_program_stays_on_a_node_and_strangers_go_round(site: Several) -> None:
    world = site.world
    for _ in range(6):
        answer = await world.ask("GET", WHO, ("Authorization", f"Bearer {MACHINES}"))
        assert 200 == answer.status
        await world.ask("GET", "/images/icon.png")
    # Lychgate's own question, whose the token is, goes to any node, and is nobody's request.
    programs = [
        name
        for name, calls in site.seen
        for call in calls
        if call.header("Authorization") == f"Bearer {MACHINES}" and call.header("X-Forwarded-Proto")
    ]
    assert (6, 1) == (len(programs), len(set(programs)))
    assert set(NAMES) == set(_asked(site, "/images/icon.png"))
    # What is remembered of a program is a keyed hash.
    assert MACHINES not in repr(list(site.parts._chosen))


def _new(site: Several) -> list[str]:
    """At which nodes accounts were made, or tried to be."""
    return [name for name, calls in site.seen for call in calls if (call.method, call.target) == MAKE]


@pytest.mark.parametrize("trouble", ["gone", "MAINTENANCE"])
async def test_the_loss_of_the_first_node_stops_no_account_from_being_made(site: Several, trouble: str) -> None:
    world, state = site.world, site.world.jira.state
    first, second, _ = NAMES
    if trouble == "gone":
        # Nobody has noticed yet: the call itself finds no connection.
        await site.end(first)
    else:
        site.nodes[first].fail_next("/status", 200, f'{{"state": "{trouble}"}}', times=2)
        site.nodes[first].fail_next("/rest/", 503, times=99)
        await site.look()
    assert None is state.find("nina")
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("nina")
        assert 200 == status, text
    made = state.find("nina")
    assert made is not None and {"jira-software-users"} == made.groups
    assert [second] == _new(site)
    assert [] == [call for name, calls in site.seen if name == first for call in calls if "/rest/" in call.target]


async def test_accounts_are_made_at_the_first_node_and_there_alone(site: Several) -> None:
    """So that a second question knows what the first one wrote."""
    async with site.world.browser() as browser:
        assert 200 == (await browser.sign_in("nina"))[0]
    assert ["a"] == _new(site)
    token = f"Bearer {site.world.token}"
    asked = {name for name, calls in site.seen for call in calls if call.header("Authorization") == token}
    assert {"a"} == asked


async def test_with_the_gate_as_crowd_server_people_are_themselves_at_every_node(tmp_path: Path) -> None:
    async with several(tmp_path, "a", "b", proof="crowd") as site:
        world, cookies = site.world, {}
        for number in range(3):
            for person in ("ada", "nina"):
                cookies[person, number] = await cookie_of(world, person)
        gone = ""
        for turn in ("first", "again", "lost", "back"):
            if turn == "lost":
                gone = await _seat(site, cookies["ada", 0])
                await site.end(gone)
            elif turn == "back":
                # It has forgotten everybody, and numbers its sessions as it likes.
                await site.begin(gone)
                await site.look()
            for (person, number), cookie in cookies.items():
                mark = f"{ECHO}?{turn}{person}{number}"
                assert 200 == (await world.ask("POST", mark, cookie, body=b"x")).status
                ((node, name),) = site.served(mark)
                assert (person, turn != "lost" or node != gone) == (name, True)
        # With its session a token ends at every node, whatever they heard of it before.
        sent = {call.header("Cookie") or "" for _, calls in site.seen for call in calls if call.username == "ada"}
        tokens = {part for cookie in sent for part in cookie.split("; ") if part.startswith("crowd.token_key=")}
        for entry in list(world.gate.sessions._entries.values()):
            await world.gate.sessions.end(entry.session.key, "revoked")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
            for node in site.nodes.values():
                for token in tokens:
                    async with client.get(node.origin + WHO, headers={"Cookie": token}) as answer:
                        assert 401 == answer.status
        assert tokens
        assert [] == world.told("landing.failed") + world.told("landing.mismatch")
