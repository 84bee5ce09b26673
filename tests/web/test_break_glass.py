"""The emergency door, as an administrator walks through it on the day no provider answers: in with the application's
own password while it is open, out with everything at its end, and never anybody of ours.

The stand-in Jira knows alice's password.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sidecar.building.emergency import Emergency
from sidecar.cli import main
from sidecar.config.faults import ConfigError
from sidecar.config.load import load
from sidecar.flows.break_glass import OpenError
from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.pairs import Ahead
from tests.web.rig import HTML, World
from tests.web.test_reload import metric, rewrite
from tests.web.wire import Answer, Wire

PAGE = "/browse/KEY-1"
LOG_IN = b"os_username=alice&os_password=wonderland"
FORM = ("Content-Type", "application/x-www-form-urlencoded")


async def opened(worlds: Worlds, **settings: Any) -> World:
    jira = {"break_glass": "127.0.0.1:0", **settings.pop("jira", {})}
    return await worlds(jira=jira, **{"proof": "secret", **settings})


def door(world: World) -> Emergency:
    return world.gate.emergencies["jira"]


async def ask(
    world: World, target: str, *fields: tuple[str, str], method: str = "GET", body: bytes | None = None, host: str = ""
) -> Answer:
    """One request at the emergency listener."""
    port = door(world).port
    wire = await Wire.open(port, host or f"localhost:{port}")
    try:
        wire.request(method, target, HTML, *fields, body=body)
        return await wire.answer(method)
    finally:
        await wire.close()


def key_in(answer: Answer) -> tuple[str, str]:
    """The only cookie that a browser gets there, as it sends it back."""
    (line,) = answer.headers("Set-Cookie")
    pair, _, attributes = line.partition("; ")
    assert pair.startswith("lychgate-break-glass-jira=")
    assert "Path=/; HttpOnly; SameSite=Strict" == attributes
    return "Cookie", pair


async def log_in(world: World, **more: Any) -> tuple[str, str]:
    answer = await ask(world, "/login.jsp", FORM, method="POST", body=LOG_IN, **more)
    assert answer.status in {200, 302}, answer.text
    return key_in(answer)


async def type_in(world: World, *words: str) -> Result:
    """What an administrator types beside the running gate."""
    config = ["-c", str(world.folder / "lychgate.yaml")]
    return await asyncio.to_thread(CliRunner().invoke, main, ["break-glass", *words, *config])


async def test_log_in_work_and_at_the_end_nothing_of_it_goes_on(worlds: Worlds) -> None:
    world = await opened(worlds, clock=(clock := Ahead()))
    closed = await ask(world, PAGE)
    assert (403, True) == (closed.status, "break_glass_closed" in closed.text)
    assert [] == world.arrived

    done = await type_in(world, "open", "--for", "30m", "--reason", "Okta is down, INC-7")
    assert 0 == done.exit_code, done.output
    assert f"http://127.0.0.1:{door(world).port}/login.jsp" in done.output
    assert metric(world, 'lychgate_break_glass_open{application="jira"} 1.0')

    key = await log_in(world)
    page = await ask(world, PAGE, key)
    assert 200 == page.status
    assert "alice" == world.arrived[-1].username
    changed = await ask(world, "/rest/api/2/issue/KEY-1/comment", key, ("Content-Type", "application/json"),
                        method="POST", body=b'{"body": "fixed"}')  # fmt: skip
    assert changed.status < 500
    # The browser holds nothing that is worth anything elsewhere, and nothing of the application's.
    sessions = {value for call in world.arrived for name, value in cookies_of(call) if name == "JSESSIONID"}
    assert sessions
    assert not any(value in page.text or value in str(page.fields) for value in sessions)
    elsewhere = await world.page(PAGE, key)
    assert 302 == elsewhere.status
    for value in sessions:
        assert 302 == (await world.page(PAGE, ("Cookie", f"JSESSIONID={value}"))).status

    clock.more += 30 * 60
    world.forget()
    refused = await ask(world, PAGE, key)
    assert (403, True) == (refused.status, "break_glass_closed" in refused.text)
    assert [] == world.arrived
    # Not even a later window knows the key.
    assert 0 == (await type_in(world, "open", "--for", "1m", "--reason", "again")).exit_code
    assert 200 == (await ask(world, "/login.jsp", key)).status
    assert not any(dict(cookies_of(call)).get("JSESSIONID") in sessions for call in world.arrived)

    codes = [event for event in world.events if event["code"].startswith("breakglass.")]
    assert ["breakglass.opened", "breakglass.closed", "breakglass.opened"] == [
        event["code"] for event in codes if event["code"] != "breakglass.used"
    ]
    assert ("Okta is down, INC-7", 30) == (codes[0]["facts"]["why"], codes[0]["facts"]["minutes"])
    assert {"cause": "time", "browsers": 1} == world.told("breakglass.closed")[0]["facts"]
    used = [(event["facts"]["what"], event.get("username", "")) for event in world.told("breakglass.used")]
    assert ("signed_in", "alice") in used
    assert ("change", "alice") in used
    assert "wonderland" not in world.audit.getvalue()


def cookies_of(call: Any) -> list[tuple[str, str]]:
    pairs = (piece.strip().partition("=") for piece in (call.header("Cookie") or "").split(";"))
    return [(name, value) for name, _, value in pairs if name]


async def test_it_never_sets_an_identity_and_lands_nobody(worlds: Worlds) -> None:
    world = await opened(worlds)
    ours = await world.sign_in("ada")
    await door(world).glass.open(5, "test", 0)
    world.forget()
    forged = [("X-Lychgate-User", "admin"), ("Remote-User", "admin"), ("X-Lychgate-Secret", "x")]
    answer = await ask(world, PAGE, ours, *forged, ("Authorization", "Basic YWRtaW46YWRtaW4="))
    assert answer.status in {200, 302}
    (call,) = world.arrived
    assert call.username is None
    for name in ("X-Lychgate-User", "X-Lychgate-Secret", "Remote-User", "Authorization", "Cookie", "X-Forwarded-User"):
        assert not call.header(name), name
    assert world.host == call.header("Host")
    # Our own endpoints are not there, nor what would outlive the window or bring an identity.
    for path in ("/.lychgate/login", "/.lychgate/whoami", "/rest/pat/latest/tokens", "/secure/SetupMode!default.jspa",
                 "/secure/ViewPersonalAccessTokens.jspa", "/plugins/servlet/oidc/callback",
                 "/rest/auth/1/session", "/rest/oauth2/latest/token", "/plugins/servlet/oauth/authorize"):  # fmt: skip
        assert 403 == (await ask(world, path)).status, path
    assert 1 == len(world.arrived)


async def test_below_a_context_path_it_is_the_same(worlds: Worlds) -> None:
    world = await opened(worlds, context="/jira")
    done = await type_in(world, "open", "--reason", "x")
    assert f"http://127.0.0.1:{door(world).port}/jira/login.jsp\n" in done.output
    answer = await ask(world, "/jira/login.jsp", FORM, method="POST", body=LOG_IN)
    assert 200 == (await ask(world, "/jira" + PAGE, key_in(answer))).status
    assert "alice" == world.arrived[-1].username
    for path in (PAGE, "/", "/elsewhere/x", "/jira/..%2fother"):
        assert (await ask(world, path, key_in(answer))).status in {400, 403, 404}, path


async def test_it_leads_to_one_application_and_not_to_its_neighbour(worlds: Worlds) -> None:
    world = await opened(worlds, second=True)
    await door(world).glass.open(5, "test", 0)
    assert 403 == (await ask(world, "/tools/browse/KEY-1")).status
    assert [] == world.arrived


async def test_answers_that_lead_to_the_public_address_lead_back_here(worlds: Worlds) -> None:
    world = await opened(worlds)
    await door(world).glass.open(5, "test", 0)
    port = door(world).port
    answer = await ask(world, "/secure/Dashboard.jspa")
    assert not answer.location.startswith(world.origin)
    key = await log_in(world)
    # As a page of this listener; the application hears its own origin.
    home = f"http://localhost:{port}"
    world.forget()
    await ask(world, "/rest/api/2/issue/KEY-1/comment", key, ("Origin", home), ("Referer", home + PAGE),
              ("Content-Type", "application/json"), method="POST", body=b"{}")  # fmt: skip
    assert (world.origin, world.origin + PAGE) == (
        world.arrived[-1].header("Origin"),
        world.arrived[-1].header("Referer"),
    )


@pytest.mark.parametrize(
    ("host", "method", "fields"),
    [
        ("jira.example.com", "GET", []),
        ("127.0.0.1.evil.example:9095", "GET", []),
        ("localhost.evil.example", "GET", []),
        ("", "POST", [("Origin", "https://evil.example")]),
        ("", "POST", [("Origin", "null")]),
        ("", "GET", [("X-Forwarded-For", "203.0.113.7")]),
        ("", "GET", [("Forwarded", "for=203.0.113.7")]),
        ("", "GET", [("X-Forwarded-Proto", "http")]),
        ("", "GET", [("X-Envoy-Attempt-Count", "1")]),
        # Pages at another port of this machine, whose browser would send the key along, and of elsewhere.
        ("", "GET", [("Sec-Fetch-Site", "same-site")]),
        ("", "GET", [("Sec-Fetch-Site", "cross-site")]),
    ],
)
async def test_nobody_else_speaks_through_it_by_a_page_or_a_proxy(
    worlds: Worlds, host: str, method: str, fields: list[tuple[str, str]]
) -> None:
    world = await opened(worlds)
    await door(world).glass.open(5, "test", 0)
    answer = await ask(
        world, "/login.jsp", *fields, method=method, body=b"x=1" if method == "POST" else None, host=host
    )
    assert (403, True) == (answer.status, "break_glass_foreign" in answer.text)
    assert [] == world.arrived


async def test_a_key_that_somebody_put_into_the_browser_is_worth_nothing_once_the_password_was_given(
    worlds: Worlds,
) -> None:
    world = await opened(worlds)
    await door(world).glass.open(5, "test", 0)
    planted = key_in(await ask(world, "/login.jsp"))
    answer = await ask(world, "/login.jsp", FORM, planted, method="POST", body=LOG_IN)
    key = key_in(answer)
    # Whoever planted it is the first to ask.
    world.forget()
    await ask(world, PAGE, planted)
    assert all(call.username is None for call in world.arrived)
    page = await ask(world, PAGE, key)
    key = key_in(page) if page.headers("Set-Cookie") else key
    assert "alice" == world.arrived[-1].username

    assert 200 == (await ask(world, PAGE, key)).status
    assert "alice" == world.arrived[-1].username
    world.forget()
    await ask(world, PAGE, planted)
    assert all(call.username is None for call in world.arrived)


async def test_nor_where_the_answer_to_the_password_names_nobody_yet(worlds: Worlds) -> None:
    world = await opened(worlds)
    await door(world).glass.open(5, "test", 0)
    planted = key_in(await ask(world, "/login.jsp"))
    fresh = (("Set-Cookie", "JSESSIONID=signed-in; Path=/; HttpOnly"), ("X-AUSERNAME", "anonymous"))
    world.jira.fail_next("/login.jsp", 302, headers=fresh)
    key = key_in(await ask(world, "/login.jsp", FORM, planted, method="POST", body=LOG_IN))

    for one, has in ((planted, False), (key, True)):
        await ask(world, PAGE, one)
        assert has == (("JSESSIONID", "signed-in") in cookies_of(world.arrived[-1])), one


async def test_what_is_under_way_is_broken_off_at_the_end(worlds: Worlds) -> None:
    world = await opened(worlds)
    await door(world).glass.open(5, "test", 0)
    wire = await Wire.open(door(world).port, f"localhost:{door(world).port}")
    # A body that never comes to its end.
    wire.send(b"POST /login.jsp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nos_")
    await until(
        lambda: (
            any(call.target == "/login.jsp" for call in world.jira.calls) or len(door(world).glass.window._aborts) == 1
        )
    )  # type: ignore[union-attr]
    assert 0 == (await type_in(world, "close", "--reason", "done")).exit_code
    assert b"" == await asyncio.wait_for(wire.reader.read(), 10)
    await wire.close()
    assert {"cause": "command"} == {
        key: value for key, value in world.told("breakglass.closed")[0]["facts"].items() if key == "cause"
    }


async def test_a_restart_closes_it(worlds: Worlds) -> None:
    world = await opened(worlds)
    await door(world).glass.open(60, "test", 0)
    key = await log_in(world)
    await world.restart()
    assert 403 == (await ask(world, PAGE, key)).status
    assert "stop" == world.told("breakglass.closed")[0]["facts"]["cause"]
    assert metric(world, 'lychgate_break_glass_open{application="jira"} 0.0')


@pytest.mark.parametrize(
    "words",
    [
        ["open", "--for", "61m", "--reason", "x"],
        ["open", "--for", "2h", "--reason", "x"],
        ["open", "--for", "90s", "--reason", "x"],
        ["open", "--for", "30m"],
        ["open", "--for", "30m", "--reason", ""],
        ["open", "--reason", "x", "--application", "wiki"],
    ],
)
async def test_it_is_not_opened_for_too_long_nor_without_a_reason(worlds: Worlds, words: list[str]) -> None:
    world = await opened(worlds)
    assert 0 != (await type_in(world, *words)).exit_code
    assert 403 == (await ask(world, PAGE)).status
    assert [] == world.told("breakglass.opened")


@pytest.mark.parametrize(("minutes", "why"), [(0, "x"), (61, "x"), (-1, "x"), (5, "")])
async def test_nor_past_the_command(worlds: Worlds, minutes: int, why: str) -> None:
    world = await opened(worlds)
    with pytest.raises(OpenError):
        await door(world).glass.open(minutes, why, 0)
    assert door(world).glass.window is None


async def test_an_open_one_is_not_made_longer(worlds: Worlds) -> None:
    world = await opened(worlds)
    assert 0 == (await type_in(world, "open", "--reason", "x")).exit_code
    again = await type_in(world, "open", "--reason", "x")
    assert (1, True) == (again.exit_code, "open already" in again.output)


async def test_a_drill_proves_that_it_works_and_opens_nothing_for_others(worlds: Worlds) -> None:
    world = await opened(worlds)
    done = await type_in(world, "drill")
    assert (0, True) == (done.exit_code, "Jira showed its log-in page" in done.output), done.output
    (told,) = world.told("breakglass.drilled")
    assert ("success", "a drill") == (told["outcome"], told["facts"]["why"])
    assert [] == world.told("breakglass.opened") + world.told("header.stripped")
    assert not any(call.header("Lychgate-Drill") for call in world.jira.calls)
    assert metric(world, 'lychgate_break_glass_opened_timestamp_seconds{application="jira"} 0.0')
    word = door(world).glass.begin_drill(60)
    assert 403 == (await ask(world, "/login.jsp")).status
    assert 200 == (await ask(world, "/login.jsp", ("Lychgate-Drill", word))).status


@pytest.mark.parametrize(("fallback", "status", "said"), [(False, 1, "leads away to"), (True, 0, "showed its log-in")])
async def test_a_drill_says_whether_the_own_sign_on_of_the_application_lets_passwords_in(
    worlds: Worlds, fallback: bool, status: int, said: str
) -> None:
    world = await worlds(proof="sso", sso={"hides_form": True}, jira={"break_glass": "127.0.0.1:0"})
    world.jira.sso.fallback = fallback
    done = await type_in(world, "drill")
    assert (status, True, True) == (done.exit_code, said in done.output, "fallback" in done.output), done.output
    (told,) = world.told("breakglass.drilled")
    assert ("failure", "success")[not status] == told["outcome"]


@pytest.mark.parametrize("address", ["0.0.0.0:9095", "10.0.0.1:9095", "localhost:9095", "[::]:9095", "127.0.0.1:99999"])
async def test_the_configuration_refuses_an_address_that_others_can_reach(worlds: Worlds, address: str) -> None:
    world = await opened(worlds)
    file = rewrite(world, lambda text: text["applications"]["jira"].update(break_glass=address))
    with pytest.raises(ConfigError, match="loopback"):
        load(file)


async def test_the_check_says_that_crowd_knows_no_passwords(worlds: Worlds) -> None:
    world = await worlds(proof="crowd", jira={"break_glass": "127.0.0.1:0"})
    found = [fault for fault in world.loaded.warnings if fault.path == "applications.jira.break_glass"]
    assert ["nobody gets in" in fault.wrong for fault in found] == [True]
    done = await type_in(world, "open", "--reason", "x")
    assert "nobody gets in" in done.output
