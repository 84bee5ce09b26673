"""Landing where the browser walks: pages lead it, everything else waits or is refused; the product's cookies stay here,
and no step counts but the next one of the session's own walk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import Session, Walk, seat_of
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World
from tests.web.test_headless import BACK, DANCE, PATH, START, WHO, age, cookie_of, dances, entry_of, paths
from tests.web.wire import Answer

AUTHORIZE = "/.lychgate/authorize"
Cookie = tuple[str, str]


def landing_of(world: World) -> Any:
    return world.gate.gateway._forwarding._applications["jira"].landing


async def age_walk(world: World, seconds: int = 11) -> None:
    """Let the only walk that is under way have begun so much earlier."""
    sessions = world.gate.sessions
    (entry,) = [one for one in sessions._entries.values() if one.session.walk and not one.session.walk.over]

    def earlier(session: Session) -> Session:
        assert session.walk is not None
        tries = tuple(UnixSeconds(at - seconds) for at in session.walk.tries)
        return replace(session, walk=replace(session.walk, tries=tries))

    assert await sessions.change(entry, earlier)


def walks_of(world: World) -> list[Walk]:
    """Those that are under way."""
    walks = [entry.session.walk for entry in world.gate.sessions._entries.values()]
    return [walk for walk in walks if walk is not None and not walk.over]


async def step(world: World, cookie: Cookie, target: str, *fields: tuple[str, str]) -> Answer:
    """One navigation of the walk; its answer sets no cookie."""
    answer = await world.page(target, cookie, *fields)
    assert [] == answer.headers("Set-Cookie")
    return answer


def led_to(world: World, answer: Answer) -> str:
    """Path and query of a redirect to the gate's own origin."""
    place = answer.header("Location") or ""
    assert 303 == answer.status and place.startswith(world.origin + "/"), (answer.status, place, answer.text)
    return place.removeprefix(world.origin)


async def walk_to(world: World, cookie: Cookie, target: str, stop: str = "") -> str:
    """Follow a page's redirects; *stop* names the path that is not asked for. Returns the last target."""
    for _ in range(8):
        if stop and target.partition("?")[0] == stop:
            return target
        answer = await step(world, cookie, target)
        if answer.status != 303:
            assert 200 == answer.status, answer.text
            return target
        target = led_to(world, answer)
    raise AssertionError("it leads in a circle")


async def test_a_page_leads_the_browser_and_ends_where_it_was_asked_for(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser")
    cookie = await cookie_of(world)
    target = PATH + "?focusedId=10&q=%C3%A4"
    places = []
    following = target
    for _ in range(4):
        following = led_to(world, await step(world, cookie, following))
        places.append(following.partition("?")[0])
    assert [START, AUTHORIZE, BACK, PATH] == places and target == following
    assert DANCE == paths(world)
    assert 200 == (await step(world, cookie, following)).status
    assert ("ada", "session") == (world.arrived[-1].username, world.arrived[-1].how)
    assert ["JSESSIONID"] == list(dict(entry_of(world).session.jars[seat_of("", "ada")]))
    assert ["browser"] == [event["facts"]["cause"] for event in world.told("landing.established")]
    # And now it is as ever.
    assert 200 == (await world.ask("POST", "/plugins/servlet/demo/echo", cookie, body=b"x")).status
    assert 1 == dances(world)


async def test_a_page_with_a_script_is_shown_without_its_cookies(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser", sso={"script": True})
    cookie = await cookie_of(world)
    start = led_to(world, await step(world, cookie, PATH))
    shown = await step(world, cookie, start)
    assert 200 == shown.status and "<script>" in shown.text and "text/html" in (shown.header("Content-Type") or "")
    question = shown.text.partition('location="')[2].partition('"')[0].removeprefix(world.origin)
    assert question.startswith(AUTHORIZE)
    assert PATH == await walk_to(world, cookie, question)


async def test_auto_walks_by_itself_until_the_product_begins_with_a_page(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="auto")
    cookie = await cookie_of(world)
    assert 200 == (await step(world, cookie, PATH)).status
    assert ["first"] == [event["facts"]["cause"] for event in world.told("landing.established")]
    config = world.jira.sso.config
    assert config is not None
    world.jira.sso.config = replace(config, script=True)
    nina, carl = await cookie_of(world, "nina"), await cookie_of(world, "nina")
    assert START == led_to(world, await step(world, nina, PATH))
    assert 1 == dances(world) and [] == world.told("landing.failed")
    # Nobody tries again what was found out.
    assert START == led_to(world, await step(world, carl, PATH))
    assert 1 == dances(world)


async def test_headless_says_that_a_browser_may_help(worlds: Worlds) -> None:
    world = await worlds(proof="sso", sso={"script": True})
    cookie = await cookie_of(world)
    assert 502 == (await world.page(PATH, cookie)).status
    (told,) = world.told("landing.failed")
    assert "landing.mode: browser" in told["facts"]["detail"]
    # And its endpoint and steps are nobody's.
    assert 404 == (await world.page(AUTHORIZE, cookie)).status
    assert 403 == (await world.page(START, cookie)).status


async def test_what_is_no_page_is_refused_with_a_reason_and_never_sent_as_nobody(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser")
    cookie = await cookie_of(world)
    socket = (
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Origin", world.origin),
    )  # fmt: skip
    script = ("X-Requested-With", "XMLHttpRequest")
    frame = (HTML, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe"))
    for method, target, fields, body in (
        ("GET", WHO, (script,), None),
        ("POST", "/rest/api/2/issue", (), b"{}"),
        ("POST", PATH, (HTML,), b"a=b"),
        ("GET", PATH, frame, None),
        ("GET", "/rest/live/1.0/socket", socket, None),
    ):
        answer = await world.ask(method, target, cookie, *fields, body=body)
        assert (target, 401, True) == (target, answer.status, "landing_needed" in answer.text)
    assert 401 == (await world.ask("HEAD", PATH, cookie, HTML)).status
    assert [] == world.arrived and [] == world.told("landing.failed")
    # A page begins all the same, and then they pass.
    assert PATH == await walk_to(world, cookie, PATH)
    assert '"name":"ada"' in (await world.ask("GET", WHO, cookie, script)).text


async def test_requests_of_the_session_wait_for_its_walk(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser")
    cookie = await cookie_of(world)
    start = led_to(world, await step(world, cookie, PATH))
    others = [asyncio.create_task(world.ask("GET", WHO, cookie)) for _ in range(5)]
    others += [asyncio.create_task(world.page("/secure/Dashboard.jspa", cookie)) for _ in range(3)]
    others.append(asyncio.create_task(world.ask("POST", "/plugins/servlet/demo/echo", cookie, body=b"x")))
    await asyncio.sleep(0.05)
    assert PATH == await walk_to(world, cookie, start)
    assert {200} == {answer.status for answer in await asyncio.gather(*others)}
    assert 1 == dances(world)
    assert {"ada"} == {call.username for call in world.arrived if call.target in {WHO, PATH} and call.how == "session"}


async def test_another_tab_takes_over_from_one_that_was_closed_and_none_goes_in_a_circle(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser")
    cookie = await cookie_of(world)
    _ = led_to(world, await step(world, cookie, PATH))
    await age_walk(world)
    assert START == led_to(world, await step(world, cookie, "/secure/Dashboard.jspa"))
    assert "/secure/Dashboard.jspa" == await walk_to(world, cookie, START)
    nina = await cookie_of(world, "nina")
    for _ in range(5):
        assert START == led_to(world, await step(world, nina, PATH))
        await age_walk(world)
    answer = await world.page(PATH, nina)
    assert 502 == answer.status and "landing_failed" in answer.text
    (told,) = world.told("landing.failed")
    assert "5 times" in told["facts"]["detail"]


async def test_a_product_that_forgets_its_state_is_tried_once_more_and_then_explained(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser")
    cookie = await cookie_of(world)
    world.jira.sso.lose = 1
    assert PATH == await walk_to(world, cookie, PATH)
    assert [START, BACK, START, BACK, WHO, PATH] == paths(world)
    nina = await cookie_of(world, "nina")
    world.jira.sso.lose = 2
    back = await walk_to(world, nina, await walk_to(world, nina, PATH, stop=BACK), stop=START)
    answer = await step(world, nina, await walk_to(world, nina, back, stop=BACK))
    assert 502 == answer.status and world.jira.sso.log[-1][0] in answer.text
    # It stands for a moment: no new walk.
    assert 502 == (await step(world, nina, PATH)).status


async def test_a_session_that_the_product_forgot_is_walked_anew(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser")
    cookie = await cookie_of(world)
    await walk_to(world, cookie, PATH)
    await age(world, 61)
    world.jira.state.sessions.clear()
    answer = await world.ask("POST", "/plugins/servlet/demo/echo", cookie, body=b"x")
    assert (401, "landing_needed") == (answer.status, answer.error)
    assert WHO == paths(world)[-1]
    assert PATH == await walk_to(world, cookie, PATH)
    assert 2 == dances(world)


async def test_prompt_login_is_never_answered_silently(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser")
    cookie = await cookie_of(world)
    start = led_to(world, await step(world, cookie, PATH))
    query = f"response_type=code&scope=openid&client_id=lychgate&redirect_uri={world.url}{BACK}&state=s&nonce=n"
    location = ("Location", f"{world.url}{AUTHORIZE}?{query}&prompt=login")
    world.jira.fail_next(START, 302, headers=(location,))
    answer = await step(world, cookie, led_to(world, await step(world, cookie, start)))
    assert 502 == answer.status and "landing_failed" in answer.text
    (told,) = world.told("landing.failed")
    assert "prompt=login" in told["facts"]["detail"]


async def _refused(world: World, cookie: Cookie, target: str) -> None:
    before = len(world.arrived)
    answer = await step(world, cookie, target)
    assert (403, True) == (answer.status, "closed_path" in answer.text), (target, answer.status, answer.text)
    assert before == len(world.arrived)


async def test_a_code_counts_in_its_own_session_alone_and_once(worlds: Worlds) -> None:
    """Login CSRF, code injection and mix-up: what another session was given is nothing here."""
    world = await worlds(proof="sso", walks="browser")
    ada, nina = await cookie_of(world, "ada"), await cookie_of(world, "nina")
    back = await walk_to(world, ada, PATH, stop=BACK)
    # Nina has no walk, then one of her own: ada's code is refused in both, and no product hears of it.
    await _refused(world, nina, back)
    hers = await walk_to(world, nina, PATH, stop=BACK)
    await _refused(world, nina, back)
    mixed = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    own = {name: values[0] for name, values in parse_qs(urlsplit(hers).query).items()}
    await _refused(world, nina, f"{BACK}?code={mixed['code']}&state={own['state']}")
    await _refused(world, nina, f"{BACK}?code={own['code']}&state={mixed['state']}")
    await _refused(world, nina, f"{hers}&x=1")
    assert PATH == await walk_to(world, nina, hers)
    await _refused(world, nina, hers)
    assert PATH == await walk_to(world, ada, back)
    served = [call.username for call in world.arrived if call.target == PATH]
    assert ["nina", "ada"] == served


async def test_nobody_without_the_session_gets_anywhere(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser")
    cookie = await cookie_of(world)
    back = await walk_to(world, cookie, PATH, stop=BACK)
    before = len(world.arrived)
    for target in (back, START, AUTHORIZE, AUTHORIZE + "?prompt=none"):
        for fields in ((HTML,), ()):
            assert (target, 403) == (target, (await world.ask("GET", target, *fields)).status)
    for method, target in (("POST", back), ("HEAD", back), ("POST", AUTHORIZE)):
        assert (await world.ask(method, target, HTML, cookie)).status in {403, 404}
    script = ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")
    frame = ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")
    for fields in (script, frame):
        for target in (back, START, AUTHORIZE):
            assert 403 == (await world.ask("GET", target, HTML, cookie, *fields)).status
    for target in ("/plugins/servlet/oidc/x", "/plugins/servlet/login", "/plugins/servlet/external-login/1",
                   "/s/x/_" + back, "/rest/authconfig/1.0/idps"):  # fmt: skip
        assert (target, 403) == (target, (await world.page(target, cookie)).status)
    assert before == len(world.arrived)
    assert PATH == await walk_to(world, cookie, back)


async def test_a_question_that_the_product_did_not_ask_is_not_answered(worlds: Worlds) -> None:
    """Another redirect address, client, state or nonce: refused, and the walk itself goes on."""
    world = await worlds(proof="sso", walks="browser")
    cookie = await cookie_of(world)
    question = await walk_to(world, cookie, PATH, stop=AUTHORIZE)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(question).query).items()}
    for name, value in asked.items():
        await _refused(world, cookie, question.replace(f"{name}=", f"{name}=x", 1))
        assert value
    await _refused(world, cookie, question + "&redirect_uri=https://evil.example/")
    assert PATH == await walk_to(world, cookie, question)


async def test_behind_a_page_a_question_must_still_be_one_of_this_product(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser", sso={"script": True})
    cookie = await cookie_of(world)
    _ = await step(world, cookie, led_to(world, await step(world, cookie, PATH)))
    query = "response_type=code&scope=openid&client_id=lychgate&redirect_uri=https://evil.example/&state=s&nonce=n"
    answer = await step(world, cookie, f"{AUTHORIZE}?{query}")
    assert 502 == answer.status and answer.header("Location") is None
    assert [] == walks_of(world)


async def test_planted_cookies_take_no_part_in_the_walk(worlds: Worlds) -> None:
    """Fixation: the walk begins with an empty jar, whatever the browser was given before."""
    world = await worlds(proof="sso", walks="browser")
    cookie = await cookie_of(world)
    planted = ("Cookie", cookie[1] + "; JSESSIONID=planted; session-data-x=; seraph.rememberme.cookie=1")
    assert PATH == await walk_to(world, planted, PATH)
    walked = [call for call in world.arrived if call.target.partition("?")[0] in {START, BACK}]
    assert 2 == len(walked) and not [call for call in walked if "planted" in (call.header("Cookie") or "")]
    assert dict(entry_of(world).session.jars[seat_of("", "ada")])["JSESSIONID"] != "planted"


async def test_the_end_of_the_session_is_the_end_of_its_walk(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser")
    async with world.browser() as browser:
        status, place, _ = await browser.go(world.url + PATH)
        provider, then, text = await browser.go(place)
        data = {"interaction": text.partition('name="interaction" value="')[2].partition('"')[0], "person": "ada"}
        _, then, _ = await browser.go(f"{place.partition('/authorize')[0]}/choose", "POST", data=data)
        _ = await browser.go(then)
        cookie = browser.cookie
        back = await walk_to(world, cookie, PATH, stop=BACK)
        await browser.sign_out()
    assert (303, 200) == (303, provider) and 302 == status
    assert 403 == (await world.page(back, cookie)).status
    assert [] == walks_of(world)
    assert BACK not in paths(world)


async def test_the_page_that_was_asked_for_is_on_this_origin(worlds: Worlds) -> None:
    world = await worlds(proof="sso", walks="browser", context="/jira")
    cookie = await cookie_of(world)
    start = await step(world, cookie, "/jira/secure/Dashboard.jspa?to=https://evil.example/")
    assert "/jira/secure/Dashboard.jspa?to=https://evil.example/" == await walk_to(world, cookie, led_to(world, start))
