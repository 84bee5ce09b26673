"""D8 and rules 10 to 13 at the whole gate: no identity header of a client ever reaches an application.

Twelve spellings of every identity, secret and assertion header of every application go out on every kind of path of
every portal, in every mode; the stand-ins write down what arrives. A signed-in request carries exactly one of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from sidecar.adapters.clock import SystemClock
from sidecar.demo.jira import Call
from tests.web.conftest import Worlds
from tests.web.rig import HTML, MACHINES, SHARED, World

NAMES = (
    # those of the two applications: identity, secret, assertion, and one more that a receiver believes
    "X-Lychgate-User", "X-Lychgate-Secret", "X-Lychgate-Assertion", "X-Tools-Person", "X-Tools-Key", "X-Old-Receiver",
    # what receivers believe anywhere
    "X-Lychgate-Whatever", "Remote-User", "X-Remote-User", "X-Forwarded-User", "X-Forwarded-Email",
    "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Rp-Usr",
    # what names a person to old Atlassian applications, and what proxies found in certificates
    "X-Seraph-Trusted-App-Cert", "SSL-Client-S-DN", "Client-Cert",
)  # fmt: skip
FOLDED = {name.lower() for name in NAMES}
FORGED = "forged-admin"
Field = tuple[str, str]


def _mixed(name: str) -> str:
    return "".join(ch.upper() if at % 2 else ch.lower() for at, ch in enumerate(name))


SPELLINGS: dict[str, Callable[[str], list[Field]]] = {
    "as written": lambda name: [(name, FORGED)],
    "lower case": lambda name: [(name.lower(), FORGED)],
    "upper case": lambda name: [(name.upper(), FORGED)],
    "mixed case": lambda name: [(_mixed(name), FORGED)],
    "underscores": lambda name: [(name.replace("-", "_"), FORGED)],
    "upper case and underscores": lambda name: [(name.upper().replace("-", "_"), FORGED)],
    "one underscore": lambda name: [(name.replace("-", "_", 1), FORGED)],
    "repeated": lambda name: [(name, FORGED), (name, FORGED)],
    "repeated in two spellings": lambda name: [(name.replace("-", "_"), FORGED), (name.lower(), FORGED)],
    "blanks around the value": lambda name: [(name, f"\t {FORGED} \t")],
    "named in Connection": lambda name: [("Connection", name), (name, FORGED)],
    "named in Connection otherwise": lambda name: [("connection", f"close, {name.lower()}"), (_mixed(name), FORGED)],
}
PAT = ("Authorization", f"Bearer {MACHINES}")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
SOCKET = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)

# method, path, fields, body, whether the session's cookie goes with it
KINDS: dict[str, tuple[str, str, tuple[Field, ...], bytes | None, bool]] = {
    "public rule": ("GET", "/jira/public/page", (HTML,), None, False),
    "public rule, signed in": ("GET", "/jira/public/page", (HTML,), None, True),
    "static": ("GET", "/jira/images/icon.png", (), None, False),
    "static, rewritten": ("GET", "/jira/s/abc/_/images/icon.png", (), None, True),
    "page without a session": ("GET", "/jira/browse/KEY-1", (HTML,), None, False),
    "page": ("GET", "/jira/browse/KEY-1", (HTML,), None, True),
    "head": ("HEAD", "/jira/browse/KEY-1", (HTML,), None, True),
    "rest": ("GET", "/jira/rest/api/2/myself", (), None, True),
    "rest with a token": ("GET", "/jira/rest/api/2/myself", (PAT,), None, False),
    "rest with a token and a session": ("GET", "/jira/rest/api/2/myself", (PAT,), None, True),
    "form": ("POST", "/jira/secure/QuickEdit.jspa", (FORM,), b"summary=x", True),
    "form without a session": ("POST", "/jira/secure/QuickEdit.jspa", (FORM,), b"summary=x", False),
    "chunks with a trailer": (
        "POST",
        "/jira/plugins/servlet/demo/echo",
        (("Transfer-Encoding", "chunked"),),
        b"1\r\nx\r\n0\r\nX-Lychgate-User: forged-admin\r\n\r\n",
        True,
    ),
    "options": ("OPTIONS", "/jira/rest/api/2/myself", (("Origin", "https://evil.example"),), None, True),
    "options without a session": ("OPTIONS", "/jira/public/page", (), None, False),
    "whoami": ("GET", "/jira/.lychgate/whoami", (), None, True),
    "sign-out without its token": ("POST", "/jira/.lychgate/logout", (FORM,), b"token=x", True),
    "keys": ("GET", "/jira/.lychgate/jwks", (), None, False),
    "unknown endpoint of ours": ("GET", "/jira/.lychgate/nothing", (), None, True),
    "not found": ("GET", "/jira/nowhere", (HTML,), None, True),
    "no application": ("GET", "/elsewhere", (HTML,), None, True),
    "wrong method": ("TRACE", "/jira/browse/KEY-1", (), None, True),
    "bad path": ("GET", "/jira/a/%2e%2e/b", (), None, True),
    "customers' page": ("GET", "/jira/servicedesk/customer/portals", (HTML,), None, True),
    "customers' page without a session": ("GET", "/jira/servicedesk/customer/portals", (HTML,), None, False),
    "customers' rest": ("GET", "/jira/rest/servicedeskapi/info", (), None, True),
    "second application, static": ("GET", "/tools/images/icon.png", (), None, True),
    "second application, token": ("GET", "/tools/rest/api/2/serverInfo", (PAT,), None, True),
    "websocket": (
        "GET", "/jira/rest/live/1.0/socket", (*SOCKET, ("Origin", "{origin}")), None, True,
    ),
    "websocket without a session": (
        "GET", "/jira/rest/live/1.0/socket", (*SOCKET, ("Origin", "{origin}")), None, False,
    ),
}  # fmt: skip


async def _everything(world: World, cookie: Field | None) -> None:
    """Every kind of path in every spelling."""
    for spelling in SPELLINGS.values():
        forged = [field for name in NAMES for field in spelling(name)]
        for method, path, given, body, signed_in in KINDS.values():
            fields = [(name, value.format(origin=world.origin)) for name, value in given]
            if signed_in and cookie is not None:
                fields.append(cookie)
            async with world.wire() as wire:
                wire.request(method, path, *forged, *fields, body=body)
                head = await wire.head()
                assert head.status not in {500, 502, 503}, (method, path, head.raw)


def _identity(call: Call) -> list[Field]:
    """The identity headers that arrived, in whatever spelling."""
    return [(name, value) for name, value in call.headers if name.lower().replace("_", "-") in FOLDED]


def _forgeries(world: World) -> list[tuple[str, list[Field]]]:
    calls = [*world.jira.calls, *(world.tools.calls if world.tools else ())]
    return [(call.target, _identity(call)) for call in calls if any(FORGED in value for _, value in call.headers)]


@pytest.mark.parametrize("proof", ["assertion", "secret"])
async def test_no_forged_header_reaches_an_application_and_ours_stands_there_once(worlds: Worlds, proof: str) -> None:
    world = await worlds(context="/jira", second=True, proof=proof)
    cookie = await world.sign_in("ada")
    world.forget()
    await _everything(world, cookie)
    assert [] == _forgeries(world)
    second = "X-Lychgate-Assertion" if proof == "assertion" else "X-Lychgate-Secret"
    told: set[str] = set()
    for call in world.arrived:
        identity = _identity(call)
        if identity:
            assert ["ada"] == call.header_values("X-Lychgate-User")
            assert 1 == len(call.header_values(second)) and 2 == len(identity)
            told.add(call.target.removeprefix("/jira"))
    # The person really was told of, on every path where the session counts.
    assert {
        "/browse/KEY-1",
        "/public/page",
        "/nowhere",
        "/servicedesk/customer/portals",
        "/rest/live/1.0/socket",
    } < told
    assert not told & {"/images/icon.png", "/tools/images/icon.png", "/tools/rest/api/2/serverInfo"}
    assert 24 == len([call for call in world.arrived if call.target == "/jira/public/page" and call.method == "GET"])
    assert world.told("header.spoof_stripped")


async def _forge(world: World, cookie: Field, *paths: str) -> list[Call]:
    """Every spelling at these pages with one session; what arrived."""
    world.forget()
    for spelling in SPELLINGS.values():
        for path in paths:
            await world.page(path, *[field for name in NAMES for field in spelling(name)], cookie)
    assert [] == _forgeries(world)
    return world.arrived


async def test_a_customer_at_the_support_portal_is_told_of_once(worlds: Worlds) -> None:
    world = await worlds(context="/jira", second=True)
    cookie = await world.sign_in("carl", "/servicedesk/customer/portals")
    paths = ("/jira/servicedesk/customer/portals", "/jira/rest/servicedeskapi/info")
    calls = await _forge(world, cookie, *paths, "/jira/browse/KEY-1")
    # The agents' page is not for customers and never arrives.
    assert {path: len(SPELLINGS) for path in paths} == Counter(call.target for call in calls)
    for call in calls:
        assert ["X-Lychgate-User", "X-Lychgate-Assertion"] == [name for name, _ in _identity(call)]
        assert ["cust-carl"] == call.header_values("X-Lychgate-User")


async def test_a_person_at_the_second_application_is_told_of_in_its_own_headers(worlds: Worlds) -> None:
    world = await worlds(context="/jira", second=True)
    await world.gate.state.ledger.init("tools", SystemClock().now())
    async with world.browser() as browser:
        _, place, _ = await browser.go(f"{world.origin}/tools/browse/KEY-1")
        await browser.choose(place, "ada")
        cookie = browser.cookie
    calls = await _forge(world, cookie, "/tools/browse/KEY-1", "/jira/browse/KEY-1")
    # Its session is none of the first application's.
    assert {"/tools/browse/KEY-1": len(SPELLINGS)} == Counter(call.target for call in calls)
    for call in calls:
        assert [("X-Tools-Person", "ada"), ("X-Tools-Key", SHARED)] == _identity(call)


@pytest.mark.parametrize("mode", ["off", "observe"])
async def test_a_portal_that_is_not_in_force_removes_them_too(worlds: Worlds, mode: str) -> None:
    world = await worlds(context="/jira", second=True, agents={"mode": mode}, support={"mode": mode})
    await _everything(world, None)
    assert [] == _forgeries(world)
    assert [] == [identity for call in world.arrived if (identity := _identity(call))]
    # Transparent it is: what would have needed a session arrived.
    assert {"/jira/browse/KEY-1", "/jira/servicedesk/customer/portals"} <= {call.target for call in world.arrived}


async def test_nobody_signed_in_means_no_header_at_all(worlds: Worlds) -> None:
    world = await worlds(jira={"api": {"pat_owner": "ignore"}})
    for target, fields in (("/public/page", ()), ("/images/icon.png", ()), ("/rest/api/2/myself", (PAT,))):
        await world.ask("GET", target, *fields)
    assert 3 == len(world.arrived)
    assert [[], [], []] == [_identity(call) for call in world.arrived]


async def test_a_forged_header_is_told_once_a_minute_with_its_name_only(worlds: Worlds) -> None:
    world = await worlds()
    for _ in range(3):
        await world.page("/public/page", ("x_lychgate_user", FORGED))
    told = world.told("header.spoof_stripped")
    assert [["x-lychgate-user"]] == [event["facts"]["headers"] for event in told]
    assert FORGED not in world.audit.getvalue()


async def test_forwarded_headers_are_rebuilt_for_whoever_is_not_trusted(worlds: Worlds) -> None:
    world = await worlds()
    forged = ("X-Forwarded-For", "X_Forwarded_For", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP",
              "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri",
              "X-Request-Id")  # fmt: skip
    await world.ask("GET", "/public/page", *[(name, FORGED) for name in forged])
    (call,) = world.arrived
    assert [] == [name for name, value in call.headers if FORGED in value]
    assert ["127.0.0.1"] == call.header_values("X-Forwarded-For")
    assert ["http"] == call.header_values("X-Forwarded-Proto")
    assert [world.host] == call.header_values("X-Forwarded-Host")
    assert [str(world.port)] == call.header_values("X-Forwarded-Port")
    assert [world.host] == call.header_values("Host")
    assert 1 == len(call.header_values("X-Request-Id"))
