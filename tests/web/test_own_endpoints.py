"""Our own endpoints over HTTP: sign-out (rule 56), whoami (rule 61), keys, try and the modes of a portal (D13)."""

from __future__ import annotations

import asyncio

import pytest

from tests.web.conftest import Worlds
from tests.web.rig import HTML, World
from tests.web.wire import Answer

FORM = ("Content-Type", "application/x-www-form-urlencoded")
SESSION = "__Host-lychgate-jira"
LOG_OUTS = ("/.lychgate/logout", "/secure/Logout!default.jspa", "/Logout.jspa", "/logout", "/s/x/_/secure/Logout.jspa")


def _token(answer: Answer) -> str:
    return answer.text.partition('name="token" value="')[2].partition('"')[0]


async def _is_signed_in(world: World, cookie: tuple[str, str]) -> bool:
    return 200 == (await world.ask("GET", "/.lychgate/whoami", cookie)).status


async def test_every_log_out_path_asks_and_changes_nothing(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    for path in LOG_OUTS:
        answer = await world.page(path, cookie)
        assert (path, 200) == (path, answer.status)
        assert _token(answer) and "ada" in answer.text and [] == answer.headers("Set-Cookie")
        assert "form-action 'self'" in (answer.header("Content-Security-Policy") or "")
    assert await _is_signed_in(world, cookie)
    assert [] == world.arrived


async def test_a_post_to_the_products_log_out_path_never_reaches_it(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    for path in LOG_OUTS[1:]:
        assert 200 == (await world.ask("POST", path, HTML, FORM, cookie, body=b"x=y")).status
    assert await _is_signed_in(world, cookie)
    assert [] == world.arrived


FORGED = {
    "no form": ((), b""),
    "no token": ((FORM,), b"a=b"),
    "wrong token": ((FORM,), b"token=wrong"),
    "beyond ascii": ((FORM,), b"token=%C3%A4"),
    "raw bytes": ((FORM,), b"token=\xc3\xa4"),
    "another type": ((("Content-Type", "text/plain"),), b"token=x"),
    "too many fields": ((FORM,), b"&".join(b"a%d=b" % number for number in range(99))),
    "too long": ((FORM,), b"token=" + b"x" * 100_000),
    "from another site": ((FORM, ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")), b"token="),
}


async def test_no_other_site_can_sign_somebody_out(worlds: Worlds) -> None:
    world = await worlds()
    cookie, other = await world.sign_in("ada"), await world.sign_in("stella")
    foreign = _token(await world.page("/.lychgate/logout", other)).encode()
    attempts = [*FORGED.values(), ((FORM,), b"token=" + foreign)]
    for fields, body in attempts:
        answer = await world.ask("POST", "/.lychgate/logout", cookie, *fields, body=body)
        assert (True, "form_token_invalid") == (answer.status in {400, 403}, answer.error), body[:40]
        assert [] == answer.headers("Set-Cookie")
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        assert 404 == (await world.ask(method, "/.lychgate/logout", cookie)).status
    assert await _is_signed_in(world, cookie) and await _is_signed_in(world, other)


async def test_sign_out_ends_the_session_and_takes_all_our_cookies_back(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        await browser.sign_in("ada")
        cookie = browser.cookie
        token = _token(await world.page("/.lychgate/logout", cookie))
        answer = await world.ask("POST", "/.lychgate/logout", cookie, FORM, body=f"token={token}".encode())
        assert (303, world.url + "/.lychgate/signed-out") == (answer.status, answer.location)
        gone = {line.partition("=")[0]: line for line in answer.headers("Set-Cookie")}
        onward = gone.pop(f"{SESSION}.next", "Max-Age=0")
        assert "Max-Age=" in onward and {SESSION, f"{SESSION}.loop"} == set(gone)
        for name, line in gone.items():
            # Taken back as it was set, or browsers keep it (rule 38).
            assert f"{name}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0" == line
    assert not await _is_signed_in(world, cookie)
    assert 302 == (await world.page("/browse/KEY-1", cookie)).status
    assert ["user"] == [event["facts"]["cause"] for event in world.told("session.ended")]
    # Once more, without a session: harmless.
    assert 303 == (await world.ask("POST", "/.lychgate/logout", cookie, FORM, body=b"token=x")).status


async def test_the_signed_out_page_never_redirects(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    for fields in ((), (cookie,)):
        answer = await world.page("/.lychgate/signed-out?state=x&to=/browse/KEY-1", *fields)
        assert (200, "", None) == (answer.status, answer.location, answer.header("Refresh"))
        assert "http-equiv" not in answer.text.lower()


async def test_sign_out_at_the_provider_where_the_site_wants_it(worlds: Worlds) -> None:
    world = await worlds(sign_out=True)
    async with world.browser() as browser:
        await browser.sign_in("ada")
        _, _, text = await browser.go(world.url + "/.lychgate/logout")
        token = text.partition('name="token" value="')[2].partition('"')[0]
        status, place, _ = await browser.go(world.url + "/.lychgate/logout", "POST", data={"token": token})
        assert 303 == status and place.startswith(f"{world.staff.issuer}/end_session?")
        status, place, _ = await browser.follow(place)
        assert (200, world.url + "/.lychgate/signed-out") == (status, place.partition("?")[0])
        assert 200 == (await browser.go(await _provider_page(browser, world)))[0]


async def _provider_page(browser: object, world: World) -> str:
    """Where the next sign-in leads: a page with buttons, since nobody is signed in there any more."""
    _, place, _ = await browser.go(world.url + "/browse/KEY-1")  # type: ignore[attr-defined]
    return str(place)


async def test_whoami_tells_a_fixed_list_and_never_a_token(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    page = await world.page("/.lychgate/whoami", cookie)
    assert 200 == page.status and "Ada Administrator" in page.text
    answer = await world.ask("GET", "/.lychgate/whoami", cookie, ("Origin", "https://evil.example"))
    assert 200 == answer.status and "no-store" in (answer.header("Cache-Control") or "")
    assert [] == answer.headers("Access-Control-Allow-Origin")
    expected = {"username", "display_name", "email", "application", "portal", "provider", "groups",
                "signed_in_at", "ends_at", "auth_time", "portals"}  # fmt: skip
    assert expected == set(answer.json) - {"request_id"}
    assert ("ada", "agents") == (answer.json["username"], answer.json["portal"])
    assert ["okta-jira-admins", "okta-jira-users"] == answer.json["groups"]
    key = cookie[1].partition(f"{SESSION}=")[2].partition(";")[0]
    for secret in ("eyJ", key, "refresh", "00u-ada"):
        assert secret not in answer.text and secret not in page.text
    nobody = await world.ask("GET", "/.lychgate/whoami")
    assert (401, 'Bearer realm="jira"') == (nobody.status, nobody.header("WWW-Authenticate"))


async def test_the_keys_are_published_without_their_private_half(worlds: Worlds) -> None:
    world = await worlds()
    answer = await world.ask("GET", "/.lychgate/jwks")
    assert 200 == answer.status and "max-age" in (answer.header("Cache-Control") or "")
    (key,) = answer.json["keys"]
    assert {"kty", "crv", "x", "kid", "use", "alg"} == set(key)
    assert ("OKP", "Ed25519") == (key["kty"], key["crv"])


async def test_a_head_request_gets_the_head_only(worlds: Worlds) -> None:
    world = await worlds()
    for path in ("/.lychgate/jwks", "/.lychgate/signed-out"):
        async with world.wire() as wire:
            wire.request("HEAD", path)
            assert 200 == (await wire.answer("HEAD")).status
            wire.request("GET", path, ("Connection", "close"))
            assert 200 == (await wire.answer()).status
            assert b"" == await wire.rest()


async def test_a_session_of_one_application_is_none_at_its_neighbour(worlds: Worlds) -> None:
    world = await worlds(context="/jira", second=True)
    _, cookies = await world.sign_in("ada")
    value = cookies.partition(f"{SESSION}=")[2].partition(";")[0]
    moved = ("Cookie", f"__Host-lychgate-tools={value}; {SESSION}={value}")
    assert 302 == (await world.page("/tools/secure/Dashboard.jspa", moved)).status
    twice = ("Cookie", f"{SESSION}={value}; {SESSION}={value}")
    assert 302 == (await world.page("/jira/browse/KEY-1", twice)).status
    for wrong in (value[:-1], value + "x", "", "x" * 5000, "%00", "é", ".", value.upper()):
        assert 302 == (await world.page("/jira/browse/KEY-1", ("Cookie", f"{SESSION}={wrong}"))).status


async def test_a_portal_that_is_off_is_transparent_even_to_what_would_be_refused(worlds: Worlds) -> None:
    world = await worlds(agents={"mode": "off"})
    for path in ("/browse/KEY-1", "/login.jsp?os_username=alice&os_password=wonderland", "/forbidden/x", "/setup/x"):
        await world.page(path)
    assert 4 == len(world.arrived)
    assert "parameters" == world.arrived[1].how
    # The other portal is in force.
    assert 302 == (await world.page("/servicedesk/customer/portals")).status


async def test_an_observed_portal_changes_nothing_and_tells_what_it_would_have_done(worlds: Worlds) -> None:
    world = await worlds(agents={"mode": "observe"})
    for path in ("/forbidden/x", "/setup/x", "/forbidden/x"):
        await world.page(path, ("Cookie", "JSESSIONID=mine"))
    assert ["JSESSIONID=mine"] * 3 == [call.header("Cookie") for call in world.arrived]
    told = [(event["reason"], event["facts"]["path"]) for event in world.told("access.observed")]
    assert [("rule_denied", "/forbidden/x"), ("closed_path", "/setup/x")] == told


async def test_one_browser_may_try_an_observed_portal(worlds: Worlds) -> None:
    world = await worlds(agents={"mode": "observe"})
    async with world.browser() as browser:
        status, place, _ = await browser.go(world.url + "/.lychgate/try")
        assert (303, world.url + "/secure/Dashboard.jspa") == (status, place)
        assert 302 == (await browser.go(world.url + "/browse/KEY-1"))[0]
        await browser.sign_in("ada")
        assert "ada" == world.arrived[-1].username
        await browser.go(world.url + "/.lychgate/try?off")
        world.forget()
        assert 200 == (await browser.go(world.url + "/rest/api/2/serverInfo"))[0]
        assert None is world.arrived[-1].username
    for forged in ("on", "", "x.y"):
        answer = await world.page("/public/x", ("Cookie", f"{SESSION}.try={forged}"))
        assert answer.status in {200, 404}


async def test_an_observed_portal_tells_what_it_would_do_to_an_account_and_does_nothing(worlds: Worlds) -> None:
    world = await worlds(agents={"mode": "observe"})
    async with world.browser() as browser:
        await browser.go(world.url + "/.lychgate/try")
        await browser.sign_in("stella")
        await browser.go(world.url + "/.lychgate/try?off")
        # An administrator takes a group away by hand; a portal in force would give it again.
        world.jira.state.users["stella"].groups.discard("jira-software-users")
        before = {name: set(user.groups) for name, user in world.jira.state.users.items()}
        world.forget()
        for _ in range(2):
            assert 200 == (await browser.go(world.url + "/rest/api/2/serverInfo"))[0]
        for _ in range(100):
            if world.told("account.observed"):
                break
            await asyncio.sleep(0.02)
    (told,) = world.told("account.observed")
    assert ("success", "stella") == (told["outcome"], told["username"])
    assert ["join jira-software-users"] == told["facts"]["steps"]
    assert before == {name: set(user.groups) for name, user in world.jira.state.users.items()}
    assert {"GET"} == {call.method for call in world.jira.calls}


@pytest.mark.parametrize("person", ["otto"])
async def test_an_outsider_is_told_why_and_the_application_hears_nothing(worlds: Worlds, person: str) -> None:
    world = await worlds()
    async with world.browser() as browser:
        status, _, text = await browser.sign_in(person)
        assert 403 == status and "not_in_group" in text and "Sign out" in text
        assert 403 == (await world.ask("GET", "/rest/api/2/myself", browser.cookie)).status
    assert [] == world.arrived
    assert "otto" not in world.jira.state.users


async def test_a_customer_who_cancels_is_led_back_to_the_customers_door(worlds: Worlds) -> None:
    """Not to the agents', whose provider does not know the person."""
    world = await worlds()
    page = await world.page("/.lychgate/callback/customers?error=access_denied&state=unknown")
    agents = await world.page("/.lychgate/callback/staff?error=access_denied&state=unknown")

    assert "login?to=/servicedesk/customer/portals" in page.text
    assert "login?to=/secure/Dashboard.jspa" in agents.text
