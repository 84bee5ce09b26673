"""Confluence lands people by its own OpenID sign-on, as Jira does: every kind of first request, and every trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sidecar.demo.confluence import ConfluenceConfig, ConfluenceState, serve_confluence
from sidecar.demo.jira import SsoConfig
from sidecar.demo.jira.listening import Listening
from sidecar.demo.jira.sso_memory import SsoMemory
from tests.web.firsts import socket
from tests.web.rig import HTML, LANDING, Site, World, free_port, world
from tests.web.wire import Answer

PAGE = "/display/DEV/A+page"
START, BACK = "/plugins/servlet/oidc/initiate-login", "/plugins/servlet/oidc/callback"
WHO = "/rest/api/user/current"
DANCE = [START, BACK, WHO]
CONTENT = "/rest/api/content"
SOCKET = "/synchrony-proxy/v1/bayeux-sync1"
FILES = "/rest/api/content/65537/child/attachment"
UPLOAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n'


@dataclass(slots=True)
class Scene:
    """A gate before a stand-in Confluence with its provider, and what that remembers."""

    world: World
    wiki: Listening
    state: ConfluenceState
    memory: SsoMemory

    @property
    def paths(self) -> list[str]:
        asked = [call.target.partition("?")[0].removeprefix("/confluence") for call in self.wiki.calls]
        return [path for path in asked if path != "/status"]

    @property
    def last(self) -> str | None:
        return self.wiki.calls[-1].username

    async def cookie(self, person: str = "ada") -> tuple[str, str]:
        """Sign somebody in at the gate, without any request to Confluence."""
        async with self.world.browser() as browser:
            _, place, _ = await browser.go(f"{self.world.origin}/confluence{PAGE}")
            status, then, text = await browser.go(place)
            if status == 200:
                data = {"interaction": text.partition('name="interaction" value="')[2].partition('"')[0]}
                choose = f"{place.partition('/authorize')[0]}/choose"
                _, then, _ = await browser.go(choose, "POST", data={**data, "person": person})
            assert 303 == (await browser.go(then))[0]
            self.wiki.calls.clear()
            return browser.cookie

    async def page(self, cookie: tuple[str, str], path: str = PAGE) -> tuple[int, str]:
        answer = await self.world.page(f"/confluence{path}", cookie)
        return answer.status, answer.text

    def jars(self) -> list[dict[str, str]]:
        """The cookies of Confluence that are in custody, by session."""
        entries = self.world.gate.sessions._entries.values()
        return [dict(jar) for entry in entries for jar in entry.session.jars.values()]


FORM = (("Content-Type", "multipart/form-data; boundary=x"), ("X-Atlassian-Token", "no-check"))
JSON = ("Content-Type", "application/json")
CREATE = b'{"type": "page", "title": "A new page", "space": {"key": "DEV"}}'
KINDS = (
    ("GET", PAGE, (HTML,), None), ("HEAD", PAGE, (HTML,), None), ("GET", WHO, (), None),
    ("POST", CONTENT, (JSON,), CREATE), ("POST", FILES, FORM, UPLOAD), ("GET", SOCKET, (), None),
)  # fmt: skip


async def first_requests(scene: Scene) -> AsyncIterator[tuple[str, str, Answer]]:
    """The first request of a new session of ada's, of every kind, one after the other: method, path and answer."""
    for method, path, fields, body in KINDS:
        cookie = await scene.cookie()
        if path == SOCKET:
            answer = await socket(scene.world, cookie, f"/confluence{path}")
        else:
            answer = await scene.world.ask(method, f"/confluence{path}", cookie, *fields, body=body)
        assert (path, 101 if path == SOCKET else 200) == (path, answer.status), answer.text
        yield method, path, answer


Scenes = Callable[..., Awaitable[Scene]]


@pytest.fixture
async def scenes(tmp_path: Path) -> AsyncIterator[Scenes]:
    async with AsyncExitStack() as stack:

        async def start(**changed: Any) -> Scene:
            (tmp_path / "landing").touch(mode=0o600)
            (tmp_path / "landing").write_text(LANDING, encoding="ascii")
            port, landing = free_port(), free_port()
            wiki = {"landing": {"client_secret": f"file://{tmp_path}/landing"}}
            site = Site(confluence=f"http://127.0.0.1:{port}", wiki=wiki, landing_port=landing)
            made = await stack.enter_async_context(world(tmp_path, site))
            state = ConfluenceState.sample()
            for name in ("ada", "nina", "preferred_username"):
                state.people.add_user(name)
            sso = replace(SsoConfig(f"http://127.0.0.1:{landing}/wiki", "lychgate", LANDING), **changed)
            config = ConfluenceConfig(base_url=f"{made.origin}/confluence", sso=sso)
            memory = SsoMemory(sso)
            running = await stack.enter_async_context(serve_confluence(state, config, port, memory))
            return Scene(made, running, state, memory)

        yield start


async def test_every_kind_of_first_request_arrives_as_the_person(scenes: Scenes) -> None:
    scene = await scenes()
    async for method, path, answer in first_requests(scene):
        assert (method, [*DANCE, path], "ada") == (method, scene.paths, scene.last)
        assert "JSESSIONID" not in str(answer.fields) and "session-data" not in str(answer.fields)
    assert all(scene.state.sessions[jar["JSESSIONID"]].sso for jar in scene.jars())
    assert [] == scene.world.told("landing.failed")


async def test_two_people_and_a_restart_are_never_mixed_up(scenes: Scenes) -> None:
    scene = await scenes()
    ada, nina = await scene.cookie("ada"), await scene.cookie("nina")
    for cookie, name in ((ada, "ada"), (nina, "nina"), (ada, "ada")):
        assert (200, True) == ((found := await scene.page(cookie))[0], f"Hello {name}" in found[1])
    # It is restarted: sessions and states are gone.
    scene.state.sessions.clear()
    landing: Any = scene.world.gate.gateway._forwarding._applications["wiki"].landing
    for seat in landing._seats.values():
        seat.tried -= 11
    for cookie, name in ((nina, "nina"), (ada, "ada")):
        assert (200, True) == ((found := await scene.page(cookie))[0], f"Hello {name}" in found[1])
    assert 4 == scene.paths.count(START)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"issuer": "http://127.0.0.1:1/wiki"}, "began no sign-in and answered 400"),
        ({"username": "preferred_username"}, "username mapping must be"),
        ({"client_secret": "another one than the gate's, and long"}, "did not redeem the code"),
        ({"skip_https": False}, "began no sign-in and answered 400"),
        ({"enabled": False}, "began no sign-in"),
    ],
    ids=["issuer mismatch", "literal mapping", "wrong secret", "base URL without https", "switched off"],
)
async def test_what_is_set_up_wrongly_is_told_and_lands_nobody(
    scenes: Scenes, trouble: dict[str, Any], words: str
) -> None:
    scene = await scenes(**trouble)
    status, text = await scene.page(await scene.cookie())
    assert 502 == status and "Hello" not in text and PAGE not in scene.paths
    told = [*scene.world.told("landing.failed"), *scene.world.told("landing.mismatch")]
    assert 1 == len(told) and words in told[0]["facts"]["detail"], told
    if scene.memory.log:
        assert scene.memory.log[-1][0] == told[0]["facts"].get("error")


@pytest.mark.parametrize(("lose", "status"), [(1, 200), (9, 502)], ids=["once", "always"])
async def test_a_state_of_another_node_is_tried_once_more_and_then_explained(
    scenes: Scenes, lose: int, status: int
) -> None:
    scene = await scenes()
    scene.memory.lose = lose
    found = await scene.page(await scene.cookie())
    assert (status, 2) == (found[0], scene.paths.count(START))
    assert "Unknown state in response" == scene.memory.log[-1][1]


async def test_a_person_must_exist_and_be_active(scenes: Scenes) -> None:
    scene = await scenes()
    cookie = await scene.cookie()
    scene.state.people.users["ada"].active = False
    status, _ = await scene.page(cookie)
    assert (502, True) == (status, "not permitted to log in" in scene.memory.log[-1][1])
    del scene.state.people.users["nina"]
    status, _ = await scene.page(await scene.cookie("nina"))
    assert (502, True) == (status, "does not exist" in scene.memory.log[-1][1])


async def test_prompt_login_after_a_permission_error_is_answered_with_a_page(scenes: Scenes) -> None:
    """The log-in page is asked for in a session that began at the provider: it takes that for a lack of permission."""
    scene = await scenes(hides_form=True)
    cookie = await scene.cookie()
    assert 200 == (await scene.page(cookie))[0]
    where = f"/confluence/login.action?os_destination={PAGE}&permissionViolation=true"
    scene.wiki.fail_next("/secret", 302, headers=(("Location", where), ("X-AUSERNAME", "ada")))
    status, text = await scene.page(cookie, "/secret")
    assert 403 == status and "product_refused" in text
    # And what the product itself would do with the person's session:
    ((_, value),) = scene.jars()[0].items()
    answer = await _direct(scene, "/login.action", f"JSESSIONID={value}")
    assert "prompt=login" in answer
    assert 1 == scene.paths.count(START)


async def _direct(scene: Scene, path: str, cookie: str) -> str:
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
        client.get(scene.wiki.url + path, headers={"Cookie": cookie}, allow_redirects=False) as answer,
    ):
        return answer.headers.get("Location", "")


async def test_a_remember_me_cookie_passes_in_neither_direction(scenes: Scenes) -> None:
    scene = await scenes(remember_me=True)
    cookie = await scene.cookie()
    for _ in range(2):
        assert 200 == (await scene.page(cookie))[0]
    assert scene.state.remembered
    assert not [call for call in scene.wiki.calls if "seraph" in (call.header("Cookie") or "")]


async def test_the_log_in_action_leads_other_methods_back_by_303(scenes: Scenes) -> None:
    scene = await scenes(hides_form=True)
    async with aiohttp.ClientSession() as client:
        for method, status in (("GET", 302), ("POST", 303)):
            async with client.request(method, scene.wiki.url + "/login.action", allow_redirects=False) as answer:
                assert (method, status) == (method, answer.status)
        async with client.get(scene.wiki.url + "/login.action?os_destination=/x", allow_redirects=False) as answer:
            assert (200, True) == (answer.status, "location.hash" in await answer.text())
