"""Answers that a provider's page sends in a form: judged as every other callback, and no door for anybody else.

A form of another site brings none of our cookies, so `post` sends none.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from yarl import URL

from tests.web.conftest import Worlds
from tests.web.rig import Browser, World
from tests.web.test_time_over_http import Hands
from tests.web.wire import Answer

FORM = ("Content-Type", "application/x-www-form-urlencoded")
FOREIGN = (("Origin", "http://127.0.0.1:1"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"))
SESSION = "__Host-lychgate-jira"
CALLBACK = "/.lychgate/callback/staff"
STAFF = {"response_mode": "form_post"}
COOKIE = re.compile(
    r"__Secure-lychgate-jira\.posted-([0-9a-f]{12})=[\w.-]+; Path=/\.lychgate/callback/staff; Secure; HttpOnly; "
    r"SameSite=Lax; Max-Age=60"
)


async def post(world: World, fields: dict[str, str] | bytes, *more: tuple[str, str], path: str = CALLBACK) -> Answer:
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return await world.ask("POST", path, *(more or (FORM, *FOREIGN)), body=body)


async def answered(browser: Browser, person: str, path: str = "/browse/KEY-1") -> dict[str, str]:
    """Ask for a page and be that person; gives the fields of the form that leads back."""
    world = browser.world
    _, place, _ = await browser.go(world.url + path)
    assert "response_mode=form_post" in place
    _, _, text = await browser.go(place)
    found = re.search(r'name="interaction" value="([^"]+)"', text)
    if found is not None:
        data = {"interaction": found[1], "person": person}
        _, _, text = await browser.go(f"{world.staff.issuer}/choose", "POST", data=data)
    assert f'action="{world.url}{CALLBACK}"' in text
    return {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', text)}


async def bounced(browser: Browser, fields: dict[str, str]) -> str:
    """The form is posted, and the browser keeps what comes of it; gives where it goes next."""
    answer = await post(browser.world, fields)
    (line,) = answer.headers("Set-Cookie")
    found = COOKIE.fullmatch(line)
    assert found is not None
    assert (303, f"{browser.world.url}{CALLBACK}?posted={found[1]}") == (answer.status, answer.location)
    browser.session.cookie_jar.update_cookies_from_headers([line], URL(browser.world.url + CALLBACK))
    return answer.location


async def come_back(browser: Browser, fields: dict[str, str]) -> tuple[int, str, str]:
    """The form, and the callback after it."""
    return await browser.go(await bounced(browser, fields))


def kept(browser: Browser) -> list[str]:
    """Cookies of bounces that the browser would send to the callback."""
    found = browser.session.cookie_jar.filter_cookies(URL(browser.world.url + CALLBACK))
    return [name for name in found if ".posted-" in name]


def told(world: World) -> list[str]:
    return [event["reason"] for event in world.told("login.error")]


async def test_an_answer_in_a_form_signs_in(worlds: Worlds) -> None:
    world = await worlds(staff=STAFF)
    async with world.browser() as browser:
        fields = await answered(browser, "ada", "/browse/KEY-1?a=b")
        place = await bounced(browser, fields)
        assert 1 == len(kept(browser))
        assert not any(fields["code"] in text or fields["state"] in text for text in (place, *kept(browser)))
        # It goes to that callback only.
        assert not any(".posted-" in name for name in browser.cookies)
        status, place, _ = await browser.go(place)
        assert (303, world.url + "/browse/KEY-1?a=b") == (status, place)
        assert (200, []) == ((await browser.go(place))[0], kept(browser))
        assert SESSION in browser.cookies
        assert all("SameSite=Lax" in line for line in browser.seen if line.startswith("__"))
    assert [] == told(world)
    assert 1 == len(world.told("login.success"))


async def test_a_context_path_is_kept(worlds: Worlds) -> None:
    world = await worlds(staff=STAFF, context="/jira")
    answer = await post(world, {"state": "s", "code": "c"}, path="/jira" + CALLBACK)
    assert (303, True) == (answer.status, answer.location.startswith(f"{world.url}{CALLBACK}?posted="))
    assert "; Path=/jira/.lychgate/callback/staff; " in answer.headers("Set-Cookie")[0]


@pytest.mark.parametrize("order", [range(10), range(9, -1, -1), (4, 7, 0, 9, 2, 5, 8, 1, 6, 3)])
async def test_ten_tabs_all_end_on_their_pages(worlds: Worlds, order: Sequence[int]) -> None:
    world = await worlds(staff=STAFF)
    async with world.browser() as browser:
        forms = [await answered(browser, "ada", f"/browse/KEY-{number}") for number in range(10)]
        # All forms are in before the first browser comes again: the largest heap of cookies that there is.
        places = [await bounced(browser, fields) for fields in forms]
        for number in order:
            status, place, _ = await browser.go(places[number])
            assert (303, f"{world.url}/browse/KEY-{number}") == (status, place)
        assert [] == kept(browser)
    assert [] == told(world)
    assert 1 == len(world.told("session.created"))


async def test_a_refusal_comes_back_in_a_form_too(worlds: Worlds) -> None:
    world = await worlds(staff=STAFF)
    async with world.browser() as browser:
        _, place, _ = await browser.go(world.url + "/browse/KEY-1")
        _, _, text = await browser.go(place + "&prompt=none")
        fields = {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', text)}
        assert "login_required" == fields["error"]
        status, _, text = await come_back(browser, fields)
        assert (403, True) == (status, "provider_refused" in text)
    assert ["provider_refused"] == told(world)


async def test_a_bounce_lives_a_minute(worlds: Worlds) -> None:
    clock = Hands(int(time.time()))
    world = await worlds(staff=STAFF, clock=clock, proof="secret")
    for waited, word in ((50, ""), (119, "code_refused"), (121, "state_expired")):
        async with world.browser() as browser:
            place = await bounced(browser, await answered(browser, "ada"))
            pair = "; ".join(f"{name}={value}" for name, value in _all(browser).items())
            clock.passed += waited
            answer = await world.page(place.removeprefix(world.origin), ("Cookie", pair))
            assert (waited, 400 if word else 303, True) == (waited, answer.status, word in answer.text)
    # The provider's own codes live a minute, and a clock may be off by another.
    assert ["code_refused", "state_expired"] == told(world)


def _all(browser: Browser) -> dict[str, str]:
    found = browser.session.cookie_jar.filter_cookies(URL(browser.world.url + CALLBACK))
    return {name: morsel.value for name, morsel in found.items()}


async def test_nobody_can_sign_somebody_else_in(worlds: Worlds) -> None:
    """Login CSRF: the attacker's own, perfectly good answer, posted from the victim's browser."""
    world = await worlds(staff=STAFF)
    async with world.browser() as attacker, world.browser() as victim:
        theirs = await answered(attacker, "stella")
        status, _, text = await come_back(victim, theirs)
        assert (400, True, False) == (status, "state_missing" in text, SESSION in victim.cookies)
        # Not while the victim is signing in either, nor with the victim's session in place.
        mine = await answered(victim, "ada")
        status, _, text = await come_back(victim, theirs)
        assert (400, True) == (status, "state_missing" in text)
        assert 303 == (await come_back(victim, mine))[0]
        status, place, _ = await come_back(victim, theirs)
        assert (303, f"{world.url}/") == (status, place.replace("/secure/Dashboard.jspa", "/"))
        assert "Ada Administrator" in (await victim.go(world.url + "/.lychgate/whoami"))[2]
        # The code was not touched: the attacker can still use it, and only there.
        assert 303 == (await come_back(attacker, theirs))[0]
    assert ["state_missing"] * 2 == told(world)


async def test_a_form_counts_once(worlds: Worlds) -> None:
    world = await worlds(staff=STAFF)
    async with world.browser() as browser:
        fields = await answered(browser, "ada", "/browse/KEY-7")
        attempt = dict(browser.cookies)
        place = await bounced(browser, fields)
        sent = "; ".join(f"{name}={value}" for name, value in {**attempt, **_all(browser)}.items())
        assert (303, f"{world.url}/browse/KEY-7") == (await browser.go(place))[:2]
        # Back and reload: the cookie is gone, the session is there, and the page is known.
        assert (303, f"{world.url}/browse/KEY-7") == (await browser.go(place))[:2]
        assert (303, f"{world.url}/browse/KEY-7") == (await come_back(browser, fields))[:2]
    answer = await world.page(place.removeprefix(world.origin), ("Cookie", sent))
    assert (400, True) == (answer.status, "state_spent" in answer.text)
    answer = await world.page(place.removeprefix(world.origin))
    assert (400, True) == (answer.status, "state_missing" in answer.text)
    assert ["state_spent", "state_missing"] == told(world)
    assert 1 == len(world.told("session.created"))


FORGED = ["posted=0123456789ab", "posted=", "posted=x", "posted=0123456789AB", "posted=0123456789ab&state=s&code=c",
          "posted=0123456789ab&posted=0123456789ab", "state=s&code=c&posted=0123456789ab"]  # fmt: skip


@pytest.mark.parametrize("query", FORGED)
async def test_a_forged_bounce_is_refused(worlds: Worlds, query: str) -> None:
    world = await worlds(staff=STAFF)
    sealed = (await post(world, {"state": "s", "code": "c"})).headers("Set-Cookie")[0].partition(";")[0]
    value = sealed.partition("=")[2]
    for cookie in ("", f"__Secure-lychgate-jira.posted-0123456789ab={value}", f"{sealed}; {sealed}"):
        for provider in ("staff", "customers"):
            answer = await world.page(f"/.lychgate/callback/{provider}?{query}", ("Cookie", cookie))
            assert (400, True) == (answer.status, "state_missing" in answer.text or "callback_invalid" in answer.text)
            assert not any(line.startswith(f"{SESSION}=") for line in answer.headers("Set-Cookie"))
    assert 6 == len(told(world))
    details = {event["facts"]["detail"] for event in world.told("login.error")}
    # What was sealed for one attempt is not even opened for another.
    assert 1 == len(details)


async def test_a_bounce_counts_for_its_own_provider_only(worlds: Worlds) -> None:
    world = await worlds(staff=STAFF)
    answer = await post(world, {"state": "s", "code": "c"})
    sealed = answer.headers("Set-Cookie")[0].partition(";")[0]
    elsewhere = answer.location.removeprefix(world.origin).replace("/staff?", "/customers?")
    assert "state_missing" in (await world.page(elsewhere, ("Cookie", sealed))).text
    assert "the browser did not bring back" in world.told("login.error")[-1]["facts"]["detail"]
    for provider in ("customers", "nobody", "", "staff/x", "staff%2Fx"):
        answer = await post(world, {"state": "s", "code": "c"}, path=f"/.lychgate/callback/{provider}")
        assert (provider, 404, []) == (provider, answer.status, answer.headers("Set-Cookie"))


async def test_an_attempt_at_one_provider_is_not_answered_by_another(worlds: Worlds) -> None:
    world = await worlds(staff=STAFF)
    async with world.browser() as browser:
        _, place, _ = await browser.go(world.url + "/servicedesk/customer/portal/1")
        assert place.startswith(world.customers.issuer)
        state = parse_qs(urlsplit(place).query)["state"][0]
        status, _, text = await come_back(browser, {"state": state, "code": "c"})
        assert (400, True) == (status, "issuer_mismatch" in text)
    assert ["issuer_mismatch"] == told(world)


async def test_a_provider_that_another_application_uses_may_not_post_here(worlds: Worlds) -> None:
    theirs = {"agents": {"provider": "customers"}, "support": {"provider": "customers"}}
    world = await worlds(staff=STAFF, second=True, accounts={"adopt": "never"}, **theirs)
    assert 404 == (await post(world, {"state": "s", "code": "c"})).status
    assert 303 == (await post(world, {"state": "s", "code": "c"}, path="/tools" + CALLBACK)).status


async def test_no_form_where_the_provider_has_none(worlds: Worlds) -> None:
    world = await worlds()
    answer = await post(world, {"state": "s", "code": "c"})
    assert (404, [], True) == (answer.status, answer.headers("Set-Cookie"), "unknown_endpoint" in answer.text)
    assert [] == told(world)


UNUSABLE: dict[str, tuple[bytes, tuple[tuple[str, str], ...]]] = {
    "no state": (b"code=c", (FORM,)),
    "empty state": (b"code=c&state=", (FORM,)),
    "state twice": (b"code=c&state=a&state=b", (FORM,)),
    "code twice": (b"code=c&code=d&state=a", (FORM,)),
    "nothing": (b"", (FORM,)),
    "another type": (b"state=s&code=c", (("Content-Type", "text/plain"),)),
    "no type": (b"state=s&code=c", (("Accept", "text/html"),)),
    "parts": (b"state=s&code=c", (("Content-Type", "multipart/form-data; boundary=x"),)),
    "json": (b'{"state": "s"}', (("Content-Type", "application/json"),)),
    "no text": (b"state=s&code=%ff", (FORM,)),
    "raw bytes": (b"state=s&code=\xc3\xa4", (FORM,)),
    "many fields": (b"state=s&" + b"&".join(b"f%d=x" % number for number in range(99)), (FORM,)),
    "too large for a cookie": (b"state=s&code=" + b"c" * 3000, (FORM,)),
    "larger than a form": (b"state=s&code=c&x=" + b"x" * 17_000, (FORM,)),
    "much larger": (b"state=s&code=c&x=" + b"x" * 300_000, (FORM,)),
}


@pytest.mark.parametrize("what", UNUSABLE)
async def test_what_is_no_answer_is_refused_and_told(worlds: Worlds, what: str) -> None:
    world = await worlds(staff=STAFF)
    body, fields = UNUSABLE[what]
    answer = await post(world, body, *fields)
    assert (400, [], "") == (answer.status, answer.headers("Set-Cookie"), answer.location)
    assert ["callback_invalid"] == told(world)
    assert ["staff"] == [event["provider"] for event in world.told("login.error")]
    assert not any("%ff" in line or "state=s" in line for line in world.audit.getvalue().splitlines())


async def test_a_large_answer_fits(worlds: Worlds) -> None:
    world = await worlds(staff=STAFF)
    answer = await post(world, {"state": "s" * 22, "code": "c" * 2400, "x": "y" * 10_000})
    (line,) = answer.headers("Set-Cookie")
    assert (303, True) == (answer.status, 3000 < len(line) < 4096)


HINTS = [
    ("ada@example.com", "ada@example.com"),
    ("a b+c&d=e", "a b+c&d=e"),
    ("x" * 320, "x" * 320),
    ("x" * 321, None),
    ("", None),
    ("a\r\nb", None),
    ("a\x00b", None),
    ("a\u202eb", None),
]


@pytest.mark.parametrize(("hint", "expected"), HINTS)
async def test_a_hint_is_passed_on_within_bounds(worlds: Worlds, hint: str, expected: str | None) -> None:
    world = await worlds()
    answer = await world.page("/.lychgate/login?" + urlencode({"to": "/browse/KEY-1", "login_hint": hint}))
    asked = parse_qs(urlsplit(answer.location).query)
    assert (302, [expected] if expected else None) == (answer.status, asked.get("login_hint"))
    assert not expected or expected not in world.audit.getvalue()
