"""Every error page bears a request id, and `lychgate audit show --request` tells under it what the page says."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from sidecar.cli import main
from sidecar.demo.provider.faults import Fault
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World, free_port

FORM = ("Content-Type", "application/x-www-form-urlencoded")
CALLBACK = "/.lychgate/callback/staff"


async def asked(world: World, method: str, path: str, *fields: tuple[str, str], body: bytes | None = None) -> str:
    answer = await world.ask(method, path, HTML, *fields, body=body)
    assert answer.status >= 400, answer.status
    request = answer.header("X-Request-Id") or ""
    assert request and request in answer.body.decode(), "the page does not show its id"
    return request


async def provider_fault(world: World, fault: Fault) -> str:
    world.staff.provider.fault = fault
    try:
        async with world.browser() as browser:
            _, place, _ = await browser.go(world.url + "/browse/KEY-1")
            status, place, text = await browser.choose(place, "nina")
            assert status >= 400, status
            return _shown(text)
    finally:
        world.staff.provider.fault = None


def _shown(text: str) -> str:
    # A nonce, too, may by chance look like an id.
    found = re.findall(r"[A-Za-z0-9]{12}-[0-9a-f]+", re.sub(r'nonce="[^"]*"', "", text))
    assert found, text
    return str(found[0])


async def mine(
    world: World, path: str, *fields: tuple[str, str], method: str = "GET", body: bytes | None = None
) -> str:
    return await asked(world, method, path, await world.sign_in("ada"), *fields, body=body)


async def not_an_admin(world: World) -> str:
    return await asked(world, "GET", "/secure/admin/ViewApplicationProperties.jspa", await world.sign_in("nina"))


async def without_account(world: World) -> str:
    """The connector is refused at a new person's first request."""
    world.jira.state.tokens.pop(world.token)
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("nina")
        assert status >= 400, status
        return _shown(text)


async def broken(world: World) -> str:
    world.gate.gateway._own = None  # type: ignore[assignment]
    return await asked(world, "GET", "/.lychgate/whoami")


async def elsewhere(world: World) -> str:
    answer = await world.ask("GET", "/x", HTML, host="elsewhere.example")
    assert answer.status >= 400
    return answer.header("X-Request-Id") or ""


AWAY = "the application is away"
Way = Callable[[World], Awaitable[str]]
PAGES: dict[str, tuple[str, Way]] = {
    "a rule": ("rule_denied", lambda w: mine(w, "/forbidden/x")),
    "a group is missing": ("not_in_group", not_an_admin),
    "an odd path": ("bad_path", lambda w: asked(w, "GET", "/a/%2e%2e/x")),
    "another host": ("unknown_host", elsewhere),
    "no such endpoint": ("unknown_endpoint", lambda w: asked(w, "GET", "/.lychgate/unknown")),
    "a method that an endpoint has not": ("unknown_endpoint", lambda w: asked(w, "PUT", "/.lychgate/whoami")),
    "a password in a query": ("password_login", lambda w: mine(w, "/browse/KEY-1?os_username=a&os_password=b")),
    "a password in a form": ("password_login", lambda w: mine(w, "/x", FORM, method="POST", body=b"os_password=b")),
    "a form without a session": ("no_session", lambda w: asked(w, "POST", "/x", FORM, body=b"a=b")),
    "a sign-out that was not asked for": (
        "form_token_invalid",
        lambda w: mine(w, "/.lychgate/logout", FORM, method="POST", body=b"token=x"),
    ),
    "a head that is too large": ("headers_too_large", lambda w: asked(w, "GET", "/x", *_large())),
    "a callback without a state": ("callback_invalid", lambda w: asked(w, "GET", f"{CALLBACK}?code=x")),
    "a callback of somebody else": ("state_missing", lambda w: asked(w, "GET", f"{CALLBACK}?code=x&state=y")),
    "the provider fails": ("provider_unreachable", lambda w: provider_fault(w, Fault.TOKEN_500)),
    "a token that is not right": ("token_invalid", lambda w: provider_fault(w, Fault.BAD_SIGNATURE)),
    "the connector is refused": ("connector_refused", without_account),
    AWAY: ("upstream_unreachable", lambda w: mine(w, "/browse/KEY-1")),
    "a fault of ours": ("internal", broken),
}


def _large() -> list[tuple[str, str]]:
    return [(f"X-Filler-{number}", "x" * 7000) for number in range(10)]


@pytest.mark.parametrize("name", PAGES)
async def test_the_id_on_the_page_is_found(worlds: Worlds, tmp_path: Path, name: str) -> None:
    reason, way = PAGES[name]
    where = {"upstream": f"http://127.0.0.1:{free_port()}"} if name == AWAY else {}
    world = await worlds(audit={"stdout": "json", "file": {"path": f"{tmp_path}/audit.jsonl"}}, **where)
    request = await way(world)
    await world.gates.aclose()

    words = ["audit", "show", f"{tmp_path}/audit.jsonl", "--request", request]
    shown = CliRunner().invoke(main, [*words, "--json"])
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    assert reason in {record.get("reason") for record in found}, (request, found)
    assert reason in CliRunner().invoke(main, words).stdout


async def test_a_sign_in_that_failed_is_followed_from_its_end_to_its_beginning(worlds: Worlds, tmp_path: Path) -> None:
    world = await worlds(
        trusted=["127.0.0.1/32", "10.1.0.0/16"], audit={"stdout": "off", "file": {"path": f"{tmp_path}/audit.jsonl"}}
    )
    request = await provider_fault(world, Fault.BAD_SIGNATURE)
    cookie = await world.sign_in("ada")
    forwarded = ("X-Forwarded-For", "6.6.6.6, 192.0.2.7, 10.1.2.3")
    denied = (await world.ask("GET", "/forbidden/x", HTML, cookie, forwarded)).header("X-Request-Id") or ""
    await world.gates.aclose()

    def story(request: str) -> list[dict[str, object]]:
        words = ["audit", "show", f"{tmp_path}/audit.jsonl", "--request", request, "--follow", "--json"]
        return [json.loads(line) for line in CliRunner().invoke(main, words).stdout.splitlines()]

    failed, served = story(request), story(denied)
    assert ["login.start", "login.error"] == [record["code"] for record in failed]
    assert {"login.start", "session.created", "login.success"} < {record["code"] for record in served}
    last = served[-1]
    assert ("192.0.2.7", ["10.1.2.3", "127.0.0.1"]) == (last["source"], last["proxies"])
    assert all(last[name] for name in ("person", "username", "portal", "rule", "session", "sid", "auth_time"))


async def test_ten_pages_of_one_person_are_told_and_a_poll_once(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    for _ in range(12):
        await world.ask("GET", "/forbidden/x", HTML, cookie)
        await world.ask("GET", "/forbidden/y", cookie)

    paths = [event["facts"]["path"] for event in world.told("access.denied")]
    assert (10, 0) == (paths.count("/forbidden/x"), paths.count("/forbidden/y"))
