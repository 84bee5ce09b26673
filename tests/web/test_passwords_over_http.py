"""D12 and D14 at the whole gate: no password finds a way around the sign-in, and no log-in page is a circle."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.web.conftest import Worlds
from tests.web.rig import HTML, MACHINES, World
from tests.web.wire import Wire

Field = tuple[str, str]
FORM = ("Content-Type", "application/x-www-form-urlencoded")
PAT = ("Authorization", f"Bearer {MACHINES}")
PASSWORD = b"os_username=alice&os_password=wonderland"
MULTIPART = ("Content-Type", "multipart/form-data; boundary=b")


def _part(name: str, value: str) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def _served_by_password(world: World) -> list[str]:
    return [call.target for call in world.jira.calls if call.how == "parameters"]


QUERIES = (
    "os_username=alice&os_password=wonderland", "a=b&os_password=x", "OS_USERNAME=alice", "%6fs_username=alice",
    "os%5Fpassword=x", "a=b;os_password=x", "os_username", "+os_username=x", "os_cookie=true",
)  # fmt: skip


async def test_not_in_the_query(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    for query in QUERIES:
        for path in (
            "/browse/KEY-1",
            "/rest/api/2/myself",
            "/images/icon.png",
            "/public/x",
            "/servicedesk/customer/portals",
        ):
            for fields in ((), (cookie,), (PAT,)):
                answer = await world.ask("GET", f"{path}?{query}", *fields)
                assert (403, "password_login") == (answer.status, answer.error), (path, query)
    assert [] == world.arrived


BODIES: dict[str, tuple[Field, bytes]] = {
    "urlencoded": (FORM, PASSWORD),
    "percent-encoded names": (FORM, b"%6fs_username=alice&os%5fpassword=wonderland"),
    "with a charset": (("Content-Type", "APPLICATION/x-www-form-urlencoded; charset=UTF-8"), PASSWORD),
    "multipart": (MULTIPART, _part("os_username", "alice") + _part("os_password", "wonderland") + b"--b--\r\n"),
    "after ten kilobytes": (FORM, b"comment=" + b"x" * 10_000 + b"&" + PASSWORD),
    "before a megabyte": (FORM, PASSWORD + b"&comment=" + b"x" * 1_000_000),
}


@pytest.mark.parametrize("framing", ["length", "chunked", "expect", "byte by byte"])
async def test_not_in_a_form(worlds: Worlds, framing: str) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    for body, (kind, data) in BODIES.items():
        async with world.wire() as wire:
            await _post(wire, (cookie, kind), data, framing)
            answer = await wire.answer("POST")
            assert (body, 403, "password_login") == (body, answer.status, answer.error)
    assert [] == world.arrived


async def _post(wire: Wire, fields: tuple[Field, ...], data: bytes, framing: str) -> None:
    """Send a form in one of the ways in which it can arrive."""
    path, length = "/secure/X.jspa", ("Content-Length", str(len(data)))
    if framing == "chunked":
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in _pieces(data, 4000))
        wire.request("POST", path, *fields, ("Transfer-Encoding", "chunked"), body=pieces + b"0\r\n\r\n")
    elif framing == "expect":
        wire.request("POST", path, *fields, length, ("Expect", "100-continue"))
        assert 100 == (await wire.head()).status
        wire.send(data)
    else:
        wire.request("POST", path, *fields, length)
        for piece in _pieces(data, 7 if framing == "byte by byte" and len(data) < 1000 else 9000):
            wire.send(piece)
            await asyncio.sleep(0)


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


async def test_a_form_without_a_session_or_on_a_public_path_is_looked_at_too(worlds: Worlds) -> None:
    world = await worlds(jira={"api": {"basic": "pass"}, "machine": ["gadgets"]})
    for path, fields in (("/public/x", ()), ("/plugins/servlet/gadgets/x", (PAT,))):
        answer = await world.ask("POST", path, FORM, *fields, body=PASSWORD)
        assert (403, "password_login") == (answer.status, answer.error), path
    assert [] == _served_by_password(world)


async def test_every_reading_must_lie_in_rest_for_a_form_to_pass_unseen(worlds: Worlds) -> None:
    """Jira forwards `/s/<any>/_/<rest>` inside, and may find more than one such forward in a path (D1, D12)."""
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    for path in ("/s/a/_/browse/KEY-1", "/s/a/_/rest/x/_/browse/KEY-1", "/s/rest/_/rest/_/secure/X.jspa"):
        answer = await world.ask("POST", path, cookie, FORM, body=PASSWORD)
        assert (path, 403, "password_login") == (path, answer.status, answer.error)
    assert [] == world.arrived


async def test_a_charset_in_which_names_look_otherwise_never_comes_with_a_query(worlds: Worlds) -> None:
    """Tomcat reads the query in the charset of the content (`useBodyEncodingForURI`): `os_username` in EBCDIC."""
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    query = "?%96%a2%6d%a4%a2%85%99%95%81%94%85=%81%93%89%83%85"
    for path in ("/browse/KEY-1", "/rest/api/2/myself", "/public/x"):
        for kind in ("text/plain; charset=IBM037", "application/json;charset=utf-16", "x/y; charset='ibm500'"):
            answer = await world.ask("GET", path + query, cookie, ("Content-Type", kind))
            assert (path, 403, "password_login") == (path, answer.status, answer.error)
        body = await world.ask("POST", path + query, cookie, ("Content-Type", "text/x; charset=IBM037"), body=b"x")
        assert (403, "password_login") == (body.status, body.error)
    assert [] == world.arrived
    usual = ("Content-Type", "application/json; charset=UTF-8")
    assert 200 == (await world.ask("GET", "/rest/api/2/myself?a=b", cookie, usual)).status


async def test_other_forms_pass_whole(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    for size in (0, 1, 16_383, 16_384, 16_385, 200_000):
        for framed in ((), (("Transfer-Encoding", "chunked"),)):
            data = b"x" * size
            body = (b"%x\r\n%b\r\n" % (size, data) if size else b"") + b"0\r\n\r\n" if framed else data
            answer = await world.ask("POST", "/plugins/servlet/demo/echo", cookie, FORM, *framed, body=body)
            assert (200, data) == (answer.status, answer.body), size


async def test_the_products_password_services_are_closed(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    for path in ("/rest/auth/1/session", "/rest/auth/latest/session", "/rest/tsv/1.0/authenticate", "/login.jsp",
                 "/rest/gadget/1.0/login", "/servicedesk/customer/user/login", "/secure/Signup!default.jspa",
                 "/LOGIN.jsp", "/REST/auth/1/SESSION", "/s/x/_/login.jsp"):  # fmt: skip
        for fields in ((), (cookie,), (PAT,)):
            answer = await world.ask("POST", path, ("Content-Type", "application/json"), *fields, body=b"{}")
            assert (403, "password_login") == (answer.status, answer.error), path
    assert [] == world.arrived


@pytest.mark.parametrize("context", ["", "/jira"])
async def test_a_log_in_page_becomes_our_sign_in_and_leads_where_it_would_have_led(
    worlds: Worlds, context: str
) -> None:
    world = await worlds(context=context)
    for asked, then in (
        ("/login.jsp?os_destination=%2Fbrowse%2FKEY-1%3Fa%3Db&x=1", "/browse/KEY-1?a=b"),
        ("/login.jsp", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=https%3A%2F%2Fevil.example%2F", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=%2F%2Fevil.example%2F", "/secure/Dashboard.jspa"),
        ("/login.jsp?os_destination=%2Flogin.jsp", "/secure/Dashboard.jspa"),
    ):
        async with world.browser() as browser:
            world.forget()
            status, place, _ = await browser.sign_in("ada", asked)
            assert (200, context + then) == (status, world.arrived[-1].target), (asked, place)
    async with world.browser() as browser:
        asked = "/servicedesk/customer/user/login?destination=portal%2F1"
        assert 200 == (await browser.sign_in("carl", asked))[0]
        assert f"{context}/servicedesk/customer/portal/1" == world.arrived[-1].target


async def test_a_script_at_the_log_in_page_gets_401(worlds: Worlds) -> None:
    world = await worlds()
    answer = await world.ask("GET", "/login.jsp?os_destination=%2F")
    assert (401, "no_session") == (answer.status, answer.error)
    assert [] == world.arrived


async def test_with_a_session_a_log_in_page_is_a_failed_landing_and_no_new_sign_in(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    for path in ("/login.jsp", "/login.jsp?os_destination=%2Fbrowse%2FKEY-1", "/login", "/s/x/_/login.jsp"):
        answer = await world.page(path, cookie)
        assert "" == answer.location and answer.status >= 400 and "landing_failed" in answer.text
    assert [] == world.arrived
    # Each of the four pages is found in the trail by its id.
    assert ["landing_failed"] * 4 == [event["reason"] for event in world.told("landing.failed")]


async def test_sign_in_keeps_deep_links_and_query_strings(worlds: Worlds) -> None:
    world = await worlds()
    targets = ("/browse/KEY-1?filter=-1&jql=a%20%3D%20%22b%22&x=%2F%2F", "/issues/?jql=text%20~%20%22%C3%A4%22")
    for target in targets:
        async with world.browser() as browser:
            await browser.sign_in("ada", target)
            assert target == world.arrived[-1].target
    async with world.browser() as browser:
        long = "/browse/KEY-1?x=" + "y" * 3000
        await browser.sign_in("ada", long)
        assert "/secure/Dashboard.jspa" == world.arrived[-1].target


async def test_ten_tabs_at_once(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        places = [(await browser.go(f"{world.url}/browse/KEY-1?tab={tab}"))[1] for tab in range(10)]
        states = {parse_qs(urlsplit(place).query)["state"][0] for place in places}
        assert 10 == len(states)
        for tab in (3, 9, 0, 1, 2, 4, 5, 6, 7, 8):
            status, _, _ = await browser.choose(places[tab], "ada")
            assert (200, f"/browse/KEY-1?tab={tab}") == (status, world.arrived[-1].target)
        assert 4096 > len(browser.cookie[1])
    assert 1 == len(world.told("session.created"))


async def test_a_callback_is_good_once_and_for_its_own_browser(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        _, place, _ = await browser.go(world.url + "/browse/KEY-1")
        _, _, text = await browser.go(place)
        interaction = text.partition('name="interaction" value="')[2].partition('"')[0]
        data = {"interaction": interaction, "person": "ada"}
        _, back, _ = await browser.go(place.partition("/authorize")[0] + "/choose", "POST", data=data)
        callback, carried = back.removeprefix(world.origin), browser.cookie
        other = await world.page(callback)
        assert 400 == other.status and "state_missing" in other.text and "Try again" in other.text
        wrong = await world.page(callback.replace("/callback/staff", "/callback/customers"), carried)
        assert 400 == wrong.status and "issuer_mismatch" in wrong.text
        assert 303 == (await world.page(callback, carried)).status
        again = await world.page(callback, carried)
        assert 400 == again.status and "state_spent" in again.text
    assert [] == world.arrived
    for answer in (other, wrong, again):
        assert [] == [line for line in answer.headers("Set-Cookie") if line.startswith("__Host-lychgate-jira=")]
        assert HTML[1] in (answer.header("Content-Type") or "")
