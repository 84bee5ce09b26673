"""D8 at the whole gate: the application's session is ours. A browser neither holds one nor gets one past us."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.demo.jira import Call
from sidecar.domain.session import seat_of
from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.rig import HTML, MACHINES, World

Field = tuple[str, str]
PAT = ("Authorization", f"Bearer {MACHINES}")
# base64 of alice:wonderland, whom the sample Jira knows
BASIC = ("Authorization", "Basic YWxpY2U6d29uZGVybGFuZA==")

SPELLINGS = {
    "plain": "JSESSIONID={}",
    "lower case": "jsessionid={}",
    "mixed case": "JSessionId={}",
    "first of two": "JSESSIONID={}; JSESSIONID=other",
    "behind another": "a=b; JSESSIONID={}",
    "no blank": "a=b;JSESSIONID={}",
    "many blanks": "a=b ;   JSESSIONID={}  ",
    "tab before": "a=b;\tJSESSIONID={}",
    "blank before the sign": "JSESSIONID ={}",
    "tab before the sign": "JSESSIONID\t={}",
    "quoted value": 'JSESSIONID="{}"',
    "quoted name": '"JSESSIONID"={}',
    "empty one before": "; ; JSESSIONID={}",
    "comma": "a=b,JSESSIONID={}",
    "comma and blank": "a=b, JSESSIONID={}",
    "old style": '$Version=1; JSESSIONID={}; $Path="/"',
    "remember-me": "seraph.rememberme.cookie={}",
    "remember-me in capitals": "SERAPH.REMEMBERME.COOKIE={}",
    "crowd": "crowd.token_key={}",
}


def _cookies(call: Call) -> str:
    return "; ".join(call.header_values("Cookie"))


async def _foreign_session(running: World) -> str:
    """A living session of Jira's administrator, as a thief would hold it."""
    session = running.jira.state.open_session("admin")
    running.jira.state.remembered[session.id] = "admin"
    return session.id


async def test_a_foreign_session_reaches_the_application_in_no_spelling(worlds: Worlds) -> None:
    world = await worlds(jira={"api": {"pat_owner": "ignore"}})
    stolen = await _foreign_session(world)
    name, own = await world.sign_in("ada")
    for spelling, text in SPELLINGS.items():
        world.forget()
        tossed = text.format(stolen)
        for path in ("/browse/KEY-1", "/images/icon.png", "/public/page", "/rest/servicedeskapi/info", "/nowhere"):
            await world.page(path, (name, f"{own}; {tossed}"))
            await world.page(path, (name, f"{tossed}; {own}"))
            await world.page(path, (name, own), ("cookie", tossed))
            await world.page(path, ("COOKIE", tossed))
            await world.page(path, (name, tossed), PAT)
        # Refused without the application: pages without a session, and the token anywhere but at REST.
        assert (spelling, 18) == (spelling, len(world.arrived))
        assert [] == [(call.target, _cookies(call)) for call in world.arrived if stolen in str(call.headers)]
        assert "admin" not in {call.username for call in world.arrived}


@pytest.mark.parametrize("name", ["Cookie2", "X_Cookie", "cookie_", "Cookie_"])
async def test_nor_in_a_header_that_looks_like_the_cookies(worlds: Worlds, name: str) -> None:
    world = await worlds()
    stolen = await _foreign_session(world)
    await world.page("/public/page", (name, f"JSESSIONID={stolen}"))
    (call,) = world.arrived
    assert (None, "none") == (call.username, call.how)


async def test_a_session_in_the_path_is_refused(worlds: Worlds) -> None:
    world = await worlds()
    stolen = await _foreign_session(world)
    cookie = await world.sign_in("ada")
    world.forget()
    for path in (
        f"/browse/KEY-1;jsessionid={stolen}",
        f"/browse/KEY-1;JSESSIONID={stolen}",
        f"/browse%3Bjsessionid={stolen}",
    ):
        assert 400 == (await world.page(path, cookie)).status
    assert [] == world.arrived


async def test_the_browser_gets_neither_session_nor_remember_me_but_all_other_cookies(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        await browser.sign_in("ada")
        held = set(browser.cookies)
        assert {"__Host-lychgate-jira", "__Host-lychgate-jira.loop", "atlassian.xsrf.token"} == held
        names = {line.partition("=")[0].strip().lower() for line in browser.seen}
        assert not names & {"jsessionid", "seraph.rememberme.cookie"}
        world.jira.fail_next("/x", 200, headers=(("Set-Cookie", "SERAPH.rememberme.cookie=tossed; Path=/"),))
        world.jira.fail_next("/x", 200, headers=(("Set-Cookie", "__Host-lychgate-jira=tossed; Path=/; Secure"),))
        world.jira.fail_next("/x", 200, headers=(("Set-Cookie", "other=passes; Path=/"),))
        answers = [await world.page("/x", browser.cookie) for _ in range(3)]
        assert [[], [], ["other=passes; Path=/"]] == [answer.headers("Set-Cookie") for answer in answers]
    # The same for somebody without a session: Jira opens an anonymous one for every visitor.
    assert all("JSESSIONID" not in line for line in (await world.page("/public/page")).headers("Set-Cookie"))


async def test_other_cookies_pass_up_and_ours_do_not(worlds: Worlds) -> None:
    world = await worlds()
    name, own = await world.sign_in("ada")
    await world.page("/browse/KEY-1", (name, f"{own}; theme=dark; jira.editor.user.mode=wysiwyg"))
    sent = _cookies(world.arrived[-1])
    assert "theme=dark; jira.editor.user.mode=wysiwyg" in sent and "atlassian.xsrf.token=" in sent
    assert "lychgate" not in sent


async def test_one_stored_session_is_used_for_all_requests(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    for _ in range(3):
        await world.page("/browse/KEY-1", cookie)
    assert ["header", "session", "session", "session"] == [call.how for call in world.arrived]
    assert 1 == len({_session(call) for call in world.arrived[1:]})


async def test_it_survives_a_restart(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    await world.page("/browse/KEY-1", cookie)
    before = _session(world.arrived[-1])
    await world.restart()
    assert 200 == (await world.page("/browse/KEY-1", cookie)).status
    assert ("session", before) == (world.arrived[-1].how, _session(world.arrived[-1]))
    for file in (path for path in world.folder.rglob("*") if path.is_file()):
        # Sealed, not only hidden (D2).
        assert before.encode() not in file.read_bytes(), file


async def test_sign_out_and_another_person_begin_with_an_empty_jar(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        await browser.sign_in("ada")
        await browser.go(world.url + "/browse/KEY-1")
        first, cookie = _session(world.arrived[-1]), browser.cookie
        await browser.sign_out()
        assert 401 == (await world.ask("GET", "/rest/api/2/myself", cookie)).status
        world.forget()
        await browser.sign_in("stella")
        assert {"stella"} == {call.username for call in world.arrived}
        assert first not in str([call.headers for call in world.arrived])


async def test_a_sign_in_at_another_portal_drops_the_sessions(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        # Two doors stood open in two tabs; the second one is gone through last (R5).
        _, place, _ = await browser.go(world.url + "/browse/KEY-1")
        await browser.sign_in("carl", "/servicedesk/customer/portals")
        await browser.go(world.url + "/servicedesk/customer/portals")
        first, before = _session(world.arrived[-1]), browser.cookie
        world.forget()
        assert 200 == (await browser.choose(place, "ada"))[0]
        assert before != browser.cookie
        assert {"ada"} == {call.username for call in world.arrived}
        assert first not in str([call.headers for call in world.arrived])
        assert 302 == (await world.page("/servicedesk/customer/portals", before)).status


@pytest.mark.parametrize(("credential", "how"), [(PAT, "pat"), (BASIC, "basic")])
async def test_a_credential_beside_a_session_is_served_as_its_own_user(
    worlds: Worlds, credential: Field, how: str
) -> None:
    world = await worlds(jira={"api": {"basic": "pass", "pat_owner": "ignore"}})
    stolen = await _foreign_session(world)
    name, own = await world.sign_in("ada")
    world.forget()
    answer = await world.ask("GET", "/rest/api/2/myself", (name, f"{own}; JSESSIONID={stolen}; a=b"), credential)
    (call,) = world.arrived
    assert (200, "alice", how) == (answer.status, call.username, call.how)
    assert [] == call.header_values("Cookie") and [] == call.header_values("X-Lychgate-User")
    assert [credential[1]] == call.header_values("Authorization")
    assert [] == answer.headers("Set-Cookie")


async def test_a_transparent_portal_passes_all_cookies_but_ours(worlds: Worlds) -> None:
    world = await worlds(agents={"mode": "off"})
    answer = await world.page("/browse/KEY-1", ("Cookie", "JSESSIONID=abc; __Host-lychgate-jira=x; b=c"), BASIC)
    (call,) = world.arrived
    assert "JSESSIONID=abc; b=c" == _cookies(call)
    assert "alice" == call.username
    assert any(line.startswith("JSESSIONID=") for line in answer.headers("Set-Cookie"))


async def test_thirty_requests_at_once_share_what_is_kept_at_last(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    await asyncio.gather(*[world.page("/browse/KEY-1", cookie, HTML) for _ in range(30)])
    world.forget()
    await world.page("/browse/KEY-1", cookie)
    (call,) = world.arrived
    assert ("ada", "session") == (call.username, call.how)
    assert 1 == _cookies(call).count("JSESSIONID=")


async def test_a_late_answer_puts_nobody_out_who_sits_there_meanwhile_under_another_name(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    for _ in range(2):
        await world.page("/browse/KEY-1", cookie)
    (entry,) = world.gate.sessions._entries.values()
    assert [seat_of("", "ada")] == list(entry.session.jars)
    world.forget()
    world.jira.delay("/slow", 0.5)
    world.jira.fail_next("/slow", 200, "late", headers=(("Set-Cookie", "JSESSIONID=late; Path=/"),))
    late = asyncio.create_task(world.page("/slow", cookie))
    await until(lambda: bool(world.arrived))
    # The person has another username from now on.
    theirs = {seat_of("", "nina"): (("JSESSIONID", "hers"),)}
    world.gate.sessions.keep_jar(entry, *next(iter(theirs.items())))
    assert "late" == (await late).text
    assert theirs == dict(entry.session.jars)


def _session(call: Call) -> str:
    found = [part.partition("=")[2] for part in _cookies(call).split("; ") if part.startswith("JSESSIONID=")]
    assert 1 == len(found), call.headers
    return found[0]
