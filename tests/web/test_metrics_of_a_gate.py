"""measuring: what a running gate says of itself after one person came: calls, keys, state, configuration, sign-in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.web.conftest import Worlds
from tests.web.rig import HTML, World
from tests.web.test_headless import cookie_of


def value(world: World, name: str, *labels: str) -> float:
    """The sum of all samples of a name that have the labels."""
    lines = [line for line in world.gate.metrics.render()[1].decode().splitlines() if re.match(rf"{name}[ {{]", line)]
    return sum(float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in labels))


async def test_one_sign_in_is_counted_wherever_it_went(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    assert 200 == (await world.page("/browse/KEY-1", cookie, ("Remote-User", "eve"))).status
    assert 403 == (await world.page("/forbidden/x", cookie)).status

    staff = 'provider="staff"'
    for endpoint in ("discovery", "keys", "token"):
        at = (staff, f'endpoint="{endpoint}"', 'result="ok"')
        assert 1 == value(world, "lychgate_provider_requests_total", *at), endpoint
    assert 1 == value(world, "lychgate_provider_keys", staff)
    assert abs(value(world, "lychgate_provider_keys_fetched_timestamp_seconds", staff) - world.site.clock.now()) < 600
    for result in ("started", "ok"):
        assert 1 == value(world, "lychgate_sign_ins_total", staff, f'result="{result}"')
    assert 1 == value(world, "lychgate_sign_in_seconds_count", staff)
    assert 0 < value(world, "lychgate_state_seconds_count", 'result="ok"')
    assert 1 == value(world, "lychgate_config_info", world.loaded.policy.hash[:16])
    assert 1 == value(world, "lychgate_stripped_requests_total", 'portal="agents"')
    (denied,) = world.told("access.denied")
    assert 1 <= value(world, "lychgate_upstream_connect_seconds_count", 'application="jira"', 'result="ok"')
    assert 1 == value(world, "lychgate_hook_seconds_count", 'hook="accounts"', 'result="done"')
    assert 0 < value(world, "lychgate_audit_written_total", 'sink="stdout"')
    for store in ("files", "sessions", "ledger"):
        assert 0 < value(world, "lychgate_state_seconds_count", f'store="{store}"'), store
    assert 1 == value(world, "lychgate_requests_total", f'rule="{denied["rule"]}"', 'outcome="denied"')


@pytest.mark.parametrize("quick", [True, False])
async def test_a_browser_that_presents_the_applications_cookies_is_counted(worlds: Worlds, *, quick: bool) -> None:
    """On the quick way (`web.lane`) and on the other one alike; our own cookie, and a name that only looks so, not."""
    world = await worlds()
    name, cookie = await world.sign_in("ada")
    more = () if quick else (("Expect", "100-continue"),)

    async def ask(text: str) -> float:
        async with world.wire() as wire:
            for _ in range(2):
                wire.request("GET", "/browse/KEY-1", ("Accept", "text/html"), (name, cookie + text), *more)
                assert 200 == (await wire.answer("GET")).status
        return value(world, "lychgate_stripped_cookies_total", 'portal="agents"')

    assert 0 == await ask("; theme=JSESSIONID; notjsessionid=1")
    assert 2 == await ask("; jsessionid=abc")
    assert 4 == await ask('; x="1, seraph.rememberme.cookie=y')


async def test_ends_of_certificates_and_secrets_are_told(worlds: Worlds, tmp_path: Path) -> None:
    world = await worlds(staff={"client_secret_ends": "2099-12-31"})
    ends = datetime(2099, 12, 31, tzinfo=UTC).timestamp()

    assert ends == value(world, "lychgate_client_secret_expiry_timestamp_seconds", 'provider="staff"')
    assert 0 == value(world, "lychgate_client_secret_expiry_timestamp_seconds", 'provider="customers"')


KNOCKS = (
    "/browse/{0}",
    "/browse/KEY-1?os_destination={0}",
    "/secure/{0}.jspa",
    "/rest/api/2/user?username={0}",
    "/servicedesk/customer/{0}",
    "/forbidden/{0}",
    "/public/{0}",
    "/browse/%2e%2e%2f{0}",
    "/.lychgate/{0}",
    "/.lychgate/login?portal={0}&provider={0}&back={0}",
    "/.lychgate/choose?portal={0}&provider={0}",
    "/.lychgate/test?portal={0}",
    "/.lychgate/callback/{0}?code={0}&state={0}",
    "/.lychgate/callback/staff?error={0}&state={0}",
    "/.lychgate/backchannel-logout/{0}",
    "/.lychgate/backchannel-logout/staff",
    "/.lychgate/frontchannel-logout/staff?iss={0}&sid={0}",
    "/.lychgate/global-token-revocation/{0}",
)


ODD_METHODS = ("PROPFIND", "MKCOL", "REPORT", "LOCK")
"""The server knows no others than those of its parser."""


async def _knock(world: World, number: int, cookie: tuple[str, str]) -> None:
    """A client that writes a mark wherever a client can write something, with and without a session."""
    mark = f"knock{number}"
    name, value = cookie
    for target in KNOCKS:
        for method in ("GET", "POST"):
            body = f"logout_token={mark}&os_username={mark}".encode() if method == "POST" else None
            form = (("Content-Type", "application/x-www-form-urlencoded"),) if body else ()
            await world.ask(method, target.format(mark), HTML, *form, body=body)
            await world.ask(method, target.format(mark), HTML, cookie, *form, body=body)
    for field in ("User-Agent", "X-Request-Id", "Referer", "Remote-User", "X-Forwarded-For", "Upgrade", "Cookie", mark):
        await world.ask("GET", "/browse/KEY-1", HTML, (field, mark))
    for scheme in ("Basic", "Bearer", "OAuth", mark):
        await world.ask("GET", "/rest/api/2/myself", ("Authorization", f"{scheme} {mark}"))
    await world.ask("GET", "/browse/KEY-1", HTML, (name, f"{value}; JSESSIONID={mark}; {mark}={mark}"))
    await world.ask(ODD_METHODS[number], "/browse/KEY-1", HTML)
    await world.ask("GET", "/browse/KEY-1", HTML, host=f"{mark}.example.com")


def _series(world: World) -> set[str]:
    """Every name with its labels, but for what comes of the passing of time."""
    lines = world.gate.metrics.render()[1].decode().splitlines()
    names = {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}
    return {name for name in names if not name.startswith("lychgate_event_loop_lag_seconds")}


async def test_no_label_comes_from_a_request(worlds: Worlds) -> None:
    """However often and however differently somebody knocks, there are no more series than after the first time."""
    world = await worlds(agents={"test_page": {"require": {"any_group": ["okta-jira-users"]}}})
    cookie = await world.sign_in("ada")
    await _knock(world, 0, cookie)
    known = _series(world)
    assert 8 <= sum(name.startswith("lychgate_refusals_total") for name in known)
    for number in range(1, len(ODD_METHODS)):
        await _knock(world, number, cookie)
    assert set() == _series(world) - known
    assert [] == [name for name in known if "knock" in name.lower()]


async def test_walks_of_a_products_sign_on_are_timed(worlds: Worlds) -> None:
    world = await worlds(proof="sso")
    cookie = await cookie_of(world)
    for _ in range(3):
        assert 200 == (await world.page("/browse/KEY-1", cookie)).status
    nina = await cookie_of(world, "nina")
    world.jira.fail_next("/plugins/servlet/oidc/callback", 400, "no", times=9)
    assert 502 == (await world.page("/browse/KEY-1", nina)).status
    told = {result: value(world, "lychgate_landing_seconds_count", f'result="{result}"') for result in ("ok", "failed")}
    # What is refused is asked once more.
    assert {"ok": 1, "failed": 2} == told
