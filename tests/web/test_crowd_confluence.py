"""Confluence lands people by the gate's tokens, as Jira does: every kind of first request, never as somebody else, and
nobody once the session is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from sidecar.demo.confluence import ConfluenceConfig, ConfluenceState, serve_confluence
from sidecar.demo.jira import CrowdConfig
from sidecar.demo.jira.sso_memory import SsoMemory
from sidecar.flows.crowd_landing import COOKIE
from tests.web.rig import LANDING, Site, free_port, world
from tests.web.test_headless_confluence import PAGE, Scene, first_requests


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        (tmp_path / "landing").touch(mode=0o600)
        (tmp_path / "landing").write_text(LANDING, encoding="ascii")
        port, landing = free_port(), free_port()
        wiki = {"landing": {"type": "crowd", "client_secret": f"file://{tmp_path}/landing"}}
        site = Site(confluence=f"http://127.0.0.1:{port}", wiki=wiki, landing_port=landing)
        made = await stack.enter_async_context(world(tmp_path, site))
        state = ConfluenceState.sample()
        for name in ("ada", "nina"):
            state.people.add_user(name)
        told = CrowdConfig(f"http://127.0.0.1:{landing}/wiki/rest/usermanagement/1", "lychgate", LANDING, interval=5)
        config = ConfluenceConfig(base_url=f"{made.origin}/confluence", crowd=told)
        memory = SsoMemory()
        running = await stack.enter_async_context(serve_confluence(state, config, port, memory))
        yield Scene(made, running, state, memory)


async def test_every_kind_of_first_request_arrives_as_the_person(scene: Scene) -> None:
    async for _, path, answer in first_requests(scene):
        assert ([path], "ada", "crowd") == (scene.paths, scene.last, scene.wiki.calls[-1].how)
        assert "JSESSIONID" not in str(answer.fields) and COOKIE not in str(answer.fields)
    assert [] == scene.world.told("landing.failed")


async def test_two_people_a_restart_and_an_end(scene: Scene) -> None:
    ada, nina = await scene.cookie("ada"), await scene.cookie("nina")
    for cookie, name in ((ada, "ada"), (nina, "nina"), (ada, "ada"), (nina, "nina")):
        assert (200, True) == ((found := await scene.page(cookie))[0], f"Hello {name}" in found[1])
    assert ["crowd", "crowd", "session", "session"] == [
        call.how for call in scene.wiki.calls if "display" in call.target
    ]
    scene.state.sessions.clear()
    for cookie, name in ((nina, "nina"), (ada, "ada")):
        assert (200, True) == ((found := await scene.page(cookie))[0], f"Hello {name}" in found[1])
    jars = [f"{COOKIE}={jar[COOKIE]}" for jar in scene.jars()]
    assert 2 == len(jars)
    for entry in list(scene.world.gate.sessions._entries.values()):
        await scene.world.gate.sessions.end(entry.session.key, "revoked")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        for cookies in (*jars, f"{COOKIE}=forged", ""):
            async with client.get(scene.wiki.url + PAGE, headers={"Cookie": cookies}) as answer:
                assert "Hello anonymous" in await answer.text()
    assert [] == scene.world.told("landing.failed") + scene.world.told("landing.mismatch")


async def test_somebody_whom_it_does_not_let_in_is_told_so(scene: Scene) -> None:
    cookie = await scene.cookie()
    scene.state.people.users["ada"].active = False
    status, text = await scene.page(cookie)
    assert (502, True, False) == (status, "landing_failed" in text, "Hello" in text)
