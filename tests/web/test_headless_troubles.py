"""Troubles of the product's own OpenID sign-on: each ends with the right person served, or with a page that says what
to do; none in a loop, and none as somebody else.

The troubles that are known, and where they are tried, here for Jira and in `test_headless_confluence` for Confluence:
`prompt=login` (wants the person asked again); issuer mismatch, literal mapping, no https (set up otherwise); unknown
state (a state that another node has; too old and without its cookie, in `tests.demo.jira.test_sso`); an account that is
missing, inactive or without access; remember-me; several portals with one set-up (`test_headless`: another portal);
just-in-time accounts that are on (`tests.commands.test_landing`).
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sidecar.core.grants import Redemption
from sidecar.domain.session import seat_of
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World
from tests.web.test_headless import BACK, PATH, START, WHO, age, cookie_of, dances, entry_of, paths

NUMBER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def _failed(world: World, cookie: tuple[str, str]) -> str:
    """Ask for a page and get `landing_failed`; the page."""
    answer = await world.page(PATH, cookie)
    assert 502 == answer.status and "landing_failed" in answer.text, (answer.status, answer.text)
    assert PATH not in paths(world)
    return answer.text


async def test_the_products_number_stands_on_the_page_and_in_the_audit_trail(worlds: Worlds) -> None:
    world = await worlds(proof="sso", sso={"client_secret": "another secret than the gate's"})
    cookie = await cookie_of(world)
    page = await _failed(world, cookie)
    number, why = world.jira.sso.log[-1]
    assert "the token endpoint answered 401" == why
    assert number in page
    (told,) = world.told("landing.failed")
    assert (number, "ada", "failure") == (told["facts"]["error"], told["username"], told["outcome"])
    assert "did not redeem the code" in told["facts"]["detail"]


async def test_a_refusal_is_asked_once_more_and_then_stands_for_a_moment(worlds: Worlds) -> None:
    world = await worlds(proof="sso", sso={"client_secret": "another secret than the gate's"})
    cookie = await cookie_of(world)
    answers = await asyncio.gather(*(world.ask("GET", WHO, cookie) for _ in range(10)))
    assert {(502, "landing_failed")} == {(answer.status, answer.error) for answer in answers}
    await _failed(world, cookie)
    assert 2 == dances(world) and 1 == len(world.told("landing.failed"))
    landing: Any = world.gate.gateway._forwarding._applications["jira"].landing
    for seat in landing._seats.values():
        seat.refused = (0.0, seat.refused[1])
    await _failed(world, cookie)
    assert 4 == dances(world)


async def test_a_state_that_another_node_has_is_tried_once_more(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    world.jira.sso.lose = 1
    assert 200 == (await world.page(PATH, cookie)).status
    assert ["Unknown state in response"] == [why for _, why in world.jira.sso.log]
    assert [START, BACK, START, BACK, WHO, PATH] == paths(world)


async def test_states_that_are_always_lost_are_explained(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    world.jira.sso.lose = 99
    page = await _failed(world, cookie)
    assert world.jira.sso.log[-1][0] in page
    assert [START, BACK, START, BACK] == paths(world)


async def test_a_product_that_wants_the_person_asked_again_is_never_answered(worlds: Worlds) -> None:
    """D14: `prompt=login` means that the product refuses this person; a silent answer would loop for ever."""
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    place = f"{world.jira.sso.config.issuer}/authorize"  # type: ignore[union-attr]
    query = f"response_type=code&scope=openid&client_id=lychgate&redirect_uri={world.url}{BACK}&state=s&nonce=n"
    location = ("Location", f"{place}?{query}&prompt=login")
    world.jira.fail_next(START, 302, headers=(location,))
    await _failed(world, cookie)
    assert [START] == paths(world)
    (told,) = world.told("landing.failed")
    assert "prompt=login" in told["facts"]["detail"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"issuer": "http://127.0.0.1:1/jira"}, "began no sign-in and answered 400"),
        ({"client_id": "somebody-else"}, "names another client"),
        ({"enabled": False}, "switch on its OpenID Connect SSO"),
        ({"username": "preferred_username"}, "did not take the code and answered 400"),
        ({"skip_https": False}, "began no sign-in and answered 400"),
    ],
)
async def test_a_product_that_is_set_up_otherwise_is_told_for_what_it_is(
    worlds: Worlds, changed: dict[str, Any], words: str
) -> None:
    world = await worlds(proof="sso", sso=changed)
    cookie = await cookie_of(world)
    await _failed(world, cookie)
    (told,) = world.told("landing.failed")
    assert words in told["facts"]["detail"]


async def test_a_literal_mapping_that_hits_an_account_is_never_believed(worlds: Worlds) -> None:
    """`preferred_username` without `${}` signs everybody in under one name; here an account has it."""
    world = await worlds(proof="sso", sso={"username": "alice"})
    cookie = await cookie_of(world)
    answer = await world.page(PATH, cookie)
    assert 502 == answer.status and "landing_mismatch" in answer.text and "Alice" not in answer.text
    assert PATH not in paths(world)
    (told,) = world.told("landing.mismatch")
    assert "${preferred_username}" in told["facts"]["detail"]


async def test_a_product_that_gives_a_remember_me_cookie_gives_it_to_nobody(worlds: Worlds) -> None:
    world = await worlds(proof="sso", sso={"remember_me": True})
    async with world.browser() as browser:
        await browser.sign_in("ada")
        assert not [cookie for cookie in browser.seen if "seraph" in cookie]
        assert 200 == (await browser.go(world.url + PATH))[0]
    assert not [call for call in world.arrived if "seraph" in (call.header("Cookie") or "")]


@pytest.mark.parametrize(
    "changed", [{"pkce": True}, {"username": "${email}"}, {"username": "${name}"}, {"scopes": ("profile", "email")}]
)
async def test_other_ways_of_asking_are_answered_too(worlds: Worlds, changed: dict[str, Any]) -> None:
    world = await worlds(proof="sso", sso=changed)
    if "username" in changed:
        # The claim is in no token: the product asks userinfo, does not find it there either, and refuses.
        await _failed(world, await cookie_of(world))
        return
    assert 200 == (await world.page(PATH, await cookie_of(world))).status


async def test_an_account_without_access_is_refused_with_the_number(worlds: Worlds) -> None:
    world = await worlds(proof="sso", sso={"customers": False})
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("carl", "/servicedesk/customer/portals")
    assert 502 == status and NUMBER.search(text) is not None
    assert (
        "Received SSO request for user cust-carl, but the user is not permitted to log in" == world.jira.sso.log[-1][1]
    )


async def test_an_account_that_ends_in_the_middle_is_served_to_nobody(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    await age(world, 61)
    world.jira.state.users["ada"].active = False
    answer = await world.page(PATH, cookie)
    assert 502 == answer.status and "landing_failed" in answer.text
    assert "Received SSO request for user ada, but the user is not permitted to log in" == world.jira.sso.log[-1][1]


async def test_a_page_that_the_product_refuses_to_the_person_leads_into_no_loop(worlds: Worlds) -> None:
    world = await worlds(proof="sso", sso={"hides_form": True})
    cookie = await cookie_of(world)
    login = "/login.jsp?permissionViolation=true&os_destination=%2Fbrowse%2FKEY-1"
    assert 200 == (await world.page(PATH, cookie)).status
    await age(world, 11)
    asked = f"{world.jira.sso.config.issuer}/authorize?state=s"  # type: ignore[union-attr]
    for location in (login, asked):
        world.jira.fail_next("/secret", 302, headers=(("Location", location), ("X-AUSERNAME", "ada")))
        answer = await world.page("/secret", cookie)
        assert (403, "") == (answer.status, answer.location) and "product_refused" in answer.text
    assert 1 == dances(world)


@pytest.mark.parametrize("name", ["admin", "alice"])
async def test_a_session_that_turns_into_somebody_elses_is_never_shown(worlds: Worlds, name: str) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    for session in world.jira.state.sessions.values():
        session.username = name
    answer = await world.page(PATH, cookie)
    assert 502 == answer.status and "landing_mismatch" in answer.text
    assert 200 == (await world.page(PATH, cookie)).status
    # And what cannot be sent twice finds out beforehand.
    await age(world, 61)
    for session in world.jira.state.sessions.values():
        session.username = name
    world.forget()
    assert 200 == (await world.ask("POST", "/plugins/servlet/demo/echo", cookie, body=b"x")).status
    assert "ada" == world.arrived[-1].username and [WHO, START, BACK, WHO] == paths(world)[:4]
    assert 2 == len(world.told("landing.mismatch"))


async def test_an_answer_to_cookies_of_before_does_not_take_those_of_now(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    world.jira.delay("/slow", 0.3)
    world.jira.fail_next("/slow", 200, "text", headers=(("X-AUSERNAME", "admin"),))
    waiting = asyncio.create_task(world.page("/slow", cookie))
    while "/slow" not in paths(world):  # noqa: ASYNC110  # the stand-in has no event for it
        await asyncio.sleep(0.01)
    entry, now = entry_of(world), (("JSESSIONID", "of now"),)
    world.gate.sessions.keep_jar(entry, seat_of("", "ada"), now)
    assert 502 == (await waiting).status
    assert now == entry.session.jars[seat_of("", "ada")]


async def test_a_product_that_is_down_is_not_called_a_failed_landing(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    world.jira.cut_next(START, times=10)
    answer = await world.page(PATH, cookie)
    assert "upstream_broken" in answer.text
    world.jira.faults.clear()
    assert 200 == (await world.page(PATH, cookie)).status
    assert [] == world.told("landing.failed")


async def test_a_code_that_is_used_twice_undoes_what_came_of_it(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    landing: Any = world.gate.gateway._forwarding._applications["jira"].landing
    dance = landing._dance_at("")
    (brought,) = [call.target for call in world.arrived if call.target.startswith(BACK)]
    again = Redemption(parse_qs(urlsplit(brought).query)["code"][0], dance._floor.client.redirect_uri, None)
    assert None is await dance._codes.redeem(dance._floor.client, again)
    world.forget()
    assert 200 == (await world.page(PATH, cookie)).status
    assert [START, BACK, WHO, PATH] == paths(world)


async def test_nothing_of_a_dance_is_in_logs_or_audit(worlds: Worlds, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    assert 200 == (await world.page(PATH, cookie)).status
    world.jira.sso.lose = 99
    await age(world, 61)
    world.jira.state.sessions.clear()
    await world.page(PATH, cookie)
    asked = [call.target.partition("?")[2] for call in world.arrived if call.target.startswith(BACK)]
    words = [pair.partition("=")[2] for query in asked for pair in query.split("&")]
    assert 6 == len(words)
    for word in words:
        assert word not in world.audit.getvalue()
        assert word not in "".join(record.getMessage() for record in caplog.records if "sidecar" in record.name)


async def test_scripts_get_the_reason_too(worlds: Worlds) -> None:
    world = await worlds(proof="sso", sso={"enabled": False})
    cookie = await cookie_of(world)
    answer = await world.ask("POST", "/rest/api/2/issue", cookie, body=b"{}")
    assert (502, "landing_failed") == (answer.status, answer.error)
    assert [START] == paths(world)
    assert 502 == (await world.ask("GET", PATH, HTML, cookie)).status


@pytest.mark.parametrize(
    ("status", "said"),
    [(429, "upstream_busy"), (503, "upstream_busy"), (500, "upstream_broken"), (404, None), (403, None)],
)
@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
async def test_a_product_that_does_not_say_whose_session_it_is_gets_no_request(
    worlds: Worlds, status: int, said: str | None, again: bool
) -> None:
    """Not now (429, 5xx): nothing is dropped and nothing remembered. Never (404): the landing failed."""
    world, echo = await worlds(proof="sso"), "/plugins/servlet/demo/echo"
    cookie = await cookie_of(world)
    assert 200 == (await world.ask("POST", echo, cookie, body=b"x")).status
    if again:
        await age(world, 61)
    else:
        # The account is known by now, so that nobody but the landing asks.
        world.gate.sessions.keep_jar(entry_of(world), seat_of("", "ada"), ())
    held = entry_of(world).session.jars
    world.forget()
    world.jira.fail_next(WHO, status, times=9)
    answer = await world.ask("POST", echo, cookie, body=b"x")
    assert (said or "landing_failed", False) == (answer.error, echo in paths(world))
    assert (said is None) == bool(world.told("landing.failed"))
    world.jira.faults.clear()
    if said is not None:
        assert held == entry_of(world).session.jars
        assert 200 == (await world.ask("POST", echo, cookie, body=b"x")).status
        assert "ada" == world.arrived[-1].username
