"""Landing where the browser walks, at an application with several nodes: a walk stays at one, and survives its loss."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sidecar.core.grants import Redemption
from sidecar.domain.session import seat_of
from tests.web.several import Several, several
from tests.web.test_browser_landing import AUTHORIZE, landing_of, led_to, step, walk_to, walks_of
from tests.web.test_headless import BACK, PATH, START, cookie_of, entry_of


def _steps(site: Several) -> list[tuple[str, str]]:
    """Node and path of every step that was taken at the product, node by node."""
    calls = [(name, call.target.partition("?")[0]) for name, calls in site.seen for call in calls]
    return [(name, path) for name, path in calls if path in {START, BACK}]


async def test_a_walk_stays_at_the_node_where_it_started(tmp_path: Path) -> None:
    async with several(tmp_path, "a", "b", "c", walks="browser") as site:
        world = site.world
        cookie = await cookie_of(world)
        question = await walk_to(world, cookie, PATH, stop=AUTHORIZE)
        ((home, _),) = _steps(site)
        # Another node is the session's from now on; the one of the walk answers still.
        site.nodes[home].fail_next("/status", 200, '{"state": "MAINTENANCE"}', times=2)
        await site.look()
        assert home != site.parts.of(entry_of(world).session.key).name
        back = await walk_to(world, cookie, question, stop=BACK)
        assert PATH == led_to(world, await step(world, cookie, back))
        assert [(home, START), (home, BACK)] == _steps(site)
        assert [seat_of(_name(site, home), "ada")] == [*entry_of(world).session.jars]
        # The node of now does not know the person: it is walked there too, and nothing goes up before.
        assert PATH == await walk_to(world, cookie, PATH)
        ((node, name),) = site.served(PATH)
        assert (True, "ada", []) == (node != home, name, world.told("landing.failed"))


def _name(site: Several, name: str) -> str:
    """As the gate calls that node."""
    return f"127.0.0.1:{site.ports[name]}"


def _walked_at(site: Several) -> str:
    """The node of the only walk that is under way."""
    (walk,) = walks_of(site.world)
    (found,) = [name for name in site.ports if _name(site, name) == walk.node]
    return found


@pytest.mark.parametrize("vanished", [False, True])
async def test_a_walk_whose_node_is_lost_before_it_has_the_code_starts_anew(tmp_path: Path, vanished: bool) -> None:
    async with several(tmp_path, "a", "b", "c", walks="browser") as site:
        world = site.world
        cookie = await cookie_of(world)
        back = await walk_to(world, cookie, PATH, stop=BACK)
        home = _walked_at(site)
        await site.end(home)
        if vanished:
            # Nobody knows the way to it any more, as where the nodes of a name became fewer.
            site.parts._use({name: None for name in site.parts._watched if name != _name(site, home)})
        assert START == led_to(world, await step(world, cookie, back))
        assert [(home, START)] == _steps(site)
        landing, code = landing_of(world), parse_qs(urlsplit(back).query)["code"][0]
        client = landing._client
        assert None is await landing._codes.redeem(client, Redemption(code, client.redirect_uri, None))
        # Its code is of no use at any other node.
        answer = await step(world, cookie, back)
        assert (403, True) == (answer.status, "closed_path" in answer.text)
        assert PATH == await walk_to(world, cookie, START)
        ((node, name),) = site.served(PATH)
        assert (True, "ada") == (node != home, name)
        assert sorted([(home, START), (node, START), (node, BACK)]) == sorted(_steps(site))
        assert [] == world.told("landing.failed")


async def test_a_walk_whose_nodes_are_lost_again_and_again_is_no_circle(tmp_path: Path) -> None:
    async with several(tmp_path, "a", "b", "c", walks="browser") as site:
        world = site.world
        cookie = await cookie_of(world)
        start = await walk_to(world, cookie, PATH, stop=START)
        # Before the product begins nobody notices the loss; that was the one time.
        first = _walked_at(site)
        await site.end(first)
        back = await walk_to(world, cookie, start, stop=BACK)
        second = _walked_at(site)
        await site.end(second)
        answer = await step(world, cookie, back)
        assert (503, True) == (answer.status, "upstream_unreachable" in answer.text), answer.text
        assert [] == walks_of(world)
        # The next page begins another walk, where somebody is left.
        assert PATH == await walk_to(world, cookie, PATH)
        ((third, name),) = site.served(PATH)
        assert ({"a", "b", "c"}, "ada") == ({first, second, third}, name)
