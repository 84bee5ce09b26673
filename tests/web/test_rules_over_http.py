"""The rules as a client meets them (design, section 5, R1 to R5; D1, D6, D12; rules 2 to 6 and 14): status, form of the
answer, and an application that hears nothing of what was refused."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.web.conftest import Worlds
from tests.web.rig import HTML, MACHINES, World
from tests.web.wire import Answer

Field = tuple[str, str]
FORM = ("Content-Type", "application/x-www-form-urlencoded")
PAT = ("Authorization", f"Bearer {MACHINES}")
PORTALS = "/servicedesk/customer/portals"


def _leads_to(answer: Answer, world: World) -> str:
    """Where a sign-in begins: `staff`, `customers`, or the place itself."""
    issuers = {world.staff.issuer: "staff", world.customers.issuer: "customers"}
    return issuers.get(answer.location.partition("/authorize")[0], answer.location)


def _refused(answer: Answer, status: int, reason: str) -> None:
    """A refusal to a machine: JSON, not to be kept, and never a browser's password box."""
    assert (status, reason) == (answer.status, answer.error)
    assert (answer.header("Content-Type") or "").startswith("application/json")
    assert "no-store" in (answer.header("Cache-Control") or "")
    challenge = answer.header("WWW-Authenticate")
    error = ', error="invalid_token"' if reason == "token_not_accepted" else ""
    assert (challenge is None) if status != 401 else (challenge == f'Bearer realm="jira"{error}')
    assert answer.header("X-Request-Id") == answer.json["request_id"]


async def test_r1_and_r4_a_page_signs_in_at_the_portal_of_its_path(worlds: Worlds) -> None:
    world = await worlds(context="/jira")
    for path, provider in (
        ("/", "staff"),
        ("/browse/KEY-1?x=1&y=%2F", "staff"),
        (PORTALS, "customers"),
        ("/servicedesk/customer", "customers"),
        ("/servicedesk/customershim/x", "customers"),
        ("/plugins/servlet/servicedesk/customer/x", "customers"),
        ("/servicedesk/customers", "staff"),
        ("/servicedesk/agent/KEY", "staff"),
        ("/rest/servicedeskapi/info", "staff"),
        ("/s/1/_/servicedesk/customer/portals", "customers"),
    ):
        answer = await world.page("/jira" + path)
        assert (302, provider) == (answer.status, _leads_to(answer, world)), path
        assert "no-store" == answer.header("Cache-Control")
        asked = parse_qs(urlsplit(answer.location).query)
        assert [f"{world.url}/.lychgate/callback/{provider}"] == asked["redirect_uri"]
        assert ["S256"] == asked["code_challenge_method"] and asked["state"] and asked["nonce"]
    assert [] == world.arrived


async def test_r4_everything_else_gets_401_and_never_a_redirect(worlds: Worlds) -> None:
    world = await worlds()
    browse = "/browse/KEY-1"
    calls: list[tuple[str, str, tuple[Field, ...]]] = [
        ("GET", browse, ()),
        ("GET", browse, (("Accept", "application/json"),)),
        ("GET", browse, (HTML, ("X-Requested-With", "XMLHttpRequest"))),
        ("GET", browse, (HTML, ("Sec-Fetch-Mode", "cors"))),
        ("GET", browse, (HTML, ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image"))),
        ("GET", browse, (HTML, ("Sec-Purpose", "prefetch"))),
        ("GET", "/rest/api/2/myself", (("Referer", world.url + PORTALS),)),
        ("GET", PORTALS, (("Accept", "*/*"),)),
        ("OPTIONS", browse, (("Origin", "https://evil.example"), ("Access-Control-Request-Method", "GET"))),
        *[(method, browse, ()) for method in ("HEAD", "PUT", "DELETE", "PATCH", "PROPFIND")],
    ]
    for method, path, fields in calls:
        answer = await world.ask(method, path, *fields)
        if method == "HEAD":
            assert (401, 'Bearer realm="jira"') == (answer.status, answer.header("WWW-Authenticate"))
        else:
            _refused(answer, 401, "no_session")
        assert [] == answer.headers("Location") + answer.headers("Set-Cookie")
    # A person who posts a form gets a page with the same status.
    answer = await world.ask("POST", browse, HTML, FORM, body=b"a=b")
    assert 401 == answer.status and "text/html" in (answer.header("Content-Type") or "")
    assert 'Bearer realm="jira"' == answer.header("WWW-Authenticate")
    assert [] == world.arrived


async def test_static_files_pass_anonymously_for_get_and_head_only(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    for method in ("GET", "HEAD"):
        assert (await world.ask(method, "/images/icon.png", cookie)).status in {200, 404}
    assert [None, None] == [call.username for call in world.arrived]
    assert 401 == (await world.ask("POST", "/images/icon.png", body=b"")).status
    assert 401 == (await world.ask("GET", "/s/x/_/rest/api/2/search")).status
    assert 400 == (await world.ask("GET", "/images/x/UserBrowser.jspa")).status
    assert 2 == len(world.arrived)


async def test_r2_customers_paths_take_any_session_and_r3_lets_agents_in_but_never_customers_out(
    worlds: Worlds,
) -> None:
    world = await worlds()
    agent, customer = await world.sign_in("ada"), await world.sign_in("carl", PORTALS)
    world.forget()
    assert [200, 200] == [(await world.page("/rest/servicedeskapi/info", it)).status for it in (agent, customer)]
    assert [200, 200] == [(await world.page(PORTALS, it)).status for it in (agent, customer)]
    assert ["ada", "cust-carl", "ada", "cust-carl"] == [call.username for call in world.arrived]
    assert ["agents"] == [event["facts"]["home"] for event in world.told("portal.cross_use")]
    world.forget()
    for path in ("/browse/KEY-1", "/secure/attachment/10000/gate.txt", "/secure/Dashboard.jspa"):
        page = await world.page(path, customer)
        assert 403 == page.status and "Sign out and sign in as somebody else" in page.text
        assert "/.lychgate/logout" in page.text and path in page.text
    _refused(await world.ask("GET", "/rest/api/2/search", customer), 403, "other_portal")
    assert [] == world.arrived
    assert {"other_portal"} == {event["reason"] for event in world.told("access.denied")}


async def test_the_switch_button_signs_out_and_leads_to_the_other_sign_in(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        await browser.sign_in("carl", PORTALS)
        _, _, text = await browser.go(world.url + "/browse/KEY-1?focus=2")
        token = text.partition('name="token" value="')[2].partition('"')[0]
        data = {"token": token, "to": "/browse/KEY-1?focus=2"}
        status, place, _ = await browser.go(world.url + "/.lychgate/logout", "POST", data=data)
        assert (303, world.url + "/browse/KEY-1?focus=2") == (status, place)
        assert 200 == (await browser.sign_in("ada", "/browse/KEY-1?focus=2"))[0]
        assert "ada" == world.arrived[-1].username


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "/%09/evil.example"])
async def test_the_switch_button_leads_nowhere_else(worlds: Worlds, to: str) -> None:
    world = await worlds()
    async with world.browser() as browser:
        await browser.sign_in("carl", PORTALS)
        _, _, text = await browser.go(world.url + "/browse/KEY-1")
        token = text.partition('name="token" value="')[2].partition('"')[0]
        _, place, _ = await browser.go(world.url + "/.lychgate/logout", "POST", data={"token": token, "to": to})
        assert world.url + "/secure/Dashboard.jspa" == place


async def test_an_administrators_page_opens_for_administrators_only_however_it_is_spelt(worlds: Worlds) -> None:
    world = await worlds()
    ada, stella = await world.sign_in("ada"), await world.sign_in("stella")
    world.forget()
    paths = (
        "/secure/admin/user/UserBrowser.jspa",
        "/SECURE/ADMIN/user/UserBrowser.jspa",
        "/secure/UserBrowser.jspa",
        "/browse/UserBrowser.jspa",
        "/s/x/_/secure/admin/user/UserBrowser.jspa",
    )
    for path in paths:
        _refused(await world.ask("GET", path, stella), 403, "not_in_group")
    assert [] == world.arrived
    assert 200 == (await world.page(paths[0], ada)).status
    page = await world.page(paths[0], stella)
    assert 403 == page.status and "stella" in page.text and "not_in_group" in page.text


async def test_previews_and_frames_get_pages_of_ours(worlds: Worlds) -> None:
    world = await worlds()
    office = await world.page("/browse/KEY-1?a=b", ("User-Agent", "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"))
    assert 200 == office.status and "text/html" in (office.header("Content-Type") or "")
    assert "http-equiv" in office.text.lower() or office.header("Refresh")
    frame = await world.page("/browse/KEY-1?a=b", ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe"))
    assert frame.status in {200, 401} and "/browse/KEY-1?a=b" in frame.text
    for answer in (office, frame):
        assert [] == answer.headers("Set-Cookie") + answer.headers("Location")
        assert "default-src 'none'" in (answer.header("Content-Security-Policy") or "")
    assert [] == world.arrived


async def test_double_slashes_lead_to_the_same_origin_or_nowhere(worlds: Worlds) -> None:
    world = await worlds()
    for target, location in (
        ("//browse/KEY-1?q=//x", "/browse/KEY-1?q=//x"),
        ("/browse//KEY-1", "/browse/KEY-1"),
        ("//evil.example/x", "/evil.example/x"),
        ("///evil.example//x", "/evil.example/x"),
    ):
        answer = await world.page(target)
        assert (308, world.origin + location) == (answer.status, answer.location)
    assert 400 == (await world.ask("POST", "/browse//KEY-1", body=b"")).status
    assert [] == world.arrived


HOSTS = {
    "evil.example": 421, "jira.localhost": 421, "localhost": 421, "localhost.evil.example:{port}": 421,
    "localhost:1": 421, "localhost@evil.example:{port}": 400, "evil.example@localhost:{port}": 400,
    "localhost:{port}/evil": 400, "localhost:{port}, evil.example": 400, "localhost:{port}:80": 400, "": 400,
    " ": 400, "localhost:99999999": 400, "[::1": 400, "localhost:{port}#x": 400, "localhost\t:{port}": 400,
    "LOCALHOST:{port}": 200, "localhost.:{port}": 200,
}  # fmt: skip


async def test_only_the_configured_host_is_served(worlds: Worlds) -> None:
    world = await worlds()
    for host, status in HOSTS.items():
        answer = await world.ask("GET", "/public/x", host=host.format(port=world.port))
        assert (host, status == 200) == (host, answer.status in {200, 404}), answer.raw
        assert status == 200 or status == answer.status, (host, answer.raw)
    assert {world.host} == {value for call in world.arrived for value in call.header_values("Host")}
    assert 2 == len(world.arrived)


BAD = (
    "/a/../b", "/a/%2e%2e/b", "/a/.%2E/b", "/a/..;x/b", "/a/%2e%2e;/b", "/a/..%3B/b", "/a%2Fb", "/a%5Cb", "/a\\b",
    "/a%00b", "/a%0Ab", "/a%C0%AFb", "/a%252Fb", "/a/%252e%252e/b", "/a;x=1/b", "/a#b", "/a%zzb", "/a%", "/.", "/..",
    "http://evil.example/x", "http://localhost/x", "{origin}/public/x", "*", "public/x", "/a%25%32%46b",
)  # fmt: skip


async def test_what_could_mean_two_things_is_refused(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    for target in BAD:
        for method in ("GET", "POST"):
            answer = await world.ask(method, target.format(origin=world.origin), cookie)
            assert (target, 400) == (target, answer.status), answer.raw
    for method in ("TRACE", "CONNECT", "FOO", "PURGE", "get"):
        target = world.host if method == "CONNECT" else "/public/x"
        answer = await world.ask(method, target, cookie)
        assert (method, True) == (method, answer.status in {400, 405}), answer.raw
    assert 400 == (await world.ask("OPTIONS", "*", cookie)).status
    assert [] == world.arrived


async def test_the_application_gets_exactly_the_judged_bytes(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    targets = [
        "/display/A+B/%C3%A4%20100%25?q=%2F%2e%2e%00&x=//;&",
        "/browse/KEY-1?",
        "/~ada/(x)!$&'*,=:@",
        "/%62rowse/KEY-1",
    ]
    for target in targets:
        await world.page(target, cookie)
    assert targets == [call.target for call in world.arrived]


async def test_closed_and_denied_paths_are_closed_to_everybody(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    closed = ("/setup/x", "/rpc/soap", "/rest/usermanagement/1/user", "/WEB-INF/web.xml", "/web-inf/x", "/SETUP/x",
              "/plugins/servlet/external-login", "/secure/SetupDatabase.jspa", "/x/SetupDatabase!default.jspa",
              "/s/x/_/WEB-INF/web.xml", "/rest/authconfig/1.0/sso")  # fmt: skip
    for fields in ((), (cookie,), (PAT,)):
        for path in closed:
            _refused(await world.ask("GET", path, *fields), 403, "closed_path")
        _refused(await world.ask("GET", "/forbidden/x", *fields), 403, "rule_denied")
        _refused(await world.ask("GET", "/Forbidden/x", *fields), 403, "rule_denied")
    assert [] == world.arrived


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Negotiate YII=", "credential_unknown"),
        ("Digest username=x", "credential_unknown"),
        ("Bearer", "credential_unknown"),
        ("Basic YWxpY2U6d29uZGVybGFuZA==", "credential_denied"),
        (f"Bearer {MACHINES}", "credential_not_here"),
        ("", "credential_unknown"),
    ],
)
async def test_credentials_pass_only_where_they_may(worlds: Worlds, value: str, reason: str) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    path = "/browse/KEY-1" if reason == "credential_not_here" else "/rest/api/2/myself"
    for fields in ((), (cookie,), (HTML,)):
        answer = await world.ask("GET", path, ("Authorization", value), *fields)
        assert 401 == answer.status and 'Bearer realm="jira"' == answer.header("WWW-Authenticate")
        assert reason in answer.text
    assert 400 == (await world.ask("GET", "/rest/api/2/myself", ("Authorization", value), PAT)).status
    assert [] == world.arrived


def _jwt(issuer: str) -> str:
    import base64

    parts = ({"alg": "RS256"}, {"iss": issuer, "sub": "x"})
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*coded, "c2ln"])


async def test_a_token_of_a_provider_is_no_token_of_the_application(worlds: Worlds) -> None:
    world = await worlds()
    token = ("Authorization", f"Bearer {_jwt(world.staff.issuer)}")
    _refused(await world.ask("GET", "/rest/api/2/myself", token), 401, "token_not_accepted")
    assert [] == world.arrived


async def test_nobody_is_sent_to_an_own_endpoint_by_another_spelling(worlds: Worlds) -> None:
    world = await worlds()
    for path in ("/%2Elychgate/whoami", "/.lychgate", "/.lychgate/", "/.lychgate/whoami/", "/.lychgate/WhoAmI",
                 "/.LYCHGATE/whoami", "/.lychgate/whoami;x", "/x/.lychgate/whoami", "/.lychgate/jwks.json",
                 "/.lychgate/" + quote("who ami"), "/.lychgate/callback/", "/.lychgate/callback/nobody/x"):  # fmt: skip
        answer = await world.ask("GET", path)
        assert (path, True) == (path, answer.status in {400, 401, 404}), answer.raw
    assert [] == world.arrived
